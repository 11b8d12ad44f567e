package state

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// OpenvoltRules say that the source is on, and how it is heard.
type OpenvoltRules struct {
	Asks bool // the API is asked: there is a key
}

// Meter is what is known of one of Openvolt's meters.
type Meter struct {
	Newest        time.Time // start of the newest half hour that is known; zero: none is
	LastDay       string    // the last complete day of the household's zone, "2026-11-20"; empty: none
	LastDayEnergy *float64  // … kWh
	Age           *int64    // s since the end of the newest half hour, in whole hours; nil: none is known
	Gaps          *int      // half hours missing between the first and the newest known; nil: none is known
	Status        string    // the vendor's word; empty: not said
}

// Meters is Openvolt itself, where what names no meter of ours is said.
type Meters struct{}

// OpenvoltAsks is what decides which half hours are asked for next.
type OpenvoltAsks struct {
	Spoken time.Time // when something was last said that may change which meters there are; zero: never
	Meters []*MeterAsks
}

// MeterAsks is one meter of it. It never changes.
type MeterAsks struct {
	ID    string
	End   time.Time           // of the newest half hour that is known; zero: none is
	Fresh time.Time           // when it was last said that there is something new, but not of when
	Told  map[int64]time.Time // of a day of UTC, counted from 1970: when it was last said that there is something new
}

const (
	// gather is how long after it a meter's word is said, so that a burst of
	// thirteen months is one.
	gather = 2 * time.Second
	// apart is how long after it the next one of the same meter is said; what
	// comes in between is one.
	apart = time.Minute
	// strangers is how often a word of an unknown meter is a reason to ask for
	// the list of meters.
	strangers = time.Hour
	// named is how many meters webhooks alone can make known.
	named = 100
	// interest is how far back a word of new data is of interest.
	interest = 14 // months
)

// meters folds Openvolt's events.
type meters struct {
	rules   OpenvoltRules
	subject func(source, id, plain string) string
	link    link
	since   stamp // when the API's bad answers began
	moments moments
	bursts  map[string]*gathering // by subject
	heard   map[string]time.Time  // when a delivery last came, by its moment's id
	all     []*meter              // in the order in which they came
	by      map[string]*meter

	spoken, strange, fresh stamp
	asks                   *OpenvoltAsks // as it was last shown; nil: it changed
	devices                Devices       // as they were last shown
}

// meter is one meter; the API lists it, or where it is not asked a webhook
// named it.
type meter struct {
	device  Device // without its State
	shown   *Device
	hours   int64 // age in shown
	changed bool

	known Meter
	end   time.Time
	told  map[int64]stamp
	asks  *MeterAsks // as it was last shown; nil: it changed
}

// stamp is an instant that our own clock dated, and the event it is of.
type stamp struct {
	at  time.Time
	seq int64
}

func (s *stamp) set(e event.Event) {
	if e.Seen.After(s.at) {
		*s = stamp{e.Seen, e.Seq}
	}
}

func (s *stamp) step(st Step) {
	if s.seq > st.Since {
		move(st.By, &s.at)
	}
}

// gathering is webhooks of new data that are said as one.
type gathering struct {
	id  string
	seq int64     // of the first one's event
	due time.Time // when they are said
	n   int
}

func newMeters(r Rules) *meters {
	return &meters{
		rules: *r.Openvolt, subject: r.Subject, by: map[string]*meter{}, bursts: map[string]*gathering{}, heard: map[string]time.Time{},
		// Each day there is a list of meters at least.
		link:    link{asks: r.Openvolt.Asks, interval: 6 * time.Hour, since: r.Since},
		devices: DevicesOf(&Device{Source: "openvolt", State: &Meters{}}),
	}
}

