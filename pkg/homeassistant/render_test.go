package homeassistant

import (
	"bytes"
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// now is a summer's evening that is not written in UTC.
var now = time.Date(2026, 7, 14, 18, 30, 0, 0, time.FixedZone("BST", 3600))

func ptr[T any](v T) *T { return &v }

// views are situations of a household.
var views = map[string]state.View{
	"nothing_known": viewOf(&state.Equivents{}),
	"calm": viewOf(&state.Equivents{
		Active: ptr(false), Month: ptr(3), Cloud: ptr(true), LastPoll: now, LastHook: now.Add(-time.Hour),
		Last: &state.Equivent{Start: now.Add(-3 * time.Hour), End: now.Add(-2 * time.Hour), Source: "api", Confirmed: true},
	}),
	"running_without_end": viewOf(&state.Equivents{
		Active: ptr(true), Month: ptr(0), Cloud: ptr(true), LastPoll: now,
		Running: &state.Equivent{Start: now.Add(-time.Minute), Source: "api", Confirmed: true, Running: true},
	}),
	"running_with_plan": viewOf(&state.Equivents{
		Active: ptr(true), Month: ptr(1), LastHook: now,
		Running: &state.Equivent{Start: now, End: now.Add(time.Hour), Planned: true, Source: "webhook", Direction: "powerUP", Running: true},
	}),
	"rehearsal": viewOf(&state.Equivents{
		Active: ptr(true), Rehearsal: true, Month: ptr(1), Cloud: ptr(true), LastPoll: now,
		Running: &state.Equivent{Start: now, End: now.Add(5 * time.Minute), Planned: true, Source: "rehearsal", Running: true},
	}),
	"cloud_gone": viewOf(&state.Equivents{Cloud: ptr(false), Month: ptr(7), LastPoll: now, CloudError: "Equiwatt's cloud <app.equiwatt.com> does not answer & is asked again"}),
	"no_source":  {},
}

var stateKeys = map[string][]string{
	"grid2mqtt/bridge/state": {"version", "problem", "problem_text", "setup", "setup_text", "sources", "clock_ahead"},
	"grid2mqtt/equiwatt/state": {
		"equivent", "start", "end", "planned_end", "source", "confirmed", "last_start", "last_end", "last_duration",
		"rehearsal", "equivents_month", "direction", "cloud", "cloud_error", "last_poll", "last_hook",
	},
}

var instantShape = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`)

func TestStates(t *testing.T) {
	instants := []string{"start", "end", "last_start", "last_end", "last_poll", "last_hook"}
	for name, v := range views {
		b := Bridge{Sources: []string{"equiwatt"}, Setup: "ok"}
		if name == "cloud_gone" {
			b = Bridge{Problems: []string{"Equiwatt is out of reach", "another"}, Sources: []string{"equiwatt"}, Skew: -90 * time.Second,
				Setup: "equiwatt", SetupText: "Equiwatt is out of reach. Is the internet connection up?"}
		}
		var all []byte
		for _, m := range plainNames.States(v, b, about) {
			f := read(t, m.Payload)
			var keys []string
			for key := range f {
				keys = append(keys, key)
			}
			slices.Sort(keys)
			if diff := cmp.Diff(slices.Sorted(slices.Values(stateKeys[m.Topic])), keys); diff != "" {
				t.Errorf("%s, keys of %s: %s", name, m.Topic, diff)
			}
			for _, key := range instants {
				if s := f.text(key); s != "" && !instantShape.MatchString(s) {
					t.Errorf("%s: %s is %q, want RFC 3339 in UTC", name, key, s)
				}
			}
			all = append(append(all, ','), m.Payload...)
		}
		golden(t, "state_"+name, append(append([]byte{'['}, all[1:]...), ']'))
	}
}

func TestStateOfAnotherBase(t *testing.T) {
	var topics []string
	for _, m := range otherNames.States(views["calm"], Bridge{}, about) {
		topics = append(topics, m.Topic)
	}
	if diff := cmp.Diff([]string{"home/grid/bridge/state", "home/grid/equiwatt/state"}, topics); diff != "" {
		t.Error(diff)
	}
}

// Home Assistant takes no state of more than 255 characters.
func TestTextsAreAtMost200Characters(t *testing.T) {
	for _, n := range []int{0, 199, 200, 201, 1000} {
		long := strings.Repeat("é", n)
		b := read(t, encode(bridgeStateOf(Bridge{Problems: []string{long}, SetupText: long}, about)))
		e := read(t, encode(equiwattStateOf(state.Equivents{CloudError: long, Running: &state.Equivent{Direction: long}})))
		m := read(t, moment(state.Moment{Occurred: now, Fields: map[string]any{"direction": long}}, now))
		for what, got := range map[string]any{"problem_text": b["problem_text"], "setup_text": b["setup_text"], "cloud_error": e["cloud_error"], "direction": e["direction"], "field": m["direction"]} {
			s, _ := got.(string)
			want := min(n, 200)
			if (got == nil) != (n == 0) || utf8.RuneCountInString(s) != want || n > 200 && !strings.HasSuffix(s, "é…") {
				t.Errorf("%s of %d characters: %q, %d", what, n, s, utf8.RuneCountInString(s))
			}
		}
	}
}

func TestMoment(t *testing.T) {
	zero := time.Time{}
	tests := []struct {
		name string
		m    state.Moment
		said time.Time
		want string
	}{
		{
			"all there is",
			state.Moment{ID: "1-started", Source: "equiwatt", Type: "started", Occurred: now, Data: json.RawMessage(`{"b": 1.50, "a": "x & y"}`), Fields: map[string]any{
				"start": now, "end": zero, "source": "api", "confirmed": true, "direction": "", "count": 2}},
			now.Add(1999 * time.Millisecond),
			`{"confirmed":true,"count":2,"data":{"a":"x & y","b":1.50},"direction":null,"end":null,"event_type":"started","id":"1-started","late":false,"late_seconds":1,` +
				`"occurred":"2026-07-14T17:30:00Z","source":"api","start":"2026-07-14T17:30:00Z"}`,
		},
		{
			"exactly five minutes are not late", state.Moment{ID: "i", Type: "ended", Occurred: now}, now.Add(5 * time.Minute),
			`{"event_type":"ended","id":"i","late":false,"late_seconds":300,"occurred":"2026-07-14T17:30:00Z"}`,
		},
		{
			"more than five minutes are", state.Moment{ID: "i", Type: "ended", Occurred: now}, now.Add(5*time.Minute + time.Nanosecond),
			`{"event_type":"ended","id":"i","late":true,"late_seconds":300,"occurred":"2026-07-14T17:30:00Z"}`,
		},
		{
			"an hour late", state.Moment{ID: "i", Type: "ended", Occurred: now}, now.Add(time.Hour),
			`{"event_type":"ended","id":"i","late":true,"late_seconds":3600,"occurred":"2026-07-14T17:30:00Z"}`,
		},
		{
			"in the future is not early", state.Moment{ID: "i", Type: "ended", Occurred: now}, now.Add(-time.Hour),
			`{"event_type":"ended","id":"i","late":false,"late_seconds":0,"occurred":"2026-07-14T17:30:00Z"}`,
		},
	}
	for _, tt := range tests {
		if diff := cmp.Diff(tt.want, string(moment(tt.m, tt.said))); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", tt.name, diff)
		}
	}
}

// A moment's own attributes, without the vendor's, are at most a kilobyte.
func TestMomentIsSmall(t *testing.T) {
	m := state.Moment{ID: strings.Repeat("9", 40) + "-started", Type: "rehearsal_started", Occurred: now, Fields: map[string]any{
		"start": now, "end": now, "source": "rehearsal", "confirmed": false, "direction": strings.Repeat("é", 500)}}
	if got := moment(m, now); len(got) > 1<<10 {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

func TestFit(t *testing.T) {
	text := func(n int) string { return `"` + strings.Repeat("v", n-2) + `"` }
	exact := `{"a":` + text(most-len(`{"a":}`)) + `}`
	tests := []struct{ name, data, want string }{
		{"nothing", ``, ``},
		{"null", `null`, ``},
		{"no JSON", `{`, ``},
		{"as it is", `{"a":[1,{"b":null}],"c":12345678901234567890,"d":1.10}`, `{"a":[1,{"b":null}],"c":12345678901234567890,"d":1.10}`},
		{"blanks do not count", `{"a":1` + strings.Repeat(" ", most) + `}`, `{"a":1}`},
		{"signs of HTML stay one byte", `{"a":"<&>"}`, `{"a":"<&>"}`},
		{"half a character", `{"a":"\ud83d"}`, `{"a":"` + "\uFFFD" + `"}`},
		{"bytes that are no text", "{\"a\":\"\xff\"}", `{"a":"` + "\uFFFD" + `"}`},
		{"4 KiB", exact, exact},
		{"one byte more, one field only", `{"ab":` + text(most-len(`{"a":}`)) + `}`, ``},
		{"scalars that fit", `{"a":1,"big":` + text(most) + `,"c":true,"d":null,"e":{"f":1},"g":[2],"h":"i"}`, `{"a":1,"c":true,"d":null,"h":"i"}`},
		{"as many as fit", `{"a":` + text(4000) + `,"b":` + text(200) + `,"c":` + text(50) + `}`, `{"a":` + text(4000) + `,"c":` + text(50) + `}`},
		{"no object", `[` + text(most) + `]`, ``},
		{"nothing but lists", `{"a":[` + text(most) + `]}`, ``},
	}
	for _, tt := range tests {
		if got := string(fit(json.RawMessage(tt.data))); got != tt.want {
			t.Errorf("%s: %.200s, want %.200s", tt.name, got, tt.want)
		}
	}
	if got := moment(state.Moment{Data: json.RawMessage(`{"a":[` + text(most) + `]}`)}, now); bytes.Contains(got, []byte(`"data"`)) {
		t.Errorf("data where nothing fits: %s", got)
	}
}

func FuzzFit(f *testing.F) {
	for _, data := range []string{
		`{}`, `null`, `[]`, `{"a":"\ud83d"}`, "{\"a\":\"\xff\"}", `{"a":1e999}`, `{"a":"` + strings.Repeat("<", 5000) + `","b":1}`,
		`{"":"","a":` + strings.Repeat(`[`, 900) + strings.Repeat(`]`, 900) + `}`, `{"a":1,"a":` + strings.Repeat("1", 5000) + `}`,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		got := fit(data)
		if got == nil {
			return
		}
		if len(got) > most || !json.Valid(got) || !utf8.Valid(got) || string(got) == "null" {
			t.Fatalf("%d bytes: %.300q", len(got), got)
		}
		var was, is any
		if json.Unmarshal(data, &was) != nil || json.Unmarshal(got, &is) != nil {
			return // a number that is too large for Go
		}
		all, _ := was.(map[string]any)
		some, ok := is.(map[string]any)
		if !ok {
			if !reflect.DeepEqual(was, is) {
				t.Fatalf("%.300q became %.300q", data, got)
			}
			return
		}
		for k, v := range some {
			if !reflect.DeepEqual(all[k], v) {
				t.Fatalf("%q: %v became %v", k, all[k], v)
			}
		}
	})
}
