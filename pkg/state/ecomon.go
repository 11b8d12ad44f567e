package state

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Reader is what is known of one of Ecomon's readers of a power meter. Energies
// are those of the clock hour, in Wh; nil: not told.
type Reader struct {
	Warning     bool     // an alert of this clock hour holds
	Limit       *float64 // the newest that was told, in whichever hour
	Consumption *float64 // so far, by the hour's newest alert that tells it
	Projection  *float64 // of the whole hour, by the alert at its half
	Remaining   *float64 // Limit less Consumption
	LastAlert   time.Time

	// Rehearsal: a household rehearses here. Where no alert holds as well, all
	// of the above but LastAlert is part of the play.
	Rehearsal bool
}

// Readers is Ecomon itself, where what names no reader is said.
type Readers struct{}

// readers folds Ecomon's events. An alert is about the clock hour in which it
// came, and nobody ever says that it is over: the clock does.
type readers struct {
	subject func(source, id, plain string) string
	moments moments
	all     []*reader // in the order in which they came
	by      map[string]*reader
	play    *rehearsal // the newest

	devices Devices // as they were last shown
}

type reader struct {
	device Device // without its State
	shown  *Device
	lit    bool // in shown

	alert  alert     // the newest
	seq    int64     // … and its event's; the clock may have dated it wrongly
	until  time.Time // when it is over; zero: there was none yet
	opener string    // id of the first moment of this clock hour, which the full hour ends; empty: none

	last    time.Time // the newest alert of any kind
	lastSeq int64
	changed bool
}

// alert is what an alert says, and what those before it in its hour said.
type alert struct {
	at                             time.Time
	limit, consumption, projection *float64
}

func newReaders(r Rules) *readers {
	return &readers{
		subject: r.Subject, by: map[string]*reader{},
		devices: DevicesOf(&Device{Source: "ecomon", State: &Readers{}}),
	}
}

// What Ecomon calls its alerts, see pkg/vendors/ecomon.
const (
	ecomonTest   = "webhook:test"
	ecomonHalf   = "HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING" // at minute 30
	ecomonHourly = "ESTIMATED_HOURLY_"                           // what begins so comes at any time
	ecomonUsage  = "SUSTAINABLE_CONSUMPTION_ALERT"
)

// Warns reports whether an alert of that code says that a limit is in danger.
func Warns(code string) bool {
	return code == ecomonHalf || code == ecomonUsage || strings.HasPrefix(code, ecomonHourly)
}

func (q *readers) apply(e event.Event, news bool) {
	if e.By == event.Rehearsal && e.Window != nil {
		q.rehearse(e, news)
		return
	}
	if e.Notice == nil {
		return
	}
	news = news && !e.Quiet
	m := Moment{ID: "ecomon-" + e.Key, Source: "ecomon", Type: "notice", Occurred: e.At, Fields: map[string]any{"kind": e.Notice.Code}, Data: e.Data}
	var r *reader
	if e.Subject != "" {
		r = q.reader(e.Subject)
		m.Subject = r.device.Subject
		if !e.Quiet || e.At.After(r.last) {
			r.last, r.lastSeq, r.changed = e.At, e.Seq, true
		}
	}
	switch {
	case e.Notice.Code == ecomonTest:
		m.Type = "test"
	case r != nil && Warns(e.Notice.Code):
		q.warn(r, e, m, news)
		return
	}
	q.moments.say(news, m, e.At, e.At.Add(remember))
}

// rehearse plays an alert on a reader that is known, else on Ecomon itself.
func (q *readers) rehearse(e event.Event, news bool) {
	m := Moment{Source: "ecomon", Type: "limit_warning", Fields: map[string]any{"rehearsal": true, "kind": "rehearsal"}}
	if r := q.by[e.Subject]; r != nil {
		m.Subject, r.changed = r.device.Subject, true
		s := played(r.state(e.At))
		m.Fields["limit"], m.Fields["consumption"], m.Fields["projection"], m.Fields["remaining"] = s.Limit, s.Consumption, s.Projection, s.Remaining
	}
	over := Moment{Source: m.Source, Subject: m.Subject, Type: "cleared", Fields: map[string]any{"rehearsal": true}}
	was := q.play
	q.play = q.moments.rehearse(was, e, news, m.Subject, m, over)
	for _, r := range q.all {
		r.changed = r.changed || was != nil && r.device.Subject == was.Subject
	}
}

// played is a reader on which an alert is rehearsed: the limit as it is known,
// else one of 5 kWh, of which a tenth is left.
func played(s *Reader) *Reader {
	if s.Rehearsal = true; s.Warning {
		return s
	}
	limit := 5000.0
	if s.Limit != nil {
		limit = *s.Limit
	}
	used := 0.9 * limit
	left := limit - used
	s.Warning, s.Limit, s.Consumption, s.Remaining = true, &limit, &used, &left
	return s
}

func (q *readers) reader(id string) *reader {
	r := q.by[id]
	if r == nil {
		r = &reader{device: Device{Source: "ecomon", ID: id, Subject: q.subject("ecomon", id, "")}}
		q.by[id] = r
		q.all = append(q.all, r)
	}
	return r
}

