package homeassistant

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// Home Assistant's absence of more than an hour is said; a source that is off
// and a birth that never comes do not make the loop spin.
func TestMissingHomeAssistant(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	h.view.Equiwatt = nil
	p := h.publisher(b.addr)
	client := dial(t, p)
	v, _ := h.step()
	p.begin(client, v)
	p.gate.repeatAt = time.Time{}
	p.gate.goodbye(time.Now().Add(-away))
	if rest := p.turn(); rest < time.Second {
		t.Errorf("looks again after %v", rest)
	}
	until(t, "the problem", func() bool {
		return strings.Contains(o.last(bridgeTopic), `"problem":"ON","problem_text":"Home Assistant said goodbye over an hour ago and has not come back"`)
	})
	p.receive(inbound{topic: birthTopic, payload: []byte("online")})
	p.turn()
	until(t, "the end of it", func() bool { return strings.Contains(o.last(bridgeTopic), `"problem":"OFF"`) })
}

// Between the end of a connection and the news of it nothing counts as sent,
// and what the gate still has to do does not make the loop spin.
func TestNothingIsSaidOnADeadConnection(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	h := newHouse(t)
	p := h.publisher(b.addr)
	client := dial(t, p)
	v, _ := h.step()
	p.begin(client, v)
	client.Disconnect(100)
	h.happen(h.start("a"))
	p.turn()
	if got := h.marked(); len(got) > 0 {
		t.Errorf("marks: %v", got)
	}
	p.put(func(a *arrivals) { a.lost = true })
	p.gate.shutTill, p.gate.answerAt, p.gate.repeatAt = noon, noon, noon
	for range 2 {
		if rest := p.turn(); rest < time.Second {
			t.Errorf("looks again after %v", rest)
		}
	}
}

// A publish that fails on a connection which lives is said again; one of a
// former connection was said again by the new one.
func TestAFailedPublishIsSaidAgain(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	h.happen(h.start("a"))
	p := h.publisher(b.addr)
	former := dial(t, p)
	former.Disconnect(100)
	client := dial(t, p)
	v, _ := h.step()
	p.begin(client, v)
	p.turn()
	for _, failed := range []pending{{client: former, topic: stateTopic, failed: true}, {client: former, topic: eventTopic, moment: "a", failed: true}} {
		p.settle(failed)
	}
	p.turn()
	for _, failed := range []pending{{client: client, topic: stateTopic, failed: true}, {client: client, topic: eventTopic, moment: "a", failed: true}} {
		p.settle(failed)
	}
	p.turn()
	p.retain(Message{"last", nil})
	until(t, "the last word", func() bool { return len(o.on("last")) == 1 })
	if s, e := len(o.on(stateTopic)), len(o.on(eventTopic)); s != 2 || e != 2 {
		t.Errorf("%d states and %d events, want each twice", s, e)
	}
	if got := h.said["a"]; got != state.Sent {
		t.Errorf("the moment is %v", got)
	}
}

// A flood is dropped rather than kept, and said once.
func TestAFloodOfMessagesIsBounded(t *testing.T) {
	h := newHouse(t)
	p := h.publisher("")
	for range inboxMost + 10 {
		p.receive(inbound{topic: "grid2mqtt/equiwatt/set/refresh"})
	}
	p.turn()
	if n := strings.Count(h.log.String(), "too many MQTT messages"); n != 1 || len(p.slow) != inboxMost {
		t.Errorf("%d lines, %d commands: %s", n, len(p.slow), h.log.String())
	}
	p.receive(inbound{topic: "grid2mqtt/equiwatt/set/refresh"})
	if p.turn(); len(p.slow) != inboxMost {
		t.Error("takes more before any was worked off")
	}
	for range inboxMost {
		(<-p.slow)(t.Context())
	}
	body := make([]byte, 1<<20)
	for range 40 {
		p.receive(inbound{topic: "grid2mqtt/hook/equiwatt/started", payload: body})
	}
	p.turn()
	if len(p.slow) != inboxBytes>>20 {
		t.Errorf("keeps %d MiB", len(p.slow))
	}
	for len(p.slow) > 0 {
		(<-p.slow)(t.Context())
	}
	if p.in.count != 0 || p.in.bytes != 0 {
		t.Errorf("still counts %d messages, %d bytes", p.in.count, p.in.bytes)
	}
}

func TestABrokerIsTriedEveryFiveSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newHouse(t).publisher("")
		var tried []time.Time
		p.Broker = func(context.Context, bool) (Broker, error) {
			tried = append(tried, time.Now())
			return Broker{}, ErrNoBroker
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		p.connect(ctx)
		for i := range len(tried) - 1 {
			if gap := tried[i+1].Sub(tried[i]); gap < time.Second || gap > 5*time.Second {
				t.Errorf("attempt %d comes %v after the one before", i+1, gap)
			}
		}
		if len(tried) < 12 {
			t.Errorf("%d attempts in a minute", len(tried))
		}
	})
}
