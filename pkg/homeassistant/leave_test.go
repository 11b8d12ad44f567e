package homeassistant

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLeave(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	stop := run(t, h.publisher(b.addr))
	online(t, o, 1)
	h.happen(h.start("a"))
	until(t, "a moment", func() bool { return len(o.on(eventTopic)) == 1 })
	stop()
	until(t, "offline", func() bool { return o.last(statusTopic) == "offline" })
	n := len(o.all())
	cleared, where, err := h.publisher(b.addr).Leave(t.Context())
	if cleared != 5 || where != b.addr || err != nil {
		t.Errorf("cleared %d on %s: %v", cleared, where, err)
	}
	until(t, "all cleared", func() bool { return len(o.all()) >= n+5 })
	var topics []string
	for _, m := range o.all()[n:] {
		topics = append(topics, m.topic)
		if m.payload != "" {
			t.Errorf("%v", m)
		}
	}
	if len(topics) != 5 || !strings.HasSuffix(topics[0], "/config") || !strings.HasSuffix(topics[1], "/config") || topics[4] != statusTopic {
		t.Errorf("cleared in the order %v, want documents, states, status", topics)
	}
	late := observe(t, b.addr)
	late.publish("fence", "x", false)
	until(t, "what the broker holds", func() bool { return late.last("fence") != "" })
	if held := late.all(); len(held) != 1 {
		t.Errorf("the broker still holds %v", held)
	}
	if owned := h.remembered("owned"); owned != "" {
		t.Errorf("still ours: %q", owned)
	}
	if cleared, _, err := h.publisher(b.addr).Leave(t.Context()); cleared != 0 || err != nil {
		t.Errorf("a second time: %d, %v", cleared, err)
	}
}

func TestLeaveWithoutABrokerForgetsNothing(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	owned := strings.Join([]string{document, stateTopic, statusTopic}, "\n")
	h.memory["owned"] = owned
	addr := freeAddr(t)
	cleared, _, err := h.publisher(addr).Leave(t.Context())
	if cleared != 0 || err == nil || !strings.Contains(err.Error(), addr) || strings.Contains(err.Error(), "\n") {
		t.Errorf("%d, %v", cleared, err)
	}
	if diff := cmp.Diff(owned, h.remembered("owned")); diff != "" {
		t.Error(diff)
	}
}

// Departing leaves nothing behind and keeps away; coming back says everything,
// and what happened meanwhile and still is.
func TestDepartAndReturn(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	p := h.publisher(b.addr)
	run(t, p)
	online(t, o, 1)
	cleared, where, err := p.Depart(t.Context())
	if cleared != 5 || where != b.addr || err != nil || !p.Away() {
		t.Errorf("cleared %d on %s: %v", cleared, where, err)
	}
	o = observe(t, b.addr) // in the place of the first one
	o.publish("fence", "x", false)
	until(t, "what the broker holds", func() bool { return o.last("fence") != "" })
	if held := o.all(); len(held) != 1 {
		t.Errorf("the broker still holds %v", held)
	}
	if !strings.Contains(p.Trouble(), "Come back") {
		t.Errorf("the trouble is %q", p.Trouble())
	}
	if _, _, err := p.Depart(t.Context()); err == nil {
		t.Error("left twice")
	}
	n := len(o.all())
	h.happen(h.start("a"))
	until(t, "it is known", func() bool { h.mu.Lock(); defer h.mu.Unlock(); return len(h.coming) == 0 })
	if late := o.topics(n); len(late) != 0 {
		t.Errorf("while away it said %v", late)
	}
	p.Return()
	online(t, o, 1)
	until(t, "the moment", func() bool { return len(o.on(eventTopic)) == 1 })
	if p.Away() || p.Trouble() != "" {
		t.Errorf("back, and yet: %q", p.Trouble())
	}
}

func TestDepartWithoutABrokerStays(t *testing.T) {
	t.Parallel()
	h := newHouse(t)
	h.memory["owned"] = document
	p := h.publisher(freeAddr(t))
	run(t, p)
	if _, _, err := p.Depart(t.Context()); err == nil || p.Away() {
		t.Errorf("%v, away %v", err, p.Away())
	}
}
