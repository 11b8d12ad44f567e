package openvolt

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Received is the type of the event that tells of new meter data, the only one
// whose payload is documented (https://docs.openvolt.com/docs/event-types).
const Received = "meter_data.received"

// Range is a span of a meter's time for which there is new data, half open.
type Range struct {
	Meter string    `json:"meter_id"`
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// notice is what is kept of a delivery.
type notice struct {
	ID     string    `json:"delivery_id,omitempty"`
	At     time.Time `json:"event_timestamp,omitzero"`
	Ranges []Range   `json:"ranges,omitempty"`

	// Told are the delivery's own fields as they came; of the payload only that
	// of new meter data, and only while it is short.
	Told map[string]any `json:"told,omitempty"`
}

// Decode tells what a delivery says: one event, its Code the vendor's name of
// the type, and its subject the meter where it speaks of exactly one. Its Data
// names the delivery, when it happened, the ranges of new meter data, and the
// delivery's own fields as they came.
func Decode(d event.Delivery) []event.Event {
	seen := d.Received.UTC()
	e := event.Event{Source: Source, Key: "body/" + hash(d.Body), By: event.Webhook, At: seen, Seen: seen}
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(rest.Text(d.Body), &fields) // what is no object has no fields
	e.Notice = &event.Notice{Code: word(fields["event_id"])}
	if e.Notice.Code == "" {
		e.Notice.Code = event.Undecodable
		return []event.Event{e}
	}
	n := notice{ID: word(fields["delivery_id"]), At: instant(word(fields["event_timestamp"])), Told: told(fields)}
	if n.ID != "" {
		e.Key = "delivery/" + n.ID
	}
	if !n.At.IsZero() {
		e.At = n.At
	}
	if e.Notice.Code == Received {
		n.Ranges = ranges(fields["payload"])
		e.Subject = only(n.Ranges)
	}
	e.Data, _ = json.Marshal(n) // texts and times only: cannot fail
	return []event.Event{e}
}

// told are the documented fields of a delivery as they came.
func told(fields map[string]json.RawMessage) map[string]any {
	all := named(fields, "subscription_id", "event_id", "event_timestamp", "delivery_id")
	const longest = 4 << 10 // a longer payload is told by nobody
	payload := fields["payload"]
	if all["event_id"] != Received || len(payload) > longest {
		return all
	}
	var items []map[string]json.RawMessage
	if json.Unmarshal(payload, &items) != nil {
		return all
	}
	list := []any{}
	for _, item := range items {
		list = append(list, named(item, "meter_id", "start_interval", "end_interval"))
	}
	all["payload"] = list
	return all
}

// named are those of some fields that hold a word.
func named(fields map[string]json.RawMessage, names ...string) map[string]any {
	all := map[string]any{}
	for _, name := range names {
		if text := word(fields[name]); text != "" {
			all[name] = text
		}
	}
	return all
}

func hash(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:16])
}

// only is the meter that all ranges name; empty: there is no such.
func only(list []Range) string {
	for _, r := range list {
		if r.Meter != list[0].Meter {
			return ""
		}
	}
	if len(list) == 0 {
		return ""
	}
	return list[0].Meter
}

// ranges reads the payload of new meter data, an array in all documents; what
// it says twice or in pieces is said once. They come by meter, and by start.
func ranges(payload json.RawMessage) (list []Range) {
	var items []json.RawMessage
	if json.Unmarshal(payload, &items) != nil {
		items = []json.RawMessage{payload}
	}
	for _, item := range items {
		var f struct {
			Meter json.RawMessage `json:"meter_id"`
			Start json.RawMessage `json:"start_interval"`
			End   json.RawMessage `json:"end_interval"`
		}
		_ = json.Unmarshal(item, &f) // what is no object has no fields
		r := Range{Meter: word(f.Meter), Start: instant(word(f.Start)), End: instant(word(f.End))}
		if r.Meter == "" || r.Start.IsZero() {
			continue
		}
		if !r.End.After(r.Start) { // so in a documented sample
			r.Start = Midnight(r.Start)
			r.End = r.Start.Add(24 * time.Hour)
		}
		list = append(list, r)
	}
	return joined(list)
}

// joined are the same ranges with those in one that overlap or are no more
// than a half hour apart, as one day and the next are in the documented form.
func joined(list []Range) (all []Range) {
	slices.SortFunc(list, func(a, b Range) int {
		return cmp.Or(cmp.Compare(a.Meter, b.Meter), a.Start.Compare(b.Start))
	})
	for _, r := range list {
		if n := len(all); n > 0 && all[n-1].Meter == r.Meter && !r.Start.After(all[n-1].End.Add(HalfHour)) {
			if r.End.After(all[n-1].End) {
				all[n-1].End = r.End
			}
			continue
		}
		all = append(all, r)
	}
	return all
}
