package state

import (
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Rehearsal is a household's rehearsal of what a source may say. It never
// reaches the vendor, and whatever is said or shown of it is marked.
type Rehearsal struct {
	ID         string // what the ids of its moments begin with
	Subject    string // the place of the device that plays it; empty: the source itself
	Start, End time.Time
}

// rehearsal is one, running or over.
type rehearsal struct {
	Rehearsal
	seq  int64 // of the event that began it
	live bool  // it was running when last looked at
}

// at returns a rehearsal that runs at now, and when that changes.
func (r *rehearsal) at(now time.Time) (running *Rehearsal, next time.Time) {
	if r == nil || !now.Before(r.End) {
		return nil, time.Time{}
	}
	v := r.Rehearsal
	return &v, r.End
}

// turned reports whether a rehearsal began or ended since it was last asked.
func (r *rehearsal) turned(now time.Time) bool {
	if r == nil {
		return false
	}
	was := r.live
	r.live = now.Before(r.End)
	return r.live != was
}

// rehearse begins a rehearsal that opens and closes with these moments, sets
// the length of the running one anew, or ends it.
func (m *moments) rehearse(was *rehearsal, e event.Event, news bool, subject string, opens, closes Moment) *rehearsal {
	if was != nil && e.Seen.Before(was.End) {
		was.End = e.Window.End
		m.retime(was, 0)
		return was
	}
	if !e.Window.End.After(e.Window.Start) {
		return was
	}
	r := &rehearsal{seq: e.Seq, Rehearsal: Rehearsal{
		ID: e.Source + "-rehearsal-" + instant(e.Window.Start), Subject: subject, Start: e.Window.Start, End: e.Window.End,
	}}
	opens.ID, opens.Occurred, opens.Opens = r.ID+"-started", r.Start, true
	closes.ID, closes.Occurred = r.ID+"-ended", r.End
	m.say(news, opens, r.Start, r.End)
	m.end(opens.ID, closes, r.End)
	return r
}

// retime gives a rehearsal's moments its times; by: they were dated wrongly.
func (m *moments) retime(r *rehearsal, by time.Duration) {
	move(by, &r.Start, &r.End)
	if t := m.by[r.ID+"-started"]; t != nil {
		move(by, &t.Occurred, &t.from)
		t.until = r.End
	}
	if t := m.by[r.ID+"-ended"]; t != nil {
		t.Occurred, t.from = r.End, r.End
	}
}

// cut ends a rehearsal that runs, because it has become real.
func (m *moments) cut(r *rehearsal, at time.Time) {
	if at.Before(r.End) && !at.Before(r.Start) {
		r.End = at
		m.retime(r, 0)
	}
}
