package e2e

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// equiventBlueprints are two equivents and a restart of Home Assistant in their middle, seen by many automations at once.
func equiventBlueprints(t *testing.T, town, cottage *home, cars *simulator.Capacitor) {
	cars.Hook(town.app.Hooks+"/hook/capacitor/"+hookToken, "")
	cars.Prompt(true)
	cars.Boot("BOX-1")
	cars.Begin("BOX-1", 1, card)
	town.becomes(t, "binary_sensor.capacitor_box_1_1_charging", "on")
	for _, id := range []string{"plug_touched", "plug_on", "guest_plug"} {
		town.call(t, "input_boolean.turn_on", "input_boolean."+id, nil)
	}
	town.call(t, "climate.set_preset_mode", "climate.guest_room", object{"preset_mode": "away"})
	town.setUpEquivents(t, cottage)
	town.idle(t) // a new one looks for what an earlier one left

	town.part(t, "start", func(t *testing.T) { blueprintsStart(t, town, cars) })
	town.part(t, "restart", func(t *testing.T) { blueprintsRestart(t, town, cottage) })
	town.part(t, "another at once", func(t *testing.T) { blueprintsAgain(t, town) })
	town.part(t, "end", func(t *testing.T) { blueprintsEnd(t, town, cottage) })
	town.part(t, "charger", func(t *testing.T) { blueprintsCharger(t, town, cars) })
	town.part(t, "rehearsal", func(t *testing.T) { blueprintsRehearse(t, town) })
	town.part(t, "objections", func(t *testing.T) { blueprintsObject(t, cottage) })
	town.part(t, "objections at the start", func(t *testing.T) { blueprintsRefuse(t, cottage) })
	town.part(t, "silence", func(t *testing.T) { silence(t, town.house) })
}

func (m *home) setUpEquivents(t *testing.T, cottage *home) {
	t.Helper()
	quick := object{"delay": 0}
	use := func(m *home, more object) object {
		in := maps.Clone(quick)
		in["equiwatt"] = m.device(t, m.id+"_equiwatt").ID
		if m.id != "grid2mqtt" {
			in["base_topic"] = m.id
		}
		maps.Copy(in, more)
		return in
	}
	m.setUp(t, "shed", "shed_and_restore", use(m, object{
		"thermostats": []string{"climate.hall", "climate.bath", "climate.kitchen", "climate.cooler", "climate.nursery", "climate.loft", "climate.landing"},
		"plugs":       []string{"input_boolean.plug_touched", "input_boolean.plug_on", "input_boolean.plug_off"},
		"home":        []string{"input_boolean.plug_on"}, // somebody is
		"end_actions": []any{object{"action": "input_boolean.turn_on", "target": object{"entity_id": "input_boolean.ended_well"}}},
	}))
	m.setUp(t, "away", "shed_and_restore", use(m, object{"home": []string{"input_boolean.anna_home"}}))
	m.setUp(t, "neither", "shed_and_restore", use(m, object{"unknown": "neither"}))
	m.setUp(t, "earnest", "shed_and_restore", use(m, object{"rehearsals": false}))
	m.setUp(t, "upward", "use_more", use(m, object{}))
	m.setUp(t, "tell", "tell_me", object{
		"equiwatt": use(m, nil)["equiwatt"], "targets": []string{"notify.others"}, "phones": []string{m.device(t, "e2e_phone").ID},
		"opt_out": []string{"input_boolean.not_this_time"}, "cloud": "binary_sensor.test_cloud", "silence": object{"seconds": 1},
	})
	m.setUp(t, "pause", "charger_pause", use(m, pause()))
	m.setUpLate(t, 10)
	for _, kind := range []string{"started", "ended"} {
		m.setUp(t, "forward_"+kind, "forward_webhook", object{"webhook": "e2e-" + kind, "source": "equiwatt/" + kind, "base_topic": cottage.id})
	}
	m.setUp(t, "patient", "shed_and_restore", use(cottage, object{"unconfirmed": true, "delay": 1600}))
	m.setUp(t, "doubt", "shed_and_restore", use(cottage, object{}))
	m.setUp(t, "downward", "shed_and_restore", use(cottage, object{"unconfirmed": true}))
	m.setUp(t, "more", "use_more", use(cottage, object{
		"unconfirmed": true, "thermostats": []string{"climate.annex"}, "temperature": 40, "plugs": []string{"switch.boiler", "input_boolean.charger_plug"},
		"indoor": []string{"sensor.room"},
	}))
	m.setUp(t, "guest", "shed_and_restore", use(cottage, object{
		"unconfirmed": true, "direction": "powerDOWN", "thermostats": []string{"climate.guest_room"}, "plugs": []string{"input_boolean.guest_plug"},
		"indoor": []string{"sensor.room"}, "minimum": 16, "opt_out": []string{"input_boolean.not_this_time"}, "longest": 0.005,
		"start_actions": []any{object{"stop": "An action of the householder's that ends here"}},
	}))
	for _, memory := range []string{"use_more/more", "shed_and_restore/doubt", "shed_and_restore/downward"} { // they were at work before
		m.say(t, "grid2mqtt_blueprint/"+memory, object{"start": "2026-01-01T18:00:00Z"}, true)
	}
}

