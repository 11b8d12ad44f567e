package homeassistant

import (
	"context"
	"errors"
	"hash/maphash"
	"slices"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// readBackWithin is how long a broker may take to give back what it keeps.
const readBackWithin = 5 * time.Second

// ErrNotConnected says that there is no broker to read from.
var ErrNotConnected = errors.New("not connected to the MQTT broker")

// Unread is that the broker did not give back what we told it to keep.
type Unread struct {
	Topic string
	// Foreign: it keeps something else there, which somebody else must have said.
	Foreign bool
	// Passing: it hands out what we say, but does not keep it.
	Passing bool
}

func (u *Unread) Error() string {
	switch {
	case u.Foreign:
		return "the MQTT broker keeps something on " + u.Topic + " that did not come from here"
	case u.Passing:
		return "the MQTT broker does not keep what is retained on " + u.Topic
	}
	return "the MQTT broker gives nothing back of what was retained on " + u.Topic
}

// Place is a device's: its source, and its subject if it has one.
type Place struct{ Source, Subject string }

// ReadBack subscribes to the documents and states of some devices (none named:
// the bridge and the first of every source) and returns when each came back
// from the broker, retained and as it was last said. Else the error is an
// *Unread, ErrNotConnected, or the end of ctx.
func (p *Publisher) ReadBack(ctx context.Context, places ...Place) error {
	r := &readBack{places: places, result: make(chan error, 1)}
	p.put(func(a *arrivals) { a.asked = append(a.asked, r) })
	select {
	case err := <-r.result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// readBack is one question to the broker; the loop owns it.
type readBack struct {
	places   []Place
	result   chan error
	topics   []string
	document map[string]uint64 // a hash of what was said; states have theirs in Publisher.sent
	got      map[string]echo
	deadline time.Time
}

// echo is what came back on a topic.
type echo struct {
	kept bool   // some of it was retained
	hash uint64 // of the newest
}

// ask begins to read back.
func (p *Publisher) ask(r *readBack, v state.View) {
	if p.client == nil {
		r.result <- ErrNotConnected
		return
	}
	r.document, r.got = map[string]uint64{}, map[string]echo{}
	for _, d := range chosen(v, r.places) {
		m := p.Names.documentOf(described(d), p.About)
		r.document[m.Topic] = maphash.Bytes(p.seed, m.Payload)
		r.topics = append(r.topics, m.Topic, p.Names.State(d.Source, d.Subject))
	}
	filters := map[string]byte{}
	for _, t := range r.topics {
		filters[t] = 1
	}
	if len(filters) == 0 {
		r.result <- nil
		return
	}
	r.deadline = time.Now().Add(readBackWithin)
	p.asked = append(p.asked, r)
	p.follow(pending{token: p.client.SubscribeMultiple(filters, nil)})
}

// chosen are the devices that a question is about.
func chosen(v state.View, places []Place) (list []*state.Device) {
	ours := &state.Device{Source: bridge}
	if len(places) == 0 {
		list = append(list, ours)
	} else if slices.Contains(places, Place{Source: bridge}) {
		list = append(list, ours)
	}
	for _, s := range v.Sources {
		for i, d := range s.Devices.All() {
			if i == 0 && len(places) == 0 || slices.Contains(places, Place{d.Source, d.Subject}) {
				list = append(list, d)
			}
		}
	}
	return list
}

// described is a device as Home Assistant is told of it, the bridge included.
func described(d *state.Device) device {
	if d.Source == bridge {
		return bridgeDevice()
	}
	return describe(d)
}

// echoed compares what the broker gives back with what was said.
func (p *Publisher) echoed(m inbound) {
	for _, r := range p.asked {
		if slices.Contains(r.topics, m.topic) {
			r.got[m.topic] = echo{kept: m.retained || r.got[m.topic].kept, hash: maphash.Bytes(p.seed, m.payload)}
		}
	}
}

// missing returns what keeps a question from being answered; nil: nothing.
func (p *Publisher) missing(r *readBack) *Unread {
	for _, t := range r.topics {
		want, document := r.document[t]
		if !document {
			want = p.sent[t]
		}
		switch e, came := r.got[t]; {
		case !came:
			return &Unread{Topic: t}
		case e.hash != want:
			return &Unread{Topic: t, Foreign: true}
		case !e.kept:
			return &Unread{Topic: t, Passing: true}
		}
	}
	return nil
}

// answer ends the questions that are answered, too old, or of another
// connection.
func (p *Publisher) answer() {
	p.asked = slices.DeleteFunc(p.asked, func(r *readBack) bool {
		unread := p.missing(r)
		switch {
		case p.client == nil:
			r.result <- ErrNotConnected
			return true
		case unread == nil:
			r.result <- nil
		case time.Now().Before(r.deadline):
			return false
		default:
			r.result <- unread
		}
		p.follow(pending{token: p.client.Unsubscribe(r.topics...)})
		return true
	})
}

// patience is how long the questions may still wait; none: a heartbeat.
func (p *Publisher) patience() time.Duration {
	rest := heartbeat
	for _, r := range p.asked {
		rest = min(rest, time.Until(r.deadline))
	}
	return rest
}
