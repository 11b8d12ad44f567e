package state

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// View is everything that is true at one instant, as far as it was told. It
// is a value: whoever holds one may keep it.
type View struct {
	At   time.Time
	Seq  int64     // the newest event that it knows of
	Next time.Time // when the view changes by itself; zero: not before the next event

	Sources []Source      // those that are on
	Skew    time.Duration // how far this machine's clock is ahead of the vendors'; zero: agrees or not known

	Equiwatt *Equivents // the state of Equiwatt's one device; nil: the source is off
}

// Link is what there is to know about the way to a vendor's API.
type Link struct {
	Error    string    // why the newest answer was bad; empty: it was good, or there was none
	Up       *bool     // the API answers; nil: never asked
	LastGood time.Time // zero: never
	Urgent   bool      // a webhook waits for the API to agree
	Pivotal  bool      // the next good answer decides something by itself

	// Known are the windows that Equiwatt's API showed as running when it last
	// answered; what an answer leaves out is news only beside them.
	Known []event.Event
}

// Source returns what is known of a source; the zero Source: it is off.
func (v View) Source(name string) Source {
	for _, s := range v.Sources {
		if s.Name == name {
			return s
		}
	}
	return Source{}
}

// Link returns what there is to know about a source's way to its API.
func (v View) Link(source string) Link { return v.Source(source).Link }

// Settled reports whether there is nothing to say, and nothing on its way.
func (v View) Settled() bool {
	return !slices.ContainsFunc(v.Sources, func(s Source) bool { return s.Flying || len(s.Due) > 0 })
}

// Due returns what is to be said now, in this order.
func (v View) Due() (list []Moment) {
	for _, s := range v.Sources {
		if list == nil {
			list = s.Due
		} else {
			list = append(slices.Clip(list), s.Due...)
		}
	}
	return list
}

// Equivents is what is known of Equiwatt's demand-response events.
type Equivents struct {
	Active    *bool     // an equivent or a rehearsal runs; nil: unknown
	Running   *Equivent // the one shown; nil: none runs
	Last      *Equivent // the last finished one that has both ends; rehearsals do not count
	Rehearsal bool      // a rehearsal runs, shown or not
	Month     *int      // starts in the calendar month of the household; nil: nothing known yet

	Asked      bool      // the API is asked: there is a token
	Cloud      *bool     // the API answers; nil: no token, or never asked
	CloudError string    // why the newest answer was bad, one sentence; empty: it was good
	LastPoll   time.Time // the last good answer; zero: none ever
	LastHook   time.Time // zero: none ever

	// Urgent: the API is to be asked about every ten seconds, because a
	// webhook said what it does not show yet.
	Urgent bool
	// Pending is when the oldest start was told by a webhook that the API does
	// not show yet; zero: none.
	Pending time.Time
	// Pivotal: the next good answer decides something by itself, even where it
	// says nothing new, and so belongs into the journal.
	Pivotal bool
}

// Equivent is one demand-response event of one account.
type Equivent struct {
	Start     time.Time
	End       time.Time // zero: unknown
	Planned   bool      // the end is a plan
	Source    string    // "api", "webhook" or "rehearsal"
	Confirmed bool      // the API shows it
	Direction string    // "powerDOWN", "powerUP"; empty: not said
	Running   bool
	Heard     time.Time // when we first heard of it
}

// Duration is zero while an end is missing.
func (e Equivent) Duration() time.Duration {
	if e.End.IsZero() {
		return 0
	}
	return e.End.Sub(e.Start)
}

// Moment is something that happened and is to be said exactly once.
type Moment struct {
	ID       string // the same for the same moment, different for another
	Source   string
	Subject  string
	Type     string    // the event type, e.g. "started"
	Occurred time.Time // when it happened in the world

	// Opens: another moment says its end, which is said if and only if this one was.
	Opens bool
	// Closes: it is such an end.
	Closes bool

	Fields map[string]any  // more keys of the message
	Data   json.RawMessage // the vendor's own fields; nil: none
}
