package equiwatt

import (
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Reply is an answer of the API as the vendor's help page shows it
// (https://www.equiwatt.com/help/using-the-equiwatt-open-api).
type Reply struct {
	Success  bool
	Message  string    // why not; a success may carry one too, without a meaning
	Current  *Entry    // nil: none, or one without a start that can be
	Previous []Entry   // the newest first, at most a thousand, without those that have no start that can be
	Date     time.Time // the vendor's clock as its Date header says; zero: not said
	Body     []byte    // exactly the bytes received
}

// Entry is one equivent of the account. Its start is its only identity.
type Entry struct {
	Start time.Time
	End   time.Time // zero: null, absent, or not a time
	// NoTime: an end was given that is not a time, so it is not known, and the
	// entry is not taken for a running one for the lack of it.
	NoTime bool
}

// most is how many entries of one answer are taken. A household has about
// twelve a month, so this is years; an answer full of entries must not fill an
// SD card.
const most = 1000

// lastSecond is the end of the year 2199: later times are absurd, and soon after
// them nanoseconds since 1970 no longer fit into 64 bits.
const lastSecond = 7258118399

// fault is what is wrong with an answer that is JSON, in one sentence.
type fault string

const (
	none         fault = ""
	faultForeign fault = "Equiwatt's answer cannot be read: it does not say whether it is a success."
	faultNoData  fault = "Equiwatt's answer is without data."
	faultFailure fault = "Equiwatt reports a failure." // and why, in its own words
)

// parse reads a body that is JSON. A field that is not what the help page says
// is left out; only an answer that says nothing at all of equivents is a fault.
func parse(body []byte) (*Reply, fault) {
	var top map[string]json.RawMessage
	_ = json.Unmarshal(rest.Text(body), &top) // what is no object has no fields
	r := &Reply{Body: body, Success: truth(top["success"])}
	_ = json.Unmarshal(top["msg"], &r.Message) // what is no text is no message
	if !r.Success {
		if top["success"] == nil {
			return nil, faultForeign
		}
		return r, faultFailure
	}
	var data map[string]json.RawMessage
	_ = json.Unmarshal(top["data"], &data) // what is no object has no fields
	_, current := data["current_event"]
	_, previous := data["previous_events"]
	if !current && !previous {
		return nil, faultNoData
	}
	if e, ok := entry(data["current_event"]); ok {
		r.Current = &e
	}
	r.Previous = entries(data["previous_events"])
	return r, none
}

func truth(raw json.RawMessage) bool {
	return strings.EqualFold(strings.Trim(string(raw), `"`), "true")
}

func entries(raw json.RawMessage) (list []Entry) {
	var items []json.RawMessage
	_ = json.Unmarshal(raw, &items) // what is no list is empty
	for _, item := range items {
		if e, ok := entry(item); ok {
			list = append(list, e)
		}
	}
	slices.SortStableFunc(list, func(a, b Entry) int { return b.Start.Compare(a.Start) })
	return list[:min(len(list), most)]
}

func entry(raw json.RawMessage) (e Entry, ok bool) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return e, false
	}
	if e.Start, ok = second(fields["start_time"]); !ok {
		return e, false
	}
	end := fields["end_time"]
	if e.End, ok = second(end); !ok {
		e.NoTime = len(end) > 0 && string(end) != "null"
	}
	return e, true
}

// second reads Unix seconds, whole or not, as a number or a text.
func second(raw json.RawMessage) (time.Time, bool) {
	text := string(raw)
	if len(raw) > 0 && raw[0] == '"' {
		_ = json.Unmarshal(raw, &text) // valid JSON, so it is a text
	}
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(n) || n < 1 || n >= lastSecond+1 {
		return time.Time{}, false
	}
	return time.Unix(int64(n), 0).UTC(), true
}
