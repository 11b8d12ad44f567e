package state

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// box is a charger.
type box struct {
	slot
	id    string
	order time.Time // the newest delivery's, by the vendor's clock

	state  Charger // as it was told; whether it is silent is not in it
	since  time.Time
	proof  time.Time // the newest that was told of its connection, by the teller's clock
	life   time.Time // … when it was heard
	alive  timer     // when there was none for too long
	silent bool      // there was none for too long
	shown  bool      // the API's newest word is that it is connected
	said   string    // the id of the moment of its connection
	zero   string    // … and of its connector 0's status

	sockets []*socket
	known   time.Time // since when
	status  time.Time // the newest of a connector
	readAt  time.Time // when the API was last asked for it
	booted  time.Time
	unclear string    // what a delivery did not say, as a question; empty: nothing
	vague   time.Time // … since when
	doubt   timer
	routine bool
	asks    string // what the doubt asks
	tries   int    // in vain
	asked   time.Time
}

// socket is a connector.
type socket struct {
	slot
	box    *box
	id     int
	status string
	fault  string // the error code
	at     time.Time
	said   string // the id of its status's moment
	charge *charge
	play   *rehearsal // on which it is the stage; nil: none
}

func (q *chargers) box(id string) *box {
	b := q.boxes[id]
	if b == nil {
		name := id
		if strings.Contains(id, "/") { // it may be what another's connector is called
			name += "/"
		}
		b = &box{id: id, slot: slot{device: Device{Source: "capacitor", ID: id, Subject: q.subject("capacitor", name, "")}}}
		b.alive.of, b.doubt.of = b, b
		q.boxes[id] = b
		q.add(b)
	}
	return b
}

func (q *chargers) socket(b *box, id int) *socket {
	for _, n := range b.sockets {
		if n.id == id {
			return n
		}
	}
	n := &socket{box: b, id: id}
	name := b.id + "/" + strconv.Itoa(id)
	n.device = Device{Source: "capacitor", ID: name, Subject: q.subject("capacitor", name, plainConnector(b.device.Subject, id))}
	b.sockets = append(b.sockets, n)
	q.add(n)
	return n
}

func (b *box) show() any {
	s := b.state
	if b.silent && s.Online != nil && *s.Online {
		s.Online = nil
	}
	return &s
}

// heard notes when a charger gave a sign of life.
func (b *box) heard(at time.Time) {
	if at.After(b.state.LastSeen) {
		b.state.LastSeen = at
	}
}

// connected notes whether a charger is connected, as an event tells.
func (q *chargers) connected(b *box, on bool, e event.Event) {
	if b.state.Online == nil || *b.state.Online != on || b.silent {
		b.since = e.At
	}
	if b.silent {
		b.silent = false
		q.stale = slices.DeleteFunc(q.stale, func(o *box) bool { return o == b })
	}
	b.state.Online = &on
	b.life, b.proof = latest(b.life, e.Seen), latest(b.proof, e.At)
	until := time.Time{}
	if on {
		until = b.life.Add(silent)
	}
	q.alive.set(&b.alive, until)
	q.touch(b)
}

// connection takes charger.connected and charger.disconnected.
func (q *chargers) connection(b *box, e event.Event, s *saying) {
	if e.Status == nil || e.At.Before(b.proof) {
		return
	}
	on := e.Status.State == "online"
	b.shown = b.shown && on
	q.connected(b, on, e)
	q.moments.withdraw(b.said)
	b.said = s.ID
	q.moment(s, time.Time{})
}

// boot takes a charger that has begun anew. What it charged is over, and its
// connectors will tell how they are.
func (q *chargers) boot(b *box, e event.Event, f chargeFacts, s *saying) {
	q.make(b, f)
	if !s.late {
		b.booted = e.At
		q.connected(b, true, e)
		for _, n := range b.sockets {
			q.wonder(n.charge)
		}
	}
	q.moment(s, e.Seen.Add(remember))
}

// make notes what a charger is.
func (q *chargers) make(b *box, f chargeFacts) {
	was := b.state
	for into, word := range map[*string]string{&b.state.Vendor: f.Vendor, &b.state.Model: f.Model, &b.state.Firmware: f.FirmwareVersion} {
		if word != "" {
			*into = word
		}
	}
	if b.state.Vendor != was.Vendor || b.state.Model != was.Model {
		b.device.Edition++
	}
	q.touch(b)
}

