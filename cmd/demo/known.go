package main

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
)

// base is what all our topics begin with.
const base = "grid2mqtt/"

// known is what Home Assistant knows by now. In a state an absent text, number
// or instant is one that it shows as unknown.
type known struct {
	status  string   // "online", "offline"
	devices []string // names, in the order they came
	moments []moment

	equiwatt      equiwattState
	reader        readerState
	meter         meterState
	account       accountState
	connector     connectorState
	powerResponse responseState
}

// moment is what an event topic says.
type moment struct {
	Type       string    `json:"event_type"`
	Start      time.Time `json:"start"` // zero: it has none
	End        time.Time `json:"end"`   // zero: it has none
	Occurred   time.Time `json:"occurred"`
	Deliveries int       `json:"deliveries"` // Openvolt's webhooks that are said as one

	device string    // "equiwatt", "ecomon/han_0451"
	at     time.Time // when it was heard
}

// source is whose moment it is.
func (m moment) source() string {
	name, _, _ := strings.Cut(m.device, "/")
	return name
}

// entity is the event entity that says it in Home Assistant.
func (m moment) entity() string { return "event." + strings.ReplaceAll(m.device, "/", "_") + "_event" }

// hear takes a message; it returns the moment it says, nil where it says none.
func (k *known) hear(m message) *moment {
	text := []byte(m.payload)
	if strings.HasPrefix(m.topic, "homeassistant/device/") {
		k.meet(text)
		return nil
	}
	topic, ours := strings.CutPrefix(m.topic, base)
	if !ours {
		return nil
	}
	if topic == "status" {
		k.status = m.payload
	}
	if device, is := strings.CutSuffix(topic, "/state"); is {
		k.learn(device, text)
	}
	if device, is := strings.CutSuffix(topic, "/event"); is {
		said := moment{device: device, at: m.at}
		if json.Unmarshal(text, &said) == nil {
			k.moments = append(k.moments, said)
			return &said
		}
	}
	return nil
}

// learn takes a device's state.
func (k *known) learn(device string, text []byte) {
	switch device {
	case "equiwatt":
		renew(&k.equiwatt, text)
	case "ecomon/" + readerID:
		renew(&k.reader, text)
	case meterPath:
		renew(&k.meter, text)
	case "capacitor":
		renew(&k.account, text)
	case connectorPath:
		renew(&k.connector, text)
	case "powerresponse":
		renew(&k.powerResponse, text)
	}
}

// renew replaces a state by what a message says, if it says one.
func renew[T any](state *T, text []byte) {
	var next T
	if json.Unmarshal(text, &next) == nil {
		*state = next
	}
}

// meet takes a discovery document.
func (k *known) meet(text []byte) {
	var document struct {
		Device struct {
			Name string `json:"name"`
		} `json:"device"`
	}
	if json.Unmarshal(text, &document) != nil || document.Device.Name == "" || k.met(document.Device.Name) {
		return
	}
	k.devices = append(k.devices, document.Device.Name)
}

// met reports whether there are devices of all these names.
func (k *known) met(names ...string) bool {
	for _, name := range names {
		if !slices.Contains(k.devices, name) {
			return false
		}
	}
	return true
}

// said returns the moments of a device, type and start, the oldest first.
func (k *known) said(device, kind string, start time.Time) (list []moment) {
	for _, m := range k.moments {
		if m.device == device && m.Type == kind && m.Start.Equal(start) {
			list = append(list, m)
		}
	}
	return list
}

// since returns the moments of a device and type that were heard after t.
func (k *known) since(device, kind string, t time.Time) (list []moment) {
	for _, m := range k.moments {
		if m.device == device && m.Type == kind && m.at.After(t) {
			list = append(list, m)
		}
	}
	return list
}