// warn takes an alert that a limit will be passed in its clock hour.
func (q *readers) warn(r *reader, e event.Event, m Moment, news bool) {
	if e.Quiet && e.At.Before(r.alert.at) {
		return // an older one, read anew, changes nothing
	}
	if end := hourEnd(e.At); !end.Equal(r.until) {
		r.alert, r.until, r.opener = alert{limit: r.alert.limit}, end, ""
	}
	r.seq, r.changed = e.Seq, true
	r.alert.take(e)
	if e.Quiet {
		return
	}
	if q.play != nil && q.play.Subject == r.device.Subject {
		q.moments.cut(q.play, e.At) // this is no rehearsal any more
	}
	state := r.state(e.At)
	m.Type = "limit_warning"
	m.Fields["limit"], m.Fields["consumption"], m.Fields["projection"], m.Fields["remaining"] =
		state.Limit, state.Consumption, state.Projection, state.Remaining
	m.Opens = r.opener == ""
	q.moments.say(news, m, e.At, r.until)
	if m.Opens {
		r.opener = m.ID
		q.moments.end(m.ID, Moment{ID: m.ID + "-cleared", Source: m.Source, Subject: m.Subject, Type: "cleared", Occurred: r.until}, r.until)
	}
}

// hourEnd is when the clock hour of t is over, in UTC and in Oslo alike.
func hourEnd(t time.Time) time.Time { return t.Truncate(time.Hour).Add(time.Hour) }

// take adds what an alert tells. What it does not tell stays as it was, but
// for the projection, which is of the consumption that it was made from.
func (a *alert) take(e event.Event) {
	a.at = e.At
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(e.Data, &fields) // without fields there is nothing to take
	// The names with "Watts" mean the energy of the clock hour too: the alert
	// at its half compares twice the consumption with the limit.
	if v := energy(fields, "configuredLimitInWatts", "configuredLimitInWattHours", "limitInWattHours", "limitInWatts"); v != nil {
		a.limit = v
	}
	v := energy(fields, "consumptionThisFarInTheCurrentHourInWatts", "consumptionThisFarInTheCurrentHourInWattHours")
	if v == nil {
		return
	}
	a.consumption, a.projection = v, nil
	if e.Notice.Code == ecomonHalf {
		twice := 2 * *v
		a.projection = &twice
	}
}

// energy is the first of the named fields that holds an energy in Wh, as a
// number or a text; nil: none.
func energy(fields map[string]json.RawMessage, names ...string) *float64 {
	const most = 1e9 // far beyond what a house can use
	for _, name := range names {
		v, err := strconv.ParseFloat(strings.Trim(string(fields[name]), `"`), 64)
		if err == nil && !math.IsNaN(v) && v >= 0 && v <= most {
			return &v
		}
	}
	return nil
}

// state is what is known of a reader at now.
func (r *reader) state(now time.Time) *Reader {
	s := &Reader{Limit: r.alert.limit, LastAlert: r.last}
	if !now.Before(r.until) {
		return s
	}
	s.Warning, s.Consumption, s.Projection = true, r.alert.consumption, r.alert.projection
	if s.Limit != nil && s.Consumption != nil {
		left := *s.Limit - *s.Consumption
		s.Remaining = &left
	}
	return s
}

func (q *readers) view(now time.Time) (Source, time.Time) {
	s := Source{Name: "ecomon"}
	var next time.Time
	s.Due, s.Flying, next = q.moments.due(now)
	running, end := q.play.at(now)
	s.Rehearsal, next = running, earliest(next, end)
	turned := q.play.turned(now)
	for i, r := range q.all {
		lit := now.Before(r.until)
		if lit {
			next = earliest(next, r.until)
		}
		onStage := q.play != nil && q.play.Subject == r.device.Subject
		if r.shown != nil && lit == r.lit && !r.changed && !(turned && onStage) {
			continue
		}
		d, state := r.device, r.state(now)
		if running != nil && onStage {
			state = played(state)
		}
		d.State = state
		r.shown, r.lit, r.changed = &d, lit, false
		q.devices = q.devices.With(i+1, r.shown)
	}
	s.Devices = q.devices
	return s, next
}

func (q *readers) open() []string { return q.moments.open() }

func (q *readers) mark(id string, s Said) { q.moments.mark(id, s) }

func (q *readers) prune(now time.Time) { q.moments.prune(now) }

// step dates anew what came since the clock was wrong, and with it its hour.
func (q *readers) step(s Step, _ bool) {
	if q.play != nil && q.play.seq > s.Since {
		q.moments.retime(q.play, s.By)
	}
	for _, r := range q.all {
		if r.lastSeq > s.Since {
			move(s.By, &r.last)
			r.changed = true
		}
		if r.seq > s.Since {
			q.move(r, s.By)
		}
	}
}

func (q *readers) move(r *reader, by time.Duration) {
	was := r.until
	move(by, &r.alert.at)
	r.until, r.changed = hourEnd(r.alert.at), true
	for _, t := range q.moments.list {
		switch {
		case t.Subject != r.device.Subject:
		case t.Type == "limit_warning" && t.until.Equal(was):
			move(by, &t.Occurred, &t.from)
			t.until = r.until
		case t.opener != nil && t.opener.ID == r.opener:
			t.Occurred, t.from = r.until, r.until
		}
	}
}