// setUpLate makes an automation that waits up to so many minutes.
func (m *home) setUpLate(t *testing.T, minutes int) {
	t.Helper()
	m.setUp(t, "late", "shed_and_restore", object{"equiwatt": m.device(t, "grid2mqtt_equiwatt").ID, "delay": minutes, "start_actions": []any{
		object{"action": "input_boolean.turn_on", "target": object{"entity_id": "input_boolean.begun_late"}},
	}})
}

func pause() object {
	return object{"charging": "binary_sensor.capacitor_box_1_1_charging", "start": "button.capacitor_box_1_1_start", "stop": "button.capacitor_box_1_1_stop"}
}

// forward sends a webhook to Home Assistant, as its cloud does.
func (m *home) forward(t *testing.T, kind, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(limit(t, patience), http.MethodPost, m.hass.URL+"/api/webhook/e2e-"+kind, strings.NewReader(body))
	must(t, err)
	r.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(r)
	must(t, err)
	must(t, answer.Body.Close())
	if answer.StatusCode != http.StatusOK {
		t.Error(answer.Status)
	}
}

func blueprintsStart(t *testing.T, town *home, cars *simulator.Capacitor) {
	mark := town.mark(t)
	began := time.Now().Add(-11 * time.Minute)
	town.cloud.Plan(time.Hour)
	town.start(t, began)
	town.warm(t, map[string]float64{"climate.hall": 7, "climate.bath": 5, "climate.kitchen": 5, "climate.cooler": 24, "climate.nursery": 5})
	town.becomes(t, "climate.nursery", "heat") // by itself
	town.between(t, 5)
	town.shows(t, map[string]string{"input_boolean.plug_touched": "off", "input_boolean.plug_on": "off", "input_boolean.plug_off": "off"})
	town.told(t, mark, "^The equivent has started at "+clock(t, began)+", until about "+clock(t, began.Add(time.Hour))+
		` \(60 min\)\. Remember to confirm in the Equiwatt app that you take part\.$`)
	town.becomes(t, "input_boolean.begun_late", "on") // at once, having been late for longer than it would wait
	town.setUpLate(t, 1600)
	if raw := string(town.ends(t, "tell", "equiwatt/event").Raw); !strings.Contains(raw, `"GRID2MQTT_NOT_THIS_TIME_TELL"`) {
		t.Error("the phone cannot answer", raw)
	}
	town.becomes(t, "binary_sensor.capacitor_box_1_1_charging", "off")
	town.becomes(t, "sensor.capacitor_box_1_1_status", "Finishing")
	cars.Status("BOX-1", 1, "Preparing") // the cable is still plugged
	town.becomes(t, "sensor.capacitor_box_1_1_status", "Preparing")
	for id, why := range map[string]string{"away": "Is somebody home?", "neither": "Is it the right direction?", "upward": "Is it the right direction?"} {
		if got := stopped(t, town.ends(t, id, "equiwatt/event")); got != why {
			t.Errorf("%s: %q", id, got)
		}
	}
	town.call(t, "climate.set_temperature", "climate.kitchen", object{"temperature": 17})
	town.call(t, "input_boolean.turn_on", "input_boolean.plug_touched", nil)
}

