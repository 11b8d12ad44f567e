package openvolt

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func decoded(t *testing.T, body string) (event.Event, notice) {
	t.Helper()
	events := Decode(event.Delivery{Received: arrival, Source: Source, Body: []byte(body)})
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	var n notice
	if e := events[0]; e.Data != nil && json.Unmarshal(e.Data, &n) != nil {
		t.Fatalf("%s", e.Data)
	}
	return events[0], n
}

// payload is new data of a meter, as "start end" pairs of April 2024.
func payload(spans ...string) string {
	var items []string
	for _, s := range spans {
		start, end, _ := strings.Cut(s, " ")
		items = append(items, fmt.Sprintf(`{"meter_id":"m","start_interval":"2024-04-%sZ","end_interval":"2024-04-%sZ"}`, start, end))
	}
	return `{"event_id":"meter_data.received","delivery_id":"d","payload":[` + strings.Join(items, ",") + `]}`
}

func TestRangesAreSaidOnce(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want []string
	}{
		"one day":              {payload("27T00:30:00 28T00:00:00"), []string{"27T00:30 28T00:00"}},
		"twice":                {payload("27T00:30:00 28T00:00:00", "27T00:30:00 28T00:00:00"), []string{"27T00:30 28T00:00"}},
		"day after day":        {payload("28T00:30:00 29T00:00:00", "27T00:30:00 28T00:00:00"), []string{"27T00:30 29T00:00"}},
		"one within another":   {payload("01T00:00:00 29T00:00:00", "27T00:30:00 28T00:00:00"), []string{"01T00:00 29T00:00"}},
		"a hole between":       {payload("27T00:30:00 27T10:00:00", "27T11:00:00 28T00:00:00"), []string{"27T00:30 27T10:00", "27T11:00 28T00:00"}},
		"an end before it":     {payload("25T00:30:00 25T00:10:00"), []string{"25T00:00 26T00:00"}},
		"an end that is start": {payload("25T23:30:00 25T23:30:00"), []string{"25T00:00 26T00:00"}},
		"nothing":              {payload(), nil},
	} {
		e, n := decoded(t, c.body)
		var got []string
		for _, r := range n.Ranges {
			got = append(got, r.Start.Format("02T15:04 ")+r.End.Format("02T15:04"))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if (len(got) > 0) != (e.Subject == "m") {
			t.Errorf("%s: subject %q", name, e.Subject)
		}
	}
}

// The delivery is what is new, whatever its event_id says; told again it is the
// same event.
func TestIdentity(t *testing.T) {
	first, _ := decoded(t, payload("27T00:30:00 28T00:00:00"))
	again := Decode(event.Delivery{Received: arrival.Add(time.Hour), Source: Source, Body: []byte(payload("27T00:30:00 28T00:00:00"))})[0]
	other, _ := decoded(t, strings.Replace(payload("27T00:30:00 28T00:00:00"), `"d"`, `"e"`, 1))
	if !first.Same(again) || first.Same(other) || first.Key != "delivery/d" || other.Key != "delivery/e" {
		t.Errorf("%q %q %q", first.Key, again.Key, other.Key)
	}
	unnamed, _ := decoded(t, `{"event_id":"x"}`)
	another, _ := decoded(t, `{"event_id":"x","payload":1}`)
	if unnamed.Key == another.Key || !strings.HasPrefix(unnamed.Key, "body/") {
		t.Errorf("%q %q", unnamed.Key, another.Key)
	}
}

// The documented fields are told as they came, and nothing of a payload that
// may name people or keys.
func TestTold(t *testing.T) {
	long := strings.Repeat(`{"meter_id":"m"},`, 300)
	for body, want := range map[string]string{
		`{"event_id":"meter_data.received","delivery_id":7,"subscription_id":"s","x":"y","payload":[{"meter_id":"m","start_interval":"2024-04-27T00:30:00.000Z","customer":"Kari"}]}`: `{"delivery_id":"7","event_id":"meter_data.received","payload":[{"meter_id":"m","start_interval":"2024-04-27T00:30:00.000Z"}],"subscription_id":"s"}`,
		`{"event_id":"api_keys.rotated","payload":{"meter_id":"m"}}`:                           `{"event_id":"api_keys.rotated"}`,
		`{"event_id":"meter_data.received","payload":[` + strings.TrimSuffix(long, ",") + `]}`: `{"event_id":"meter_data.received"}`,
		`{"event_id":"meter_data.received","payload":""}`:                                      `{"event_id":"meter_data.received"}`,
	} {
		var n struct{ Told json.RawMessage }
		if err := json.Unmarshal(Decode(event.Delivery{Received: arrival, Body: []byte(body)})[0].Data, &n); err != nil || string(n.Told) != want {
			t.Errorf("%.100s: %s, want %s %v", body, n.Told, want, err)
		}
	}
}
