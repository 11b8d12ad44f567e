package e2e

import "maps"

// The probe is a device made by hand, of every kind of entity that the product has, to learn from Home Assistant how it takes
// them.
const (
	probeDocument = "homeassistant/device/e2e_probe/config"
	probeState    = "e2e/probe/state"
	probeEvent    = "e2e/probe/event"
	probeKept     = "e2e/probe/kept" // a moment that is retained, against the rules
	probeStatus   = "e2e/status"
	probeParent   = "homeassistant/device/e2e_parent/config"
)

type object = map[string]any

func probe() object {
	doc := object{
		"device": object{"identifiers": []string{"e2e_probe"}, "name": "Probe", "manufacturer": "Grid2MQTT", "model": "Probe",
			"sw_version": "1.2.3", "via_device": "e2e_parent", "configuration_url": "http://127.0.0.1:8099"},
		"origin":       object{"name": "Grid2MQTT"},
		"availability": []object{{"topic": probeStatus}},
		"state_topic":  probeState,
		"qos":          1,
	}
	components := object{
		"running":   value("binary_sensor", "running", object{"device_class": "running"}),
		"start":     value("sensor", "start", object{"device_class": "timestamp"}),
		"length":    value("sensor", "length", object{"device_class": "duration", "unit_of_measurement": "s"}),
		"source":    value("sensor", "source", object{"device_class": "enum", "options": []string{"api", "webhook"}}),
		"direction": value("sensor", "direction", object{"entity_category": "diagnostic"}),
		"hook":      value("sensor", "hook", object{"entity_category": "diagnostic", "enabled_by_default": false}),
		"rehearse": value("switch", "rehearse", object{"entity_category": "config", "command_topic": "e2e/probe/set/rehearse",
			"payload_on": "5", "payload_off": "0", "state_on": "ON", "state_off": "OFF"}),
		"refresh": entity("button", "refresh", object{"entity_category": "config", "command_topic": "e2e/probe/set/refresh"}),
		"event":   entity("event", "event", object{"state_topic": probeEvent, "event_types": []string{"started", "ended"}}),
	}
	for name, topic := range map[string]string{"started": probeEvent, "ended": probeEvent, "kept": probeKept} {
		components[name+"_trigger"] = object{"platform": "device_automation", "automation_type": "trigger", "type": name, "subtype": "probe",
			"topic": topic, "payload": name, "value_template": "{{ value_json.event_type }}"}
	}
	doc["components"] = components
	return doc
}

func entity(platform, key string, more object) object {
	e := object{"platform": platform, "unique_id": "e2e_probe_" + key, "default_entity_id": platform + ".probe_" + key, "name": "The " + key}
	maps.Copy(e, more)
	return e
}

func value(platform, key string, more object) object {
	e := entity(platform, key, more)
	e["value_template"] = "{{ value_json." + key + " }}"
	return e
}

func component(doc object, key string) object { return doc["components"].(object)[key].(object) }

func parent() object {
	return object{
		"device": object{"identifiers": []string{"e2e_parent"}, "name": "Parent"},
		"origin": object{"name": "Grid2MQTT"},
		"components": object{"link": object{"platform": "binary_sensor", "unique_id": "e2e_parent_link", "default_entity_id": "binary_sensor.parent_link",
			"name": "Link", "state_topic": probeStatus, "payload_on": "online", "payload_off": "offline"}},
	}
}

// runningState and unknownState have every key, as every state must.
func runningState() object {
	return object{"running": "ON", "start": "2026-11-21T17:00:00Z", "length": 3600, "source": "api", "direction": "powerDOWN", "hook": nil, "rehearse": "OFF"}
}

func unknownState() object {
	s := runningState()
	for k := range s {
		s[k] = nil
	}
	return s
}

// whileRunning is what runningState must look like.
func whileRunning() map[string]string {
	return map[string]string{
		"binary_sensor.probe_running": "on",
		"sensor.probe_start":          "2026-11-21T17:00:00+00:00",
		"sensor.probe_length":         "3600",
		"sensor.probe_source":         "api",
		"sensor.probe_direction":      "powerDOWN",
		"switch.probe_rehearse":       "off",
	}
}