func (q *meters) apply(e event.Event, news bool) {
	news = news && !e.Quiet
	switch {
	case e.Subject == event.Link && e.Status != nil:
		q.answered(e)
	case e.By == event.API && e.Status != nil:
		m := q.meter(e.Subject)
		m.known.Status, m.changed = e.Status.State, true
	case e.By == event.API && e.Session != nil:
		q.meter(e.Subject).learn(e)
		q.asks = nil
	case e.By == event.Self && e.Notice != nil:
		q.wish(e)
	case e.By == event.Webhook && e.Notice != nil:
		q.hear(e, news)
	}
}

func (q *meters) answered(e event.Event) {
	q.link.apply(e)
	if !q.link.bad {
		q.since = stamp{}
	} else if q.since.at.IsZero() {
		q.since.set(e)
	}
}

func (q *meters) meter(id string) *meter {
	m := q.by[id]
	if m == nil {
		m = &meter{device: Device{Source: "openvolt", ID: id, Subject: q.subject("openvolt", id, "")}, told: map[int64]stamp{}}
		q.by[id] = m
		q.all = append(q.all, m)
		q.asks = nil
	}
	return m
}

// learn takes the summary of a meter's half hours.
func (m *meter) learn(e event.Event) {
	var says struct {
		LastDay string `json:"last_day"`
		Gaps    int    `json:"gaps"`
	}
	_ = json.Unmarshal(e.Data, &says) // written by us
	m.known = Meter{Status: m.known.Status, LastDay: says.LastDay}
	if m.end = e.Session.End; !m.end.IsZero() {
		m.known.Newest, m.known.Gaps = m.end.Add(-30*time.Minute), &says.Gaps
	}
	if wh := e.Session.WattHours; wh != nil && says.LastDay != "" {
		kWh := *wh / 1000
		m.known.LastDayEnergy = &kWh
	}
	m.changed, m.asks = true, nil
}

