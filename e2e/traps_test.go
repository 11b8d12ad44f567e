package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

// traps is what Home Assistant does against expectation; each leaves the probe as it was.
func traps(t *testing.T, h *house) {
	for _, c := range []struct {
		name     string
		change   func(doc object)
		complain string // in the log; empty: nothing
	}{
		{"~ at the top voids the document", func(d object) { d["~"] = "e2e" }, "extra keys not allowed @ data['~']"},
		{"an unknown key at the top voids it", func(d object) { d["json_attributes_topic"] = "x" }, "extra keys not allowed"},
		{"origin is required", func(d object) { delete(d, "origin") }, "required key not provided @ data['origin']"},
		{"one missing unique_id voids it", func(d object) { delete(component(d, "direction"), "unique_id") }, "required key not provided"},
		{"a bad configuration_url voids it", func(d object) { d["device"].(object)["configuration_url"] = "/x" }, "invalid url"},
		{"homeassistant:// is a good one", func(d object) {
			d["device"].(object)["configuration_url"] = "homeassistant://hassio/ingress/grid2mqtt"
		}, ""},
		{"null is no value", func(d object) { component(d, "direction")["icon"] = nil }, "Icons should be specified"},
		{"a unit that does not fit its class", func(d object) { component(d, "length")["unit_of_measurement"] = "Wh" }, "is not valid together with device class"},
		{"unknown keys in a component are dropped", func(d object) { component(d, "direction")["object_id"] = "x" }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			doc := probe()
			c.change(doc)
			got := h.complaints(t, func() { h.say(t, probeDocument, doc, true) })
			if c.complain == "" && len(got) > 0 || c.complain != "" && (len(got) != 1 || !strings.Contains(got[0], c.complain)) {
				t.Error(got)
			}
		})
	}
	t.Run("ids are chosen once", func(t *testing.T) { idsAreChosenOnce(t, h) })
	t.Run("default_entity_id needs its platform, and gets a number where taken", func(t *testing.T) { defaultIDs(t, h) })
	t.Run("states that are empty, lack keys or have wrong words", func(t *testing.T) { badStates(t, h) })
	t.Run("bad moments", func(t *testing.T) { badMoments(t, h) })
	t.Run("a user who deletes the device deletes our document", func(t *testing.T) { deletedByUser(t, h) })
}

func idsAreChosenOnce(t *testing.T, h *house) {
	doc := probe()
	component(doc, "direction")["default_entity_id"] = "sensor.other"
	component(doc, "direction")["unique_id"] = "e2e_probe_other"
	h.say(t, probeDocument, doc, true)
	h.settle(t)
	if e := h.entities(t, "e2e_probe"); e["direction"].EntityID != "sensor.probe_direction" || e["other"].EntityID != "" {
		t.Error(e["direction"], e["other"])
	}
	h.say(t, probeDocument, probe(), true)
}

func defaultIDs(t *testing.T, h *house) {
	doc := probe()
	all := doc["components"].(object)
	all["bare"], all["taken"] = value("sensor", "bare", nil), value("sensor", "taken", nil)
	component(doc, "bare")["default_entity_id"] = "probe_bare"
	component(doc, "taken")["default_entity_id"] = "sensor.probe_source"
	component(doc, "bare")["value_template"], component(doc, "taken")["value_template"] = "x", "x"
	h.say(t, probeDocument, doc, true)
	h.settle(t)
	if e := h.entities(t, "e2e_probe"); e["bare"].EntityID != "sensor.unnamed_device" || e["taken"].EntityID != "sensor.probe_source_2" {
		t.Error(e["bare"], e["taken"])
	}
	all["bare"], all["taken"] = object{"platform": "sensor"}, object{"platform": "sensor"}
	h.say(t, probeDocument, doc, true)
	until(t, patience, "both gone", func() bool { return len(h.entities(t, "e2e_probe")) == 9 })
	h.say(t, probeDocument, probe(), true)
}

func badStates(t *testing.T, h *house) {
	all := len(whileRunning())
	if got := h.complaints(t, func() { h.say(t, probeState, "", true) }); len(got) < all {
		t.Error("empty:", got)
	}
	if got := h.complaints(t, func() { h.say(t, probeState, `{"running":"ON"}`, true) }); len(got) < all-1 {
		t.Error("keys missing:", got)
	}
	h.say(t, probeState, runningState(), true)
	h.shows(t, whileRunning())
	wrong := runningState()
	wrong["running"], wrong["source"] = "maybe", "martian"
	if got := h.complaints(t, func() { h.say(t, probeState, wrong, true) }); len(got) != 1 || !strings.Contains(got[0], "Ignoring invalid option") {
		t.Error("wrong words:", got) // none for the binary sensor
	}
	h.shows(t, whileRunning())
	h.say(t, probeState, runningState(), true)
}

