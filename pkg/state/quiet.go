package state

import (
	"slices"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// quietly takes an event that changes what is known. What would be said at once
// because of it is not, and so neither is its end; what is yet to come is, and
// the end of what was said.
func quietly(s source, e event.Event, news bool) {
	due := map[string]bool{}
	before, _ := s.view(e.Again)
	for _, m := range before.Due {
		due[m.ID] = true
	}
	s.apply(e, news)
	after, _ := s.view(e.Again)
	for _, m := range after.Due {
		if !due[m.ID] && !m.Closes {
			s.mark(m.ID, Hushed)
		}
	}
}

// reread corrects what the same webhook told before, where another decoder
// finds more in it than its arrival, and reports whether it told anything.
func (q *equivents) reread(e event.Event) bool {
	said := e.Window
	for i, w := range q.windows {
		switch {
		case said.Running && w.by == event.Webhook && w.heard.Equal(e.Seen):
			if w.arrival && q.saneStart(said.Start, e.Seen) && find(q.windows, said.Start) == nil {
				w.start, w.arrival = said.Start, false
				q.windows = insert(slices.Delete(q.windows, i, i+1), w)
			}
			if w.direction == "" {
				w.direction = said.Direction
			}
			return true
		case !said.Running && w.over && w.end.Equal(e.Seen):
			w.end = q.saneEnd(w.start, said.End, e.Seen)
			return true
		}
	}
	return false
}

// saneStart reports whether a start by a webhook's word can be.
func (q *equivents) saneStart(said, arrival time.Time) bool {
	return !said.IsZero() && !said.Before(arrival.Add(-q.rules.MaxDuration)) && !said.After(arrival.Add(grace))
}
