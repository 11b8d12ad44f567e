package homeassistant

import "github.com/grid2mqtt/grid2mqtt/pkg/state"

// ecomonMoments are the event types of each of Ecomon's devices.
var ecomonMoments = []string{"limit_warning", "cleared", "test", "notice"}

// ecomonDevice is Ecomon itself, where what names no reader is said.
func ecomonDevice() device {
	return device{
		name: "Ecomon", manufacturer: "Ecomon", model: "Account", moments: ecomonMoments, about: "limit",
		entities: []entity{{key: "event", platform: "event", name: "Event", icon: "mdi:bell-ring-outline"}},
	}
}

func readerDevice(id string) device {
	energy := func(key, name, icon string) entity {
		return entity{key: key, platform: "sensor", name: name, class: "energy", unit: "Wh", precision: new(0), icon: icon}
	}
	return device{
		name: "Ecomon " + id, manufacturer: "Ecomon", model: "EcoMonitor", moments: ecomonMoments, about: "limit",
		entities: []entity{
			{key: "limit_warning", platform: "binary_sensor", name: "Limit warning", class: "problem"},
			energy("limit", "Limit", "mdi:speedometer"),
			energy("consumption", "Consumption this hour", "mdi:home-lightning-bolt-outline"),
			energy("remaining", "Remaining this hour", "mdi:gauge-low"),
			energy("projection", "Projected hour", "mdi:chart-line"),
			{key: "event", platform: "event", name: "Event", icon: "mdi:bell-ring-outline"},
			{key: "last_alert", platform: "sensor", name: "Last alert", class: "timestamp", icon: "mdi:clock-alert-outline", category: "diagnostic", off: true},
		},
	}
}

// readerState is the payload of grid2mqtt/ecomon/<reader>/state; energies are
// in Wh of the clock hour, null is unknown.
type readerState struct {
	Warning     string   `json:"limit_warning"`
	Limit       *float64 `json:"limit"`
	Consumption *float64 `json:"consumption"`
	Projection  *float64 `json:"projection"`
	Remaining   *float64 `json:"remaining"`
	LastAlert   *string  `json:"last_alert"`
}

func readerStateOf(v state.Reader) readerState {
	return readerState{
		Warning: *onOff(&v.Warning), Limit: v.Limit, Consumption: v.Consumption,
		Projection: v.Projection, Remaining: v.Remaining, LastAlert: instant(v.LastAlert),
	}
}
