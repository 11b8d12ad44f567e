package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/hass"
	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

// recorder is a busy day: 1440 polls, and three equivents with all that they change. It counts what Home Assistant writes.
func recorder(t *testing.T, m *home) {
	began := time.Now().UTC()
	held, err := observer.Held(limit(t, patience), m.broker.URL(), m.id+"/equiwatt/state")
	must(t, err)
	state := object{}
	must(t, json.Unmarshal([]byte(held[m.id+"/equiwatt/state"]), &state))
	at := func(minute int) string { return began.Add(time.Duration(minute) * time.Minute).Format(time.RFC3339) }
	says := func(kind string, minute int) {
		m.say(t, m.id+"/equiwatt/event", object{"event_type": kind, "id": at(minute) + kind, "occurred": at(minute), "late": false, "late_seconds": 1}, false)
	}
	for minute := range 1440 {
		state["last_poll"] = at(minute)
		switch minute {
		case 400, 700, 1000:
			state["equivent"], state["start"], state["planned_end"], state["source"], state["confirmed"] = "ON", at(minute), false, "api", true
			state["equivents_month"] = minute
		case 460, 760, 1060:
			state["equivent"], state["last_start"], state["last_end"], state["last_duration"] = "OFF", state["start"], at(minute), 3600
			state["start"], state["planned_end"], state["source"], state["confirmed"] = nil, nil, nil, nil
		}
		m.say(t, m.id+"/equiwatt/state", state, false)
		switch minute {
		case 400, 700, 1000:
			says("started", minute)
		case 460, 760, 1060:
			says("ended", minute)
		}
	}
	m.settle(t)
	var ids []string
	for _, device := range []string{"_equiwatt", "_bridge"} {
		for _, e := range m.entities(t, m.id+device) {
			ids = append(ids, e.EntityID)
		}
	}
	rows := 0
	until(t, patience, "the day recorded", func() bool {
		var history map[string][]object
		must(t, m.hass.Command(limit(t, patience), "history/history_during_period", object{"start_time": began.Format(time.RFC3339Nano), "entity_ids": ids,
			"significant_changes_only": false, "minimal_response": false, "include_start_time_state": false}, &history))
		rows = 0
		for _, h := range history {
			rows += len(h)
		}
		ends := history[m.entity("sensor", "last_end")]
		return len(ends) >= 3
	})
	t.Logf("a busy day is %d rows", rows)
	if rows > 200 || rows < 3*7 {
		t.Errorf("%d rows, not some and at most 200", rows)
	}
}

// shortAttributes looks at every entity after all sources have spoken.
func shortAttributes(t *testing.T, h *house) {
	all, err := h.hass.States(limit(t, patience))
	must(t, err)
	known := map[string]hass.State{}
	for _, s := range all {
		known[s.EntityID] = s
	}
	longest, whose := 0, ""
	for _, c := range catalogue(t) {
		for _, r := range c.rows {
			if r.first == "disabled" {
				continue
			}
			b, err := json.Marshal(known[r.entity].Attributes)
			must(t, err)
			if len(b) > longest {
				longest, whose = len(b), r.entity
			}
		}
	}
	t.Logf("at most %d bytes of attributes: %s", longest, whose)
	if longest > 1<<10 || longest < 100 {
		t.Error(known[whose])
	}
}

// ownEcho is what Home Assistant says of itself where a device goes that has entities which are disabled: for each of them it
// clears the document once more, and wonders that there is nothing left of it. No document avoids that.
const ownEcho = "No device components to cleanup for "

func echoes(t *testing.T, got []string) {
	t.Helper()
	for _, w := range got {
		if !strings.Contains(w, ownEcho) {
			t.Error("Home Assistant:", w)
		}
	}
	t.Logf("Home Assistant wonders %d times about its own clearing", len(got))
}

// away waits until a device is no longer there.
func (m *home) away(t *testing.T, identifier string) {
	t.Helper()
	until(t, patience, "gone: "+identifier, func() bool {
		_, err := m.hass.Device(limit(t, patience), identifier)
		return err != nil
	})
}

