package state

import (
	"encoding/json"
	"time"
)

// shower is a thing that is a device.
type shower interface {
	show() any
	put() *slot
}

// slot is a thing's place among the devices.
type slot struct {
	place   int
	device  Device // without its State
	changed bool   // it is in the list of what differs
}

func (s *slot) put() *slot { return s }

// chargeFacts are the facts of an event, see pkg/vendors/capacitor.
type chargeFacts struct {
	Event           string    `json:"event"`
	ChargeBoxID     string    `json:"chargeBoxId"`
	ConnectorID     *int      `json:"connectorId"`
	TransactionID   string    `json:"transactionId"`
	Status          string    `json:"status"`
	ErrorCode       string    `json:"errorCode"`
	Vendor          string    `json:"vendor"`
	Model           string    `json:"model"`
	FirmwareVersion string    `json:"firmwareVersion"`
	MeterStart      *float64  `json:"meterStart"`
	Meter           *float64  `json:"meter"`
	MeterStop       *float64  `json:"meterStop"`
	Reason          string    `json:"reason"`
	Over            bool      `json:"over"`
	LastHeartbeat   time.Time `json:"lastHeartbeat"`
	IDTag           string    `json:"idTag"`

	Told json.RawMessage `json:"told"`
}

// told are the vendor's own fields of a webhook, and the name of the card where
// cards are told of; nil: there are none.
func (f chargeFacts) told() json.RawMessage {
	if f.IDTag == "" {
		return f.Told
	}
	all := map[string]json.RawMessage{}
	_ = json.Unmarshal(f.Told, &all) // an object, or nothing
	all["idTag"], _ = json.Marshal(f.IDTag)
	text, _ := json.Marshal(all)
	return text
}

// account is Capacitor itself as a device.
type account struct{ q *chargers }

func (s *account) put() *slot { return &s.q.ownPut }
func (s *account) show() any  { own := s.q.own; return &own }

// add gives a new thing its place.
func (q *chargers) add(s shower) {
	s.put().place = q.places
	q.places++
	q.touch(s)
}

// touch notes that a thing differs from what was shown.
func (q *chargers) touch(s shower) {
	if p := s.put(); !p.changed {
		p.changed = true
		q.changed = append(q.changed, s)
	}
}
