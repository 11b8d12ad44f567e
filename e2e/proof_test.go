package e2e

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/e2e/product"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// home is the built program in a house, and the cloud of its account.
type home struct {
	*house
	id    string // what stands for it in topics and ids
	cloud *simulator.Equiwatt
	app   *product.Product

	automations []string
}

// settleIn prepares a home that is not yet started; every house has room for many, each with a base topic of its own.
func (h *house) settleIn(t *testing.T, id string, env map[string]string) *home {
	t.Helper()
	binary, err := build()
	must(t, err)
	m := &home{house: h, id: id, cloud: simulator.NewEquiwatt(apiToken, nil)}
	api, err := m.cloud.Open("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, m.cloud.Close()) })
	all := map[string]string{"MQTT_URL": h.broker.URL(), "MQTT_BASE_TOPIC": id, "EQUIWATT_URL": api, "EQUIWATT_TOKEN": apiToken,
		"HOOK_TOKEN": hookToken, "TZ": "Europe/London"}
	maps.Copy(all, env)
	m.app, err = binary.Install(all)
	must(t, err)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("%s:\n%s", id, m.app.Log())
		}
		must(t, m.app.Close())
	})
	t.Cleanup(func() { m.tidy(t) })
	for _, kind := range []string{simulator.Started, simulator.Ended} {
		m.cloud.Webhook(kind, simulator.Trigger{URL: m.app.Hooks + hookPath(kind)})
	}
	return m
}

// entity is the entity id of a key of the Equiwatt device.
func (m *home) entity(platform, key string) string {
	if m.id == "grid2mqtt" {
		return platform + ".equiwatt_" + key
	}
	return platform + "." + m.id + "_equiwatt_" + key
}

func (m *home) equivent() string { return m.entity("binary_sensor", "equivent") }

// open starts the program and waits until it is online.
func (m *home) open(t *testing.T) {
	t.Helper()
	mark := m.mark(t)
	must(t, m.app.Start(limit(t, patience)))
	_, err := m.air.Next(limit(t, patience), mark, observer.Says(m.id+"/status", "online"))
	must(t, err)
}

// start begins an equivent, and end ends it; the vendor's webhook says so if the program is there to hear it.
func (m *home) start(t *testing.T, at time.Time) {
	m.cloud.Start(at)
	m.tell(t)
}

func (m *home) end(t *testing.T) {
	if !m.cloud.End(time.Now()) {
		t.Error(m.id, "nothing to end")
	}
	m.tell(t)
}

func (m *home) tell(t *testing.T) {
	if m.app.PID() == 0 {
		m.cloud.Lose()
		return
	}
	m.cloud.Deliver(limit(t, patience), simulator.InOrder)
}

// listen makes an automation on a device trigger, as the editor does with what Home Assistant offers.
func (m *home) listen(t *testing.T, kinds ...string) {
	t.Helper()
	m.automate(t, m.id+"_equiwatt", m.id, kinds)
}

// listenTo is the same for another device.
func (m *home) listenTo(t *testing.T, identifier string, kinds ...string) {
	t.Helper()
	m.automate(t, identifier, "on_"+identifier, kinds) // not like an entity of it
}

// automate makes automations whose ids begin with a name.
func (m *home) automate(t *testing.T, identifier, name string, kinds []string) {
	t.Helper()
	device := m.device(t, identifier).ID
	for _, kind := range kinds {
		found := false
		offered, err := m.hass.DeviceTriggers(limit(t, patience), device)
		must(t, err)
		for _, trigger := range offered {
			if trigger["type"] != kind {
				continue
			}
			found = true
			delete(trigger, "metadata")
			delete(trigger, "platform")
			trigger["trigger"] = "device"
			m.automation(t, name+"_"+kind, trigger)
			m.automations = append(m.automations, name+"_"+kind)
		}
		if !found {
			t.Fatalf("%s: %s is not offered among %v", m.id, kind, offered)
		}
	}
}

// runs is how often the automation on a device trigger has run.
func (m *home) runs(kind string) int {
	return len(observer.Pick(m.air.Since(0), observer.On("e2e/ran/"+m.id+"_"+kind)))
}

// tidy leaves nothing of a home for the parts behind it.
func (m *home) tidy(t *testing.T) {
	if t.Failed() {
		return
	}
	must(t, m.app.Stop())
	for _, id := range m.automations {
		must(t, m.hass.DeleteAutomation(limit(t, patience), id))
	}
	held := m.ours(t)
	for _, document := range []bool{true, false} {
		for topic := range held {
			if strings.HasSuffix(topic, "/config") == document {
				m.say(t, topic, "", true)
			}
		}
		m.settle(t)
	}
}

// ours are the retained topics that a home has on the broker.
func (m *home) ours(t *testing.T) map[string]string {
	t.Helper()
	held, err := observer.Held(limit(t, patience), m.broker.URL(), m.id+"/#", "homeassistant/device/#")
	must(t, err)
	maps.DeleteFunc(held, func(topic, payload string) bool {
		return payload == "" || !strings.HasPrefix(topic, m.id+"/") && !strings.HasPrefix(topic, "homeassistant/device/"+m.id+"_")
	})
	return held
}

// proof is the product in a real Home Assistant. Its parts build on each other.
func proof(t *testing.T, h *house) {
	m, other := h.settleIn(t, "grid2mqtt", nil), h.settleIn(t, "e2e_other", nil)
	v := m.invite(t)
	h.quietly(t, "1 catalogue, and nothing known is unknown", func(t *testing.T) { nothingKnown(t, m, v) })
	h.quietly(t, "2 truth: a bad answer makes nothing unknown", func(t *testing.T) { oneBadAnswer(t, m) })
	h.quietly(t, "2 truth: a cloud that never answered well says why", func(t *testing.T) { neverGood(t, other) })
	h.quietly(t, "4 late is marked", func(t *testing.T) { late(t, other) })
	h.quietly(t, "5 manners: a busy day in the recorder", func(t *testing.T) { recorder(t, other) })
	must(t, other.app.Stop())
	h.quietly(t, "3 triggers, once a moment", func(t *testing.T) { triggers(t, m) })
	h.quietly(t, "3 triggers of every source, once a moment", func(t *testing.T) { everySource(t, v) })
	h.quietly(t, "5 manners: short attributes", func(t *testing.T) { shortAttributes(t, h) })
	h.quietly(t, "2 truth: silent for too long", func(t *testing.T) { silentTooLong(t, m) })
	h.quietly(t, "2 truth: gone is unavailable", func(t *testing.T) { goneAndBack(t, m) })
	h.part(t, "5 manners: a source switched off", func(t *testing.T) { switchedOff(t, m) })
	h.part(t, "5 manners: leave, and come back", func(t *testing.T) { leaves(t, m) })
	h.quietly(t, "4 restarts", func(t *testing.T) { restarts(t, m) })
	h.quietly(t, "6 look", func(t *testing.T) { look(t, m) })
	must(t, m.app.Stop())
}
