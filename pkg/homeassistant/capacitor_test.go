package homeassistant

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// capacitorSource has one charger with one connector.
func capacitorSource(c state.Charger, n state.Connector) state.Source {
	n.ID, n.Charger = 1, "BOX-1"
	return state.Source{Name: "capacitor", Devices: state.DevicesOf(
		&state.Device{Source: "capacitor", State: &state.Chargers{Asked: true, Quota: ptr(950), Limit: ptr(1000), Reset: now}},
		&state.Device{Source: "capacitor", Subject: "box_1", ID: "BOX-1", State: &c},
		&state.Device{Source: "capacitor", Subject: "box_1_1", ID: "BOX-1/1", State: &n},
	)}
}

func TestCapacitorStates(t *testing.T) {
	const own = `{"quota":950,"quota_limit":1000,"quota_reset":"2026-07-14T17:30:00Z","problem_text":null}`
	for name, c := range map[string]struct {
		charger        state.Charger
		connector      state.Connector
		wantC, wantCon string
	}{
		"nothing told": {
			state.Charger{}, state.Connector{},
			`{"online":null,"last_seen":null,"vendor":null,"model":null,"firmware":null}`,
			`{"status":null,"plugged":null,"charging":null,"fault":null,"session_energy":null,"session_start":null,"session_id":null,"stop_reason":null}`,
		},
		"all told": {
			state.Charger{Online: ptr(true), LastSeen: now, Vendor: "ABB", Model: "Terra AC", Firmware: "1.6.0"},
			state.Connector{Status: "Finishing", Plugged: ptr(true), Charging: ptr(false), Fault: ptr(false), SessionEnergy: ptr(14.2), SessionStart: now, SessionID: "12345", StopReason: "Local"},
			`{"online":"ON","last_seen":"2026-07-14T17:30:00Z","vendor":"ABB","model":"Terra AC","firmware":"1.6.0"}`,
			`{"status":"Finishing","plugged":"ON","charging":"OFF","fault":"OFF","session_energy":14.2,"session_start":"2026-07-14T17:30:00Z","session_id":"12345","stop_reason":"Local"}`,
		},
		"zero is no null": {
			state.Charger{Online: ptr(false)}, state.Connector{SessionEnergy: ptr(0.0)},
			`{"online":"OFF","last_seen":null,"vendor":null,"model":null,"firmware":null}`,
			`{"status":null,"plugged":null,"charging":null,"fault":null,"session_energy":0,"session_start":null,"session_id":null,"stop_reason":null}`,
		},
	} {
		list := plainNames.States(state.View{Sources: []state.Source{capacitorSource(c.charger, c.connector)}}, Bridge{}, about)
		want := []Message{
			{"grid2mqtt/capacitor/state", []byte(own)}, {"grid2mqtt/capacitor/box_1/state", []byte(c.wantC)}, {"grid2mqtt/capacitor/box_1_1/state", []byte(c.wantCon)},
		}
		if diff := cmp.Diff(want, list[1:]); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", name, diff)
		}
	}
}

func TestCapacitorDocuments(t *testing.T) {
	list := plainNames.Documents(state.View{Sources: []state.Source{capacitorSource(state.Charger{Vendor: "ABB", Model: "Terra AC"}, state.Connector{})}}, about)
	for i, name := range []string{"document_capacitor", "document_capacitor_charger", "document_capacitor_connector"} {
		golden(t, name, list[i+1].Payload)
		main := 0
		for key, c := range read(t, list[i+1].Payload).in("components") {
			c := fields(c.(map[string]any))
			if c["entity_category"] == nil && !strings.HasPrefix(key, "trigger_") && c["enabled_by_default"] == nil {
				main++
			}
		}
		if main != []int{1, 1, 6}[i] {
			t.Errorf("%s has %d main entities", name, main)
		}
	}
	received := chargersDevice(&state.Chargers{})
	if len(received.entities) != 1 {
		t.Errorf("without an API there is nothing to say of its quota: %+v", received.entities)
	}
}

// TestAnotherStatus: Home Assistant takes no word of an enum that it was not
// told of before.
func TestAnotherStatus(t *testing.T) {
	options := func(status string) []string {
		return connectorDevice(&state.Connector{Status: status}).entities[0].options
	}
	if got := options("Levitating"); len(got) != 10 || got[9] != "Levitating" {
		t.Errorf("%v", got)
	}
	if got := options("Charging"); !slices.Equal(got, options("")) {
		t.Errorf("%v", got)
	}
}

func TestCapacitorMoment(t *testing.T) {
	m := state.Moment{
		ID: "capacitor-ab", Source: "capacitor", Subject: "box_1", Type: "transaction_stopped", Occurred: now, Data: []byte(`{"reason":"Local"}`),
		Fields: map[string]any{"charger": "BOX-1", "connector_id": 1, "transaction_id": "7", "session_energy": ptr(4.2), "stop_reason": "Local"},
	}
	want := `{"charger":"BOX-1","connector_id":1,"data":{"reason":"Local"},"event_type":"transaction_stopped","id":"capacitor-ab","late":true,"late_seconds":600,` +
		`"occurred":"2026-07-14T17:30:00Z","session_energy":4.2,"stop_reason":"Local","transaction_id":"7"}`
	if got := string(moment(m, now.Add(10*time.Minute))); got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}
