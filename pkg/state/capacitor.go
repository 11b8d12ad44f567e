package state

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Charger is what is known of one of Capacitor's chargers.
type Charger struct {
	Online   *bool     // connected to Capacitor; nil: not told, or silent for too long
	LastSeen time.Time // its newest sign of life; zero: none
	Vendor   string
	Model    string
	Firmware string
}

// Connector is what is known of a connector and of its newest charge, which
// stays until the next begins.
type Connector struct {
	ID       int
	Charger  string // the charger's id
	Status   string // OCPP 1.6's word; empty: not told
	Plugged  *bool  // nil: not told
	Charging *bool  // nil: not told
	Fault    *bool  // nil: not told

	SessionEnergy *float64 // kWh; nil: not told
	SessionStart  time.Time
	SessionID     string
	Running       bool   // the session goes on, as far as is known
	StopReason    string // empty: it runs, or not told

	// Rehearsal: a household rehearses here. Where nothing is charged as well,
	// the status and the session are part of the play, but no energy is.
	Rehearsal bool
}

// Chargers is Capacitor itself: its quota, and where what names no charger is
// said.
type Chargers struct {
	Asked   bool      // the API is asked
	Quota   *int      // calls that are left of the day; nil: not told
	Limit   *int      // calls a day; nil: not told
	Reset   time.Time // when they are all there again; zero: not told
	Problem string    // why the newest command was not carried out; empty: it was
}

// CapacitorRules are the household's choices.
type CapacitorRules struct {
	Asks     bool          // the API is asked
	Interval time.Duration // … at least so often, by the slowest plan
}

// silent is after how much silence nobody knows whether a charger is
// connected: three of its heartbeats, of 300 s each.
const silent = 15 * time.Minute

// chargers folds Capacitor's events. Webhooks come once or never, in any
// order, so each carries the vendor's time; the API's answers are the truth of
// the moment, and say nothing by themselves.
type chargers struct {
	rules   CapacitorRules
	subject func(source, id, plain string) string
	link    link
	moments moments
	play    *rehearsal // the newest
	stage   *socket    // … and where; nil: on Capacitor itself

	boxes   map[string]*box
	charges map[string]*charge // by the transaction's number, see charge

	own    Chargers
	ownPut slot

	devices Devices   // as they were last shown
	places  int       // how many there are
	changed []shower  // what differs from it
	alive   timers    // of boxes: when their silence gets too long
	stale   []*box    // those whose did
	now     time.Time // of the newest view

	hooked bool      // a webhook ever came
	listed time.Time // when the API was last asked for all chargers
	blind  time.Time // … for the first time after who knows what was missed
	doubts timers    // of boxes and charges: when they are worth a question
	quota  CapacitorQuota
	asks   *CapacitorAsks
	pruned time.Time
}

func newChargers(r Rules) *chargers {
	q := &chargers{
		rules: *r.Capacitor, subject: r.Subject, boxes: map[string]*box{}, charges: map[string]*charge{},
		link: link{asks: r.Capacitor.Asks, interval: r.Capacitor.Interval, since: r.Since},
		own:  Chargers{Asked: r.Capacitor.Asks}, asks: &CapacitorAsks{},
	}
	q.ownPut.device = Device{Source: "capacitor"}
	q.add(&account{q})
	return q
}

func (q *chargers) apply(e event.Event, news bool) {
	if e.Subject == event.Link && e.Status != nil {
		if q.link.apply(e); q.link.bad {
			q.listed = time.Time{} // who knows what was missed
		}
		return
	}
	switch {
	case e.By == event.API && e.Notice != nil:
		q.noted(e)
		return
	case e.By == event.Rehearsal:
		q.rehearse(e, news)
		return
	}
	var f chargeFacts
	_ = json.Unmarshal(e.Data, &f) // made by the vendor's room; without facts it is a notice of nothing
	if e.By == event.Webhook {
		q.hook(e, f, news)
	} else {
		q.answer(e, f)
	}
}

// hook takes a webhook. One that is older than the newest of its charger says
// nothing, and changes only what nothing newer was told of.
func (q *chargers) hook(e event.Event, f chargeFacts, news bool) {
	q.hooked = true
	b, x := q.meant(f)
	if b == nil {
		q.notice(e, f, news)
		return
	}
	dated := !e.At.Equal(e.Seen)
	late := dated && e.At.Before(b.order)
	if dated && !late {
		b.order = e.At
	}
	b.heard(e.At)
	q.touch(b)
	t := telling{Moment: Moment{
		ID: "capacitor-" + e.Key, Source: "capacitor", Subject: b.device.Subject, Type: strings.ReplaceAll(f.Event, ".", "_"),
		Occurred: e.At, Fields: map[string]any{"charger": b.id}, Data: f.told(),
	}}
	if f.ConnectorID != nil {
		t.Fields["connector_id"] = *f.ConnectorID
	}
	t.from = earliest(e.At, e.Seen)
	says := &saying{telling: t, news: news && !late && !e.Quiet, late: late}
	switch f.Event {
	case "charger.connected", "charger.disconnected":
		q.connection(b, e, says)
	case "charger.boot":
		q.boot(b, e, f, says)
	case "connector.status_changed":
		q.statusChanged(b, e, f, says)
	case "transaction.started", "transaction.stopped", "transaction.updated":
		if e.Session == nil { // it does not say of which
			b.unclear, b.vague = "transactions", e.Seen
			q.moment(says, e.Seen.Add(remember))
		} else {
			q.transaction(b, x, e, f, says)
		}
	default:
		q.notice(e, f, news)
	}
	q.doubt(b)
}

