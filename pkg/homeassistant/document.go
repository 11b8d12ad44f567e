package homeassistant

import (
	"bytes"
	"encoding/json"
)

// bridge is the source name under which this program speaks of itself.
const bridge = "bridge"

// About is what every document says of this program.
type About struct {
	Version string
	URL     string // the project's page
	Page    string // configuration_url of the devices; empty: none
}

// device is one device: what it is, and what it has.
type device struct {
	source, subject           string
	name, manufacturer, model string
	entities                  []entity
	moments                   []string // event types, each a device trigger
	about                     string   // what the moments are about
}

// entity is one entity. Empty fields are left out of the document, because
// Home Assistant takes null for a wrong value.
type entity struct {
	key, platform, name, icon string
	class, unit, stateClass   string
	category                  string // "diagnostic" or "config"
	off                       bool   // disabled by default
	options                   []string
	truth                     bool   // a binary sensor on a JSON boolean
	value                     string // the state's key where it is not the entity's
	command                   string
	on, noff                  string // a switch's payloads
	precision                 *int
}

// document returns a device's discovery document, as Home Assistant's device
// discovery (2024.11 and later) takes it. Every key is written out, and no
// other top-level key is there, for one would void the whole.
func (n Names) document(d device, a About) []byte {
	dev := map[string]any{
		"identifiers":  []string{n.Device(d.source, d.subject)},
		"name":         n.Title(d.name),
		"manufacturer": d.manufacturer,
		"model":        d.model,
		"sw_version":   a.Version,
	}
	if a.Page != "" {
		dev["configuration_url"] = a.Page
	}
	if d.source != bridge {
		dev["via_device"] = n.Device(bridge, "")
	}
	components := map[string]any{}
	for _, e := range d.entities {
		components[e.key] = n.component(d, e)
	}
	for _, kind := range d.moments {
		components["trigger_"+kind] = map[string]any{
			"platform": "device_automation", "automation_type": "trigger", "topic": n.Event(d.source, d.subject),
			"value_template": "{{ value_json.event_type }}", "payload": kind, "type": kind, "subtype": d.about,
		}
	}
	origin := map[string]any{"name": "Grid2MQTT", "sw_version": a.Version}
	if a.URL != "" {
		origin["support_url"] = a.URL
	}
	return encode(map[string]any{
		"device":             dev,
		"origin":             origin,
		"availability_topic": n.Status(),
		"qos":                1,
		"components":         components,
	})
}

func (n Names) component(d device, e entity) map[string]any {
	c := map[string]any{
		"platform":          e.platform,
		"unique_id":         n.Device(d.source, d.subject) + "_" + e.key,
		"default_entity_id": n.Entity(e.platform, d.source, d.subject, e.key),
		"name":              e.name,
	}
	for k, v := range map[string]string{
		"icon": e.icon, "device_class": e.class, "unit_of_measurement": e.unit, "state_class": e.stateClass, "entity_category": e.category,
	} {
		if v != "" {
			c[k] = v
		}
	}
	if e.off {
		c["enabled_by_default"] = false
	}
	if e.precision != nil {
		c["suggested_display_precision"] = *e.precision
	}
	if e.command != "" {
		c["command_topic"] = n.Command(d.source, d.subject, e.command)
	}
	value := e.value
	if value == "" {
		value = e.key
	}
	switch e.platform {
	case "button":
		return c
	case "event":
		c["state_topic"], c["event_types"] = n.Event(d.source, d.subject), d.moments
		return c
	case "switch":
		c["payload_on"], c["payload_off"], c["state_on"], c["state_off"] = e.on, e.noff, "ON", "OFF"
	case "binary_sensor":
		if e.truth {
			c["payload_on"], c["payload_off"] = "True", "False"
		}
	}
	if len(e.options) > 0 {
		c["options"] = e.options
	}
	c["state_topic"], c["value_template"] = n.State(d.source, d.subject), "{{ value_json."+value+" }}"
	return c
}

// encode is json.Marshal for what cannot fail: maps, strings, numbers, truths.
// Nobody shows it as HTML, so "&" need not become six bytes.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return []byte("{}")
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
