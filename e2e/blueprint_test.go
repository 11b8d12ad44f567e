package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/browser"
	"github.com/grid2mqtt/grid2mqtt/e2e/hass"
	"github.com/grid2mqtt/grid2mqtt/e2e/mosquitto"
	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

// furniture is what the blueprints act on: thermostats, plugs, a thermometer, helpers, and a phone that passes on to the page.
const furniture = `
input_boolean:
  plug_touched: {name: Lamp}
  plug_on: {name: Towel rail}
  plug_off: {name: Dishwasher}
  guest_plug: {name: Guest heater}
  charger_plug: {name: Scooter charger}
  anna_home: {name: Anna is home}
  not_this_time: {name: Not this time}
  boiler: {name: Boiler relay}
  heater: {name: Heater relay}
  ended_well: {name: Ended well}
  begun_late: {name: Begun late}
input_number:
  room: {min: 0, max: 40, initial: 18}
template:
  - sensor:
      - {name: Room, unique_id: room, unit_of_measurement: "°C", device_class: temperature, state: "{{ states('input_number.room') }}"}
      # Far above what the energy left allows in any minute of an hour, or far below.
      - {name: House power, unique_id: house_power, unit_of_measurement: W, device_class: power, state: "{{ 600000 if is_state('input_boolean.plug_off', 'on') else 500 }}"}
  - switch:
      - name: Boiler
        unique_id: boiler
        state: "{{ is_state('input_boolean.boiler', 'on') }}"
        turn_on: {action: input_boolean.turn_on, target: {entity_id: input_boolean.boiler}}
        turn_off: {action: input_boolean.turn_off, target: {entity_id: input_boolean.boiler}}
notify:
  - {platform: group, name: mobile_app_test_phone, services: [{action: persistent_notification}]}
climate:
`

// thermostats by their ids, with what they are set to at first.
var thermostats = map[string]float64{"hall": 20, "bath": 21.5, "kitchen": 19, "guest_room": 18, "annex": 17, "cooler": 24}

func thermostatsYAML() string {
	var yaml strings.Builder
	for id := range thermostats {
		lowest, away := 4, 16
		switch id {
		case "hall":
			lowest = 7
		case "bath":
			away = 5 // it takes five degrees for its preset, and leaving that does not bring back what was
		}
		name := strings.ToUpper(id[:1]) + strings.ReplaceAll(id[1:], "_", " ")
		fmt.Fprintf(&yaml, "  - {platform: generic_thermostat, name: %s, unique_id: %s, heater: input_boolean.heater, target_sensor: sensor.room, "+
			"min_temp: %d, max_temp: 24, away_temp: %d, precision: 0.1, ac_mode: %t}\n", name, id, lowest, away, id == "cooler")
	}
	return yaml.String()
}

// TestBlueprints runs every blueprint in one real Home Assistant, as a householder sets it up, and reads what it did.
func TestBlueprints(t *testing.T) {
	t.Parallel()
	h := openFurnished(t)
	h.importBlueprints(t)
	h.furnish(t)
	// One home asks the API; the other believes webhooks, which tell the direction, and lets no moment wait.
	cars, chargers := openCapacitor(t)
	town := h.settleIn(t, "grid2mqtt", map[string]string{"CAPACITOR_API_KEY": chargerKey, "CAPACITOR_URL": chargers})
	cottage := h.settleIn(t, "cottage", map[string]string{"EQUIWATT_TOKEN": "", "EQUIWATT_HOOK_TRUST": "believe", "MOMENTS_WAIT": "false"})
	metered := h.settleIn(t, "grid2mqtt", map[string]string{"ECOMON_SECRET": ecomonSecret})
	town.open(t)
	cottage.open(t)
	town.becomes(t, town.equivent(), "off")
	h.quietly(t, "equivents", func(t *testing.T) { equiventBlueprints(t, town, cottage, cars) })
	must(t, town.app.Stop())
	h.quietly(t, "limit coach", func(t *testing.T) { limitCoach(t, metered) })
	h.part(t, "pictures", func(t *testing.T) { blueprintPictures(t, h) })
}

