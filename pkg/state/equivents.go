package state

import (
	"encoding/json"
	"slices"
	"sort"
	"strconv"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

const (
	// grace covers the difference between two clocks, and how long after a
	// planned end nobody has to have named a later one.
	grace = 2 * time.Minute
	// patience is how long a webhook may wait for the API to agree.
	patience = 2 * time.Minute
	// silence is how long the API may fail to answer before an `ended`
	// webhook is believed.
	silence = 20 * time.Second
	// near is how close an API entry and a believed window may begin to be one.
	near = 5 * time.Minute
	// remember is how long a late `unconfirmed` is worth saying.
	remember = time.Hour
)

// EquiwattRules decide what is believed of Equiwatt.
type EquiwattRules struct {
	Token        bool          // the API is asked
	Believe      bool          // webhooks alone are the truth
	MaxDuration  time.Duration // a window that is told no end is closed after this
	PollInterval time.Duration
}

// window is one equivent, or one rehearsal.
type window struct {
	id        string
	start     time.Time
	end       time.Time // over: the end, zero where nobody said it; else the plan, zero where there is none
	over      bool      // a teller said that it is over
	by        event.Teller
	heard     time.Time
	seq       int64 // of the event it was first heard by
	arrival   bool  // its start is the time of arrival, nobody said it
	direction string
	data      json.RawMessage

	shown    bool      // the API showed it as running, at any time
	showing  bool      // … and in its newest answer
	gone     time.Time // the good answer that first left it out without an end
	endHook  time.Time // an `ended` webhook came for it
	endAt    time.Time // … and this is the end by its word
	answered bool      // … and the API has answered since

	started, ended Said
}

// burst is webhooks of one kind that the API has not agreed to yet.
type burst struct {
	id          string
	first, last time.Time
	start       time.Time // what the body said
	direction   string
	agreed      bool
	said        Said
}

type equivents struct {
	rules EquiwattRules
	zone  *time.Location
	link  link

	windows    []*window          // by start
	api        []*window          // believing: what the API shows, for the history
	unfinished []*window          // may run, or have something to say
	watched    map[string]*window // the same by id
	rehearsal  *window            // the newest
	orphanEnd  time.Time          // believing: an end that was told before its start

	starts []*burst // the newest last
	ends   burst    // the newest

	lastHook time.Time
}

func newEquivents(r Rules) *equivents {
	return &equivents{
		rules: *r.Equiwatt, zone: r.Zone, watched: map[string]*window{},
		link: link{asks: r.Equiwatt.Token, interval: r.Equiwatt.PollInterval, since: r.Since},
	}
}

func (q *equivents) apply(e event.Event, _ bool) {
	switch {
	case e.Subject == event.Link && e.Status != nil:
		q.answered(e)
	case e.Window == nil:
	case e.By == event.Rehearsal:
		q.rehearse(e)
	case e.Quiet && e.By == event.Webhook && q.reread(e):
	case e.By == event.Webhook:
		q.hook(e)
	case e.By == event.API && q.rules.Believe:
		q.history(e)
	case e.By == event.API:
		q.answer(e)
	}
}

// find returns the window of list that begins in the second of start.
func find(list []*window, start time.Time) *window {
	i := sort.Search(len(list), func(i int) bool { return list[i].start.Unix() >= start.Unix() })
	if i < len(list) && list[i].start.Unix() == start.Unix() {
		return list[i]
	}
	return nil
}

func insert(list []*window, w *window) []*window {
	i := sort.Search(len(list), func(i int) bool { return list[i].start.After(w.start) })
	return slices.Insert(list, i, w)
}

func (q *equivents) add(e event.Event, start time.Time) *window {
	w := &window{start: start, by: e.By, heard: e.Seen, seq: e.Seq, direction: e.Window.Direction, data: e.Data}
	w.id = "equiwatt-" + instant(start)
	q.windows = insert(q.windows, w)
	q.watch(w)
	return w
}

// instant names a start: in seconds as the vendor does, finer where it is ours.
func instant(t time.Time) string {
	if t.Nanosecond() == 0 {
		return strconv.FormatInt(t.Unix(), 10)
	}
	return strconv.FormatInt(t.UnixNano(), 10)
}

func (q *equivents) watch(w *window) {
	if q.watched[w.id] != w {
		q.unfinished = append(q.unfinished, w)
		q.watched[w.id] = w
	}
}

// answer takes an entry of the API, which is the truth.
func (q *equivents) answer(e event.Event) {
	said := e.Window
	w := find(q.windows, said.Start)
	if w == nil {
		w = q.add(e, said.Start)
	}
	q.watch(w)
	w.showing = said.Running
	switch {
	case said.Running:
		w.over, w.end, w.gone, w.shown = false, said.End, time.Time{}, true
		q.turn(w)
	case !said.End.IsZero():
		w.over, w.end, w.gone = true, said.End, time.Time{}
	case !w.shown:
		w.over = true // an old entry that was never ended: stale, its end is not known
	case !w.over && w.gone.IsZero():
		w.gone = e.Seen
		if !w.endHook.IsZero() {
			q.vanish(w)
		}
	}
}

// vanish ends what the API left out. An `ended` webhook that was believed in
// the meantime has named the better end.
func (q *equivents) vanish(w *window) {
	w.over, w.end = true, w.gone
	if !w.endHook.IsZero() && !w.answered && !w.gone.Before(w.endHook.Add(silence)) {
		w.end = w.endAt
	}
}

// turn gives a window the direction that a webhook told for it.
func (q *equivents) turn(w *window) {
	if w.direction != "" || len(q.starts) == 0 {
		return
	}
	b := q.starts[len(q.starts)-1]
	if !b.first.Before(w.start.Add(-grace)) && b.first.Before(w.start.Add(q.rules.MaxDuration)) {
		w.direction = b.direction
	}
}

// history takes an entry of the API where webhooks alone are believed: it
// starts and ends nothing.
func (q *equivents) history(e event.Event) {
	said := e.Window
	w := find(q.api, said.Start)
	if w == nil {
		w = &window{start: said.Start, by: event.API, heard: e.Seen}
		q.api = insert(q.api, w)
	}
	w.showing = said.Running
	w.over, w.end = !said.Running, said.End
}

// answered takes a good or bad answer of the API as a whole. What it said of
// windows comes before it.
func (q *equivents) answered(e event.Event) {
	q.link.apply(e)
	if q.link.bad {
		return
	}
	for _, w := range q.unfinished {
		if w.by == event.Rehearsal || w.over {
			continue
		}
		if !w.gone.IsZero() {
			if e.Seen.After(w.gone) {
				q.vanish(w)
			}
		} else if !w.endHook.IsZero() && e.Seen.After(w.endHook) {
			w.answered = true
		}
	}
	q.agree(e.Seen)
}

// agree closes the bursts that the API's newest answer bears out.
func (q *equivents) agree(now time.Time) {
	running := q.running(now)
	if running == nil && now.After(q.ends.first) {
		q.ends.agreed = true
	}
	for _, b := range q.starts {
		if b.agreed || !now.After(b.first) {
			continue
		}
		b.agreed = running != nil || !b.start.IsZero() && find(q.windows, b.start) != nil
		for i := len(q.windows) - 1; i >= 0 && !b.agreed; i-- {
			w := q.windows[i]
			if w.start.Before(b.first.Add(-near)) {
				break
			}
			b.agreed = !w.start.After(b.last.Add(near)) // a short one, over already
		}
	}
}

func (q *equivents) hook(e event.Event) {
	if e.Seen.After(q.lastHook) {
		q.lastHook = e.Seen
	}
	switch {
	case q.rules.Believe && e.Window.Running:
		q.believeStart(e)
	case q.rules.Believe:
		q.believeEnd(e)
	case e.Window.Running:
		q.hintStart(e)
	default:
		q.hintEnd(e)
	}
}

func (q *equivents) hintStart(e event.Event) {
	if w := q.running(e.Seen); w != nil && w.direction == "" {
		w.direction = e.Window.Direction
	}
	if n := len(q.starts); n > 0 {
		if b := q.starts[n-1]; !b.agreed && !e.Seen.Before(b.first) && e.Seen.Before(b.last.Add(patience)) {
			b.last = e.Seen
			return
		}
	}
	q.starts = append(q.starts, &burst{
		id: UnconfirmedID(e.Seen), first: e.Seen, last: e.Seen,
		start: e.Window.Start, direction: e.Window.Direction,
	})
}

// UnconfirmedID is the id of the moment that says that the API did not confirm
// the webhooks of which the first was seen at that instant.
func UnconfirmedID(seen time.Time) string { return "equiwatt-" + instant(seen) + "-unconfirmed" }

func (q *equivents) hintEnd(e event.Event) {
	if q.ends.agreed || q.ends.first.IsZero() || !e.Seen.Before(q.ends.last.Add(patience)) {
		q.ends = burst{first: e.Seen}
	}
	q.ends.last = e.Seen
	w := q.running(e.Seen)
	if w == nil || !w.endHook.IsZero() && !w.answered {
		return
	}
	said := e.Window
	if endsAnother(w, said) {
		return
	}
	w.endHook, w.answered, w.endAt = e.Seen, false, q.saneEnd(w.start, said.End, e.Seen)
}

// endsAnother reports whether the end that a webhook tells is that of another
// window. Who names w's own start means w, however odd an end he names.
func endsAnother(w *window, said *event.Window) bool {
	if !said.Start.IsZero() {
		return said.Start.Unix() != w.start.Unix()
	}
	return !said.End.IsZero() && said.End.Unix() < w.start.Unix()
}

// saneEnd is the end by a webhook's word where that can be, else its arrival.
func (q *equivents) saneEnd(start, said, arrival time.Time) time.Time {
	if said.After(start) && !said.After(arrival.Add(grace)) && !said.After(start.Add(q.rules.MaxDuration)) {
		return said
	}
	return arrival
}

func (q *equivents) believeStart(e event.Event) {
	start, said := e.Window.Start, e.Window
	told := q.saneStart(start, e.Seen)
	var w *window
	if told {
		w = find(q.windows, start)
	} else {
		start, w = e.Seen, q.running(e.Seen)
	}
	if w == nil {
		w = q.add(e, start)
		w.arrival = !told
		if q.orphanEnd.After(start) {
			w.over, w.end, q.orphanEnd = true, q.orphanEnd, time.Time{}
		}
	}
	if !w.over && said.End.After(w.start) && !said.End.After(w.start.Add(q.rules.MaxDuration)) {
		w.end = said.End
	}
	if w.direction == "" {
		w.direction = said.Direction
	}
}

func (q *equivents) believeEnd(e event.Event) {
	said := e.Window
	w := q.running(e.Seen)
	if !said.Start.IsZero() {
		if w = find(q.windows, said.Start); w == nil {
			if said.End.After(said.Start) && !said.End.After(e.Seen.Add(grace)) {
				w = q.add(e, said.Start)
			}
		}
	}
	switch {
	case w == nil:
		if !said.End.After(e.Seen.Add(grace)) {
			q.orphanEnd = said.End
		}
	case w.over, endsAnother(w, said): // told before, or not its end
	default:
		w.over, w.end = true, q.saneEnd(w.start, said.End, e.Seen)
		q.watch(w)
	}
}

// rehearse begins a rehearsal, or sets the length of the running one anew.
func (q *equivents) rehearse(e event.Event) {
	if r := q.rehearsal; r != nil && e.Seen.Before(r.end) {
		r.end = e.Window.End
		q.watch(r)
		return
	}
	if !e.Window.End.After(e.Window.Start) {
		return
	}
	q.rehearsal = &window{
		id: "equiwatt-rehearsal-" + instant(e.Window.Start), start: e.Window.Start, end: e.Window.End,
		by: event.Rehearsal, heard: e.Seen, seq: e.Seq,
	}
	q.watch(q.rehearsal)
}

// step moves what was dated by this machine's clock before it was set.
func (q *equivents) step(s Step, live bool) {
	for _, w := range q.unfinished {
		if w.seq <= s.Since {
			continue
		}
		move(s.By, &w.heard, &w.gone, &w.endHook)
		if w.arrival || w.by == event.Rehearsal {
			move(s.By, &w.start)
			if w.by == event.Rehearsal {
				move(s.By, &w.end)
			}
		}
	}
	if live {
		q.link.step(s.By)
		move(s.By, &q.lastHook)
		for _, b := range q.starts {
			move(s.By, &b.first, &b.last)
		}
		move(s.By, &q.ends.first, &q.ends.last)
	}
}
