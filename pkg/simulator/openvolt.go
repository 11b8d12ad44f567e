package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Types of Openvolt's webhooks (https://docs.openvolt.com/docs/event-types).
const (
	MeterData       = "meter_data.received"
	ConsentApproved = "hosted_consent.approved"
	ConsentRevoked  = "hosted_consent.revoked"
	KeysRotated     = "api_keys.rotated"
	MeterCreated    = "meter.created"
	CustomerCreated = "customer.created"
)

const halfHour = 30 * time.Minute

// Openvolt is the cloud of one account: the handler is its API, and webhooks
// wait for Deliver. What the vendor does not document is assumed: one call a
// second, at most 31 days of half hours and a margin a call, errors as
// {"message": …}. As it was seen, an answer's end is inclusive and its energy a
// text. It is safe for concurrent use.
type Openvolt struct {
	cloud
	key string

	meters   []*voltMeter
	told     int // deliveries so far
	hooks    []voltHook
	envelope string
	exact    bool // ends are exclusive
	ends     bool // labels are ends
	numbers  bool // energy is a JSON number
}

// voltHook is an address that is told of some types of events.
type voltHook struct {
	url   string
	types []string // empty: all
}

// voltMeter is one record of the account.
type voltMeter struct {
	id, status string
	refused    int // status of the answers; zero: it is not
	changes    []voltChange
}

// voltChange is what became known of some half hours; the last one counts.
type voltChange struct {
	from, to time.Time
	what     string   // "known", "missing", "null", "blank"
	kWh      *float64 // nil: Energy
}

// NewOpenvolt returns an account without meters, whose API takes that key. Now
// is its clock; nil is time.Now.
func NewOpenvolt(key string, now func() time.Time) *Openvolt {
	s := &Openvolt{cloud: newCloud(now), key: key, envelope: "data"}
	s.base = "/v1"
	s.limits = []limit{{1, time.Second}}
	s.guard = func(r *http.Request, _ []byte) (said, bool) {
		return said{status: http.StatusUnauthorized, json: voltError("Unauthorized")}, r.Header.Get("x-api-key") == s.key
	}
	s.handle("GET /v1/meters", s.list)
	s.handle("GET /v1/meters/{id}", func(r *http.Request, _ []byte) said {
		if m := s.find(r.PathValue("id")); m != nil {
			return said{json: m.record()}
		}
		return s.refuse(http.StatusNotFound)
	})
	s.handle("GET /v1/interval-data", s.intervals)
	return s
}

func voltError(text string) map[string]string { return map[string]string{"message": text} }

// Subscribe is what the customer does in the dashboard: that address is told of
// those types of events, and of all where none is named.
func (s *Openvolt) Subscribe(address string, types ...string) {
	s.change(func() { s.hooks = append(s.hooks, voltHook{address, types}) })
}

// Connect adds a meter without data; the webhook waits.
func (s *Openvolt) Connect(id string) {
	s.change(func() {
		s.meters = append(s.meters, &voltMeter{id: id, status: "active"})
		s.tell(MeterCreated, map[string]any{"meter": s.find(id).record()})
	})
}

// Fill makes the half hours of [from, to) known; the webhook waits.
func (s *Openvolt) Fill(id string, from, to time.Time) {
	s.alter(id, voltChange{from: from, to: to, what: "known"})
	s.Tell(Span{id, from.Add(halfHour), to})
}

// Backfill makes the months before an instant known, from the oldest on, and
// one webhook a month waits, as for homes; where all is at once one for all of
// them, as for businesses.
func (s *Openvolt) Backfill(id string, until time.Time, months int, atOnce bool) {
	until = until.UTC().Truncate(halfHour)
	if atOnce {
		s.Fill(id, until.AddDate(0, -months, 0), until)
		return
	}
	for n := months; n > 0; n-- {
		s.Fill(id, until.AddDate(0, -n, 0), until.AddDate(0, 1-n, 0))
	}
}

