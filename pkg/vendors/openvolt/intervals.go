package openvolt

import (
	"context"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Most is the longest span that is asked for in one call. The vendor documents
// no limit; clients ask for a month.
const Most = 31 * 24 * time.Hour

// Reading is the energy of one half hour, as the vendor lists it.
type Reading struct {
	Start     time.Time // of the half hour, UTC
	WattHours float64   // over the half hour
}

// Readings are the half hours of a span, by start and each once. A half hour
// for which the vendor has no value is not among them.
type Readings struct {
	List   []Reading
	Unread int       // rows that say something which could not be read
	Date   time.Time // the vendor's clock as its Date header says; zero: not said
}

// Readings asks for a meter's half hours that start in [from, to), at most
// Most, GET /interval-data. The call asks for half an hour more at each end,
// because the vendor's end is inclusive at times, and its labels may be ends.
// The error is a *event.Refusal wherever the vendor or the network is to
// blame; its Status 403 or 404 speaks of this meter alone where others answer.
func (c *Client) Readings(ctx context.Context, meter string, from, to time.Time) (Readings, error) {
	a, err := c.get(ctx, "/interval-data", url.Values{
		"meter_id": {meter}, "granularity": {"hh"},
		"start_date": {from.Add(-HalfHour).UTC().Format(time.RFC3339)}, "end_date": {to.Add(HalfHour).UTC().Format(time.RFC3339)},
	})
	if err != nil {
		return Readings{}, err
	}
	return c.readReadings(a, meter, from, to)
}

func (c *Client) readReadings(a rest.Answer, meter string, from, to time.Time) (Readings, error) {
	r := c.rest()
	if !a.Good() {
		return Readings{}, c.refuse(r, a)
	}
	if bad := r.NoJSON(a); bad != nil {
		return Readings{}, bad
	}
	var top struct {
		Granularity json.RawMessage `json:"granularity"`
	}
	_ = json.Unmarshal(rest.Text(a.Body), &top) // a bare array has no granularity
	if g := word(top.Granularity); g != "" && g != "hh" {
		return Readings{}, &event.Refusal{Reason: "Openvolt answered with sums of days or longer instead of half hours.", Status: a.Status}
	}
	items, ok := array(rest.Text(a.Body), "data")
	if !ok {
		return Readings{}, r.Garbled(a)
	}
	found := Readings{Date: a.Date}
	told := map[int64]float64{}
	for _, item := range items {
		switch reading, what := readRow(item, meter); what {
		case value:
			reading.Start = reading.Start.Add(c.LabelOffset)
			if !reading.Start.Before(from) && reading.Start.Before(to) {
				told[reading.Start.Unix()] = reading.WattHours // the last one counts
			}
		case unread:
			found.Unread++
		}
	}
	if found.Unread > 0 && found.Unread == len(items) {
		return Readings{}, &event.Refusal{Reason: "Openvolt's half hours cannot be read: no row is in kWh with a time and a number.", Status: a.Status}
	}
	for at, wattHours := range told {
		found.List = append(found.List, Reading{time.Unix(at, 0).UTC(), wattHours})
	}
	slices.SortFunc(found.List, func(a, b Reading) int { return a.Start.Compare(b.Start) })
	return found, nil
}

// What a row of interval data is.
const (
	value  = iota
	empty  // no reading, which is not zero
	unread // another unit, no half hour, no number
)

// readRow reads {"start_interval": …, "consumption": "53.50",
// "consumption_units": "kWh"}; the number is a text in all published answers.
func readRow(item json.RawMessage, meter string) (r Reading, what int) {
	var f struct {
		Meter json.RawMessage `json:"meter_id"`
		Start json.RawMessage `json:"start_interval"`
		Value json.RawMessage `json:"consumption"`
		Unit  json.RawMessage `json:"consumption_units"`
	}
	if json.Unmarshal(item, &f) != nil {
		return r, unread
	}
	switch id := word(f.Meter); {
	case id != "" && id != meter:
		return r, unread
	case len(f.Value) == 0, string(f.Value) == "null", strings.Trim(string(f.Value), `" `) == "":
		return r, empty
	}
	r.Start = instant(word(f.Start))
	if r.Start.IsZero() || r.Start.Truncate(HalfHour) != r.Start {
		return r, unread
	}
	const most = 1e6 // kWh in a half hour, 2 GW: more is no meter's
	n, err := strconv.ParseFloat(word(f.Value), 64)
	if err != nil || math.IsNaN(n) || math.Abs(n) > most {
		return r, unread
	}
	switch strings.ToLower(word(f.Unit)) {
	case "kwh":
		n *= 1000
	case "wh":
	default:
		return r, unread
	}
	r.WattHours = math.Round(n*1000) / 1000 // as many digits as are kept, without those of binary fractions
	return r, value
}
