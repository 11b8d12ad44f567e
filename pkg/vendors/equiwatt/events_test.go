package equiwatt

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// words tells events in short: "start", "start-end", with a * where it runs.
func words(events []event.Event) string {
	var list []string
	for _, e := range events {
		w := strconv.FormatInt(e.Window.Start.Unix(), 10)
		if !e.Window.End.IsZero() {
			w += "-" + strconv.FormatInt(e.Window.End.Unix(), 10)
		}
		if e.Window.Running {
			w += "*"
		}
		list = append(list, w)
	}
	return strings.Join(list, " ")
}

func running(starts ...int64) (known []event.Event) {
	for _, s := range starts {
		at := time.Unix(s, 0).UTC()
		known = append(known, event.Event{
			Source: Source, Key: "api/" + strconv.FormatInt(s, 10), By: event.API, At: at, Seen: at,
			Window: &event.Window{Start: at, Running: true},
		})
	}
	return known
}

func TestEvents(t *testing.T) {
	for name, c := range map[string]struct {
		current, previous string
		known             []int64
		want              string
	}{
		"nothing":                          {"null", "[]", nil, ""},
		"runs":                             {"{s:100}", "[]", nil, "100*"},
		"runs with a plan":                 {"{s:100,e:200}", "[{s:10,e:20}]", nil, "10-20 100-200*"},
		"a plan that has moved":            {"{s:100,e:300}", "[]", []int64{100}, "100-300*"},
		"the quirk":                        {"null", "[{s:100,e:null},{s:10,e:20}]", nil, "10-20 100*"},
		"the quirk, out of order":          {"null", "[{s:10,e:20},{s:100},{s:50,e:60}]", nil, "10-20 50-60 100*"},
		"an old null end":                  {"null", "[{s:100,e:200},{s:10,e:null}]", nil, "10 100-200"},
		"two null ends":                    {"null", "[{s:100},{s:10}]", nil, "10 100*"},
		"both branches":                    {"{s:100}", "[{s:90,e:null}]", nil, "90 100*"},
		"both, the null end newer":         {"{s:100}", "[{s:110,e:null}]", nil, "100* 110"},
		"both the same":                    {"{s:100}", "[{s:100,e:null}]", nil, "100*"},
		"running and ended":                {"{s:100}", "[{s:100,e:200}]", nil, "100-200*"},
		"running with a plan, and ended":   {"{s:100,e:300}", "[{s:100,e:200}]", nil, "100-300*"},
		"told twice, with an end":          {"null", "[{s:100},{s:100,e:200},{s:100}]", nil, "100-200"},
		"overlapping":                      {"{s:100,e:200}", "[{s:90,e:190}]", nil, "90-190 100-200*"},
		"ended":                            {"null", "[{s:100,e:200}]", []int64{100}, "100-200"},
		"vanished":                         {"null", "[{s:10,e:20}]", []int64{100}, "10-20 100"},
		"vanished for a newer one":         {"{s:300}", "[]", []int64{100}, "100 300*"},
		"two vanished, one told twice":     {"null", "[]", []int64{100, 50, 100}, "50 100"},
		"runs again":                       {"{s:100}", "[]", []int64{100}, "100*"},
		"an end that is no time":           {"null", `[{s:100,e:"soon"}]`, nil, "100"},
		"an end that is no time, and null": {"null", `[{s:100,e:0},{s:100}]`, nil, "100"},
		"a plan that is no time":           {"{s:100,e:-1}", "[]", nil, "100*"},
		"a current one without a start":    {"{e:200}", "[{s:100}]", nil, "100*"},
		"a current one that is a list":     {"[]", "[{s:100}]", nil, "100*"},
	} {
		t.Run(name, func(t *testing.T) {
			body := fmt.Sprintf(`{"success":true,"data":{"current_event":%s,"previous_events":%s}}`, c.current, c.previous)
			body = strings.NewReplacer("s:", `"start_time":`, "e:", `"end_time":`).Replace(body)
			r, f := parse([]byte(body))
			if f != none {
				t.Fatal(f)
			}
			events := Events(r, running(c.known...), arrival)
			if got := words(events); got != c.want {
				t.Errorf("told %q, want %q", got, c.want)
			}
			for _, e := range events {
				if e.Key != "api/"+strconv.FormatInt(e.Window.Start.Unix(), 10) || !e.At.Equal(e.Window.Start) || !e.Seen.Equal(arrival) || e.By != event.API || e.Data != nil {
					t.Errorf("%+v", e)
				}
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	for body, want := range map[string]fault{
		`[]`:                            faultForeign,
		`null`:                          faultForeign,
		`"ok"`:                          faultForeign,
		`{}`:                            faultForeign,
		`{"data":{"current_event":{}}}`: faultForeign,
		`{"success":true}`:              faultNoData,
		`{"success":true,"data":null}`:  faultNoData,
		`{"success":true,"data":[]}`:    faultNoData,
		`{"success":true,"data":{}}`:    faultNoData,
		`{"success":false}`:             faultFailure,
		`{"success":"no","msg":7}`:      faultFailure,
		`{"success":null,"data":{"current_event":null}}`: faultFailure,
	} {
		if r, f := parse([]byte(body)); f != want || r != nil && r.Success {
			t.Errorf("%s: %q %+v, want %q", body, f, r, want)
		}
	}
}

func TestParseTakes(t *testing.T) {
	for _, body := range []string{
		"\ufeff" + `{"success":true,"data":{"current_event":null}}`,
		`{"success":"true","data":{"previous_events":[]}}`,
		`{"success":"TRUE","msg":"whatever","data":{"previous_events":null},"data2":{}}`,
	} {
		r, f := parse([]byte(body))
		if f != none || !r.Success || string(r.Body) != body {
			t.Errorf("%s: %q %+v", body, f, r)
		}
	}
}

func TestSecond(t *testing.T) {
	for raw, want := range map[string]int64{
		"1": 1, "1670601661": 1670601661, "1670601661.9": 1670601661, "1.670601661e9": 1670601661,
		`"1670601661"`: 1670601661, `" 7 "`: 7, "7258118399": 7258118399,
		"": 0, "null": 0, "0": 0, "-1": 0, "7258118400": 0, "253402300800": 0, "1e300": 0, "1e999": 0, "true": 0, `""`: 0, `"x"`: 0, `"NaN"`: 0, `"-Inf"`: 0, `{}`: 0, "[1]": 0,
	} {
		at, ok := second([]byte(raw))
		if ok != (want != 0) || ok && at.Unix() != want {
			t.Errorf("%s is %v (%v), want %d", raw, at, ok, want)
		}
	}
}

func TestEntriesAreBounded(t *testing.T) {
	var list []string
	for i := range 3 * most {
		list = append(list, fmt.Sprintf(`{"start_time":%d,"end_time":%d}`, i+1, i+2))
	}
	r, f := parse([]byte(`{"success":true,"data":{"previous_events":[` + strings.Join(list, ",") + `]}}`))
	if f != none {
		t.Fatal(f)
	}
	events := Events(r, nil, arrival)
	if len(events) != most || events[0].At.Unix() != 2*most+1 || events[most-1].At.Unix() != 3*most {
		t.Errorf("%d events, want the newest %d", len(events), most)
	}
	if !slices.IsSortedFunc(events, func(a, b event.Event) int { return a.At.Compare(b.At) }) {
		t.Error("not ordered by start")
	}
}

func TestReread(t *testing.T) {
	seen := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	d := event.Delivery{Received: seen, Body: []byte(`{"success":true,"data":{"current_event":{"start_time":1700000000,"end_time":null},"previous_events":[]}}`)}
	if got := Reread(d); len(got) != 1 || got[0].Key != "api/1700000000" || !got[0].Window.Running || !got[0].Seen.Equal(seen) {
		t.Errorf("%+v", got)
	}
	for _, body := range []string{"", "<html>", `{"success":false,"msg":"no"}`} {
		if got := Reread(event.Delivery{Received: seen, Body: []byte(body)}); got != nil {
			t.Errorf("%s: %+v", body, got)
		}
	}
}
