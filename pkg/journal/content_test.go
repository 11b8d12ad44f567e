package journal

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// What is stored of a shape reads as what it was.
func FuzzContent(f *testing.F) {
	f.Add(byte(0), int64(0), int64(0), "powerDOWN", "", 0.0, true)
	f.Add(byte(0), int64(1795262400), int64(999), "a\"b\\,{}:", "", 0.0, false)
	f.Add(byte(1), int64(0), int64(0), "error", "the token, \"x\": <refused> \u2028", 0.0, true)
	f.Add(byte(2), int64(-62135596800), int64(1), "", "", -1e-300, true)
	f.Add(byte(2), int64(253402300799), int64(999999999), "", "", math.MaxFloat64, false)
	f.Add(byte(3), int64(5), int64(5), "undecodable", "", 0.0, false)
	f.Fuzz(func(t *testing.T, shape byte, sec, nsec int64, a, b string, n float64, flag bool) {
		// JSON holds neither of these; vendors' texts come out of JSON.
		a, b = strings.ToValidUTF8(a, "?"), strings.ToValidUTF8(b, "?")
		start, end := time.Unix(sec, nsec%1e9).In(time.FixedZone("", int(sec%40000))), time.Time{}
		if flag {
			end = start.Add(time.Duration(nsec))
		}
		e := event.Event{Source: "s", Key: "k", By: event.API, Seen: noon}
		switch shape % 4 {
		case 0:
			e.Window = &event.Window{Start: start, End: end, Running: flag, Direction: a}
		case 1:
			e.Status = &event.Status{State: a, Detail: b}
		case 2:
			e.Session = &event.Session{Start: start, End: end}
			if flag {
				e.Session.WattHours = &n
			}
		case 3:
			e.Notice = &event.Notice{Code: a}
		}
		kept, name, content, err := encode(e)
		if err != nil {
			return // a year or a number that JSON has no word for
		}
		got := event.Event{Source: "s", Key: "k", By: event.API, Seen: noon}
		if err := decode(name, content, &got); err != nil {
			t.Fatalf("%s %s: %v", name, content, err)
		}
		if diff := cmp.Diff(kept, got); diff != "" {
			t.Fatalf("%s %s: %s", name, content, diff)
		}
		if !kept.Same(got) {
			t.Fatalf("%s %s is another version of itself", name, content)
		}
	})
}

// The short way of reading never differs from the long one.
func FuzzFields(f *testing.F) {
	for _, s := range []string{
		`{}`, `{"state":"a"}`, `{"state":"a","detail":"b, \"c\""}`, `{"state":"a","state":"b"}`, `{"other":1}`, `{"state":null}`,
		`{"state":"a",}`, `{"state":"a""detail":"b"}`, `{"state":"a`, `{:"a"}`, `{"state":"`, "{\"state\":\"\n\"}", `{"state":"a"}}`, `{"state":"a"b,"detail":"c"}`, "{\"state\":\"\xb5\"}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var long, short event.Status
		err := json.Unmarshal([]byte(s), &long)
		if decoded := fill(s, &short, func(key, value string) bool { return statusField(&short, key, value) }); err == nil && (decoded != nil || long != short) {
			t.Errorf("%q: %+v, want %+v: %v", s, short, long, decoded)
		}
	})
}

// Almost all contents go the short way; if they do not, reading a year takes
// several times as long.
func TestUsualContentIsPlain(t *testing.T) {
	wh := 12.5
	for _, e := range []event.Event{
		{Window: &event.Window{Start: noon, End: noon.Add(time.Millisecond), Running: true, Direction: "powerDOWN"}},
		{Window: &event.Window{}},
		{Status: &event.Status{State: "ok", Detail: "the API answers again"}},
		{Session: &event.Session{Start: noon, End: noon, WattHours: &wh}},
		{Notice: &event.Notice{Code: "x"}},
	} {
		e.Source, e.Key, e.By, e.Seen = "s", "k", event.API, noon
		_, name, content, err := encode(e)
		if err != nil {
			t.Fatal(err)
		}
		allocs := testing.AllocsPerRun(10, func() {
			var got event.Event
			if err := decode(name, content, &got); err != nil {
				t.Fatal(err)
			}
		})
		if allocs > 3 {
			t.Errorf("%s: %v allocations", content, allocs)
		}
	}
}
