package homeassistant

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

var update = flag.Bool("update", false, "write the golden files anew")

var (
	plainNames = Names{DefaultBase, "homeassistant"}
	otherNames = Names{"home/grid", "hass"}
	about      = About{Version: "1.2.3", URL: "https://github.com/grid2mqtt/grid2mqtt", Page: "homeassistant://hassio/ingress/local_grid2mqtt"}
)

// golden compares a JSON document with a file, indented so that people can read it.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	var b bytes.Buffer
	if err := json.Indent(&b, got, "", "  "); err != nil {
		t.Fatalf("%s: %v in %s", name, err, got)
	}
	b.WriteByte('\n')
	file := filepath.Join("testdata", name+".json")
	if *update {
		if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("%s, want -, got +:\n%s", name, diff)
	}
}

// documents returns the documents of the bridge and of Equiwatt, by topic.
func documents(t *testing.T, n Names, a About, token bool) (bridge, equiwatt Message) {
	t.Helper()
	list := n.Documents(viewOf(&state.Equivents{Asked: token}), a)
	if len(list) != 2 {
		t.Fatalf("%d documents, want 2", len(list))
	}
	return list[0], list[1]
}

func TestDocuments(t *testing.T) {
	tests := []struct {
		name    string
		n       Names
		a       About
		token   bool
		bridges bool
	}{
		{"document_bridge", plainNames, about, true, true},
		{"document_equiwatt_token", plainNames, about, true, false},
		{"document_equiwatt_believe", plainNames, about, false, false},
		{"document_bridge_other_base", otherNames, About{Version: "1.2.3"}, true, true},
		{"document_equiwatt_other_base", otherNames, About{Version: "1.2.3"}, true, false},
	}
	for _, tt := range tests {
		m, equiwatt := documents(t, tt.n, tt.a, tt.token)
		topic := map[bool]string{true: tt.n.Prefix + "/device/" + tt.n.ID() + "_bridge/config", false: tt.n.Prefix + "/device/" + tt.n.ID() + "_equiwatt/config"}[tt.bridges]
		if !tt.bridges {
			m = equiwatt
		}
		if m.Topic != topic {
			t.Errorf("%s on %s, want %s", tt.name, m.Topic, topic)
		}
		golden(t, tt.name, m.Payload)
	}
	if list := plainNames.Documents(state.View{}, about); len(list) != 1 || list[0].Topic != "homeassistant/device/grid2mqtt_bridge/config" {
		t.Errorf("with no source on: %v, want the bridge alone", list)
	}
}

// contract is the table of entities that households rely on: platform, key,
// device class, unit, and what it is: main, config, diag or off.
var contract = map[string][]string{
	"bridge": {
		"binary_sensor problem problem - diag",
		"sensor problem_text - - diag",
		"sensor setup - - diag",
		"sensor version - - diag",
	},
	"equiwatt": {
		"binary_sensor equivent running - main",
		"sensor start timestamp - main",
		"sensor end timestamp - main",
		"sensor last_end timestamp - main",
		"sensor equivents_month - - main",
		"event event - - main",
		"switch rehearse - - config",
		"button refresh - - config",
		"sensor last_start timestamp - diag",
		"binary_sensor cloud connectivity - diag",
		"sensor cloud_error - - diag",
		"sensor last_duration duration s off",
		"sensor source enum - off",
		"sensor direction enum - off",
		"sensor last_poll timestamp - off",
		"sensor last_hook timestamp - off",
		"binary_sensor planned_end - - off",
		"binary_sensor confirmed - - off",
	},
}

// fields is a JSON object whose texts a test wants to see.
type fields map[string]any

func (f fields) text(key string) string {
	s, _ := f[key].(string)
	return s
}

func (f fields) orDash(key string) string {
	if s := f.text(key); s != "" {
		return s
	}
	return "-"
}

func (f fields) in(key string) fields {
	m, _ := f[key].(map[string]any)
	return m
}

func read(t *testing.T, payload []byte) fields {
	t.Helper()
	var f fields
	if err := json.Unmarshal(payload, &f); err != nil {
		t.Fatalf("%v in %s", err, payload)
	}
	return f
}

// row writes a component as the contract's table does.
func row(c fields) string {
	what := "main"
	switch {
	case c["enabled_by_default"] == false:
		what = "off"
	case c.text("entity_category") == "diagnostic":
		what = "diag"
	case c.text("entity_category") == "config":
		what = "config"
	}
	return strings.Join([]string{c.text("platform"), c.orDash("device_class"), c.orDash("unit_of_measurement"), what}, " ")
}

