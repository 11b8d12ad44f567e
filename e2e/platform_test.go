package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/browser"
	"github.com/grid2mqtt/grid2mqtt/e2e/hass"
	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

// platform shows what the product builds on, and what it must avoid, with documents made by hand. Where a part fails after an
// update of Home Assistant, a rule has changed.
func platform(t *testing.T, h *house) {
	h.part(t, "a second document in the same moment is dropped", func(t *testing.T) { dropped(t, h) })
	h.quietly(t, "a device is there before its parent", func(t *testing.T) { nameless(t, h) })
	h.quietly(t, "announced", func(t *testing.T) { announced(t, h) })
	h.quietly(t, "null is unknown, offline is unavailable", func(t *testing.T) { unknown(t, h) })
	h.quietly(t, "commands", func(t *testing.T) { commands(t, h) })
	h.quietly(t, "the device's page", func(t *testing.T) { devicePage(t, h) })
	traps(t, h)
	h.quietly(t, "moments, once for each message", func(t *testing.T) { moments(t, h) })
	h.quietly(t, "what a return of availability sets off", func(t *testing.T) { availability(t, h) })
	h.quietly(t, "what a restart of Home Assistant sets off", func(t *testing.T) { restarted(t, h) })
	h.quietly(t, "a forgetful broker makes Home Assistant show the past", func(t *testing.T) { forgetful(t, h) })
	removal(t, h)
}

// dropped needs platforms that this run of Home Assistant has not loaded yet, so it comes first. Home Assistant takes components
// in the order of the document, here the alphabet's, and gives up at the first one that it is still setting up.
func dropped(t *testing.T, h *house) {
	first, second := probe(), probe()
	delete(first["components"].(object), "start")
	component(second, "running")["name"] = "Second"
	h.say(t, probeDocument, first, true)
	h.say(t, probeDocument, second, true)
	h.settle(t)
	if e := h.entities(t, "e2e_probe"); e["running"].OriginalName != "The running" || e["start"].EntityID != "" {
		t.Error("it is not", e["running"], e["start"])
	}
	h.say(t, probeDocument, probe(), true)
	until(t, patience, "a later one counts", func() bool { return h.entities(t, "e2e_probe")["start"].EntityID != "" })
}

func nameless(t *testing.T, h *house) {
	before := h.device(t, "e2e_parent")
	if before.Name != "" {
		t.Error("its name is known", before)
	}
	h.say(t, probeParent, parent(), true)
	until(t, patience, "named", func() bool { return h.device(t, "e2e_parent").Name == "Parent" })
	if child := h.device(t, "e2e_probe"); child.ViaDeviceID != before.ID || child.ViaDeviceID != h.device(t, "e2e_parent").ID {
		t.Error(child)
	}
}

func announced(t *testing.T, h *house) {
	h.say(t, probeStatus, "offline", true)
	until(t, patience, "all entities", func() bool { return len(h.entities(t, "e2e_probe")) == 9 })
	found := h.entities(t, "e2e_probe")
	for key, c := range probe()["components"].(object) {
		c, e := c.(object), found[key]
		if c["platform"] == "device_automation" {
			continue
		}
		category, _ := c["entity_category"].(string)
		class, _ := c["device_class"].(string)
		if e.EntityID != c["default_entity_id"] || e.OriginalName != c["name"] || e.Category != category || e.OriginalClass != class {
			t.Errorf("%s is %+v", key, e)
		}
		if disabled := c["enabled_by_default"] == false; disabled != (e.DisabledBy == "integration") {
			t.Errorf("%s is disabled by %q", key, e.DisabledBy)
		}
	}
	d := h.device(t, "e2e_probe")
	if d.Name != "Probe" || d.Manufacturer != "Grid2MQTT" || d.Model != "Probe" || d.SWVersion != "1.2.3" || d.ConfigurationURL != "http://127.0.0.1:8099" {
		t.Error(d)
	}
	triggers, err := h.hass.DeviceTriggers(limit(t, patience), d.ID)
	must(t, err)
	var offered []string
	for _, trigger := range triggers {
		if trigger["domain"] == "mqtt" {
			offered = append(offered, trigger["type"].(string))
		}
	}
	if slices.Sort(offered); !slices.Equal(offered, []string{"ended", "kept", "started"}) {
		t.Error("offered before anything happened:", offered)
	}
}

func unknown(t *testing.T, h *house) {
	h.say(t, probeStatus, "online", true)
	h.say(t, probeState, runningState(), true)
	h.shows(t, whileRunning())
	h.say(t, probeState, unknownState(), true)
	for id := range whileRunning() {
		h.becomes(t, id, "unknown")
	}
	h.say(t, probeState, runningState(), true)
	h.shows(t, whileRunning())
	h.say(t, probeStatus, "offline", true)
	for _, id := range []string{"button.probe_refresh", "event.probe_event", "binary_sensor.probe_running", "sensor.probe_start", "switch.probe_rehearse"} {
		h.becomes(t, id, "unavailable")
	}
	h.say(t, probeStatus, "online", true)
	h.shows(t, whileRunning())
}

