package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/browser"
	"github.com/grid2mqtt/grid2mqtt/e2e/hass"
)

// look is what a household sees, while an equivent runs: the pages of all devices, and a dashboard with what it is given there
// first. The pictures are for the eye.
func look(t *testing.T, m *home) {
	m.cloud.Plan(time.Hour)
	m.start(t, time.Now().Add(-5*time.Second))
	m.becomes(t, m.equivent(), "on")
	p, err := browser.Open(limit(t, 3*time.Minute), 1280, 1700)
	need(t, err)
	defer func() { must(t, p.Close()) }()
	must(t, p.LogIn(m.hass.URL, m.hass.Token))
	page := m.hass.URL + "/config/devices/device/"
	must(t, p.Show(page+m.device(t, m.id+"_equiwatt").ID, "Household account", "Connected via", "Grid2MQTT", "Equivent start", "Running", "Configuration", "Diagnostic"))
	must(t, p.Picture(t.ArtifactDir()+"/equiwatt.png"))
	for _, c := range catalogue(t) {
		if c.id == m.id+"_equiwatt" {
			continue
		}
		words := []string{c.model}
		for _, r := range c.rows {
			if r.first == "enabled" && r.category == "-" {
				words = append(words, r.name)
			}
		}
		must(t, p.Show(page+m.device(t, c.id).ID, words...))
		must(t, p.Picture(t.ArtifactDir()+"/"+strings.TrimPrefix(c.id, m.id+"_")+".png"))
	}
	before := m.becomes(t, m.entity("sensor", "last_end"), m.lastEnd(t)).State
	m.end(t)
	_, err = m.hass.WaitState(limit(t, patience), m.entity("sensor", "last_end"), func(s hass.State) bool { return s.State != before })
	must(t, err)
	m.settle(t)
	length, err := m.hass.State(limit(t, patience), m.entity("sensor", "last_duration"))
	must(t, err)
	if length.Attributes["unit_of_measurement"] != "s" || length.Attributes["device_class"] != "duration" {
		t.Error(length)
	}
	must(t, m.hass.Dashboard(limit(t, patience), "grid-home", object{"views": []any{object{"title": "Grid", "cards": []any{
		object{"type": "entities", "title": "Equiwatt", "entities": []string{m.equivent(), m.entity("sensor", "start"), m.entity("sensor", "end"),
			m.entity("sensor", "last_end"), m.entity("sensor", "equivents_month"), m.entity("event", "event")}},
		object{"type": "entities", "title": "More", "entities": []string{m.entity("sensor", "last_start"), m.entity("sensor", "last_duration"),
			m.entity("binary_sensor", "cloud"), m.entity("switch", "rehearse"), m.entity("button", "refresh")}},
		object{"type": "tile", "entity": m.equivent()},
		object{"type": "tile", "entity": m.entity("event", "event")},
	}}}}))
	must(t, p.Show(m.hass.URL+"/grid-home/0", "Not running", length.State+" s", "Equivents this month"))
	must(t, p.Picture(t.ArtifactDir()+"/dashboard.png"))
	repairs, err := m.hass.Repairs(limit(t, patience))
	must(t, err)
	for _, r := range repairs {
		if r["domain"] == "mqtt" {
			t.Error(r)
		}
	}
}
