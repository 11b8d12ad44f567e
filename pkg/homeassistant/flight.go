package homeassistant

import (
	"slices"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// pending is a publish that the broker has not taken yet.
type pending struct {
	token  mqtt.Token
	client mqtt.Client
	topic  string
	moment string // the id of the moment it says; empty: none
	clears bool   // the topic is ours no longer
	fence  fence  // in place of a message: all before it was said up to an event
	failed bool
}

// fence stands behind all that was said up to an event. When it is reached the
// broker has it.
type fence struct {
	seq  int64 // zero: none
	said int   // how many messages went before it, ever
	news bool  // … of which some behind the fence before
}

// follow waits only where a window of messages is on its way, and not while
// stopping.
func (p *Publisher) follow(t pending) {
	t.client = p.client
	p.followed++
	select {
	case p.tokens <- t:
		return
	default:
	}
	select {
	case p.tokens <- t:
	case <-p.stopped:
	}
}

// collect notes what the broker has taken.
func (p *Publisher) collect() {
	failed := false // a message before the next fence
	for t := range p.tokens {
		if t.fence.seq > 0 {
			if !failed {
				p.reached(t.fence)
			}
			failed = false
			continue
		}
		t.token.Wait()
		t.failed = t.token.Error() != nil
		failed = failed || t.failed
		if t.failed || t.moment != "" || t.clears {
			p.put(func(a *arrivals) { a.settled = append(a.settled, t) })
		}
	}
}

// settle draws the consequence of what became of a publish.
func (p *Publisher) settle(t pending) {
	switch {
	case t.failed && t.client == p.client:
		p.fence.seq = 0
		delete(p.sent, t.topic)
		for source, devices := range p.shown {
			p.shown[source] = state.DevicesOf(make([]*state.Device, devices.Len())...) // each is looked at again
		}
		if delete(p.inFlight, t.moment); t.moment != "" {
			p.Mark(t.moment, state.Doubtful, p.Now())
		}
	case t.failed:
	case t.clears:
		p.setOwned(p.owned(), slices.DeleteFunc(p.owned(), func(o string) bool { return o == t.topic }))
	default:
		delete(p.inFlight, t.moment)
		p.Mark(t.moment, state.AtRest, p.Now())
	}
}

// fenceAt puts up a fence where there is none for this event yet.
func (p *Publisher) fenceAt(seq int64) {
	if p.Spoken == nil || seq <= p.fence.seq {
		return
	}
	p.fence = fence{seq: seq, said: p.followed, news: p.followed > p.fence.said}
	select {
	case p.tokens <- pending{fence: p.fence}:
	case <-p.stopped:
	}
}

// reached tells of a fence that nothing failed before.
func (p *Publisher) reached(f fence) {
	at := time.Time{}
	if f.news {
		at = p.Now()
	}
	p.Spoken(f.seq, at)
}
