package state

import (
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Source is what is known of one vendor.
type Source struct {
	Name string
	Link Link

	// Devices are in the order in which they came. A Device never changes: a
	// new state is a new pointer at the same place.
	Devices Devices

	Due    []Moment // what is to be said now, in this order
	Flying bool     // something was sent and has not arrived yet

	Rehearsal *Rehearsal // the one that runs; nil: none does

	// Asks is what decides what its API is asked next: a pointer to a type of
	// the vendor's file, another one where that changed. Nil: nothing.
	Asks any
}

// Device is one thing of a source: an account, a charger, a meter.
type Device struct {
	Source  string
	Subject string // its place in topics and ids, for ever; empty: the source itself
	ID      string // the vendor's own id
	Edition int    // grows when something that its discovery document tells of it changes
	State   any    // a pointer to what is known of it, e.g. *Equivents; never changed in place
}

// source folds one vendor's events.
type source interface {
	// apply takes the next event in the order of the journal. What is no news
	// has nothing to say any more, but may open what is yet to end.
	apply(e event.Event, news bool)
	// step moves what was dated by this machine's clock before it was set;
	// live: in this process.
	step(s Step, live bool)
	// view returns what is true at now, and when that changes by itself; zero:
	// not before the next event.
	view(now time.Time) (Source, time.Time)
	// open lists the moments that may have been said before this process
	// began, and mark notes what became of one.
	open() []string
	mark(id string, s Said)
	// prune forgets what has nothing more to say at now.
	prune(now time.Time)
}

// link is the way to a vendor's API, as the events of subject event.Link tell.
type link struct {
	asks     bool          // the API is asked
	interval time.Duration // … so often
	since    time.Time     // when this process began

	asked bool   // there was an answer, good or bad
	bad   bool   // the newest one was
	why   string // … for this reason
	good  time.Time

	refused bool // the newest one was bad because the key is not taken
}

func (l *link) apply(e event.Event) {
	l.asked = true
	l.refused = e.Status.State == "refused"
	if e.Status.State != "ok" {
		l.bad, l.why = true, e.Status.Detail
		return
	}
	l.bad, l.why = false, ""
	if e.Seen.After(l.good) {
		l.good = e.Seen
	}
}

// staleAt returns when the newest good answer is too old to be the present;
// zero where there never was one. A restart is no reason to doubt what was good.
func (l *link) staleAt() time.Time {
	if l.good.IsZero() {
		return time.Time{}
	}
	fresh := l.good
	if !l.bad && l.since.After(fresh) {
		fresh = l.since
	}
	return fresh.Add(max(10*time.Minute, 5*l.interval))
}

// stale reports whether the newest good answer is too old to be the present.
func (l *link) stale(now time.Time) bool {
	at := l.staleAt()
	return l.asks && !at.IsZero() && !now.Before(at)
}

func (l *link) view(now time.Time) (v Link, next time.Time) {
	v = Link{Error: l.why, LastGood: l.good}
	stale := l.stale(now)
	if l.asks && !stale {
		next = l.staleAt()
	}
	if l.asks && l.asked {
		up := !l.good.IsZero() && !stale
		v.Up = &up
	}
	return v, next
}

// step moves what this process dated.
func (l *link) step(by time.Duration) { move(by, &l.since, &l.good) }

// move sets instants by that much, of which zero is never.
func move(by time.Duration, ts ...*time.Time) {
	for _, t := range ts {
		if !t.IsZero() {
			*t = t.Add(by)
		}
	}
}
