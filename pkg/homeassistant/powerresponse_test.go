package homeassistant

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

func responseSource(r state.Response) state.Source {
	return state.Source{Name: "powerresponse", Devices: state.DevicesOf(&state.Device{Source: "powerresponse", State: &r})}
}

func TestResponseStates(t *testing.T) {
	const unknown = `{"active":null,"start":null,"end":null,"next_start":null,"next_end":null,"last_start":null,"last_end":null,"status":null,"name":null,"direction":null,"enrolling":"OFF","cloud":null,"cloud_error":null}`
	dispatch := func(after time.Duration, status string) *state.Dispatch {
		return &state.Dispatch{UUID: "u", Start: now.Add(after), End: now.Add(after + time.Hour), Status: status, Name: strings.Repeat("n", 300), Direction: "powerDOWN"}
	}
	words := `"status":"%","name":"` + strings.Repeat("n", 199) + `…","direction":"powerDOWN"`
	for name, c := range map[string]struct {
		v    state.Response
		swap []string
	}{
		"nothing known": {},
		"quiet":         {state.Response{Active: ptr(false), Cloud: ptr(true), Enrolling: true}, []string{`"active":null`, `"active":"OFF"`, `"cloud":null`, `"cloud":"ON"`}},
		"cloud gone":    {state.Response{Cloud: ptr(false), CloudError: "why"}, []string{`"cloud":null,"cloud_error":null`, `"cloud":"OFF","cloud_error":"why"`}},
		"one is next, one was": {state.Response{Active: ptr(false), Next: dispatch(time.Hour, "A"), Last: dispatch(-2*time.Hour, "B")}, []string{
			`"active":null`, `"active":"OFF"`, `"next_start":null,"next_end":null`, `"next_start":"2026-07-14T18:30:00Z","next_end":"2026-07-14T19:30:00Z"`,
			`"last_start":null,"last_end":null`, `"last_start":"2026-07-14T15:30:00Z","last_end":"2026-07-14T16:30:00Z"`,
			`"status":null,"name":null,"direction":null`, strings.Replace(words, "%", "A", 1),
		}},
		"one runs without an end": {state.Response{Active: ptr(true), Running: &state.Dispatch{Start: now}, Next: dispatch(time.Hour, "A")}, []string{
			`"active":null,"start":null`, `"active":"ON","start":"2026-07-14T17:30:00Z"`,
			`"next_start":null,"next_end":null`, `"next_start":"2026-07-14T18:30:00Z","next_end":"2026-07-14T19:30:00Z"`,
		}},
	} {
		list := plainNames.States(state.View{Sources: []state.Source{responseSource(c.v)}}, Bridge{}, about)
		want := []Message{{"grid2mqtt/powerresponse/state", []byte(strings.NewReplacer(c.swap...).Replace(unknown))}}
		if name == "quiet" {
			want[0].Payload = []byte(strings.Replace(string(want[0].Payload), `"enrolling":"OFF"`, `"enrolling":"ON"`, 1))
		}
		if diff := cmp.Diff(want, list[1:]); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", name, diff)
		}
	}
}

func TestResponseDocument(t *testing.T) {
	list := plainNames.Documents(state.View{Sources: []state.Source{responseSource(state.Response{})}}, about)
	if list[1].Topic != "homeassistant/device/grid2mqtt_powerresponse/config" {
		t.Errorf("it is on %s", list[1].Topic)
	}
	golden(t, "document_powerresponse", list[1].Payload)
	main := 0
	for key, c := range read(t, list[1].Payload).in("components") {
		c := fields(c.(map[string]any))
		if c["entity_category"] == nil && !strings.HasPrefix(key, "trigger_") && c["enabled_by_default"] == nil {
			main++
		}
	}
	if main > 6 {
		t.Errorf("%d entities are shown at first, want 6 at most", main)
	}
}
