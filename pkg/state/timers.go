package state

import (
	"container/heap"
	"time"
)

// timers are instants of things, the earliest first: setting one among n costs
// log n. Each is at one place at a time.
type timers struct{ list []*timer }

// timer is one of them; whoever embeds it is found by of.
type timer struct {
	at time.Time // zero: not set
	i  int       // its place in the list
	of any
}

// set moves t to at; zero takes it away.
func (h *timers) set(t *timer, at time.Time) {
	switch was := t.at; {
	case at.Equal(was):
	case was.IsZero():
		t.at = at
		heap.Push(h, t)
	case at.IsZero():
		heap.Remove(h, t.i)
		t.at = at
	default:
		t.at = at
		heap.Fix(h, t.i)
	}
}

// first returns the earliest; nil: none is set.
func (h *timers) first() *timer {
	if len(h.list) == 0 {
		return nil
	}
	return h.list[0]
}

func (h *timers) Len() int           { return len(h.list) }
func (h *timers) Less(i, j int) bool { return h.list[i].at.Before(h.list[j].at) }

func (h *timers) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].i, h.list[j].i = i, j
}

func (h *timers) Push(x any) {
	t := x.(*timer)
	t.i = len(h.list)
	h.list = append(h.list, t)
}

func (h *timers) Pop() any {
	last := len(h.list) - 1
	t := h.list[last]
	h.list[last] = nil
	h.list = h.list[:last]
	return t
}
