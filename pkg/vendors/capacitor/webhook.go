package capacitor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Decoder reads webhooks. The zero Decoder leaves the ids of RFID cards out.
type Decoder struct {
	// Salt makes of a card's id a name that only this installation can make;
	// empty: no card is told of.
	Salt []byte
}

// ahead is how far a vendor's clock may be ahead of ours.
const ahead = 5 * time.Minute

// Decode tells what a webhook says, one event for each delivery, and for each
// element where the body is a list. It never fails.
func (c Decoder) Decode(d event.Delivery) []event.Event {
	sum := sha256.Sum256(d.Body)
	key, seen := hex.EncodeToString(sum[:8]), d.Received.UTC()
	list := []json.RawMessage{d.Body}
	if several(d.Body, &list) && len(list) == 0 {
		list = []json.RawMessage{nil}
	}
	events := make([]event.Event, 0, len(list))
	for i, body := range list {
		e := c.read(body, seen)
		e.Key = key
		if i > 0 {
			e.Key += "/" + strconv.Itoa(i)
		}
		if e.At.Equal(seen) { // nothing in the body tells it from the same thing at another time
			e.Key += "@" + strconv.FormatInt(seen.Unix()/60, 10)
		}
		events = append(events, e)
	}
	return events
}

func several(body []byte, list *[]json.RawMessage) bool {
	var all []json.RawMessage
	if !decode(body, &all) || all == nil {
		return false
	}
	*list = all
	return true
}

func (c Decoder) read(body []byte, seen time.Time) event.Event {
	e := event.Event{Source: Source, By: event.Webhook, At: seen, Seen: seen}
	top, ok := object(body)
	name := top.text("event")
	if !ok || name == "" {
		e.Notice = &event.Notice{Code: event.Undecodable}
		return e
	}
	if at := top.time("timestamp"); !at.IsZero() && !at.After(seen.Add(ahead)) {
		e.At = at
	}
	data := top.in("data")
	f := data.facts()
	f.Event, f.IDTag, f.Told = name, c.card(data), told(body)
	e.Data = f.json()
	e.Subject = f.subject()
	switch charger, transaction := f.ChargeBoxID != "", f.TransactionID != ""; {
	case name == Connected && charger:
		e.Status = &event.Status{State: Online}
	case name == Disconnected && charger:
		e.Status = &event.Status{State: Offline}
	case name == StatusChanged && charger && f.ConnectorID != nil && f.Status != "":
		e.Status = &event.Status{State: f.Status}
	case (name == Started || name == Stopped || name == Updated) && transaction:
		e.Session = session(f, data, e.At)
	default:
		e.Notice = &event.Notice{Code: name}
	}
	return e
}

// subject is the connector that is spoken of, or the charger; empty: neither
// is named.
func (f Facts) subject() string {
	if f.ChargeBoxID == "" || f.ConnectorID == nil || *f.ConnectorID == 0 {
		return f.ChargeBoxID
	}
	return f.ChargeBoxID + "/" + strconv.Itoa(*f.ConnectorID)
}

// session is what a webhook says of a transaction. A stop whose end is not
// told ended when it was told.
func session(f Facts, data fields, at time.Time) *event.Session {
	s := &event.Session{Start: data.time("starttime"), WattHours: f.wattHours()}
	switch f.Event {
	case Started:
		if s.Start.IsZero() {
			s.Start = at
		}
	case Stopped:
		if s.End = data.time("stoptime"); s.End.IsZero() {
			s.End = at
		}
	}
	return s
}

// wattHours is the energy of a whole transaction as far as the vendor tells
// it. Some meters begin at zero each time, so a register that went back tells
// nothing.
func (f Facts) wattHours() *float64 {
	if f.MeterStart != nil && f.MeterStop != nil && *f.MeterStop >= *f.MeterStart {
		wh := *f.MeterStop - *f.MeterStart
		return &wh
	}
	if f.EnergyDelivered != nil {
		wh := *f.EnergyDelivered * 1000
		return &wh
	}
	return nil
}

// card is the name of an RFID card, where cards are told of.
func (c Decoder) card(data fields) string {
	id := data.text("idtag")
	if len(c.Salt) == 0 || id == "" {
		return ""
	}
	mac := hmac.New(sha256.New, c.Salt)
	mac.Write([]byte(id))
	return "rfid_" + hex.EncodeToString(mac.Sum(nil)[:4])
}