func TestEntitiesAreTheContracts(t *testing.T) {
	cloudless := slices.DeleteFunc(slices.Clone(contract["equiwatt"]), func(r string) bool {
		return slices.Contains([]string{"cloud", "cloud_error", "last_poll"}, strings.Fields(r)[1])
	})
	tests := []struct {
		source string
		token  bool
		want   []string
	}{{"bridge", true, contract["bridge"]}, {"equiwatt", true, contract["equiwatt"]}, {"equiwatt", false, cloudless}}
	for _, tt := range tests {
		for _, n := range []Names{plainNames, otherNames} {
			m, equiwatt := documents(t, n, about, tt.token)
			if tt.source == "equiwatt" {
				m = equiwatt
			}
			var got []string
			for key, c := range read(t, m.Payload).in("components") {
				c := fields(c.(map[string]any))
				if c.text("platform") == "device_automation" {
					continue
				}
				platform, rest, _ := strings.Cut(row(c), " ")
				got = append(got, platform+" "+key+" "+rest)
				inFront := tt.source + "_"
				switch {
				case tt.source == "bridge":
					inFront = n.ID() + "_"
				case n.Base != DefaultBase:
					inFront = n.ID() + "_" + inFront
				}
				if want := platform + "." + inFront + key; c.text("default_entity_id") != want {
					t.Errorf("default_entity_id %v, want %s", c["default_entity_id"], want)
				}
				if want := n.ID() + "_" + tt.source + "_" + key; c.text("unique_id") != want {
					t.Errorf("unique_id %v, want %s", c["unique_id"], want)
				}
			}
			slices.Sort(got)
			if diff := cmp.Diff(slices.Sorted(slices.Values(tt.want)), got); diff != "" {
				t.Errorf("%s of %s, want -, got +:\n%s", tt.source, n.Base, diff)
			}
		}
	}
}

func TestNoMoreThanSixMainEntities(t *testing.T) {
	bridge, equiwatt := documents(t, plainNames, about, true)
	for _, m := range []Message{bridge, equiwatt} {
		main := 0
		for _, c := range read(t, m.Payload).in("components") {
			c := fields(c.(map[string]any))
			if c.text("platform") != "device_automation" && strings.HasSuffix(row(c), " main") {
				main++
			}
		}
		if main > 6 {
			t.Errorf("%s has %d main entities, want at most 6", m.Topic, main)
		}
	}
}

// Another top-level key, or null anywhere, makes Home Assistant throw a
// document or an entity away.
func TestDocumentsHoldOnlyWhatHomeAssistantTakes(t *testing.T) {
	allowed := []string{"device", "origin", "components", "availability_topic", "qos"}
	for _, a := range []About{about, {}} {
		for _, n := range []Names{plainNames, otherNames} {
			for _, token := range []bool{true, false} {
				bridge, equiwatt := documents(t, n, a, token)
				for _, m := range []Message{bridge, equiwatt} {
					d := read(t, m.Payload)
					for key := range d {
						if !slices.Contains(allowed, key) {
							t.Errorf("%s has the top-level key %q", m.Topic, key)
						}
					}
					if bytes.Contains(m.Payload, []byte("null")) {
						t.Errorf("%s has a null: %s", m.Topic, m.Payload)
					}
					aboutDevice(t, n, a, m, d)
				}
			}
		}
	}
}

func aboutDevice(t *testing.T, n Names, a About, m Message, d fields) {
	t.Helper()
	device := d.in("device")
	id := strings.TrimSuffix(strings.TrimPrefix(m.Topic, n.Prefix+"/device/"), "/config")
	if diff := cmp.Diff([]any{id}, device["identifiers"]); diff != "" {
		t.Errorf("%s: %s", m.Topic, diff)
	}
	for _, key := range []string{"name", "manufacturer", "model"} {
		if device.text(key) == "" {
			t.Errorf("%s: no %s", m.Topic, key)
		}
	}
	if n.Base != DefaultBase && !strings.HasSuffix(device.text("name"), " ("+n.ID()+")") {
		t.Errorf("%s: the name %q does not tell instances apart", m.Topic, device.text("name"))
	}
	if device["sw_version"] != a.Version || d.in("origin")["sw_version"] != a.Version || d.in("origin").text("name") == "" {
		t.Errorf("%s: sw_version or origin: %v %v", m.Topic, device["sw_version"], d["origin"])
	}
	if page, has := device["configuration_url"]; has != (a.Page != "") || has && page != a.Page {
		t.Errorf("%s: configuration_url %v", m.Topic, page)
	}
	if via, has := device["via_device"]; has != !strings.HasSuffix(id, "_bridge") || has && via != n.ID()+"_bridge" {
		t.Errorf("%s: via_device %v", m.Topic, via)
	}
	if d.text("availability_topic") != n.Base+"/status" || d["qos"] != 1.0 {
		t.Errorf("%s: availability %v, qos %v", m.Topic, d["availability_topic"], d["qos"])
	}
}

