package app

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// presses presses a button of the page.
func presses(t *testing.T, page, source, name, payload string) int {
	t.Helper()
	r, err := http.PostForm(page+"/command", url.Values{"source": {source}, "name": {name}, "payload": {payload}})
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

// posts sends a webhook that nobody signs.
func posts(t *testing.T, hooks, source, body string) {
	t.Helper()
	r, err := http.Post(hooks+"/hook/"+source+"/"+goodToken, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if r.StatusCode != 200 {
		t.Fatalf("%s: %d", source, r.StatusCode)
	}
}

func TestARehearsedAlertReachesHomeAssistant(t *testing.T) {
	broker := broker(t)
	all := listenAll(t, broker)
	hooks, page := start(t, map[string]string{"MQTT_URL": broker, "ECOMON_UNSIGNED": "true"})
	eventually(t, "online", func() bool { return all.last("grid2mqtt/status") == "online" })
	publish(t, broker, "homeassistant/status", "online", false)
	says := func(topic, kind string) func() bool {
		return func() bool {
			s := all.last(topic)
			return strings.Contains(s, `"event_type":"`+kind+`"`) && strings.Contains(s, `"rehearsal":true`)
		}
	}
	if code := presses(t, page, "ecomon", "rehearse", "3"); code >= 400 {
		t.Fatal(code)
	}
	eventually(t, "the alert, on Ecomon itself", says("grid2mqtt/ecomon/event", "limit_warning"))
	eventually(t, "every stage", func() bool { return strings.Contains(get(t, page), "The rehearsal reached Home Assistant") })
	for _, stage := range stageTitles() {
		if text := get(t, page); !strings.Contains(text, stage) || strings.Contains(text, ">waiting<") {
			t.Errorf("%s is not ticked off", stage)
		}
	}
	presses(t, page, "ecomon", "rehearse", "0")
	eventually(t, "its end", says("grid2mqtt/ecomon/event", "cleared"))

	posts(t, hooks, "ecomon", `{"data":{"alerts":[{"deviceId":"A1B2"}]},"event":"SOMETHING_NEW"}`)
	eventually(t, "a reader", func() bool { return strings.Contains(all.last("grid2mqtt/ecomon/a1b2/state"), `"limit_warning":"OFF"`) })
	publish(t, broker, "grid2mqtt/ecomon/set/rehearse", "2", false)
	eventually(t, "the alert, on the reader", says("grid2mqtt/ecomon/a1b2/event", "limit_warning"))
	if s := all.last("grid2mqtt/ecomon/a1b2/state"); !strings.Contains(s, `"limit_warning":"ON","limit":5000,"consumption":4500,"projection":null,"remaining":500`) {
		t.Error(s)
	}
	publish(t, broker, "grid2mqtt/ecomon/set/rehearse", "0", false)
	eventually(t, "its end", says("grid2mqtt/ecomon/a1b2/event", "cleared"))
	eventually(t, "all as it was", func() bool {
		s := all.last("grid2mqtt/ecomon/a1b2/state")
		return strings.Contains(s, `"limit_warning":"OFF"`) && strings.Contains(s, `"limit":null`)
	})
	for _, bad := range []string{"nobody", "powerresponse"} {
		if code := presses(t, page, bad, "rehearse", "3"); code < 400 {
			t.Errorf("%s: %d", bad, code)
		}
	}
}

// TestARehearsedChargeCallsNobody presses every button while it plays.
func TestARehearsedChargeCallsNobody(t *testing.T) {
	var orders atomic.Int64
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || strings.Contains(r.URL.Path, "transaction") {
			orders.Add(1)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"data":[],"chargers":[]}`)
	}))
	defer api.Close()
	broker := broker(t)
	all := listenAll(t, broker)
	hooks, page := start(t, map[string]string{"MQTT_URL": broker, "CAPACITOR_API_KEY": "k-0451-0451", "CAPACITOR_URL": api.URL})
	for _, status := range []string{"Available", "Preparing"} {
		posts(t, hooks, "capacitor", fmt.Sprintf(`{"event":"connector.status_changed","timestamp":%q,"data":{"chargeBoxId":"BOX-1","connectorId":1,"status":%q,"errorCode":"NoError"}}`,
			time.Now().UTC().Format(time.RFC3339Nano), status))
	}
	const topic = "grid2mqtt/capacitor/box_1_1/state"
	eventually(t, "the connector", func() bool { return strings.Contains(all.last(topic), `"status":"Preparing"`) })
	presses(t, page, "capacitor", "rehearse", "4")
	eventually(t, "the charge", func() bool {
		s := all.last(topic)
		return strings.Contains(s, `"status":"Charging","plugged":"ON","charging":"ON"`) && strings.Contains(s, `"session_energy":null`) &&
			strings.Contains(s, `"session_id":"rehearsal"`)
	})
	said := func(kind string) func() bool {
		return func() bool {
			s := all.last("grid2mqtt/capacitor/box_1/event")
			return strings.Contains(s, `"event_type":"`+kind+`"`) && strings.Contains(s, `"rehearsal":true`) && strings.Contains(s, `"connector_id":1`)
		}
	}
	eventually(t, "its start", said("transaction_started"))
	eventually(t, "the page", func() bool { return strings.Contains(get(t, page), "The rehearsal is on its way") })
	publish(t, broker, "grid2mqtt/capacitor/box_1_1/set/start", "", false)
	publish(t, broker, "grid2mqtt/capacitor/box_1_1/set/stop", "", false)
	eventually(t, "its end", said("transaction_stopped"))
	eventually(t, "all as it was", func() bool {
		return strings.Contains(all.last(topic), `"status":"Preparing"`)
	})
	if n := orders.Load(); n != 0 {
		t.Errorf("Capacitor was called %d times for a play", n)
	}
}

func TestWhyARehearsalIsNotThereYet(t *testing.T) {
	_, page := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "MQTT_URL": "mqtt://127.0.0.1:1"})
	presses(t, page, "equiwatt", "rehearse", "3")
	eventually(t, "the reason", func() bool { return strings.Contains(get(t, page), "It waits for the MQTT broker.") })

	url := broker(t)
	_, page = start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "MQTT_URL": url})
	presses(t, page, "equiwatt", "rehearse", "3")
	eventually(t, "the reason", func() bool {
		return strings.Contains(get(t, page), "The broker gives it back; Home Assistant has not been heard there yet.")
	})
}

func TestFollowingARehearsal(t *testing.T) {
	var r rehearsals
	at := func(minutes int) time.Time { return time.Date(2026, 3, 10, 12, minutes, 0, 0, time.UTC) }
	rehearse := func(source, key string, from, to int) event.Event {
		return event.Event{Source: source, Key: key, At: at(from), Window: &event.Window{Start: at(from), End: at(to)}}
	}
	r.begin(rehearse("ecomon", "nothing", 0, 0), homeassistant.Place{}, nil)
	if r.newest != nil {
		t.Error("follows the end of nothing")
	}
	r.begin(rehearse("ecomon", "a", 0, 5), homeassistant.Place{Source: "ecomon"}, nil)
	if r.reach("b", stageKnown, at(1)) != nil || r.reach("a", stageKnown, at(1)) == nil || r.reach("a", stageKnown, at(2)) != nil {
		t.Error("a stage is news once, of the one that is followed")
	}
	r.wait("a", stageStored, "full")
	if r.reach("a", stageStored, at(1)); r.newest.note[stageStored] != "" {
		t.Error("says why not though it is there")
	}
	r.begin(rehearse("ecomon", "longer", 2, 9), homeassistant.Place{}, &state.Rehearsal{})
	if n := r.newest; n.key != "a" || !n.end.Equal(at(9)) || !n.at[stageKnown].Equal(at(1)) {
		t.Errorf("a longer one: %+v", n)
	}
	for id, want := range map[string]string{"ecomon-rehearsal-1-started": "a", "ecomon-rehearsal-1-ended": "", "equiwatt-rehearsal-1-started": "", "ecomon-1-started": ""} {
		if got := r.opening(id); got != want {
			t.Errorf("%s: %q", id, got)
		}
	}
	r.begin(rehearse("equiwatt", "c", 3, 4), homeassistant.Place{}, nil)
	if r.newest.key != "c" {
		t.Errorf("another source: %+v", r.newest)
	}
}