// statusChanged takes connector.status_changed. Connector 0 is the charger,
// which has no status of its own.
func (q *chargers) statusChanged(b *box, e event.Event, f chargeFacts, s *saying) {
	if e.Status == nil || f.ConnectorID == nil {
		b.unclear, b.vague = "charger", e.Seen
		q.moment(s, e.Seen.Add(remember))
		return
	}
	s.Fields["status"] = e.Status.State
	if f.ErrorCode != "" {
		s.Fields["error_code"] = f.ErrorCode
	}
	if !s.late && !strings.EqualFold(e.Status.State, "Unavailable") { // which the vendor may say of one that is gone
		q.connected(b, true, e)
	}
	said := &b.zero
	if *f.ConnectorID > 0 {
		n := q.socket(b, *f.ConnectorID)
		q.status(n, e, f)
		said = &n.said
	}
	if !s.late {
		q.moments.withdraw(*said)
		*said = s.ID
		q.moment(s, time.Time{})
	}
}

// status takes a connector's status, by whomever; the newest holds.
func (q *chargers) status(n *socket, e event.Event, f chargeFacts) {
	if e.Status == nil || e.At.Before(n.at) {
		return
	}
	word := ocppStatus(e.Status.State)
	if word != n.status {
		q.moments.withdraw(n.said)
		if !slices.Contains(ocppStatuses(), word) || !slices.Contains(ocppStatuses(), n.status) {
			n.device.Edition++ // the document lists the words
		}
	}
	n.status, n.fault, n.at = word, f.ErrorCode, e.At
	if e.At.After(n.box.status) {
		n.box.status = e.At
	}
	q.touch(n)
	q.wonder(n.charge)
}

// listing takes what the API says of a charger itself.
func (q *chargers) listing(b *box, e event.Event, f chargeFacts) {
	q.make(b, f)
	b.heard(f.LastHeartbeat)
	if b.known.IsZero() {
		b.known = e.Seen
	}
	if e.Status == nil {
		return
	}
	b.shown = e.Status.State == "online"
	switch e.Status.State {
	case "online", "offline":
		if was := b.state.Online; was != nil && *was != b.shown {
			q.moments.withdraw(b.said)
		}
		q.connected(b, b.shown, e)
	default:
		q.unknown(b)
	}
}

// unknown: nobody can say whether a charger is connected.
func (q *chargers) unknown(b *box) {
	b.state.Online, b.shown = nil, false
	q.alive.set(&b.alive, time.Time{})
	q.moments.withdraw(b.said)
	q.touch(b)
}

// ocppStatuses are the words of OCPP 1.6 for a connector's status.
func ocppStatuses() []string {
	return []string{"Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing", "Reserved", "Unavailable", "Faulted"}
}

// ocppStatus spells a known word as OCPP does; another stays as it is.
func ocppStatus(word string) string {
	for _, known := range ocppStatuses() {
		if strings.EqualFold(known, word) {
			return known
		}
	}
	return word
}

func (n *socket) show() any {
	c := &Connector{ID: n.id, Charger: n.box.id, Status: n.status}
	if slices.Contains(ocppStatuses(), n.status) {
		c.Plugged = new(!slices.Contains([]string{"Available", "Unavailable", "Faulted", "Reserved"}, n.status))
		c.Charging = new(n.status == "Charging")
	}
	if c.Plugged != nil || n.fault != "" {
		c.Fault = new(n.status == "Faulted" || n.fault != "" && !strings.EqualFold(n.fault, "NoError"))
	}
	if x := n.charge; x != nil {
		c.SessionEnergy, c.SessionStart, c.SessionID, c.StopReason, c.Running = x.energy(), x.start, x.id, x.reason, !x.over
	}
	if n.play != nil && n.play.live {
		n.pretend(c)
	}
	return c
}

// pretend shows a charge that is rehearsed, where none runs. Its energy would
// stay in a household's statistics, so it has none.
func (n *socket) pretend(c *Connector) {
	if c.Rehearsal = true; c.Running || c.Charging != nil && *c.Charging {
		return
	}
	c.Status, c.Plugged, c.Charging = "Charging", new(true), new(true)
	c.SessionStart, c.SessionID, c.StopReason = n.play.Start, "rehearsal", ""
}
