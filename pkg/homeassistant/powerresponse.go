package homeassistant

import "github.com/grid2mqtt/grid2mqtt/pkg/state"

// responseMoments are the event types of the PowerResponse device.
var responseMoments = []string{"announced", "started", "ended", "cancelled", "notice"}

func responseDevice() device {
	return device{
		name: "PowerResponse", manufacturer: "Equiwatt", model: "Flexibility tenant", moments: responseMoments, about: "dispatch",
		entities: []entity{
			{key: "active", platform: "binary_sensor", name: "Active", class: "running", icon: "mdi:transmission-tower"},
			{key: "start", platform: "sensor", name: "Start", class: "timestamp", icon: "mdi:clock-start"},
			{key: "end", platform: "sensor", name: "End", class: "timestamp", icon: "mdi:clock-end"},
			{key: "next_start", platform: "sensor", name: "Next start", class: "timestamp", icon: "mdi:calendar-start"},
			{key: "next_end", platform: "sensor", name: "Next end", class: "timestamp", icon: "mdi:calendar-end"},
			{key: "event", platform: "event", name: "Event", icon: "mdi:bell-ring-outline"},
			{key: "enrol", platform: "button", name: "Enrol", icon: "mdi:handshake-outline", category: "config", command: "enrol"},
			{key: "last_start", platform: "sensor", name: "Last start", class: "timestamp", icon: "mdi:clock-outline", category: "diagnostic"},
			{key: "last_end", platform: "sensor", name: "Last end", class: "timestamp", icon: "mdi:clock-check-outline", category: "diagnostic"},
			{key: "status", platform: "sensor", name: "Status", icon: "mdi:list-status", category: "diagnostic"},
			{key: "enrolling", platform: "binary_sensor", name: "Enrolling", icon: "mdi:handshake-outline", category: "diagnostic"},
			{key: "cloud", platform: "binary_sensor", name: "Cloud", class: "connectivity", category: "diagnostic"},
			{key: "cloud_error", platform: "sensor", name: "Cloud error", icon: "mdi:cloud-alert-outline", category: "diagnostic"},
			{key: "name", platform: "sensor", name: "Name", icon: "mdi:label-outline", category: "diagnostic", off: true},
			{key: "direction", platform: "sensor", name: "Direction", class: "enum", options: []string{"powerDOWN", "powerUP"}, icon: "mdi:swap-vertical", category: "diagnostic", off: true},
		},
	}
}

// responseState is the payload of grid2mqtt/powerresponse/state; null is
// unknown. Status, name and direction are of the event that runs, else of the
// next one, else of the last one.
type responseState struct {
	Active    *string `json:"active"`
	Start     *string `json:"start"`
	End       *string `json:"end"`
	NextStart *string `json:"next_start"`
	NextEnd   *string `json:"next_end"`
	LastStart *string `json:"last_start"`
	LastEnd   *string `json:"last_end"`

	Status     *string `json:"status"`
	Name       *string `json:"name"`
	Direction  *string `json:"direction"`
	Enrolling  string  `json:"enrolling"`
	Cloud      *string `json:"cloud"`
	CloudError *string `json:"cloud_error"`
}

func responseStateOf(v state.Response) responseState {
	s := responseState{Active: onOff(v.Active), Enrolling: *onOff(&v.Enrolling), Cloud: onOff(v.Cloud), CloudError: text(v.CloudError)}
	for _, d := range []struct {
		*state.Dispatch
		start, end **string
	}{{v.Last, &s.LastStart, &s.LastEnd}, {v.Next, &s.NextStart, &s.NextEnd}, {v.Running, &s.Start, &s.End}} {
		if d.Dispatch != nil {
			*d.start, *d.end = instant(d.Start), instant(d.End)
			s.Status, s.Name, s.Direction = text(d.Status), text(d.Name), text(d.Direction)
		}
	}
	return s
}
