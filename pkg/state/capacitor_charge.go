package state

import (
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// charge is a transaction: a car that is charged, from the card to the last
// watt hour.
type charge struct {
	id     string
	box    *box
	socket *socket // nil: nobody said which connector

	start, end  time.Time // zero: not told
	over        bool
	first, last *float64  // Wh, the meter's register
	meterAt     time.Time // of last
	stop        *float64  // Wh, the meter's register at the end
	delivered   *float64  // Wh, of the whole, as the vendor told it
	sofar       *float64  // Wh, as the vendor told it meanwhile
	best        *float64  // Wh: the newest that was known, which never shrinks while it runs
	presumed    bool      // best is the nothing with which every charge begins
	reason      string
	opener      string // the id of the moment of its start

	heard time.Time // when it was first heard of
	news  time.Time // … and last, by a webhook
	hint  time.Time // since when something speaks for its end
	ended time.Time // when it was told to end by a command
	doubt timer
	tries int // questions in vain
	asked time.Time
	lost  bool // the API does not know it
}

// energy is that of the charge, in kWh; nil: not told.
func (x *charge) energy() *float64 {
	if x.best == nil {
		return nil
	}
	kWh := *x.best / 1000
	return &kWh
}

// measure finds the energy anew. A register may begin at zero for each charge,
// and one that went back says nothing.
func (x *charge) measure() {
	since := func(register *float64) *float64 {
		if x.first == nil || register == nil || *register < *x.first {
			return nil
		}
		wh := *register - *x.first
		return &wh
	}
	found := since(x.stop)
	if found == nil {
		found = x.delivered
	}
	if found == nil {
		found = since(x.last)
	}
	if found == nil {
		found = x.sofar
	}
	switch {
	case found != nil:
		x.presumed = false
	case x.over && x.presumed: // nobody told what was charged
		x.best, x.presumed = nil, false
	}
	if found != nil && (x.over || x.best == nil || *found > *x.best) {
		x.best = found
	}
}

// measured reports whether the energy of a charge that is over is known.
func (x *charge) measured() bool {
	return x.delivered != nil || x.first != nil && x.stop != nil && *x.stop >= *x.first
}

// charge finds the charge of a number, and what it is kept by. The vendor's
// numbers seem to be one row for all chargers; where two use the same one, they
// are two charges. An empty charger: it is not named.
func (q *chargers) charge(number, charger string) (key string, x *charge) {
	x = q.charges[number]
	if x != nil && charger != "" && x.box.id != charger {
		number += "/" + charger
		x = q.charges[number]
	}
	return number, x
}

// anew reports whether a delivery begins another charge of a number whose
// charge is over.
func (x *charge) anew(e event.Event, f chargeFacts) bool {
	dated := !e.At.Equal(e.Seen)
	return f.Event == "transaction.started" && dated && x.over && !x.end.IsZero() && e.At.After(x.end.Add(settle))
}

// transaction takes what is said of a charge, by a webhook or by the API.
func (q *chargers) transaction(b *box, x *charge, e event.Event, f chargeFacts, s *saying) {
	if x != nil && x.anew(e, f) {
		q.doubts.set(&x.doubt, time.Time{})
		x = nil
	}
	if x == nil {
		x = &charge{id: f.TransactionID, box: b, heard: e.At}
		x.doubt.of = x
		key, _ := q.charge(x.id, b.id)
		q.charges[key] = x
	}
	hook := e.By == event.Webhook
	if hook || x.news.IsZero() {
		x.news, x.tries = e.Seen, 0
	}
	if f.ConnectorID != nil && *f.ConnectorID > 0 && x.socket == nil {
		x.socket = q.socket(b, *f.ConnectorID)
	}
	if start := e.Session.Start; !start.IsZero() && (x.start.IsZero() || f.Event == "transaction.started") {
		x.start = start
	}
	keep(&x.first, f.MeterStart)
	keep(&x.stop, f.MeterStop)
	if f.Meter != nil && !e.At.Before(x.meterAt) {
		x.last, x.meterAt = f.Meter, e.At
	}
	if f.Reason != "" {
		x.reason = f.Reason
	}
	if hook && b.unclear == "transactions" {
		b.unclear = ""
	}
	if f.Event == "transaction.stopped" || f.Over {
		keep(&x.delivered, e.Session.WattHours)
		x.lost = x.lost || f.Status == "not found"
		q.finish(x, e.Session.End)
	} else if !x.over {
		keep(&x.sofar, e.Session.WattHours)
	}
	x.measure()
	if f.Event == "transaction.started" && !x.over && x.best == nil && x.first != nil {
		x.best, x.presumed = new(0.0), true
	}
	q.attach(x)
	if !s.late {
		q.connectedBy(b, e, f)
		q.tellCharge(x, e, f, s)
	}
	if x.socket != nil {
		q.touch(x.socket)
	}
	q.wonder(x)
}

// keep takes a number that is told.
func keep(into **float64, n *float64) {
	if n != nil {
		*into = n
	}
}

// connectedBy: a charger that tells of a charge is connected. Of its end the
// vendor may know otherwise.
func (q *chargers) connectedBy(b *box, e event.Event, f chargeFacts) {
	if f.Event != "transaction.stopped" {
		q.connected(b, true, e)
	}
}

// finish ends a charge; what is not said of its start by now is not said.
func (q *chargers) finish(x *charge, end time.Time) {
	x.over = true
	if !end.IsZero() {
		x.end = end
	}
	if t := q.moments.by[x.opener]; t != nil && t.until.IsZero() {
		t.until = t.from
	}
}

// attach makes a charge the one that its connector shows, if it is the newest.
func (q *chargers) attach(x *charge) {
	n := x.socket
	if n == nil || n.charge == x {
		return
	}
	if was := n.charge; was != nil && x.began().Before(was.began()) {
		return
	} else if was != nil {
		n.charge = x
		q.wonder(was) // a new one has begun, so it is over
		return
	}
	n.charge = x
}

// began is when a charge began, or at the latest.
func (x *charge) began() time.Time {
	if x.start.IsZero() {
		return x.heard
	}
	return x.start
}

// tellCharge says what a webhook tells of a charge.
func (q *chargers) tellCharge(x *charge, e event.Event, f chargeFacts, s *saying) {
	s.Fields["transaction_id"] = x.id
	if x.socket != nil {
		s.Fields["connector_id"] = x.socket.id
	}
	switch f.Event {
	case "transaction.started":
		if x.socket != nil && x.socket == q.stage {
			q.moments.cut(q.play, earliest(e.At, e.Seen)) // this is no rehearsal any more
		}
		if !x.over {
			x.opener, s.Opens = s.ID, true
		}
		s.Fields["start"] = x.start
		until := time.Time{}
		if x.over {
			until = s.from
		}
		q.moment(s, until)
	case "transaction.stopped":
		s.Fields["session_energy"], s.Fields["stop_reason"] = x.energy(), x.reason
		if q.moments.by[x.opener] != nil {
			q.moments.end(x.opener, s.Moment, s.from)
		} else {
			q.moment(s, e.Seen.Add(unopened))
		}
	default:
		s.Fields["session_energy"] = x.energy()
		q.moment(s, e.Seen.Add(remember))
	}
}

// unopened is how long the end of a charge whose start nobody told is worth
// saying: after an absence it is not.
const unopened = 5 * time.Minute