// blueprintsRestart lets the other equivent begin while Home Assistant is away, and nobody tells it later. What was before
// comes only after a while, as in a home so large that it takes Home Assistant long to ask for everything.
func blueprintsRestart(t *testing.T, town, cottage *home) {
	must(t, town.hass.Stop())
	const memory = "grid2mqtt_blueprint/shed_and_restore/shed"
	kept := town.memory(t, "shed_and_restore", "shed")
	town.say(t, memory, "", true)
	for _, kind := range []string{simulator.Started, simulator.Ended} {
		cottage.cloud.Webhook(kind, simulator.Trigger{URL: cottage.app.Hooks + hookPath(kind), Body: `{"direction":"powerUP"}`})
	}
	mark := town.mark(t)
	cottage.start(t, time.Now())
	_, err := town.air.Next(limit(t, patience), mark, observer.On("cottage/equiwatt/event"))
	must(t, err)
	must(t, town.hass.Start(limit(t, 3*time.Minute)))
	town.waits(t, "shed", "starting", "What has an earlier run left?")
	asked := time.Now()
	until(t, patience, "longer than Home Assistant needs in a small home", func() bool { return time.Since(asked) > 6*time.Second })
	town.say(t, memory, kept, true)
	town.waits(t, "shed", "starting", "Until it has ended, somebody objects, it gets cold, or it was long enough")
	town.warm(t, map[string]float64{"climate.annex": 24})
	town.shows(t, map[string]string{"switch.boiler": "on", "input_boolean.charger_plug": "on", town.equivent(): "on"})
	town.warm(t, map[string]float64{"climate.hall": 7, "climate.bath": 5, "climate.kitchen": 17, "climate.cooler": 24})
	town.shows(t, map[string]string{"input_boolean.plug_on": "off"})
	for id, why := range map[string]string{"doubt": "Is it confirmed?", "downward": "Is it the right direction?"} {
		if got := stopped(t, cottage.ends(t, id, "starting")); got != why {
			t.Errorf("%s: %q", id, got)
		}
	}
}

// blueprintsAgain begins another equivent before the first one's end.
func blueprintsAgain(t *testing.T, town *home) {
	mark := town.mark(t)
	town.start(t, time.Now())
	town.told(t, mark, `^The equivent has ended at \d\d:\d\d after 1\d min\.$`)
	town.told(t, mark, `^The equivent has started, until about \d\d:\d\d \(60 min\)\.`)
	town.warm(t, map[string]float64{"climate.hall": 7, "climate.bath": 5, "climate.kitchen": 17, "climate.cooler": 24, "climate.nursery": 5})
	town.shows(t, map[string]string{"input_boolean.plug_on": "off", town.equivent(): "on"})
}

func blueprintsEnd(t *testing.T, town, cottage *home) {
	mark := town.mark(t)
	town.call(t, "input_boolean.turn_off", "input_boolean.plug_touched", nil)
	town.call(t, "input_boolean.turn_on", "input_boolean.plug_touched", nil)
	edited := pause()
	maps.Copy(edited, object{"equiwatt": town.device(t, "grid2mqtt_equiwatt").ID, "delay": 0, "longest": 3})
	town.setUp(t, "pause", "charger_pause", edited)
	town.waits(t, "pause", "automation_reloaded", "Until it has ended, somebody objects or charges, or it was long enough")
	town.call(t, "input_boolean.turn_on", "input_boolean.not_this_time", nil) // "tell" turns it off at the end
	town.end(t)
	town.waits(t, "late", "starting", "A random while, if it has ended")
	town.call(t, "automation.turn_off", "automation.late", nil)
	town.becomes(t, "input_boolean.ended_well", "on")
	town.warm(t, map[string]float64{"climate.hall": 20, "climate.bath": 21.5, "climate.kitchen": 17, "climate.cooler": 24, "climate.nursery": 19})
	town.between(t, 18)
	town.shows(t, map[string]string{"climate.nursery": "auto", "input_boolean.not_this_time": "off"})
	if s, err := town.hass.State(limit(t, patience), "climate.bath"); err != nil || s.Attributes["preset_mode"] != "none" {
		t.Error(s, err)
	}
	town.shows(t, map[string]string{"input_boolean.plug_touched": "on", "input_boolean.plug_on": "on", "input_boolean.plug_off": "off"})
	town.told(t, mark, `^The equivent has ended at \d\d:\d\d after \d min\.$`)
	town.becomes(t, "binary_sensor.capacitor_box_1_1_charging", "on")
	if kept := town.memory(t, "shed_and_restore", "shed"); strings.Contains(kept, "things") || !strings.Contains(kept, "start") {
		t.Error(kept)
	}
	if why := stopped(t, town.ends(t, "shed", "starting")); why != "" {
		t.Error(why)
	}
	town.refuses(t, "shed", "Is there something to put back, or does an equivent run?") // the other one, which waited for the first one's run
	cottage.forward(t, "ended", `{}`)
	cottage.warm(t, map[string]float64{"climate.annex": 17})
	cottage.shows(t, map[string]string{"switch.boiler": "off", "input_boolean.charger_plug": "off", cottage.equivent(): "off"})
}