// importBlueprints imports each by its address, as the link in the documentation does with the one on GitHub.
func (h *house) importBlueprints(t *testing.T) {
	t.Helper()
	const folder = "blueprints/automation/grid2mqtt/"
	files, err := filepath.Glob("../" + folder + "*.yaml")
	must(t, err)
	if len(files) != 6 {
		t.Fatal(files)
	}
	docs, err := os.ReadFile("../DOCS.md")
	must(t, err)
	github := httptest.NewServer(http.FileServer(http.Dir("..")))
	defer github.Close()
	for _, file := range files {
		name := filepath.Base(file)
		var got struct {
			Errors    []string `json:"validation_errors"`
			Raw       string   `json:"raw_data"`
			Blueprint struct {
				Metadata struct{ Description string }
			}
		}
		must(t, h.hass.Command(limit(t, patience), "blueprint/import", object{"url": github.URL + "/" + folder + name}, &got))
		if got.Errors != nil || got.Blueprint.Metadata.Description == "" {
			t.Errorf("%s: %+v", name, got)
		}
		source := "https://github.com/grid2mqtt/grid2mqtt/blob/main/" + folder + name
		picture := "docs/blueprint_" + strings.TrimSuffix(name, ".yaml") + ".png"
		_, err := os.Stat("../" + picture)
		must(t, err)
		if !strings.Contains(got.Raw, "source_url: "+source+"\n") || !strings.Contains(string(docs), "blueprint_url="+url.QueryEscape(source)+")") ||
			!strings.Contains(string(docs), picture) {
			t.Errorf("the documentation does not import or show %s", source)
		}
		must(t, h.hass.Blueprint(limit(t, patience), "grid2mqtt/"+name, got.Raw))
	}
}

// nursery is a thermostat with a schedule of 19 degrees, which it leaves where another temperature is set.
const nursery = "e2e/nursery"

func (h *house) nursery(t *testing.T) {
	t.Helper()
	for id, state := range map[string]object{
		"temperature": {"mode": "heat", "temperature": "{{ trigger.payload | float }}"},
		"mode":        {"mode": "{{ trigger.payload }}", "temperature": "{{ 19 if trigger.payload == 'auto' else 5 }}"},
	} {
		b, err := json.Marshal(state)
		must(t, err)
		says := publish(nursery, string(b))
		says["data"].(map[string]any)["retain"] = true
		_, err = h.hass.Automation(limit(t, patience), "nursery_"+id, object{
			"alias": "nursery_" + id, "mode": "queued", "triggers": []any{object{"trigger": "mqtt", "topic": nursery + "/set/" + id}}, "actions": []any{says},
		})
		must(t, err)
	}
	h.say(t, "homeassistant/device/e2e_nursery/config", sample(t, "nursery")["document"], true)
	h.say(t, nursery, object{"mode": "auto", "temperature": 19}, true)
	for topic, payload := range map[string]string{"loft/mode": "heat_cool", "loft/low": "18", "loft/high": "25", "landing/mode": "heat"} {
		h.say(t, "e2e/"+topic, payload, true)
	}
	h.shows(t, map[string]string{"climate.nursery": "auto", "climate.loft": "heat_cool", "climate.landing": "heat"})
	h.between(t, 18)
}

// between waits until the thermostat with two temperatures has this lower one.
func (h *house) between(t *testing.T, low float64) {
	t.Helper()
	s, err := h.hass.WaitState(limit(t, 20*time.Second), "climate.loft", func(s hass.State) bool { return s.Attributes["target_temp_low"] == low })
	if err != nil || s.Attributes["target_temp_high"] != 25.0 {
		t.Error(s, err)
	}
}