var (
	valueOf  = regexp.MustCompile(`^\{\{ value_json\.([a-z_]+) \}\}$`)
	platform = []string{"binary_sensor", "sensor", "switch"}
)

// A template on a key that the payload lacks is an error for each message.
func TestTemplatesFindTheirKeys(t *testing.T) {
	v := viewOf(&state.Equivents{Asked: true})
	for _, n := range []Names{plainNames, otherNames} {
		states := map[string]fields{}
		for _, m := range n.States(v, Bridge{}, about) {
			states[m.Topic] = read(t, m.Payload)
		}
		for _, m := range n.Documents(v, about) {
			for key, c := range read(t, m.Payload).in("components") {
				c := fields(c.(map[string]any))
				if !slices.Contains(platform, c.text("platform")) {
					continue
				}
				found := valueOf.FindStringSubmatch(c.text("value_template"))
				payload, ok := states[c.text("state_topic")]
				if found == nil || !ok {
					t.Errorf("%s %s: template %q on %q", m.Topic, key, c.text("value_template"), c.text("state_topic"))
					continue
				}
				if _, ok := payload[found[1]]; !ok {
					t.Errorf("%s %s: the state has no %q", m.Topic, key, found[1])
				}
				if truth := payload[found[1]]; c["payload_on"] == "True" && truth != nil {
					if _, ok := truth.(bool); !ok {
						t.Errorf("%s %s: %v is no truth", m.Topic, key, truth)
					}
				}
			}
		}
	}
}

func TestCommandsAndTriggers(t *testing.T) {
	types := []any{"started", "ended", "unconfirmed", "rehearsal_started", "rehearsal_ended"}
	for _, n := range []Names{plainNames, otherNames} {
		_, m := documents(t, n, about, true)
		all := read(t, m.Payload).in("components")
		want := fields{"platform": "device_automation", "automation_type": "trigger", "topic": n.Base + "/equiwatt/event",
			"value_template": "{{ value_json.event_type }}", "subtype": "equivent"}
		for _, kind := range types {
			want["payload"], want["type"] = kind, kind
			if diff := cmp.Diff(want, all.in("trigger_"+kind.(string))); diff != "" {
				t.Errorf("trigger %s: %s", kind, diff)
			}
		}
		triggers := 0
		for key := range maps.Keys(all) {
			if all.in(key).text("platform") == "device_automation" {
				triggers++
			}
		}
		if triggers != len(types) {
			t.Errorf("%d triggers, want one for each of %v", triggers, types)
		}
		event := all.in("event")
		if diff := cmp.Diff(types, event["event_types"]); diff != "" || event.text("state_topic") != n.Base+"/equiwatt/event" || event["value_template"] != nil {
			t.Errorf("event entity %v: %s", event, diff)
		}
		rehearse := all.in("rehearse")
		got := []any{rehearse["command_topic"], rehearse["payload_on"], rehearse["payload_off"], rehearse["state_on"], rehearse["state_off"], rehearse["value_template"]}
		if diff := cmp.Diff([]any{n.Base + "/equiwatt/set/rehearse", "5", "0", "ON", "OFF", "{{ value_json.rehearsal }}"}, got); diff != "" {
			t.Errorf("switch: %s", diff)
		}
		if topic := all.in("refresh")["command_topic"]; topic != n.Base+"/equiwatt/set/refresh" {
			t.Errorf("button on %v", topic)
		}
		for _, key := range []string{"planned_end", "confirmed"} {
			if c := all.in(key); c["payload_on"] != "True" || c["payload_off"] != "False" {
				t.Errorf("%s: %v %v, want what a JSON truth becomes", key, c["payload_on"], c["payload_off"])
			}
		}
		if c := all.in("equivents_month"); c["state_class"] != nil {
			t.Errorf("equivents_month has the state class %v", c["state_class"])
		}
	}
}
