// Package state folds events into what is true at an instant, and names the
// next instant at which that changes by itself. It is pure: no clock, no I/O,
// and the same events and instant always give the same View. Being told twice,
// late or out of order changes nothing but the answer that should change.
//
// What it cannot do: know what nobody told. Unknown stays unknown.
package state

import (
	"encoding/json"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Said is what became of a moment.
type Said int

const (
	Unsaid   Said = iota
	Sent          // on its way to the broker
	Doubtful      // it left us, and nobody knows whether it arrived
	AtRest        // the broker has it
)

// Rules are the household's choices that decide what is believed.
type Rules struct {
	Zone  *time.Location // months and days are counted in it
	Since time.Time      // when this process began

	Equiwatt *EquiwattRules // nil: the source is off
}

// Fold is the events so far. It is not safe for concurrent use.
type Fold struct {
	zone     *time.Location
	equiwatt *equivents
	skew     time.Duration
	loading  bool
	settled  int64 // events up to here have nothing more to say
}

// New returns a Fold that has heard nothing. Until Loaded is called it takes
// events for the past, of which those after position may still have something
// to say.
func New(r Rules, position int64) *Fold {
	f := &Fold{zone: r.Zone, loading: true, settled: position}
	if r.Equiwatt != nil {
		f.equiwatt = &equivents{rules: *r.Equiwatt, zone: r.Zone, since: r.Since, linkOK: true, watched: map[string]*window{}}
	}
	return f
}

// Apply takes the next event in the order of the journal. Events of a source
// that is off are passed over.
func (f *Fold) Apply(e event.Event) {
	if e.Source != "equiwatt" || f.equiwatt == nil {
		return
	}
	q := f.equiwatt
	switch {
	case e.Subject == event.Clock:
		q.step(e, !f.loading)
	case e.Subject == event.Link && e.Status != nil:
		q.link(e)
	case e.Window == nil:
		return
	case e.By == event.Rehearsal:
		q.rehearse(e)
	case e.By == event.Webhook:
		q.hook(e)
	case e.By == event.API && q.rules.Believe:
		q.history(e)
	case e.By == event.API:
		q.answer(e)
	}
	if !f.loading || e.Seq <= f.settled {
		q.prune(e.Seen)
	}
}

// Open returns the ids of all moments that may have been said before this
// process began; ask the journal and tell Mark what became of each.
func (f *Fold) Open() []string {
	if f.equiwatt == nil {
		return nil
	}
	return f.equiwatt.openMoments()
}

// Loaded ends the past: from now on events are news.
func (f *Fold) Loaded() { f.loading = false }

// Mark notes what became of a moment. A moment at rest stays there.
func (f *Fold) Mark(id string, s Said) {
	if f.equiwatt != nil {
		f.equiwatt.mark(id, s)
	}
}

// SetSkew notes how far this machine's clock is ahead of the vendors'.
func (f *Fold) SetSkew(d time.Duration) { f.skew = d }

// View returns what is true at now.
func (f *Fold) View(now time.Time) View {
	v := View{At: now, Skew: f.skew}
	if f.equiwatt != nil {
		v.Equiwatt, v.Next = f.equiwatt.view(now)
	}
	return v
}

// History returns the newest n equivents, newest first, the running one
// included, rehearsals not.
func (f *Fold) History(now time.Time, n int) []Equivent {
	if f.equiwatt == nil {
		return nil
	}
	return f.equiwatt.past(now, n)
}

// Step is the content of the Clock event's Data: by how much this machine's
// clock was set, and the last event before this process began.
type Step struct {
	By    time.Duration `json:"by"`
	Since int64         `json:"since"`
}

func stepOf(e event.Event) (s Step) {
	_ = json.Unmarshal(e.Data, &s) // written by us; a bad one steps by nothing
	return s
}

// earliest returns the first of two instants, of which zero is never.
func earliest(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