// blueprintsCharger is what the pause leaves alone: who charges by hand, a car that is gone, and one that does not charge.
func blueprintsCharger(t *testing.T, town *home, cars *simulator.Capacitor) {
	const charging, plugged = "binary_sensor.capacitor_box_1_1_charging", "binary_sensor.capacitor_box_1_1_plugged"
	commands := func() (n int) {
		for _, c := range cars.Calls() {
			if c.Method != http.MethodGet {
				n++
			}
		}
		return n
	}
	ends := func() {
		t.Helper()
		n := commands()
		town.end(t)
		town.becomes(t, town.equivent(), "off")
		town.idle(t)
		if got := commands(); got != n {
			t.Errorf("%d commands at the end", got-n)
		}
	}
	town.cloud.Plan(0)
	town.idle(t)
	town.start(t, time.Now())
	town.becomes(t, charging, "off")
	cars.Begin("BOX-1", 1, card)
	town.becomes(t, charging, "on")
	ends()
	town.becomes(t, charging, "on")

	town.start(t, time.Now())
	town.becomes(t, charging, "off")
	cars.Status("BOX-1", 1, "Available")
	town.becomes(t, plugged, "off")
	ends()

	town.start(t, time.Now())
	town.refuses(t, "pause", "Does it still run, without objection, and does a car charge?")
	ends()
}

func blueprintsRehearse(t *testing.T, town *home) {
	mark := town.mark(t)
	town.call(t, "switch.turn_on", town.entity("switch", "rehearse"), nil)
	town.warm(t, map[string]float64{"climate.hall": 7})
	town.told(t, mark, `^The rehearsal has started, until about \d\d:\d\d \(5 min\)\.$`)
	town.refuses(t, "earnest", "Is a rehearsal wanted?")
	town.call(t, "switch.turn_off", town.entity("switch", "rehearse"), nil)
	town.warm(t, map[string]float64{"climate.hall": 20})
	town.told(t, mark, `^The rehearsal has ended at \d\d:\d\d after \d min\.$`)
}

// blueprintsObject puts back early: when it was long enough, when it gets cold, when somebody says so on the phone.
func blueprintsObject(t *testing.T, m *home) {
	down := func() {
		m.forward(t, "started", `{"direction":"powerDOWN"}`)
		m.becomes(t, m.equivent(), "on")
		m.warm(t, map[string]float64{"climate.guest_room": 5})
		m.becomes(t, "input_boolean.guest_plug", "off")
	}
	back := func(ended string) {
		m.warm(t, map[string]float64{"climate.guest_room": 16})
		m.shows(t, map[string]string{"input_boolean.guest_plug": "on", m.equivent(): ended})
		s, err := m.hass.State(limit(t, patience), "climate.guest_room")
		if err != nil || s.Attributes["preset_mode"] != "away" {
			t.Error(s, err)
		}
	}
	m.idle(t)
	down()
	m.waits(t, "patient", "equiwatt/event", "A random while, less what it is late")
	m.call(t, "automation.turn_off", "automation.patient", nil)
	back("on") // after 18 s
	m.forward(t, "ended", `{}`)
	m.becomes(t, m.equivent(), "off")
	m.setUpLonger(t)
	down()
	m.call(t, "input_number.set_value", "input_number.room", object{"value": 12})
	back("on")
	m.call(t, "input_number.set_value", "input_number.room", object{"value": 18})
	m.forward(t, "ended", `{}`)
	m.becomes(t, m.equivent(), "off")
	down()
	must(t, m.hass.Command(limit(t, patience), "fire_event", object{
		"event_type": "mobile_app_notification_action", "event_data": object{"action": "GRID2MQTT_NOT_THIS_TIME_TELL"}}, nil))
	m.becomes(t, "input_boolean.not_this_time", "on")
	back("on")
	m.forward(t, "ended", `{}`)
	m.becomes(t, m.equivent(), "off")
}

