package homeassistant

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// ecomonSource has one reader.
func ecomonSource(r state.Reader) state.Source {
	return state.Source{Name: "ecomon", Devices: state.DevicesOf(
		&state.Device{Source: "ecomon", State: &state.Readers{}},
		&state.Device{Source: "ecomon", Subject: "a1b2c3d4", ID: "A1B2C3D4", State: &r},
	)}
}

func TestEcomonStates(t *testing.T) {
	for name, c := range map[string]struct {
		reader state.Reader
		want   string
	}{
		"nothing but seen": {state.Reader{}, `{"limit_warning":"OFF","limit":null,"consumption":null,"projection":null,"remaining":null,"last_alert":null}`},
		"warned": {
			state.Reader{Warning: true, Limit: ptr(5000.0), Consumption: ptr(3000.5), Projection: ptr(6001.0), Remaining: ptr(1999.5), LastAlert: now},
			`{"limit_warning":"ON","limit":5000,"consumption":3000.5,"projection":6001,"remaining":1999.5,"last_alert":"2026-07-14T17:30:00Z"}`,
		},
		"zero is no null": {
			state.Reader{Limit: ptr(0.0), Consumption: ptr(0.0), Projection: ptr(0.0), Remaining: ptr(-200.0)},
			`{"limit_warning":"OFF","limit":0,"consumption":0,"projection":0,"remaining":-200,"last_alert":null}`,
		},
	} {
		list := plainNames.States(state.View{Sources: []state.Source{ecomonSource(c.reader)}}, Bridge{}, about)
		want := []Message{{"grid2mqtt/ecomon/state", []byte("{}")}, {"grid2mqtt/ecomon/a1b2c3d4/state", []byte(c.want)}}
		if diff := cmp.Diff(want, list[1:]); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", name, diff)
		}
	}
}

func TestEcomonDocuments(t *testing.T) {
	list := plainNames.Documents(state.View{Sources: []state.Source{ecomonSource(state.Reader{})}}, about)
	topics := []string{"homeassistant/device/grid2mqtt_ecomon/config", "homeassistant/device/grid2mqtt_ecomon_a1b2c3d4/config"}
	for i, name := range []string{"document_ecomon", "document_ecomon_reader"} {
		if list[i+1].Topic != topics[i] {
			t.Errorf("%s is on %s", name, list[i+1].Topic)
		}
		golden(t, name, list[i+1].Payload)
	}
	main := 0
	for key, c := range read(t, list[2].Payload).in("components") {
		c := fields(c.(map[string]any))
		if c["entity_category"] == nil && !strings.HasPrefix(key, "trigger_") && c["enabled_by_default"] == nil {
			main++
		}
	}
	if main != 6 {
		t.Errorf("%d main entities, want 6", main)
	}
}

func TestEcomonMoment(t *testing.T) {
	m := state.Moment{
		ID: "ecomon-1", Source: "ecomon", Subject: "a1b2c3d4", Type: "limit_warning", Occurred: now, Data: []byte(`{"deviceId":"A1B2C3D4"}`),
		Fields: map[string]any{"kind": "X", "limit": ptr(5000.0), "consumption": (*float64)(nil), "projection": (*float64)(nil), "remaining": (*float64)(nil)},
	}
	want := `{"consumption":null,"data":{"deviceId":"A1B2C3D4"},"event_type":"limit_warning","id":"ecomon-1","kind":"X","late":false,"late_seconds":0,` +
		`"limit":5000,"occurred":"2026-07-14T17:30:00Z","projection":null,"remaining":null}`
	if got := string(moment(m, now)); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