// saying is a moment that may be said of a webhook.
type saying struct {
	telling
	news, late bool
}

// moment has something said, unless it is late. What the vendor's clock puts
// into the future is said at once.
func (q *chargers) moment(s *saying, until time.Time) {
	if !s.late {
		q.moments.say(s.news, s.Moment, s.from, until)
	}
}

// notice says what names no charger, or is not known.
func (q *chargers) notice(e event.Event, f chargeFacts, news bool) {
	code := f.Event
	if e.Notice != nil {
		code = e.Notice.Code
	}
	q.moments.say(news && !e.Quiet, Moment{
		ID: "capacitor-" + e.Key, Source: "capacitor", Type: "notice", Occurred: e.At,
		Fields: map[string]any{"code": code, "charger": f.ChargeBoxID}, Data: f.told(),
	}, earliest(e.At, e.Seen), e.Seen.Add(remember))
}

// meant returns the charger and the charge that an event is about, as far as
// they are named or known.
func (q *chargers) meant(f chargeFacts) (*box, *charge) {
	_, x := q.charge(f.TransactionID, f.ChargeBoxID)
	switch {
	case f.ChargeBoxID != "":
		return q.box(f.ChargeBoxID), x
	case x != nil:
		return x.box, x
	}
	return nil, nil
}

// answer takes what the API says of a charger, a connector or a transaction.
func (q *chargers) answer(e event.Event, f chargeFacts) {
	b, x := q.meant(f)
	switch {
	case b == nil && e.Session == nil:
		return
	case e.Session != nil && x == nil && b == nil:
		return // a transaction of nobody knows which charger
	case e.Session != nil:
		q.transaction(b, x, e, f, &saying{late: true})
	case f.ConnectorID == nil:
		q.listing(b, e, f)
	case *f.ConnectorID > 0:
		q.status(q.socket(b, *f.ConnectorID), e, f)
		b.readAt = e.Seen
	}
	q.doubt(b)
}

func (q *chargers) view(now time.Time) (Source, time.Time) {
	s := Source{Name: "capacitor"}
	var next, at time.Time
	s.Link, next = q.link.view(now)
	s.Due, s.Flying, at = q.moments.due(now)
	next = earliest(next, at)
	next = earliest(next, q.age(now))
	s.Rehearsal, at = q.play.at(now)
	if next = earliest(next, at); q.play.turned(now) && q.stage != nil {
		q.touch(q.stage)
	}
	for _, c := range q.changed {
		p := c.put()
		d := p.device
		d.State = c.show()
		q.devices, p.changed = q.devices.With(p.place, &d), false
	}
	clear(q.changed)
	q.changed = q.changed[:0]
	s.Devices = q.devices
	s.Asks = q.asked()
	return s, next
}

// age finds the chargers that are silent for too long, and returns when the
// next one will be. While the API says that it is connected, it is not silent.
func (q *chargers) age(now time.Time) time.Time {
	if now.Before(q.now) { // the clock went back
		for _, b := range q.stale {
			b.silent = false
			q.alive.set(&b.alive, b.life.Add(silent))
			q.touch(b)
		}
		q.stale = q.stale[:0]
	}
	q.now = now
	for t := q.alive.first(); t != nil && !now.Before(t.at); t = q.alive.first() {
		b := t.of.(*box)
		if b.shown && q.rules.Asks && !q.link.stale(now) && !q.link.staleAt().IsZero() {
			q.alive.set(t, q.link.staleAt())
			continue
		}
		q.alive.set(t, time.Time{})
		b.silent = true
		q.stale = append(q.stale, b)
		q.touch(b)
	}
	if t := q.alive.first(); t != nil {
		return t.at
	}
	return time.Time{}
}

func (q *chargers) open() []string         { return q.moments.open() }
func (q *chargers) mark(id string, s Said) { q.moments.mark(id, s) }

// prune forgets charges that are over and no longer shown. It is called for
// each event, and looks once in a while.
func (q *chargers) prune(now time.Time) {
	if now.Sub(q.pruned).Abs() < time.Minute {
		return
	}
	q.pruned = now
	q.moments.prune(now)
	for id, x := range q.charges {
		if x.over && (x.socket == nil || x.socket.charge != x) && x.news.Add(forgotten).Before(now) {
			q.doubts.set(&x.doubt, time.Time{})
			if x.opener != "" {
				q.moments.drop(x.opener)
			}
			delete(q.charges, id)
		}
	}
}

// step dates anew what this machine's clock dated wrongly: what this process
// heard, and what the vendor gave no time of.
func (q *chargers) step(s Step, live bool) {
	if q.play != nil && q.play.seq > s.Since {
		q.moments.retime(q.play, s.By)
	}
	if !live {
		return
	}
	q.link.step(s.By)
	move(s.By, &q.listed, &q.blind, &q.pruned, &q.quota.Reset)
	for _, b := range q.boxes {
		move(s.By, &b.life, &b.readAt, &b.known)
		if !b.alive.at.IsZero() {
			q.alive.set(&b.alive, b.alive.at.Add(s.By))
		}
		if !b.doubt.at.IsZero() {
			q.doubts.set(&b.doubt, b.doubt.at.Add(s.By))
		}
	}
	for _, x := range q.charges {
		move(s.By, &x.news, &x.heard, &x.asked)
		if !x.doubt.at.IsZero() {
			q.doubts.set(&x.doubt, x.doubt.at.Add(s.By))
		}
	}
}

// plainConnector is where a connector stands in topics.
func plainConnector(charger string, n int) string { return charger + "_" + strconv.Itoa(n) }
