package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// document is what matters of a discovery document; a component's keys may be written in short or in full.
type document struct {
	Device struct {
		Identifiers any    `json:"identifiers"`
		Name        string `json:"name"`
		Via         string `json:"via_device"`
	} `json:"device"`
	Components map[string]map[string]any `json:"components"`
}

// names are a document's ids of one kind.
func (d document) names(key string) (all []string) {
	for _, c := range d.Components {
		if id, ok := c[key].(string); ok {
			all = append(all, id)
		}
	}
	return all
}

// apart fails where a document of one instance has a topic or an id of the other.
func apart(t *testing.T, held map[string]string) {
	t.Helper()
	ids := map[string]string{}
	for topic, payload := range held {
		if !strings.HasSuffix(topic, "/config") {
			continue
		}
		var d document
		must(t, json.Unmarshal([]byte(payload), &d))
		mine := strings.Contains(topic, "/home_grid_")
		if strings.Contains(d.Device.Name, "(home_grid)") != mine {
			t.Errorf("%s is called %s", topic, d.Device.Name)
		}
		if mine == strings.Contains(payload, `"grid2mqtt/`) || mine != strings.Contains(payload, `"home/Grid/`) {
			t.Errorf("%s speaks of the other's topics: %s", topic, payload)
		}
		for _, id := range append(d.names("unique_id"), fmt.Sprint(d.Device.Identifiers)) {
			if of, twice := ids[id]; twice || strings.Contains(id, "home_grid_") != mine {
				t.Errorf("%s has the id %s (%s)", topic, id, of)
			}
			ids[id] = topic
		}
		for _, id := range d.names("default_entity_id") {
			if of, twice := ids[id]; twice || strings.Contains(id, ".home_grid_") != mine {
				t.Errorf("%s has the entity %s (%s)", topic, id, of)
			}
			ids[id] = topic
		}
	}
}

// TestTwoInstances share a broker and do not know of each other.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.triggers(told)
	r.start(t)
	binary, err := build()
	must(t, err)
	env := maps.Clone(r.app.Env)
	env["MQTT_BASE_TOPIC"] = "home/Grid"
	env["MQTT_URL"] = r.broker.URL()
	other, err := binary.Open(limit(t, soon), env)
	must(t, err)
	t.Cleanup(func() { must(t, other.Close()) })
	_, err = r.air.Next(limit(t, soon), 0, observer.Says("home/Grid/status", "online"))
	must(t, err)

	_, _, err = other.Post(limit(t, soon), hookPath("started"), "", nil)
	must(t, err)
	_, err = r.air.Next(limit(t, soon), 0, observer.On("home/Grid/equiwatt/event"))
	must(t, err)
	must(t, r.air.Publish(limit(t, soon), "home/Grid/equiwatt/set/rehearse", "3", false))
	_, err = r.air.Times(limit(t, soon), 0, 2, observer.On("home/Grid/equiwatt/event"))
	must(t, err)
	r.cloud.Start(time.Now().Add(-few))
	deliver(simulator.InOrder)(t, r)
	r.says(t, 0, "started")
	r.only(t, 0, "started")
	if n := len(observer.Pick(r.air.Since(0), observer.On("home/Grid/equiwatt/event"))); n != 2 {
		t.Errorf("%d moments of the other one", n)
	}

	held := r.held(t)
	apart(t, held)
	topics := slices.Sorted(maps.Keys(held))
	want := []string{
		"grid2mqtt/bridge/state", "grid2mqtt/equiwatt/state", "grid2mqtt/status",
		"home/Grid/bridge/state", "home/Grid/equiwatt/state", "home/Grid/status",
		"homeassistant/device/grid2mqtt_bridge/config", "homeassistant/device/grid2mqtt_equiwatt/config",
		"homeassistant/device/home_grid_bridge/config", "homeassistant/device/home_grid_equiwatt/config",
	}
	if !slices.Equal(topics, want) {
		t.Errorf("the broker holds %v", topics)
	}
	other.Kill()
	_, err = r.air.Next(limit(t, soon), 0, observer.Says("home/Grid/status", "offline"))
	must(t, err)
	if held := r.held(t); held[statusTopic] != "online" {
		t.Error("one instance takes the other with it")
	}
}

// TestWhatIsNoLongerOursIsCleared: its documents first, then its states, and no other message than the empty one.
func TestWhatIsNoLongerOursIsCleared(t *testing.T) {
	t.Parallel()
	r := openRig(t, confirming())
	r.start(t)
	r.becomes(t, 0, isOff)
	must(t, r.app.Stop())

	delete(r.app.Env, "EQUIWATT_TOKEN")
	mark := r.mark(t)
	r.start(t)
	document, err := r.air.Next(limit(t, soon), mark, observer.Says(documentTopic, ""))
	must(t, err)
	state, err := r.air.Next(limit(t, soon), mark, observer.Says(stateTopic, ""))
	must(t, err)
	if state.At.Before(document.At) || !state.Retained || !document.Retained {
		t.Error("the state went before its document")
	}
	if got := slices.Sorted(maps.Keys(r.held(t))); !slices.Equal(got, []string{bridgeTopic, statusTopic, "homeassistant/device/grid2mqtt_bridge/config"}) {
		t.Errorf("the broker holds %v", got)
	}
	must(t, r.app.Stop())

	r.app.Env["MQTT_BASE_TOPIC"], r.app.Env["MQTT_DISCOVERY_PREFIX"] = "elsewhere", "ha"
	must(t, r.app.Start(limit(t, soon)))
	want := []string{"elsewhere/bridge/state", "elsewhere/status", "ha/device/elsewhere_bridge/config"}
	until(t, soon, "only what is ours now", func() bool { return slices.Equal(slices.Sorted(maps.Keys(r.held(t))), want) })
	must(t, r.app.Stop())

	r.app.Env["EQUIWATT_TOKEN"] = apiToken
	r.app.Env["MQTT_BASE_TOPIC"], r.app.Env["MQTT_DISCOVERY_PREFIX"] = "", ""
	r.start(t)
	r.polled(t)
	want = []string{bridgeTopic, stateTopic, statusTopic, "homeassistant/device/grid2mqtt_bridge/config", documentTopic}
	until(t, soon, "all that is ours again", func() bool { return slices.Equal(slices.Sorted(maps.Keys(r.held(t))), want) })
}