// furnish makes what cannot be written into the configuration, and turns the thermostats on.
func (h *house) furnish(t *testing.T) {
	t.Helper()
	h.say(t, "homeassistant/device/e2e_phone/config", sample(t, "phone")["document"], true)
	h.say(t, "e2e/cloud/status", "online", true)
	h.say(t, "e2e/cloud", "ON", true)
	h.nursery(t)
	for id, degrees := range thermostats {
		mode := "heat"
		if id == "cooler" {
			mode = "cool"
		}
		h.call(t, "climate.set_hvac_mode", "climate."+id, object{"hvac_mode": mode})
		h.call(t, "climate.set_temperature", "climate."+id, object{"temperature": degrees})
	}
	h.becomes(t, "binary_sensor.test_cloud", "on")
}

// sample reads documents of what is not the product's.
func sample(t *testing.T, name string) map[string]object {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name + ".json")
	must(t, err)
	var parts map[string]object
	must(t, json.Unmarshal(text, &parts))
	return parts
}

func openFurnished(t *testing.T) *house {
	t.Helper()
	h, ctx := &house{}, limit(t, 10*time.Minute)
	var err error
	h.broker, err = mosquitto.Open(ctx)
	need(t, err)
	t.Cleanup(func() { must(t, h.broker.Close()) })
	h.air, err = observer.Open(ctx, h.broker.URL(), "#")
	need(t, err)
	t.Cleanup(func() { must(t, h.air.Close()) })
	h.hass, err = hass.Open(ctx, hass.Options{YAML: furniture + thermostatsYAML()})
	need(t, err)
	t.Cleanup(func() {
		must(t, os.WriteFile(t.ArtifactDir()+"/hass.log", []byte(h.hass.Log()), 0o600))
		must(t, h.hass.Close())
	})
	_, err = h.hass.AddMQTT(ctx, h.broker.Host, h.broker.Port)
	must(t, err)
	h.fence(t)
	h.birth(t, 0)
	return h
}

// pictured are the automations of the documentation's pictures and how the householder calls them.
var pictured = map[string]string{
	"shed": "Save when Equiwatt asks", "more": "Use more when Equiwatt asks", "tell": "Tell us about equivents",
	"coach": "Stay below the limit", "pause": "Pause the car", "forward_started": "Equiwatt started, handed on",
}

// setUp makes an automation of a blueprint, with what the householder filled in.
func (h *house) setUp(t *testing.T, id, blueprint string, input object) {
	t.Helper()
	name := pictured[id]
	if name == "" {
		name = id
	}
	_, err := h.hass.Automation(limit(t, patience), id, object{
		"alias": name, "use_blueprint": object{"path": "grid2mqtt/" + blueprint + ".yaml", "input": input},
	})
	must(t, err)
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		traces, err := h.hass.Traces(limit(t, patience), id)
		for _, trace := range traces {
			t.Logf("%s: %s\n%s", id, stopped(t, trace), trace.Raw)
		}
		t.Log(err)
	})
}

// call an action on one entity.
func (h *house) call(t *testing.T, action, entity string, more object) {
	t.Helper()
	domain, service, _ := strings.Cut(action, ".")
	data := object{"entity_id": entity}
	for k, v := range more {
		data[k] = v
	}
	must(t, h.hass.Call(limit(t, patience), domain, service, data))
}

// warm waits until thermostats are set to these temperatures.
func (h *house) warm(t *testing.T, want map[string]float64) {
	t.Helper()
	for id, degrees := range want {
		_, err := h.hass.WaitState(limit(t, patience), id, func(s hass.State) bool { return s.Attributes["temperature"] == degrees })
		if err != nil {
			t.Fatalf("want %v: %v", degrees, err)
		}
	}
}

// ends waits until the newest run of an automation that was triggered so has ended, and returns its trace.
func (h *house) ends(t *testing.T, id, trigger string) hass.Trace {
	t.Helper()
	var last hass.Trace
	until(t, patience, fmt.Sprintf("%s: end of the run by %q", id, trigger), func() bool {
		all, err := h.hass.Traces(limit(t, patience), id)
		last = hass.Trace{}
		for _, trace := range all {
			if strings.Contains(trace.Trigger, trigger) {
				last = trace
			}
		}
		return err == nil && last.State == "stopped"
	})
	return last
}

