package state

import (
	"cmp"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// PowerResponseRules say that the source is on, and how its API is asked.
type PowerResponseRules struct {
	Interval time.Duration // how often there is an answer at least
}

// Response is what is known of PowerResponse's dispatch events.
type Response struct {
	Active  *bool     // one runs; nil: unknown
	Running *Dispatch // the one shown; nil: none runs
	Next    *Dispatch // the one that starts next; nil: none is known
	Last    *Dispatch // the one that ended last, with both ends; nil: none is known

	Enrolling  bool   // a challenge would be answered
	Cloud      *bool  // the API answers; nil: never asked
	CloudError string // why the newest answer was bad, one sentence; empty: it was good
}

// Dispatch is one event of PowerResponse; the words are the vendor's.
type Dispatch struct {
	UUID, Name, Status string
	Direction          string // "powerDOWN", "powerUP"; empty: not said
	Start, End         time.Time
}

// ResponseAsks is what decides which event is read next.
type ResponseAsks []ResponseAsk

// ResponseAsk is one event that is known, or that a webhook named.
type ResponseAsk struct {
	UUID       string
	Start, End time.Time // zero: not said
	Void       bool      // cancelled, or gone
	Told       time.Time // when a webhook named it last, or we first heard of it
}

// watched is how long an event is taken to run whose end nobody named, and how
// long one is waited for of which nothing is known but its name.
const watched = 24 * time.Hour

// Enrol is the subject of the Window in which a challenge is answered.
const Enrol = "enrol"

// dispatches folds PowerResponse's events. Starts and ends happen by the clock.
type dispatches struct {
	link    link
	moments moments
	all     map[string]*dispatch // by UUID
	enrol   time.Time            // until when a challenge is answered
	ever    bool                 // an event was ever told of

	device *Device // as it was last shown
	asks   *ResponseAsks
}

type dispatch struct {
	Dispatch

	void bool
	over time.Time // when it was cancelled while it ran; zero: it was not
	told time.Time
	seq  int64 // of the event that told last; our own clock dated told and over

	announced, revoked bool // there was a reason to say so
	begun              bool // its start was said
}

func newDispatches(r Rules) *dispatches {
	return &dispatches{
		link: link{asks: true, interval: r.PowerResponse.Interval, since: r.Since},
		all:  map[string]*dispatch{}, asks: &ResponseAsks{},
	}
}

func (q *dispatches) apply(e event.Event, news bool) {
	news = news && !e.Quiet
	uuid, known := strings.CutPrefix(e.Key, "event/")
	switch {
	case e.Subject == event.Link && e.Status != nil:
		q.link.apply(e)
		return
	case e.Subject == Enrol && e.Window != nil:
		q.enrol = e.Window.End
		return
	case e.Notice != nil:
		q.hint(e, news)
	case known && e.By == event.API && e.Window != nil:
		q.schedule(q.find(uuid, e), e, news)
	case known && e.By == event.API && e.Status != nil:
		q.revoke(q.find(uuid, e), e, news)
	}
	q.replan()
}

// find returns the event of that UUID, which may be a new one.
func (q *dispatches) find(uuid string, e event.Event) *dispatch {
	d := q.all[uuid]
	if d == nil {
		d = &dispatch{Dispatch: Dispatch{UUID: uuid}, told: e.Seen}
		q.all[uuid] = d
	}
	d.seq = e.Seq
	return d
}

// hint takes a webhook: a reason to read the event that it names.
func (q *dispatches) hint(e event.Event, news bool) {
	var names struct {
		UUID string `json:"eventUUID"`
	}
	_ = json.Unmarshal(e.Data, &names) // what names nothing is only said
	if names.UUID != "" && !e.Quiet {
		d := q.find(names.UUID, e)
		d.told = e.Seen
	}
	q.moments.say(news, Moment{
		ID: "powerresponse-" + strings.ReplaceAll(e.Key, "/", "-"), Source: "powerresponse", Type: "notice", Occurred: e.At,
		Fields: map[string]any{"kind": e.Notice.Code}, Data: e.Data,
	}, e.At, e.At.Add(remember))
}

// learn takes what the API says beside the times.
func (d *dispatch) learn(e event.Event) {
	var says struct{ Name, Status string }
	_ = json.Unmarshal(e.Data, &says) // an event that is gone has none
	d.Name, d.Status = cmp.Or(says.Name, d.Name), cmp.Or(says.Status, d.Status)
}

// end is when an event stops to run, unless it is cancelled before.
func (d *dispatch) end() time.Time {
	if d.End.IsZero() && !d.Start.IsZero() {
		return d.Start.Add(watched)
	}
	return d.End
}

// until is when an event was over.
func (d *dispatch) until() time.Time {
	if !d.over.IsZero() {
		return earliest(d.end(), d.over)
	}
	return d.end()
}

func (d *dispatch) id(kind string) string { return "powerresponse-" + d.UUID + "-" + kind }

func (d *dispatch) moment(kind string, at time.Time) Moment {
	return Moment{
		ID: d.id(kind), Source: "powerresponse", Type: kind, Occurred: at,
		Fields: map[string]any{"start": d.Start, "end": d.End, "name": d.Name, "status": d.Status, "direction": d.Direction},
	}
}

// schedule takes an event as the API shows it. What was said of other times
// stays said; what was not is said of these.
func (q *dispatches) schedule(d *dispatch, e event.Event, news bool) {
	w := e.Window
	d.learn(e)
	d.Start, d.End, d.Direction = w.Start, w.End, w.Direction
	d.void, d.over = false, time.Time{}
	q.ever = true
	if d.Start.IsZero() {
		q.silence(d, e.Seen)
		return
	}
	q.announce(d, e, news)
	m := d.moment("started", d.Start)
	m.Opens, m.Data = true, e.Data
	if !q.retell(m, d.Start, d.end()) && !d.begun {
		q.moments.say(news, m, d.Start, d.end())
	}
	q.finish(d, d.end())
}

// announce says what is first known to come; of one that is moved, only as far
// as it was not said.
func (q *dispatches) announce(d *dispatch, e event.Event, news bool) {
	m := d.moment("announced", e.Seen)
	m.Data = e.Data
	if t := q.moments.by[m.ID]; t != nil {
		m.Occurred = t.Occurred
		q.retell(m, t.Occurred, d.Start)
	} else if !d.announced && d.Start.After(e.Seen) {
		d.announced = true
		q.moments.say(news, m, e.Seen, d.Start)
	}
}

// retell changes a moment that is there as far as it is not said. It stays
// there in any case: whether an earlier process has said it is not known
// before everything was heard.
func (q *dispatches) retell(m Moment, from, until time.Time) bool {
	t := q.moments.by[m.ID]
	if t == nil {
		return false
	}
	t.from, t.until = from, until
	if t.said == Unsaid {
		t.Moment = m
	}
	return true
}

// finish says the end of what was said to have started.
func (q *dispatches) finish(d *dispatch, at time.Time) {
	if m := d.moment("ended", at); !q.retell(m, at, time.Time{}) {
		q.moments.end(d.id("started"), m, at)
	}
}

// silence leaves unsaid what is no longer to come.
func (q *dispatches) silence(d *dispatch, now time.Time) {
	for _, kind := range []string{"announced", "started"} {
		if t := q.moments.by[d.id(kind)]; t != nil && t.said == Unsaid {
			t.from, t.until = now, now
		}
	}
	q.finish(d, now)
}

// revoke takes an event that will not be, or ends before its time.
func (q *dispatches) revoke(d *dispatch, e event.Event, news bool) {
	d.learn(e)
	q.ever = true
	if d.void {
		return
	}
	d.void = true
	if d.Start.IsZero() || !e.Seen.Before(d.end()) {
		return
	}
	d.over = e.Seen
	if !d.revoked {
		m := d.moment("cancelled", e.Seen)
		d.revoked, m.Data = true, e.Data
		q.moments.say(news, m, e.Seen, d.end())
	}
	q.silence(d, e.Seen)
}

// replan makes what decides the next question, where it changed.
func (q *dispatches) replan() {
	asks := make(ResponseAsks, 0, len(q.all))
	for _, d := range q.all {
		asks = append(asks, ResponseAsk{d.UUID, d.Start, d.End, d.void, d.told})
	}
	slices.SortFunc(asks, func(a, b ResponseAsk) int { return cmp.Compare(a.UUID, b.UUID) })
	if !slices.Equal(asks, *q.asks) {
		q.asks = &asks
	}
}

func (q *dispatches) view(now time.Time) (Source, time.Time) {
	s := Source{Name: "powerresponse", Asks: q.asks}
	var next time.Time
	s.Due, s.Flying, next = q.moments.due(now)
	l, change := q.link.view(now)
	s.Link, next = l, earliest(next, change)

	v := &Response{Cloud: l.Up, CloudError: l.Error, Enrolling: now.Before(q.enrol)}
	if v.Enrolling {
		next = earliest(next, q.enrol)
	}
	for _, d := range q.all {
		next = earliest(next, v.show(d, now))
	}
	active := v.Running != nil
	if active || q.ever && !q.link.stale(now) {
		v.Active = &active
	}
	if q.device == nil || !reflect.DeepEqual(q.device.State, v) {
		q.device = &Device{Source: "powerresponse", State: v}
	}
	s.Devices = DevicesOf(q.device)
	return s, next
}

// show puts an event where it belongs at now, and returns when that changes. Of
// several that run the one that began last is shown.
func (v *Response) show(d *dispatch, now time.Time) (next time.Time) {
	if d.Start.IsZero() || !d.over.IsZero() && !d.over.After(d.Start) {
		return next
	}
	later := func(a, b *Dispatch) bool { // by start, then by UUID, so that the order of a map is none
		return cmp.Or(a.Start.Compare(b.Start), cmp.Compare(a.UUID, b.UUID)) > 0
	}
	shown := d.Dispatch
	switch until := d.until(); {
	case now.Before(d.Start):
		if v.Next == nil || later(v.Next, &shown) {
			v.Next = &shown
		}
		return d.Start
	case now.Before(until):
		if v.Running == nil || later(&shown, v.Running) {
			v.Running = &shown
		}
		return until
	default:
		shown.End = until
		if v.Last == nil || shown.End.After(v.Last.End) || shown.End.Equal(v.Last.End) && later(&shown, v.Last) {
			v.Last = &shown
		}
	}
	return next
}

func (q *dispatches) open() []string { return q.moments.open() }

// mark remembers beyond the moment itself that a start was said: an event that
// is moved when it was over does not say it again.
func (q *dispatches) mark(id string, s Said) {
	q.moments.mark(id, s)
	uuid, start := strings.CutSuffix(strings.TrimPrefix(id, "powerresponse-"), "-started")
	if d := q.all[uuid]; start && d != nil && s.told() {
		d.begun = true
	}
}

// step dates anew what our own clock dated since it was wrong; an event's
// times are the vendor's.
func (q *dispatches) step(s Step, live bool) {
	for _, d := range q.all {
		if d.seq > s.Since {
			move(s.By, &d.told, &d.over)
		}
	}
	if live {
		q.link.step(s.By)
		move(s.By, &q.enrol)
	}
	q.replan()
}

// prune forgets what is over, but for the last one, which is shown.
func (q *dispatches) prune(now time.Time) {
	q.moments.prune(now)
	var v Response
	for _, d := range q.all {
		v.show(d, now)
	}
	n := len(q.all)
	for uuid, d := range q.all {
		over := d.until()
		if over.IsZero() {
			over = d.told.Add(watched)
		}
		if (v.Last == nil || v.Last.UUID != uuid) && now.After(over.Add(forgotten)) && now.After(d.told.Add(forgotten)) {
			delete(q.all, uuid)
		}
	}
	if len(q.all) != n {
		q.replan()
	}
}