// span is a range of a meter's time, as a webhook or a command names it.
type span struct {
	Meter string    `json:"meter_id"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

func spans(data json.RawMessage) []span {
	var says struct {
		Ranges []span `json:"ranges"`
	}
	_ = json.Unmarshal(data, &says) // without ranges there are none
	return says.Ranges
}

// wish takes a household's command: to ask for a span of a meter, or without
// one for what is new of all.
func (q *meters) wish(e event.Event) {
	list := spans(e.Data)
	if len(list) == 0 {
		q.renew(e)
		q.speak(e)
	}
	for _, s := range list {
		if m := q.by[s.Meter]; m != nil {
			q.tell(m, s, e)
		}
	}
}

// renew makes the recent days of all meters worth asking for.
func (q *meters) renew(e event.Event) {
	q.fresh.set(e)
	q.asks = nil
	for _, m := range q.all {
		m.asks = nil
	}
}

// speak makes the list of meters worth asking for.
func (q *meters) speak(e event.Event) {
	q.spoken.set(e)
	q.asks = nil
}

// tell notes that there is something new of each day of a span. Whether it
// names half hours by their start or their end is not known.
func (q *meters) tell(m *meter, s span, e event.Event) {
	const slack = 30 * time.Minute
	first, last := dayOf(s.Start.Add(-slack)), dayOf(s.End.Add(slack-1))
	oldest, today := dayOf(e.Seen.AddDate(0, -interest, 0)), dayOf(e.Seen)
	for d := max(first, oldest); d <= min(last, today); d++ {
		t := m.told[d]
		t.set(e)
		m.told[d] = t
	}
	maps.DeleteFunc(m.told, func(d int64, _ stamp) bool { return d < oldest })
	m.asks, q.asks = nil, nil
}

func dayOf(t time.Time) int64 { return t.Unix() / (24 * 60 * 60) }

// What Openvolt calls its events, see pkg/vendors/openvolt.
const (
	voltData     = "meter_data.received"
	voltApproved = "hosted_consent.approved"
)

var voltTypes = [...]string{
	voltData, voltApproved, "hosted_consent.revoked", "api_keys.rotated", "meter.created", "customer.created",
}

// voltFields are the vendor's own fields of a webhook; nil: there are none.
func voltFields(data json.RawMessage) json.RawMessage {
	var says struct {
		Told json.RawMessage `json:"told"`
	}
	_ = json.Unmarshal(data, &says) // without data there are none
	return says.Told
}

// hear takes a webhook: something to say, and a reason to ask.
func (q *meters) hear(e event.Event, news bool) {
	code := e.Notice.Code
	m := Moment{
		ID: "openvolt-" + code + "-" + e.Key, Source: "openvolt", Type: "notice", Occurred: e.At,
		Fields: map[string]any{"kind": code}, Data: voltFields(e.Data),
	}
	if m.Occurred.After(e.Seen) {
		m.Occurred = e.Seen
	}
	// A delivery that comes again is told by its id, whatever else is in it.
	_, again := q.heard[m.ID]
	q.heard[m.ID] = e.Seen
	if slices.Contains(voltTypes[:], code) {
		m.Type = strings.ReplaceAll(code, ".", "_")
	}
	if code == voltData {
		q.received(e, m, news, again)
		return
	}
	if m.Type != "notice" || code == "user.created" {
		q.speak(e)
	}
	if code == voltApproved {
		q.renew(e)
	}
	q.moments.say(news && !again, m, e.Seen, e.Seen.Add(remember))
}

// received takes the news that there are new data. Meters that are not ours
// are no reason to ask for them; where the API is not asked, who is named is
// ours.
func (q *meters) received(e event.Event, m Moment, news, again bool) {
	list := spans(e.Data)
	if !q.rules.Asks && e.Subject != "" && (q.by[e.Subject] != nil || len(q.all) < named) {
		q.meter(e.Subject)
	}
	for i, s := range list {
		if our := q.by[s.Meter]; our != nil {
			q.tell(our, s, e)
		} else if e.Seen.Sub(q.strange.at).Abs() >= strangers {
			q.strange = stamp{e.Seen, e.Seq}
			q.speak(e)
		}
		if from, ok := m.Fields["start"].(time.Time); i == 0 || ok && s.Start.Before(from) {
			m.Fields["start"] = s.Start
		}
		if to, ok := m.Fields["end"].(time.Time); i == 0 || ok && s.End.After(to) {
			m.Fields["end"] = s.End
		}
	}
	if len(list) == 0 {
		m.Fields["start"], m.Fields["end"] = time.Time{}, time.Time{}
		q.renew(e)
	}
	if our := q.by[e.Subject]; our != nil {
		m.Subject = our.device.Subject
	}
	if !e.Quiet && !again {
		q.gather(e, m, news)
	}
}

// gather says a word of new data a little later, and with it what comes until
// then of the same meter.
func (q *meters) gather(e event.Event, m Moment, news bool) {
	b := q.bursts[m.Subject]
	if b != nil && e.Seen.Before(b.due) && !e.Seen.Before(b.due.Add(-apart-gather)) {
		t := q.moments.by[b.id]
		if t == nil && !news {
			return // one with what was said long ago
		}
		if t != nil && t.said == Unsaid {
			b.n++
			t.Moment = t.join(m, b.n)
			return
		}
	}
	next := &gathering{id: m.ID, seq: e.Seq, due: e.Seen.Add(gather), n: 1}
	if b != nil && e.Seen.Before(b.due.Add(apart)) && e.Seen.After(b.due.Add(-apart)) {
		next.due = b.due.Add(apart)
	}
	q.bursts[m.Subject] = next
	m.Fields["deliveries"] = next.n
	q.moments.say(news, m, next.due, next.due.Add(remember))
}

// join is a moment with what another one says as well.
func (t *telling) join(other Moment, n int) Moment {
	m := t.Moment
	m.Fields, m.Data = maps.Clone(m.Fields), nil // each one's own fields are in the history
	m.Fields["deliveries"] = n
	if from, ok := other.Fields["start"].(time.Time); ok && !from.IsZero() && from.Before(m.Fields["start"].(time.Time)) {
		m.Fields["start"] = from
	}
	if to, ok := other.Fields["end"].(time.Time); ok && to.After(m.Fields["end"].(time.Time)) {
		m.Fields["end"] = to
	}
	return m
}