func badMoments(t *testing.T, h *house) {
	for payload, complain := range map[string]string{
		`{"event_type":"bogus"}`: "Invalid event type",
		`{"id":"1"}`:             "`event_type` missing",
		`hello`:                  "No valid JSON event payload",
		`[1]`:                    "Exception in _event_received",
		``:                       "",
		`{}`:                     "",
	} {
		got := h.complaints(t, func() { h.say(t, probeEvent, payload, false) })
		if complain == "" && len(got) > 0 || complain != "" && (len(got) == 0 || !strings.Contains(got[0], complain)) {
			t.Errorf("%q: %q", payload, got)
		}
	}
	h.becomes(t, "event.probe_event", "unknown")
}

func deletedByUser(t *testing.T, h *house) {
	mark := h.mark(t)
	must(t, h.hass.DeleteDevice(limit(t, patience), h.device(t, "e2e_probe").ID, h.entities(t, "e2e_probe")["running"].ConfigEntryID))
	m, err := h.air.Next(limit(t, patience), mark, observer.Says(probeDocument, ""))
	if err != nil || !m.Retained {
		t.Error(m, err)
	}
	h.settle(t)
	if left := h.entities(t, "e2e_probe"); len(left) != 0 {
		t.Error(left)
	}
	h.say(t, probeDocument, probe(), true)
	h.shows(t, whileRunning())
}

// removal comes last: a restart has happened, automations use the device's triggers, and the broker has forgotten all.
func removal(t *testing.T, h *house) {
	h.quietly(t, "a component goes by a stub, not by being left out", func(t *testing.T) { aComponentGoes(t, h) })
	t.Run("two platforms under one key need two clearings", func(t *testing.T) { twoPlatforms(t, h) })
	t.Run("a device whose trigger an automation uses cannot be deleted by the user after a restart", func(t *testing.T) {
		h.say(t, probeDocument, probe(), true)
		until(t, patience, "all entities", func() bool { return len(h.entities(t, "e2e_probe")) == 9 })
		if err := h.hass.DeleteDevice(limit(t, patience), h.device(t, "e2e_probe").ID, h.entities(t, "e2e_probe")["running"].ConfigEntryID); err == nil {
			t.Error("it can")
		}
	})
	t.Run("Home Assistant clears a cleared device once more, and warns of itself", func(t *testing.T) {
		h.say(t, probeDocument, probe(), true)
		h.settle(t)
		got := h.complaints(t, func() { h.say(t, probeDocument, "", true) })
		if len(got) == 0 || !strings.Contains(got[0], "No device components to cleanup") { // one or two
			t.Error(got)
		}
	})
	t.Run("clearing what is not there is a warning", func(t *testing.T) {
		got := h.complaints(t, func() { h.say(t, probeDocument, "", true) })
		if len(got) != 1 || !strings.Contains(got[0], "No device components to cleanup") {
			t.Error(got)
		}
	})
	h.say(t, probeState, "", true)
	h.say(t, probeParent, "", true)
	h.say(t, probeStatus, "", true)
	for _, id := range []string{"device_started", "device_kept", "received", "to_on", "off_to_on"} {
		must(t, h.hass.DeleteAutomation(limit(t, patience), id))
	}
	h.settle(t)
	if log := h.hass.Log(); strings.Contains(log, "Attempting install") {
		t.Error("Home Assistant installed something")
	}
}

func aComponentGoes(t *testing.T, h *house) {
	doc := probe()
	delete(doc["components"].(object), "direction")
	h.say(t, probeStatus, "online", true)
	h.say(t, probeDocument, doc, true)
	h.say(t, probeState, unknownState(), true)
	h.becomes(t, "sensor.probe_source", "unknown")
	if h.entities(t, "e2e_probe")["direction"].EntityID == "" {
		t.Error("leaving a component out removed it")
	}
	doc["components"].(object)["direction"] = object{"platform": "sensor"}
	h.say(t, probeDocument, doc, true)
	until(t, patience, "gone", func() bool { return h.entities(t, "e2e_probe")["direction"].EntityID == "" })
	h.say(t, probeDocument, probe(), true)
	until(t, patience, "back", func() bool { return h.entities(t, "e2e_probe")["direction"].EntityID == "sensor.probe_direction" })
}

func twoPlatforms(t *testing.T, h *house) {
	doc := probe()
	doc["components"].(object)["direction"] = value("binary_sensor", "direction", object{"entity_category": "diagnostic"})
	h.say(t, probeDocument, doc, true)
	for _, want := range [][]string{{"binary_sensor.probe_direction", "sensor.probe_direction"}, {"sensor.probe_direction"}, nil} {
		h.settle(t)
		all, err := h.hass.Entities(limit(t, patience))
		must(t, err)
		var got []string
		for _, e := range all {
			if e.UniqueID == "e2e_probe_direction" {
				got = append(got, e.EntityID)
			}
		}
		if slices.Sort(got); len(got) != len(want) {
			t.Errorf("%v, not %v", got, want)
		}
		h.say(t, probeDocument, "", true)
	}
}