// switchedOff is a source that is no longer set up, and comes back.
func switchedOff(t *testing.T, m *home) {
	token := m.app.Env["EQUIWATT_TOKEN"]
	from := m.hass.LogSize()
	must(t, m.app.Stop())
	delete(m.app.Env, "EQUIWATT_TOKEN")
	m.open(t)
	m.away(t, m.id+"_equiwatt")
	// The states go when Home Assistant has taken the device away for certain, five seconds later.
	until(t, patience, "nothing of Equiwatt left on the broker", func() bool {
		_, document := m.ours(t)["homeassistant/device/grid2mqtt_equiwatt/config"]
		_, state := m.ours(t)["grid2mqtt/equiwatt/state"]
		return !document && !state
	})
	m.becomes(t, "binary_sensor.grid2mqtt_problem", "off")
	m.settle(t)
	echoes(t, m.hass.Warnings(from))
	must(t, m.app.Stop())
	m.app.Env["EQUIWATT_TOKEN"] = token
	m.open(t)
	m.becomes(t, m.equivent(), "off")
	isCatalogue(t, m.house, everyone...)
}

// leaves is "grid2mqtt leave", after a household gave names and areas of its own; and its coming back.
func leaves(t *testing.T, m *home) {
	var area struct {
		ID string `json:"area_id"`
	}
	ask := func(command string, args object, out any) {
		t.Helper()
		must(t, m.hass.Command(limit(t, patience), command, args, out))
	}
	ask("config/area_registry/create", object{"name": "Hall"}, &area)
	device := m.device(t, m.id+"_equiwatt")
	ask("config/device_registry/update", object{"device_id": device.ID, "name_by_user": "The grid", "area_id": area.ID}, nil)
	ask("config/entity_registry/update", object{"entity_id": m.equivent(), "name": "It runs", "area_id": area.ID}, nil)

	binary, err := build()
	must(t, err)
	env := maps.Clone(m.app.Env)
	env["DATA_DIR"] = m.app.Data
	second, err := binary.Install(env)
	must(t, err)
	defer func() { must(t, second.Close()) }()
	r, err := second.Run(limit(t, patience), "leave")
	if err != nil || r.Code != 1 || r.Stdout != "" || strings.Count(r.Stderr, "\n") != 1 || !strings.Contains(r.Stderr, "is running") {
		t.Errorf("leave while it runs: %+v %v", r, err)
	}
	retained := 1 + 2*len(catalogue(t)) // the status, and a document and a state of each device
	if len(m.ours(t)) != retained {
		t.Error("before:", m.ours(t))
	}
	must(t, m.app.Stop())
	echoes(t, m.complaints(t, func() {
		r, err = m.app.Run(limit(t, patience), "leave")
		m.away(t, m.id+"_equiwatt")
		m.away(t, m.id+"_bridge")
	}))
	if err != nil || r.Code != 0 || r.Stderr != "" || strings.Count(r.Stdout, "\n") != 1 || !strings.Contains(r.Stdout, fmt.Sprint(retained, " retained topics")) {
		t.Errorf("leave: %+v %v", r, err)
	}
	t.Log(strings.TrimSpace(r.Stdout))
	if left := m.ours(t); len(left) != 0 {
		t.Error("left behind:", left)
	}
	m.open(t)
	m.becomes(t, m.equivent(), "off")
	isCatalogue(t, m.house, everyone...)
	e, d := m.entities(t, m.id+"_equiwatt")["equivent"], m.device(t, m.id+"_equiwatt")
	if e.Name != "It runs" || e.AreaID != area.ID || d.NameByUser != "The grid" || d.AreaID != area.ID {
		t.Errorf("the household's own words are lost: %+v %+v", e, d)
	}
	ask("config/device_registry/update", object{"device_id": d.ID, "name_by_user": nil, "area_id": nil}, nil)
	ask("config/entity_registry/update", object{"entity_id": m.equivent(), "name": nil, "area_id": nil}, nil)
}
