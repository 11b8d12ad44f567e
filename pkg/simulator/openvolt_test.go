package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

const voltKey = "openvolt-key-0451"

var april = time.Date(2024, 4, 27, 0, 0, 0, 0, time.UTC)

// volts is an account with one meter, and a clock that each call moves on.
func volts() *Openvolt {
	now := april.AddDate(0, 0, 5)
	s := NewOpenvolt(voltKey, func() time.Time { now = now.Add(time.Second); return now })
	s.Connect("m")
	return s
}

type voltRow struct {
	Start       string `json:"start_interval"`
	Consumption any    `json:"consumption"`
	Units       string `json:"consumption_units"`
	Meter       string `json:"meter_id"`
}

func (s *Openvolt) asked(t *testing.T, key, path string, into any) int {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("X-API-Key", key)
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	if into != nil {
		if err := json.Unmarshal(w.Body.Bytes(), into); err != nil {
			t.Fatalf("%s: %v", w.Body, err)
		}
	}
	return w.Code
}

func (s *Openvolt) rows(t *testing.T, from, to time.Time) []string {
	t.Helper()
	var got struct{ Data []voltRow }
	q := url.Values{"meter_id": {"m"}, "granularity": {"hh"}, "start_date": {from.Format(time.RFC3339)}, "end_date": {to.Format(time.RFC3339)}}
	if code := s.asked(t, voltKey, "/v1/interval-data?"+q.Encode(), &got); code != http.StatusOK {
		t.Fatal(code)
	}
	var list []string
	for _, r := range got.Data {
		if r.Units != "kWh" || r.Meter != "m" {
			t.Errorf("%+v", r)
		}
		list = append(list, fmt.Sprintf("%s %#v", r.Start[11:16], r.Consumption))
	}
	return list
}

func TestOpenvoltIntervals(t *testing.T) {
	s := volts()
	hour := func() []string { return s.rows(t, april, april.Add(time.Hour)) }
	same := func(what string, want ...string) {
		t.Helper()
		if got := hour(); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	same("nothing")
	s.Fill("m", april, april.Add(24*time.Hour))
	kWh, known := s.Energy("m", april)
	first := fmt.Sprintf(`00:00 "%.3f"`, kWh)
	if got := hour(); !known || len(got) != 3 || got[0] != first || !strings.HasPrefix(got[2], "01:00") {
		t.Errorf("the end is inclusive: %q", got)
	}
	s.Exact(true)
	s.Correct("m", april, april.Add(halfHour), 7.5)
	s.Miss("m", april.Add(halfHour), april.Add(time.Hour), "null")
	same("a correction and a null", `00:00 "7.500"`, `00:30 <nil>`)
	s.Miss("m", april, april.Add(halfHour), "blank")
	s.Miss("m", april.Add(halfHour), april.Add(time.Hour), "missing")
	same("a blank and a hole", `00:00 ""`)
	s.Correct("m", april.Add(halfHour), april.Add(time.Hour), 2)
	s.Numbers(true)
	same("a hole that is filled", `00:00 ""`, `00:30 2`)
	s.Ends(true)
	same("labels that are ends", `00:30 ""`)
	if all := s.rows(t, april.Add(-48*time.Hour), april.Add(48*time.Hour)); len(all) != 48 {
		t.Errorf("%d rows of one day", len(all))
	}
}

func TestOpenvoltLists(t *testing.T) {
	s := volts()
	for _, envelope := range []string{"data", "meters"} {
		s.Envelope(envelope)
		var got map[string][]map[string]any
		if code := s.asked(t, voltKey, "/v1/meters", &got); code != 200 || len(got[envelope]) != 1 || got[envelope][0]["_id"] != "m" {
			t.Errorf("%s: %d %v", envelope, code, got)
		}
	}
	s.Envelope("")
	s.Call("m", "pending")
	var bare []map[string]any
	if code := s.asked(t, voltKey, "/v1/meters", &bare); code != 200 || len(bare) != 1 || bare[0]["status"] != "pending" {
		t.Errorf("%d %v", code, bare)
	}
	var one map[string]any
	if code := s.asked(t, voltKey, "/v1/meters/m", &one); code != 200 || one["_id"] != "m" {
		t.Errorf("%d %v", code, one)
	}
}

func TestOpenvoltRefuses(t *testing.T) {
	s := volts()
	q := "?granularity=hh&start_date=2024-04-01T00:00:00Z&end_date=2024-04-02T00:00:00Z&meter_id="
	for _, c := range []struct {
		key, path string
		want      int
	}{
		{"other", "/v1/meters", 401}, {voltKey, "/v1/meters/x", 404}, {voltKey, "/v1/interval-data" + q + "x", 404}, {voltKey, "/v1/intervals", 404},
		{voltKey, "/v1/interval-data?meter_id=m", 400}, {voltKey, "/v1/interval-data" + q + "m&end_date=x", 200},
		{voltKey, "/v1/interval-data" + strings.Replace(q, "2024-04-02", "2024-05-03", 1) + "m", 400},
	} {
		if got := s.asked(t, c.key, c.path, nil); got != c.want {
			t.Errorf("%s: %d, want %d", c.path, got, c.want)
		}
	}
	if v := s.Violations(); len(v) != 1 || !strings.Contains(v[0], "31 days") {
		t.Error(v)
	}
	s.Revoke("m", http.StatusForbidden)
	if got := s.asked(t, voltKey, "/v1/interval-data"+q+"m", nil); got != http.StatusForbidden {
		t.Error(got)
	}
	s.Approve("m")
	s.Rotate("new")
	if got := s.asked(t, voltKey, "/v1/meters", nil); got != http.StatusUnauthorized {
		t.Error(got)
	}
	if got := s.asked(t, "new", "/v1/interval-data"+q+"m", nil); got != http.StatusOK {
		t.Error(got)
	}
	frozen := NewOpenvolt(voltKey, func() time.Time { return april })
	if a, b := frozen.asked(t, voltKey, "/v1/meters", nil), frozen.asked(t, voltKey, "/v1/meters", nil); a != 200 || b != http.StatusTooManyRequests {
		t.Error(a, b)
	}
}

func TestOpenvoltWebhooks(t *testing.T) {
	s := volts()
	got := make(chan string, 100)
	home := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var e struct {
			ID, Type string
			Payload  json.RawMessage
		}
		var all map[string]json.RawMessage
		_ = json.NewDecoder(r.Body).Decode(&all)
		_ = json.Unmarshal(all["event_id"], &e.Type)
		_ = json.Unmarshal(all["delivery_id"], &e.ID)
		got <- e.ID + " " + e.Type + " " + string(all["payload"])
	}))
	defer home.Close()
	s.Subscribe(home.URL, MeterData, KeysRotated)
	s.Connect("n") // nobody asked for it
	s.Backfill("m", april, 13, false)
	s.Rotate("x")
	sent := s.Deliver(t.Context(), InOrder)
	if len(sent) != 14 {
		t.Fatal(len(sent), "letters")
	}
	want := `d-13 meter_data.received [{"end_interval":"2024-04-27T00:00:00.000Z","meter_id":"m","start_interval":"2024-03-27T00:30:00.000Z"}]`
	var all []string
	for range sent {
		all = append(all, <-got)
	}
	if all[12] != want || !strings.HasPrefix(all[0], "d-1 meter_data.received ") || !strings.Contains(all[0], "2023-03-27") || !strings.HasPrefix(all[13], "d-14 api_keys.rotated ") {
		t.Errorf("%q", all)
	}
	s.Backfill("m", april, 13, true)
	if w := s.Waiting(); len(w) != 1 {
		t.Error(w)
	}
}
