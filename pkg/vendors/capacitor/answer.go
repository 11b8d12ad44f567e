package capacitor

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Charger is a charger as the API shows it.
type Charger struct {
	ID        string // the chargeBoxId
	Online    *bool  // nil: not told
	Vendor    string
	Model     string
	Firmware  string
	Heartbeat time.Time // the last one; zero: not told

	Connectors []Connector // empty: not told
}

// Connector is a connector as the API shows it.
type Connector struct {
	ID        int       // from 1; 0 is the charger itself
	Status    string    // OCPP 1.6's word
	ErrorCode string    // OCPP 1.6's word; empty: not told
	Updated   time.Time // zero: not told
}

// Transaction is a charge as the API shows it. Whose card began it is left out.
type Transaction struct {
	ID         string // the number of the transaction, not its "txn_…"
	Charger    string
	Connector  *int // nil: not told
	Status     string
	MeterStart *float64 // Wh, the meter's register; nil: not told
	MeterStop  *float64 // Wh, the meter's register; nil: not told
	Energy     *float64 // kWh; nil: not told
	Start      time.Time
	Stop       time.Time // zero: not told
	Reason     string    // why it stopped; empty: not told
}

// items are the objects of a list, which stands under that name, under "data",
// or alone; total is how many there are in all, less than zero: not told.
func items(body []byte, name string) (list []fields, total int, ok bool) {
	text := rest.Text(body)
	var bare []any
	if decode(text, &bare) && bare != nil {
		return objects(bare), -1, true
	}
	top, ok := object(text)
	if !ok {
		return nil, -1, false
	}
	all, ok := top[name].([]any)
	if null, there := top[name]; !ok && there && null == nil {
		ok = true
	}
	if !ok {
		all, ok = top["data"].([]any)
	}
	total = -1
	if n := top.in("pagination").number("total"); n != nil && *n < 1e6 {
		total = int(*n)
	}
	return objects(all), total, ok
}

// one is an object that has that field itself, or stands under that name or
// under "data".
func one(body []byte, name, has string) fields {
	top, _ := object(rest.Text(body))
	for _, f := range []fields{top, top.in(name), top.in("data")} {
		if f[has] != nil {
			return f
		}
	}
	return nil
}

func chargerOf(f fields) Charger {
	c := Charger{
		ID: f.charger(), Online: f.truth("isonline"), Vendor: f.text("vendor"), Model: f.text("model"),
		Firmware: f.text("firmwareversion"), Heartbeat: f.time("lastheartbeat"),
	}
	if word := f.text("status"); c.Online == nil && (strings.EqualFold(word, Online) || strings.EqualFold(word, Offline)) {
		c.Online = new(strings.EqualFold(word, Online))
	}
	for _, f := range objects(f["connectors"]) {
		n := Connector{Status: f.text("status"), ErrorCode: f.text("errorcode"), Updated: f.time("lastupdated")}
		id := f.connector()
		if id == nil || n.Status == "" || slices.ContainsFunc(c.Connectors, func(o Connector) bool { return o.ID == *id }) {
			continue
		}
		n.ID = *id
		c.Connectors = append(c.Connectors, n)
	}
	return c
}

func transactionOf(f fields) Transaction {
	return Transaction{
		ID: f.transaction(), Charger: f.charger(), Connector: f.connector(), Status: f.text("status"),
		MeterStart: f.number("meterstart"), MeterStop: f.number("meterstop"), Energy: f.number("energydelivered"),
		Start: f.time("starttime"), Stop: f.time("stoptime"), Reason: f.text("stopreason", "reason"),
	}
}

// Over reports whether a transaction is over. Of a status that is not known
// nothing is concluded, and of a register at the end only where none says that
// it goes on: it may be shown as zero until then.
func (t Transaction) Over() bool {
	over := []string{"completed", "complete", "stopped", "finished", "ended", "closed", "failed", "rejected", "cancelled", "canceled", "expired"}
	return !t.Stop.IsZero() || t.MeterStop != nil && !t.goesOn() || slices.Contains(over, strings.ToLower(t.Status))
}

// Running reports whether a transaction goes on.
func (t Transaction) Running() bool { return !t.Over() && t.goesOn() }

// goesOn knows the words of both generations of the vendor's documents.
func (t Transaction) goesOn() bool {
	running := []string{"active", "in_progress", "pending", "started", "charging"}
	return slices.Contains(running, strings.ToLower(t.Status))
}

// events tells what a charger's own page says of it and of its connectors.
func (c Charger) events(seen time.Time, live bool) []event.Event {
	list := []event.Event{c.event("detail/", seen, live)}
	for _, n := range c.Connectors {
		f := Facts{ChargeBoxID: c.ID, ConnectorID: &n.ID, Status: n.Status, ErrorCode: n.ErrorCode}
		at := seen.UTC()
		if !n.Updated.IsZero() && n.Updated.Before(at) {
			at = n.Updated
		}
		list = append(list, event.Event{
			Source: Source, Subject: f.subject(), Key: "connector/" + c.ID + "/" + strconv.Itoa(n.ID), By: event.API,
			At: at, Seen: seen.UTC(), Status: &event.Status{State: n.Status}, Data: f.json(),
		})
	}
	return list
}

// event tells whether a charger is connected. When it was last heard changes
// with each answer while it is, and is left out of what is kept: it would be
// news each time.
func (c Charger) event(key string, seen time.Time, live bool) event.Event {
	f := Facts{ChargeBoxID: c.ID, Vendor: c.Vendor, Model: c.Model, FirmwareVersion: c.Firmware}
	state := ""
	switch {
	case c.Online == nil:
	case *c.Online:
		state = Online
	default:
		state = Offline
	}
	if live || state == Offline {
		f.LastHeartbeat = c.Heartbeat
	}
	return event.Event{
		Source: Source, Subject: c.ID, Key: key + c.ID, By: event.API,
		At: seen.UTC(), Seen: seen.UTC(), Status: &event.Status{State: state}, Data: f.json(),
	}
}

// Gone tells that Capacitor knows no charger of that id any more.
func Gone(charger string, seen time.Time) event.Event {
	e := Charger{ID: charger}.event("detail/", seen, false)
	e.Status.State = "gone"
	return e
}

// Unreachable tells that a charger is not connected, as a call about it found.
func Unreachable(charger string, seen time.Time) event.Event {
	return Charger{ID: charger, Online: new(false)}.event("detail/", seen, false)
}

// Event tells what the API says of a transaction.
func (t Transaction) Event(seen time.Time) event.Event {
	f := Facts{
		ChargeBoxID: t.Charger, ConnectorID: t.Connector, TransactionID: t.ID, Status: t.Status, Over: t.Over(),
		MeterStart: t.MeterStart, MeterStop: t.MeterStop, EnergyDelivered: t.Energy, Reason: t.Reason,
	}
	if !f.Over {
		f.MeterStop = nil
	}
	at := seen.UTC()
	if !t.Stop.IsZero() && t.Stop.Before(at) {
		at = t.Stop
	}
	return event.Event{
		Source: Source, Subject: f.subject(), Key: "transaction/" + t.ID, By: event.API,
		At: at, Seen: seen.UTC(), Session: &event.Session{Start: t.Start, End: t.Stop, WattHours: f.wattHours()}, Data: f.json(),
	}
}

// Lost tells that Capacitor knows no transaction of that number: it is over,
// and nobody knows since when.
func Lost(transaction string, seen time.Time) event.Event {
	e := Transaction{ID: transaction, Status: "not found"}.Event(seen)
	e.Data = Facts{TransactionID: transaction, Status: "not found", Over: true}.json()
	return e
}
