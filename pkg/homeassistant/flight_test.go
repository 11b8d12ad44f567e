package homeassistant

import (
	"slices"
	"testing"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// Of each event it is told when the broker has what it changed, or that it
// changed nothing.
func TestSpoken(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	run(t, h.publisher(b.addr))
	online(t, o, 1)
	told := func(what string, want ...string) {
		t.Helper()
		until(t, what, func() bool { return slices.Equal(h.hasSpoken(), want) })
	}
	h.happen(h.start("a"))
	told("the start", "1")
	until(t, "the moment at rest", func() bool { return slices.Contains(h.marked(), "a rest") })
	h.happen(func(*state.View) {})
	told("what changes nothing", "1", "2 unchanged")
	h.happen(month(3), month(4)) // the last word will do
	told("both at once", "1", "2 unchanged", "4")
}

// What a broken connection swallowed is told of when it was said again.
func TestSpokenAfterALostConnection(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	h := newHouse(t)
	p := h.publisher(b.addr)
	former := dial(t, p)
	v, _ := h.step()
	p.begin(former, v)
	former.Disconnect(0)
	h.happen(month(3))
	v, _ = h.step()
	p.retain(Message{"lost", nil})
	p.fenceAt(v.Seq)
	done := make(chan struct{})
	go func() { defer close(done); p.collect() }()
	client := dial(t, p)
	p.begin(client, v)
	p.say(v, false)
	until(t, "word of it", func() bool { return slices.Equal(h.hasSpoken(), []string{"1"}) })
	close(p.tokens)
	<-done
}