// Miss takes half hours away, which no webhook speaks of. What is "null" or
// "blank" comes as a row without a reading, and what is "missing" not at all.
func (s *Openvolt) Miss(id string, from, to time.Time, what string) {
	s.alter(id, voltChange{from: from, to: to, what: what})
}

// Correct gives half hours another energy; the webhook waits.
func (s *Openvolt) Correct(id string, from, to time.Time, kWh float64) {
	s.alter(id, voltChange{from: from, to: to, what: "known", kWh: &kWh})
	s.Tell(Span{id, from.Add(halfHour), to})
}

// Span is what a webhook says of a meter, as it says it: of a day the vendor
// says from half past midnight to the next midnight.
type Span struct {
	Meter      string
	Start, End time.Time
}

// Tell says that there is new data, be it true or not; one webhook waits.
func (s *Openvolt) Tell(spans ...Span) {
	list := make([]map[string]string, 0, len(spans))
	for _, x := range spans {
		list = append(list, map[string]string{"meter_id": x.Meter, "start_interval": voltTime(x.Start), "end_interval": voltTime(x.End)})
	}
	s.change(func() { s.tell(MeterData, list) })
}

// Say makes a webhook of any type and payload wait.
func (s *Openvolt) Say(kind string, payload any) { s.change(func() { s.tell(kind, payload) }) }

// Rotate makes the API take another key; the webhook waits, and gives it away.
func (s *Openvolt) Rotate(key string) {
	s.change(func() {
		s.key = key
		s.tell(KeysRotated, map[string]string{"key": key})
	})
}

// Revoke makes the API refuse a meter with that status; the webhook waits.
func (s *Openvolt) Revoke(id string, status int) {
	s.change(func() {
		if m := s.find(id); m != nil {
			m.refused = status
		}
		s.tell(ConsentRevoked, map[string]string{"meter_id": id})
	})
}

// Approve ends that; the webhook waits.
func (s *Openvolt) Approve(id string) {
	s.change(func() {
		if m := s.find(id); m != nil {
			m.refused = 0
		}
		s.tell(ConsentApproved, map[string]string{"meter_id": id})
	})
}

// Call sets a meter's status, of which no webhook speaks.
func (s *Openvolt) Call(id, status string) {
	s.change(func() {
		if m := s.find(id); m != nil {
			m.status = status
		}
	})
}

// Envelope sets under which name lists stand; empty: under none.
func (s *Openvolt) Envelope(name string) { s.change(func() { s.envelope = name }) }

// Exact makes the end of an answer exclusive.
func (s *Openvolt) Exact(on bool) { s.change(func() { s.exact = on }) }

// Ends makes labels the ends of half hours, not their starts.
func (s *Openvolt) Ends(on bool) { s.change(func() { s.ends = on }) }

// Numbers makes energy a JSON number.
func (s *Openvolt) Numbers(on bool) { s.change(func() { s.numbers = on }) }

// Energy is what the half hour of a start is known to have used, in kWh.
func (s *Openvolt) Energy(id string, start time.Time) (kWh float64, known bool) {
	s.change(func() {
		if m := s.find(id); m != nil {
			var what string
			kWh, what = m.at(start)
			known = what == "known"
		}
	})
	return kWh, known
}

func (s *Openvolt) change(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *Openvolt) alter(id string, c voltChange) {
	s.change(func() {
		if m := s.find(id); m != nil {
			m.changes = append(m.changes, c)
		}
	})
}

func (s *Openvolt) find(id string) *voltMeter {
	for _, m := range s.meters {
		if m.id == id {
			return m
		}
	}
	return nil
}

// tell puts a delivery for each subscription among those that wait; the caller
// holds the lock.
func (s *Openvolt) tell(kind string, payload any) {
	for i, h := range s.hooks {
		wanted := len(h.types) == 0
		for _, t := range h.types {
			wanted = wanted || t == kind
		}
		if !wanted {
			continue
		}
		s.told++
		body, _ := json.Marshal(map[string]any{
			"subscription_id": fmt.Sprintf("s-%d", i+1), "delivery_id": fmt.Sprintf("d-%d", s.told),
			"event_id": kind, "event_timestamp": voltTime(s.now()), "payload": payload,
		}) // texts: cannot fail
		s.post(letter{kind: kind, url: h.url, header: http.Header{"Content-Type": {"application/json"}}, body: string(body)})
	}
}

