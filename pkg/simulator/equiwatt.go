package simulator

import "time"

// EquiventsPath is where Equiwatt's API is asked, last slash included.
const EquiventsPath = "/api/v3/equivents/"

// Equiwatt is the cloud of one account: its API is the handler, its webhooks
// are sent by Deliver and Demo. It is safe for concurrent use.
type Equiwatt struct {
	cloud

	token     string
	equivents []*equivent // by the order of their beginning
	length    time.Duration
	nullEnd   bool
	triggers  map[string]Trigger
}

// equivent is one demand-response event.
type equivent struct {
	start, end time.Time // end is zero while it runs
	plan       time.Time // zero: null
	hidden     bool
}

// NewEquiwatt returns a cloud where nothing has happened yet, whose API takes
// that token (without the word Bearer). Now is its clock; nil is time.Now.
func NewEquiwatt(token string, now func() time.Time) *Equiwatt {
	s := &Equiwatt{cloud: newCloud(now), token: token, triggers: map[string]Trigger{}}
	s.base, s.limits = EquiventsPath, []limit{{perMinute, time.Minute}, {perSecond, time.Second}}
	s.guard, s.refuse = s.mayAsk, equiwattRefusal
	s.handle("GET "+EquiventsPath, s.answer)
	return s
}

// Start begins an equivent at that time, in whole seconds, and its webhook
// waits to be delivered. An older one that still runs is left behind with a
// null end, as stale data.
func (s *Equiwatt) Start(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &equivent{start: at.Truncate(time.Second).UTC()}
	if s.length > 0 {
		e.plan = e.start.Add(s.length)
	}
	s.equivents = append(s.equivents, e)
	s.tell(Started, e)
}

// End ends the running equivent at that time, in whole seconds, and its
// webhook waits to be delivered. It reports whether one ran.
func (s *Equiwatt) End(at time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.newest()
	if e == nil || !e.end.IsZero() {
		return false
	}
	e.end = at.Truncate(time.Second).UTC()
	s.tell(Ended, e)
	return true
}

// Past adds a finished equivent, in whole seconds, of which no webhook speaks.
func (s *Equiwatt) Past(start, end time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	past := &equivent{start: start.Truncate(time.Second).UTC(), end: end.Truncate(time.Second).UTC()}
	s.equivents = append([]*equivent{past}, s.equivents...)
}

// Plan gives equivents from the next one on an end that is planned, so long
// after their start; zero, as at first: their end is null while they run.
func (s *Equiwatt) Plan(length time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.length = length
}

// NullEnd switches the behaviour of 2022, at first off: what runs is not the
// current event, but the newest of the previous ones with a null end.
func (s *Equiwatt) NullEnd(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.nullEnd = on
}

// MoveEnd changes the newest equivent's plan while it runs, else its end; no
// webhook speaks of it.
func (s *Equiwatt) MoveEnd(end time.Time) {
	s.change(func(e *equivent) {
		end := end.Truncate(time.Second).UTC()
		if e.end.IsZero() {
			e.plan = end
		} else {
			e.end = end
		}
	})
}

// Reopen makes the newest equivent run again; no webhook speaks of it.
func (s *Equiwatt) Reopen() { s.change(func(e *equivent) { e.end = time.Time{} }) }

// Vanish makes the API leave out the newest equivent, and Reappear ends that.
func (s *Equiwatt) Vanish() { s.change(func(e *equivent) { e.hidden = true }) }

// Reappear makes the API show the newest equivent again.
func (s *Equiwatt) Reappear() { s.change(func(e *equivent) { e.hidden = false }) }

// Running reports whether the newest equivent runs.
func (s *Equiwatt) Running() (runs bool) {
	s.change(func(e *equivent) { runs = e.end.IsZero() })
	return runs
}

func (s *Equiwatt) change(f func(*equivent)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.newest(); e != nil {
		f(e)
	}
}

// newest is the equivent with the largest start; nil: there is none.
func (s *Equiwatt) newest() (found *equivent) {
	for _, e := range s.equivents {
		if found == nil || !e.start.Before(found.start) {
			found = e
		}
	}
	return found
}