func commands(t *testing.T, h *house) {
	mark := h.mark(t)
	for _, c := range []struct{ domain, action, entity, topic, want string }{
		{"button", "press", "button.probe_refresh", "e2e/probe/set/refresh", "PRESS"},
		{"switch", "turn_on", "switch.probe_rehearse", "e2e/probe/set/rehearse", "5"},
		{"switch", "turn_off", "switch.probe_rehearse", "e2e/probe/set/rehearse", "0"},
	} {
		must(t, h.hass.Call(limit(t, patience), c.domain, c.action, object{"entity_id": c.entity}))
		m, err := h.air.Next(limit(t, patience), mark, observer.Says(c.topic, c.want))
		if err != nil || m.Retained {
			t.Error(m, err)
		}
	}
}

func devicePage(t *testing.T, h *house) {
	p, err := browser.Open(limit(t, 3*time.Minute), 1280, 1000)
	need(t, err)
	defer func() { must(t, p.Close()) }()
	must(t, p.LogIn(h.hass.URL, h.hass.Token))
	must(t, p.Show(h.hass.URL+"/config/devices/device/"+h.device(t, "e2e_probe").ID,
		"Probe", "Connected via", "Parent", "The running", "Running", "The source", "Configuration", "Diagnostic", "The direction"))
	must(t, p.Picture(t.ArtifactDir()+"/device.png"))
}

// moments also makes the automations of the parts behind it.
func moments(t *testing.T, h *house) {
	device := h.device(t, "e2e_probe").ID
	for _, name := range []string{"started", "kept"} {
		h.automation(t, "device_"+name, object{"trigger": "device", "domain": "mqtt", "device_id": device, "type": name, "subtype": "probe"})
	}
	h.automation(t, "received", object{"trigger": "event.received", "target": object{"entity_id": "event.probe_event"}, "options": object{"event_type": []string{"started"}}})
	h.automation(t, "event_state", object{"trigger": "state", "entity_id": "event.probe_event"})
	h.automation(t, "to_on", object{"trigger": "state", "entity_id": "binary_sensor.probe_running", "to": "on"})
	h.automation(t, "off_to_on", object{"trigger": "state", "entity_id": "binary_sensor.probe_running", "from": "off", "to": "on"})
	h.settle(t) // a subscription still under way would bring the retained one a second time
	for _, e := range []string{`{"event_type":"started","id":"1"}`, `{"event_type":"started","id":"1"}`, `{"event_type":"ended","id":"2"}`} {
		h.say(t, probeEvent, e, false)
	}
	h.say(t, probeKept, `{"event_type":"kept"}`, true)
	s, err := h.hass.WaitState(limit(t, patience), "event.probe_event", func(s hass.State) bool { return s.Attributes["event_type"] == "ended" })
	if err != nil || s.Attributes["id"] != "2" {
		t.Error(s, err)
	}
	// A repeat is a moment again: it is for the sender not to repeat.
	h.ran(t, map[string]int{"device_started": 2, "received": 2, "event_state": 3, "device_kept": 1, "to_on": 0, "off_to_on": 0})
	traces, err := h.hass.Traces(limit(t, patience), "device_started")
	if err != nil || len(traces) != 2 || traces[0].Execution != "finished" || !strings.Contains(string(traces[0].Raw), `"event_type": "started"`) {
		t.Error(err, traces)
	}
}

func availability(t *testing.T, h *house) {
	h.say(t, probeStatus, "offline", true)
	h.becomes(t, "binary_sensor.probe_running", "unavailable")
	h.say(t, probeStatus, "online", true)
	h.becomes(t, "binary_sensor.probe_running", "on")
	h.ran(t, map[string]int{"device_started": 2, "received": 2, "event_state": 5, "device_kept": 1, "to_on": 1, "off_to_on": 0})
}

func restarted(t *testing.T, h *house) {
	last, err := h.hass.State(limit(t, patience), "event.probe_event")
	must(t, err)
	mark, began := h.mark(t), time.Now()
	must(t, h.hass.Stop())
	t.Logf("stopped in %v", time.Since(began))
	must(t, h.hass.Start(limit(t, 3*time.Minute)))
	h.shows(t, whileRunning())
	t.Logf("all states %v after SIGTERM", time.Since(began))
	if s := h.becomes(t, "event.probe_event", last.State); s.Attributes["id"] != "2" {
		t.Error("the last moment is forgotten", s)
	}
	h.birth(t, mark)
	t.Logf("birth %v after SIGTERM", time.Since(began))
	// A retained moment happens again at every start.
	h.ran(t, map[string]int{"device_started": 2, "received": 2, "device_kept": 2, "to_on": 2, "off_to_on": 0})
	h.say(t, probeEvent, `{"event_type":"started","id":"3"}`, false)
	h.ran(t, map[string]int{"device_started": 3, "received": 3})
}

func forgetful(t *testing.T, h *house) {
	// It answers every return of availability, also before it can publish again.
	must(t, h.hass.DeleteAutomation(limit(t, patience), "event_state"))
	must(t, h.broker.Stop())
	h.becomes(t, "binary_sensor.probe_running", "unavailable")
	began := time.Now()
	must(t, h.broker.Start(limit(t, patience)))
	must(t, h.air.Connected(limit(t, patience)))
	mark := h.mark(t)
	h.birth(t, mark)
	t.Logf("birth %v after the broker is back", time.Since(began))
	h.shows(t, whileRunning()) // remembered by Home Assistant: nobody has said anything
	held, err := observer.Held(limit(t, patience), h.broker.URL(), "e2e/#", "homeassistant/#")
	if err != nil || len(held) != 0 {
		t.Error("the broker remembers", held, err)
	}
	h.ran(t, map[string]int{"device_started": 3, "received": 3, "device_kept": 2, "to_on": 3, "off_to_on": 0})
}
