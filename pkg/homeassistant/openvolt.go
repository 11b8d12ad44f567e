package homeassistant

import "github.com/grid2mqtt/grid2mqtt/pkg/state"

// openvoltMoments are the event types of each of Openvolt's devices: the
// vendor's six, dots to underscores, and what else it may say.
var openvoltMoments = []string{
	"meter_data_received", "hosted_consent_approved", "hosted_consent_revoked", "api_keys_rotated", "meter_created", "customer_created", "notice",
}

// openvoltDevice is Openvolt itself, where what names no meter is said.
func openvoltDevice() device {
	return device{
		name: "Openvolt", manufacturer: "Openvolt", model: "Account", moments: openvoltMoments, about: "meter",
		entities: []entity{{key: "event", platform: "event", name: "Event", icon: "mdi:bell-ring-outline"}},
	}
}

// meterDevice is named by the end of the vendor's id: numbers of meters and
// addresses are personal.
func meterDevice(id string) device {
	const tail = 6
	letters := []rune(id)
	return device{
		name: "Openvolt meter " + string(letters[max(0, len(letters)-tail):]), manufacturer: "Openvolt", model: "Meter", moments: openvoltMoments, about: "meter",
		entities: []entity{
			{key: "newest_interval", platform: "sensor", name: "Newest half hour", class: "timestamp", icon: "mdi:clock-check-outline"},
			// It comes late, so Home Assistant must not make statistics of it.
			{key: "last_day_energy", platform: "sensor", name: "Last day's energy", class: "energy", unit: "kWh", precision: new(2), icon: "mdi:home-lightning-bolt-outline"},
			{key: "last_day", platform: "sensor", name: "Last complete day", class: "date", icon: "mdi:calendar-check"},
			{key: "event", platform: "event", name: "Event", icon: "mdi:bell-ring-outline"},
			{key: "gaps", platform: "sensor", name: "Missing half hours", icon: "mdi:chart-gantt", category: "diagnostic"},
			{key: "status", platform: "sensor", name: "Status", icon: "mdi:meter-electric-outline", category: "diagnostic"},
			{key: "data_age", platform: "sensor", name: "Age of the data", class: "duration", unit: "s", precision: new(0), icon: "mdi:timer-sand", category: "diagnostic", off: true},
		},
	}
}

// meterState is the payload of grid2mqtt/openvolt/<meter>/state; null is
// unknown.
type meterState struct {
	Newest  *string  `json:"newest_interval"`
	Energy  *float64 `json:"last_day_energy"` // kWh
	LastDay *string  `json:"last_day"`
	Age     *int64   `json:"data_age"` // s
	Gaps    *int     `json:"gaps"`
	Status  *string  `json:"status"`
}

func meterStateOf(v state.Meter) meterState {
	return meterState{Newest: instant(v.Newest), Energy: v.LastDayEnergy, LastDay: text(v.LastDay), Age: v.Age, Gaps: v.Gaps, Status: text(v.Status)}
}