// blueprintsRefuse does nothing while somebody said so on the phone, nor while it is cold; and uses no more where it is warm.
func blueprintsRefuse(t *testing.T, m *home) {
	during := func(direction string, f func()) {
		t.Helper()
		m.idle(t)
		began := time.Now()
		until(t, patience, "another second than the last one's", func() bool { return time.Now().Unix() > began.Unix()+1 })
		m.forward(t, "started", `{"direction":"`+direction+`"}`)
		m.becomes(t, m.equivent(), "on")
		f()
		m.forward(t, "ended", `{}`)
		m.becomes(t, m.equivent(), "off")
	}
	room := func(degrees float64) {
		m.call(t, "input_number.set_value", "input_number.room", object{"value": degrees})
		m.becomes(t, "sensor.room", fmt.Sprintf("%.1f", degrees))
	}
	refused := func() {
		t.Helper()
		m.refuses(t, "longer", "Does it still run, without objection?")
		m.warm(t, map[string]float64{"climate.guest_room": 16})
		m.shows(t, map[string]string{"input_boolean.guest_plug": "on"})
	}
	during("powerDOWN", refused)
	m.call(t, "input_boolean.turn_off", "input_boolean.not_this_time", nil)
	room(12)
	during("powerDOWN", refused)
	room(18)
	during("powerUP", func() {
		m.warm(t, map[string]float64{"climate.annex": 24})
		m.becomes(t, "switch.boiler", "on")
		room(30)
		m.warm(t, map[string]float64{"climate.annex": 17})
		m.becomes(t, "switch.boiler", "off")
	})
	room(18)
}

// setUpLonger puts an automation that does not end by itself in the place of the hasty one.
func (m *home) setUpLonger(t *testing.T) {
	t.Helper()
	m.call(t, "automation.turn_off", "automation.guest", nil)
	m.setUp(t, "longer", "shed_and_restore", object{
		"equiwatt": m.device(t, "cottage_equiwatt").ID, "base_topic": "cottage", "delay": 0, "unconfirmed": true,
		"thermostats": []string{"climate.guest_room"}, "plugs": []string{"input_boolean.guest_plug"},
		"indoor": []string{"sensor.room"}, "minimum": 16, "opt_out": []string{"input_boolean.not_this_time"},
	})
	m.idle(t)
}

// clock is a time of day as Home Assistant, which lives in London, says it.
func clock(t *testing.T, at time.Time) string {
	t.Helper()
	london, err := time.LoadLocation("Europe/London")
	must(t, err)
	return at.In(london).Format("15:04")
}

// told waits for a message of this form.
func (h *house) told(t *testing.T, mark int, form string) {
	t.Helper()
	r := regexp.MustCompile(form)
	_, err := h.air.Next(limit(t, patience), mark, func(m observer.Message) bool { return m.Topic == "e2e/told" && r.MatchString(m.Payload) })
	must(t, err)
}

func silence(t *testing.T, h *house) {
	mark := h.mark(t)
	h.say(t, "e2e/cloud", "OFF", true)
	h.told(t, mark, "Equiwatt has not answered for long.")
	for range 2 { // each return of availability is an "off" again
		h.say(t, "e2e/cloud/status", "offline", true)
		h.becomes(t, "binary_sensor.test_cloud", "unavailable")
		n := len(observer.Pick(h.air.Since(mark), observer.On("e2e/told")))
		h.say(t, "e2e/cloud/status", "online", true)
		h.becomes(t, "binary_sensor.test_cloud", "off")
		until(t, patience, "another look at what was told", func() bool {
			all, err := h.hass.Traces(limit(t, patience), "tell")
			return err == nil && len(all) > 0 && strings.Contains(string(all[len(all)-1].Raw), "It was told")
		})
		if got := len(observer.Pick(h.air.Since(mark), observer.On("e2e/told"))); got != n {
			t.Error("told again")
		}
	}
	h.say(t, "e2e/cloud", "ON", true)
	h.told(t, mark, "Equiwatt answers again.")
}
