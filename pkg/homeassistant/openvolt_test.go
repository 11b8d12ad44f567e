package homeassistant

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// openvoltSource has one meter.
func openvoltSource(m state.Meter) state.Source {
	return state.Source{Name: "openvolt", Devices: state.DevicesOf(
		&state.Device{Source: "openvolt", State: &state.Meters{}},
		&state.Device{Source: "openvolt", Subject: "6514167223e3d1424bf82742", ID: "6514167223e3d1424bf82742", State: &m},
	)}
}

func TestOpenvoltStates(t *testing.T) {
	for name, c := range map[string]struct {
		meter state.Meter
		want  string
	}{
		"nothing but named": {state.Meter{}, `{"newest_interval":null,"last_day_energy":null,"last_day":null,"data_age":null,"gaps":null,"status":null}`},
		"all": {
			state.Meter{Newest: now, LastDay: "2026-07-13", LastDayEnergy: ptr(8.25), Age: ptr(int64(7200)), Gaps: ptr(3), Status: "active"},
			`{"newest_interval":"2026-07-14T17:30:00Z","last_day_energy":8.25,"last_day":"2026-07-13","data_age":7200,"gaps":3,"status":"active"}`,
		},
		"zero is no null": {
			state.Meter{LastDay: "2026-07-13", LastDayEnergy: ptr(0.0), Age: ptr(int64(0)), Gaps: ptr(0)},
			`{"newest_interval":null,"last_day_energy":0,"last_day":"2026-07-13","data_age":0,"gaps":0,"status":null}`,
		},
	} {
		list := plainNames.States(state.View{Sources: []state.Source{openvoltSource(c.meter)}}, Bridge{}, about)
		want := []Message{{"grid2mqtt/openvolt/state", []byte("{}")}, {"grid2mqtt/openvolt/6514167223e3d1424bf82742/state", []byte(c.want)}}
		if diff := cmp.Diff(want, list[1:]); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", name, diff)
		}
	}
}

func TestOpenvoltDocuments(t *testing.T) {
	list := plainNames.Documents(state.View{Sources: []state.Source{openvoltSource(state.Meter{})}}, about)
	for i, name := range []string{"document_openvolt", "document_openvolt_meter"} {
		golden(t, name, list[i+1].Payload)
	}
	if name := read(t, list[2].Payload).in("device").text("name"); name != "Openvolt meter f82742" {
		t.Error(name)
	}
	for id, want := range map[string]string{"": "Openvolt meter ", "x": "Openvolt meter x", "ääääööö": "Openvolt meter äääööö"} {
		if got := meterDevice(id).name; got != want {
			t.Errorf("%q is %q", id, got)
		}
	}
}

func TestOpenvoltMoment(t *testing.T) {
	m := state.Moment{
		ID: "openvolt-1", Source: "openvolt", Type: "meter_data_received", Occurred: now,
		Fields: map[string]any{"kind": "meter_data.received", "start": now.Add(-24 * time.Hour), "end": now, "deliveries": 13},
	}
	want := `{"deliveries":13,"end":"2026-07-14T17:30:00Z","event_type":"meter_data_received","id":"openvolt-1","kind":"meter_data.received","late":false,` +
		`"late_seconds":0,"occurred":"2026-07-14T17:30:00Z","start":"2026-07-13T17:30:00Z"}`
	if got := string(moment(m, now)); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