// voltTime is a time as the vendor writes it.
func voltTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// at is what is known of a half hour.
func (m *voltMeter) at(start time.Time) (kWh float64, what string) {
	what = "missing"
	for i := len(m.changes) - 1; i >= 0; i-- {
		c := m.changes[i]
		if start.Before(c.from) || !start.Before(c.to) {
			continue
		}
		if what = c.what; c.kWh != nil {
			return *c.kWh, what
		}
		break
	}
	half := start.Unix() / int64(halfHour/time.Second)
	return float64(100+half%48*10+half%7) / 1000, what
}

func (m *voltMeter) record() map[string]any {
	created := "2023-09-27T00:00:00.000Z"
	return map[string]any{
		"_id": m.id, "object": "meter", "account": "test_account_id", "meter_number": "9999999999999", "address": "1 Example Street",
		"description": "Main supply", "update_frequency": "daily", "data_source": "electralink", "status": m.status, "notes": []string{},
		"created_at": created, "__v": 0,
		"customer": map[string]any{
			"_id": "test_customer_id", "object": "customer", "account": "test_account_id", "name": "Example Customer",
			"email": "customer@example.com", "address": "1 Example Street", "notes": []string{}, "created_at": created, "__v": 0,
		},
	}
}

func (s *Openvolt) list(*http.Request, []byte) said {
	records := make([]map[string]any, 0, len(s.meters))
	for _, m := range s.meters {
		records = append(records, m.record())
	}
	if s.envelope == "" {
		return said{json: records}
	}
	return said{json: map[string]any{s.envelope: records}}
}

func (s *Openvolt) intervals(r *http.Request, _ []byte) said {
	q := r.URL.Query()
	bad := func(text string) said { return said{status: http.StatusBadRequest, json: voltError(text)} }
	m := s.find(q.Get("meter_id"))
	from, fromErr := time.Parse(time.RFC3339, q.Get("start_date"))
	to, toErr := time.Parse(time.RFC3339, q.Get("end_date"))
	switch {
	case m == nil:
		return said{status: http.StatusNotFound, json: voltError("Meter not found")}
	case m.refused != 0:
		return said{status: m.refused, json: voltError("Consent revoked")}
	case q.Get("granularity") != "hh" || fromErr != nil || toErr != nil || !from.Before(to):
		return bad("granularity, start_date and end_date are required")
	case to.Sub(from) > 31*24*time.Hour+2*halfHour:
		s.violate("more than 31 days of half hours")
		return bad("The range is too long")
	}
	label := time.Duration(0)
	if s.ends {
		label = halfHour
	}
	rows := []map[string]any{}
	last := to.Add(-label)
	if s.exact {
		last = last.Add(-1)
	}
	for at := from.Add(halfHour - 1 - label).Truncate(halfHour); !at.After(last); at = at.Add(halfHour) {
		if kWh, what := m.at(at); what != "missing" {
			rows = append(rows, map[string]any{
				"start_interval": voltTime(at.Add(label)), "meter_id": m.id, "meter_number": "9999999999999", "customer_id": "test_customer_id",
				"consumption": s.energy(kWh, what), "consumption_units": "kWh",
			})
		}
	}
	return said{json: map[string]any{"startInterval": voltTime(from), "endInterval": voltTime(to), "granularity": "hh", "data": rows}}
}

// energy is a reading as the vendor writes it.
func (s *Openvolt) energy(kWh float64, what string) any {
	switch {
	case what == "null":
		return nil
	case what == "blank":
		return ""
	case s.numbers:
		return kWh
	}
	return strconv.FormatFloat(kWh, 'f', 3, 64)
}
