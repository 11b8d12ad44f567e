// Package state folds events into what is true at an instant, and names the
// next instant at which that changes by itself. It is pure: no clock, no I/O,
// and the same events and instant always give the same View. Being told twice,
// late or out of order changes nothing but the answer that should change.
//
// What it cannot do: know what nobody told. Unknown stays unknown.
package state

import (
	"encoding/json"
	"strings"
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
	Hushed        // nobody is to hear of it
)

// Rules are the household's choices that decide what is believed. A source
// whose rules are nil or false is off.
type Rules struct {
	Zone  *time.Location // months and days are counted in it
	Since time.Time      // when this process began

	// Subject is where a device stands in topics and ids: plain (empty: its id
	// made safe), or another where that is taken. The answer stays the same
	// for ever.
	Subject func(source, id, plain string) string

	Equiwatt      *EquiwattRules
	Ecomon        bool
	Openvolt      *OpenvoltRules
	PowerResponse *PowerResponseRules
	Capacitor     *CapacitorRules
}

// Fold is the events so far. It is not safe for concurrent use.
type Fold struct {
	sources  []source // in the order in which they are shown
	named    map[string]source
	equiwatt *equivents
	skew     time.Duration
	seq      int64 // the newest event
	loading  bool
	settled  int64 // events up to here have nothing more to say
}

// New returns a Fold that has heard nothing. Until Loaded is called it takes
// events for the past, of which those after position may still have something
// to say.
func New(r Rules, position int64) *Fold {
	f := &Fold{named: map[string]source{}, loading: true, settled: position}
	add := func(name string, s source) {
		f.sources = append(f.sources, s)
		f.named[name] = s
	}
	if r.Equiwatt != nil {
		f.equiwatt = newEquivents(r)
		add("equiwatt", f.equiwatt)
	}
	if r.Ecomon {
		add("ecomon", newReaders(r))
	}
	if r.Openvolt != nil {
		add("openvolt", newMeters(r))
	}
	if r.PowerResponse != nil {
		add("powerresponse", newDispatches(r))
	}
	if r.Capacitor != nil {
		add("capacitor", newChargers(r))
	}
	return f
}

// Apply takes the next event in the order of the journal. Events of a source
// that is off are passed over.
func (f *Fold) Apply(e event.Event) {
	f.seq = max(f.seq, e.Seq)
	s := f.named[e.Source]
	if s == nil {
		return
	}
	news := !f.loading || e.Seq > f.settled
	switch {
	case e.Subject == event.Clock:
		s.step(stepOf(e), !f.loading)
	case e.Quiet:
		quietly(s, e, news)
	default:
		s.apply(e, news)
	}
	if !f.loading || e.Seq <= f.settled {
		s.prune(e.Seen)
	}
}

// Open returns the ids of all moments that may have been said before this
// process began; ask the journal and tell Mark what became of each.
func (f *Fold) Open() (ids []string) {
	for _, s := range f.sources {
		ids = append(ids, s.open()...)
	}
	return ids
}

// Loaded ends the past: from now on events are news.
func (f *Fold) Loaded() { f.loading = false }

// Mark notes what became of a moment. A moment at rest stays there.
func (f *Fold) Mark(id string, said Said) {
	name, _, _ := strings.Cut(id, "-") // ids begin with their source
	if s := f.named[name]; s != nil {
		s.mark(id, said)
	}
}

// SetSkew notes how far this machine's clock is ahead of the vendors'.
func (f *Fold) SetSkew(d time.Duration) { f.skew = d }

// View returns what is true at now.
func (f *Fold) View(now time.Time) View {
	v := View{At: now, Seq: f.seq, Skew: f.skew, Sources: make([]Source, 0, len(f.sources))}
	for _, s := range f.sources {
		w, next := s.view(now)
		v.Sources = append(v.Sources, w)
		v.Next = earliest(v.Next, next)
		if s == source(f.equiwatt) {
			v.Equiwatt, _ = w.Devices.At(0).State.(*Equivents)
		}
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
