package homeassistant

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// capacitorMoments are the event types of a charger: the vendor's seven.
var capacitorMoments = []string{
	"charger_connected", "charger_disconnected", "charger_boot", "connector_status_changed",
	"transaction_started", "transaction_stopped", "transaction_updated",
}

// connectorStatuses are OCPP 1.6's words for a connector's status.
var connectorStatuses = []string{"Available", "Preparing", "Charging", "SuspendedEVSE", "SuspendedEV", "Finishing", "Reserved", "Unavailable", "Faulted"}

// chargersDevice is Capacitor itself, where what names no charger is said.
func chargersDevice(v *state.Chargers) device {
	d := device{
		name: "Capacitor", manufacturer: "Capacitor", model: "Account", moments: []string{"notice"}, about: "charging",
		entities: []entity{{key: "event", platform: "event", name: "Event", icon: "mdi:bell-ring-outline"}},
	}
	if v.Asked {
		d.entities = append(d.entities,
			entity{key: "quota", platform: "sensor", name: "Calls left today", icon: "mdi:counter", category: "diagnostic"},
			entity{key: "problem_text", platform: "sensor", name: "Last command's problem", icon: "mdi:message-alert-outline", category: "diagnostic"},
		)
	}
	return d
}

func chargerDevice(id string, v *state.Charger) device {
	return device{
		name: "Capacitor " + id, manufacturer: cmp.Or(v.Vendor, "Capacitor"), model: cmp.Or(v.Model, "Charger"),
		moments: capacitorMoments, about: "charging",
		entities: []entity{
			{key: "event", platform: "event", name: "Event", icon: "mdi:bell-ring-outline"},
			{key: "online", platform: "binary_sensor", name: "Online", class: "connectivity", category: "diagnostic"},
			{key: "firmware", platform: "sensor", name: "Firmware", icon: "mdi:chip", category: "diagnostic"},
			{key: "last_seen", platform: "sensor", name: "Last seen", class: "timestamp", icon: "mdi:clock-outline", category: "diagnostic", off: true},
			{key: "vendor", platform: "sensor", name: "Vendor", icon: "mdi:factory", category: "diagnostic", off: true},
			{key: "model", platform: "sensor", name: "Model", icon: "mdi:ev-plug-type2", category: "diagnostic", off: true},
		},
	}
}

func connectorDevice(v *state.Connector) device {
	words := connectorStatuses
	if v.Status != "" && !slices.Contains(words, v.Status) {
		words = append(slices.Clip(words), v.Status) // Home Assistant takes no word that is not listed
	}
	return device{
		name: "Capacitor " + v.Charger + " connector " + strconv.Itoa(v.ID), manufacturer: "Capacitor", model: "Connector",
		entities: []entity{
			{key: "status", platform: "sensor", name: "Status", class: "enum", options: words, icon: "mdi:ev-station"},
			{key: "plugged", platform: "binary_sensor", name: "Plugged", class: "plug"},
			{key: "charging", platform: "binary_sensor", name: "Charging", class: "battery_charging"},
			{key: "session_energy", platform: "sensor", name: "Session energy", class: "energy", unit: "kWh", stateClass: "total_increasing", precision: new(2)},
			{key: "start", platform: "button", name: "Start", icon: "mdi:play", command: "start"},
			{key: "stop", platform: "button", name: "Stop", icon: "mdi:stop", command: "stop"},
			{key: "fault", platform: "binary_sensor", name: "Fault", class: "problem", category: "diagnostic"},
			{key: "session_start", platform: "sensor", name: "Session start", class: "timestamp", icon: "mdi:clock-start", category: "diagnostic", off: true},
			{key: "session_id", platform: "sensor", name: "Session", icon: "mdi:identifier", category: "diagnostic", off: true},
			{key: "stop_reason", platform: "sensor", name: "Stop reason", icon: "mdi:help-circle-outline", category: "diagnostic", off: true},
		},
	}
}

// chargersState is the payload of grid2mqtt/capacitor/state; null is unknown.
type chargersState struct {
	Quota   *int    `json:"quota"`        // calls left of the day
	Limit   *int    `json:"quota_limit"`  // calls a day
	Reset   *string `json:"quota_reset"`  // when they are all there again
	Problem *string `json:"problem_text"` // why the newest command was not carried out
}

func chargersStateOf(v state.Chargers) chargersState {
	return chargersState{Quota: v.Quota, Limit: v.Limit, Reset: instant(v.Reset), Problem: text(v.Problem)}
}

// chargerState is the payload of grid2mqtt/capacitor/<charger>/state.
type chargerState struct {
	Online   *string `json:"online"`
	LastSeen *string `json:"last_seen"`
	Vendor   *string `json:"vendor"`
	Model    *string `json:"model"`
	Firmware *string `json:"firmware"`
}

func chargerStateOf(v state.Charger) chargerState {
	return chargerState{Online: onOff(v.Online), LastSeen: instant(v.LastSeen), Vendor: text(v.Vendor), Model: text(v.Model), Firmware: text(v.Firmware)}
}

// connectorState is the payload of grid2mqtt/capacitor/<connector>/state.
type connectorState struct {
	Status        *string  `json:"status"`
	Plugged       *string  `json:"plugged"`
	Charging      *string  `json:"charging"`
	Fault         *string  `json:"fault"`
	SessionEnergy *float64 `json:"session_energy"` // kWh
	SessionStart  *string  `json:"session_start"`
	SessionID     *string  `json:"session_id"`
	StopReason    *string  `json:"stop_reason"`
}

func connectorStateOf(v state.Connector) connectorState {
	return connectorState{
		Status: text(v.Status), Plugged: onOff(v.Plugged), Charging: onOff(v.Charging), Fault: onOff(v.Fault),
		SessionEnergy: v.SessionEnergy, SessionStart: instant(v.SessionStart), SessionID: text(v.SessionID), StopReason: text(v.StopReason),
	}
}