// refuses waits until another run of an automation that a moment triggered has ended at the step of this name.
func (h *house) refuses(t *testing.T, id, step string) {
	t.Helper()
	until(t, 40*time.Second, id+": "+step, func() bool {
		run := h.ends(t, id, "equiwatt/event")
		if slices.Contains(h.refused, run.RunID) || stopped(t, run) != step {
			return false
		}
		h.refused = append(h.refused, run.RunID)
		return true
	})
}

// waits waits until a run of an automation that was triggered so stands at the step of this name.
func (h *house) waits(t *testing.T, id, trigger, step string) {
	t.Helper()
	until(t, patience, id+": "+step, func() bool {
		all, err := h.hass.Traces(limit(t, patience), id)
		return err == nil && slices.ContainsFunc(all, func(trace hass.Trace) bool {
			return trace.State == "running" && strings.Contains(trace.Trigger, trigger) && stopped(t, trace) == step
		})
	})
}

// idle waits until no automation runs.
func (h *house) idle(t *testing.T) {
	t.Helper()
	until(t, patience, "no automation runs", func() bool {
		all, err := h.hass.States(limit(t, patience))
		busy := slices.ContainsFunc(all, func(s hass.State) bool {
			n, runs := s.Attributes["current"].(float64)
			return runs && n > 0
		})
		return err == nil && !busy
	})
}

// stopped is the alias of the step at which a run ended or stands, empty where it went through.
func stopped(t *testing.T, trace hass.Trace) string {
	t.Helper()
	if trace.Execution == "finished" {
		return ""
	}
	var whole struct{ Config object }
	must(t, json.Unmarshal(trace.Raw, &whole))
	alias, at := "", any(object{"action": whole.Config["actions"]})
	for part := range strings.SplitSeq(trace.LastStep, "/") {
		switch x := at.(type) {
		case object:
			at = x[part]
		case []any:
			if i, err := strconv.Atoi(part); err == nil && i < len(x) {
				at = x[i]
			}
		}
		if x, ok := at.(object); ok && x["alias"] != nil {
			alias = x["alias"].(string)
		}
	}
	if alias == "" {
		return fmt.Sprint(trace.Execution, " at ", trace.LastStep, " ", trace.Error)
	}
	return alias
}

// memory is what a blueprint keeps in the broker.
func (h *house) memory(t *testing.T, blueprint, id string) string {
	t.Helper()
	topic := "grid2mqtt_blueprint/" + blueprint + "/" + id
	held, err := observer.Held(limit(t, patience), h.broker.URL(), topic)
	must(t, err)
	return held[topic]
}

// blueprintPictures shows each blueprint's questions as the householder sees them. The documentation's pictures are these.
func blueprintPictures(t *testing.T, h *house) {
	p, err := browser.Open(limit(t, 3*time.Minute), 720, 900)
	need(t, err)
	defer func() { must(t, p.Close()) }()
	must(t, p.LogIn(h.hass.URL, h.hass.Token))
	for id, page := range map[string]struct {
		blueprint string
		words     []string
	}{
		"shed":            {"shed_and_restore", []string{"use less, then put everything back", "Thermostats", "Temperature meanwhile"}},
		"more":            {"use_more", []string{"use more, then put everything back", "Thermostats"}},
		"tell":            {"tell_me", []string{"tell me", "Phones", "Not this time"}},
		"coach":           {"limit_coach", []string{"stay below the hour's limit", "Power of the house"}},
		"pause":           {"charger_pause", []string{"pause charging during an equivent", "Button that stops it"}},
		"forward_started": {"forward_webhook", []string{"hand a webhook on", "Secret name"}},
	} {
		must(t, p.Show(h.hass.URL+"/config/automation/edit/"+id, page.words...))
		must(t, p.Picture(t.ArtifactDir()+"/blueprint_"+page.blueprint+".png"))
	}
}
