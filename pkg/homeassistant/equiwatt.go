package homeassistant

import "github.com/grid2mqtt/grid2mqtt/pkg/state"

// equiwattMoments are the event types of the Equiwatt device.
var equiwattMoments = []string{"started", "ended", "unconfirmed", "rehearsal_started", "rehearsal_ended"}

func equiwattDevice(v *state.Equivents) device {
	d := device{
		name: "Equiwatt", manufacturer: "Equiwatt", model: "Household account",
		moments: equiwattMoments, about: "equivent",
		entities: []entity{
			{key: "equivent", platform: "binary_sensor", name: "Equivent", class: "running", icon: "mdi:transmission-tower"},
			{key: "start", platform: "sensor", name: "Equivent start", class: "timestamp", icon: "mdi:clock-start"},
			{key: "end", platform: "sensor", name: "Equivent end", class: "timestamp", icon: "mdi:clock-end"},
			{key: "last_end", platform: "sensor", name: "Last end", class: "timestamp", icon: "mdi:clock-check-outline"},
			{key: "equivents_month", platform: "sensor", name: "Equivents this month", icon: "mdi:counter"},
			{key: "event", platform: "event", name: "Event", icon: "mdi:bell-ring-outline"},
			{key: "rehearse", platform: "switch", name: "Rehearsal", icon: "mdi:drama-masks", category: "config", value: "rehearsal", command: "rehearse", on: "5", noff: "0"},
			{key: "refresh", platform: "button", name: "Refresh", icon: "mdi:refresh", category: "config", command: "refresh"},
			{key: "last_start", platform: "sensor", name: "Last start", class: "timestamp", icon: "mdi:clock-outline", category: "diagnostic"},
			{key: "last_duration", platform: "sensor", name: "Last duration", class: "duration", unit: "s", precision: new(0), icon: "mdi:timer-outline", category: "diagnostic", off: true},
			{key: "source", platform: "sensor", name: "Source", class: "enum", options: []string{"api", "webhook", "rehearsal"}, icon: "mdi:source-branch", category: "diagnostic", off: true},
			{key: "direction", platform: "sensor", name: "Direction", class: "enum", options: []string{"powerDOWN", "powerUP"}, icon: "mdi:swap-vertical", category: "diagnostic", off: true},
			{key: "last_hook", platform: "sensor", name: "Last webhook", class: "timestamp", icon: "mdi:webhook", category: "diagnostic", off: true},
			{key: "planned_end", platform: "binary_sensor", name: "Planned end", truth: true, icon: "mdi:calendar-clock", category: "diagnostic", off: true},
			{key: "confirmed", platform: "binary_sensor", name: "Confirmed", truth: true, icon: "mdi:check-decagram-outline", category: "diagnostic", off: true},
		},
	}
	if v.Asked {
		d.entities = append(d.entities,
			entity{key: "cloud", platform: "binary_sensor", name: "Cloud", class: "connectivity", category: "diagnostic"},
			entity{key: "cloud_error", platform: "sensor", name: "Cloud error", icon: "mdi:cloud-alert-outline", category: "diagnostic"},
			entity{key: "last_poll", platform: "sensor", name: "Last poll", class: "timestamp", icon: "mdi:cloud-check-outline", category: "diagnostic", off: true},
		)
	}
	return d
}

// equiwattState is the payload of grid2mqtt/equiwatt/state; null is unknown.
type equiwattState struct {
	Equivent   *string `json:"equivent"`
	Start      *string `json:"start"`
	End        *string `json:"end"`
	PlannedEnd *bool   `json:"planned_end"`
	Source     *string `json:"source"`
	Confirmed  *bool   `json:"confirmed"`

	LastStart    *string `json:"last_start"`
	LastEnd      *string `json:"last_end"`
	LastDuration *int64  `json:"last_duration"` // s

	Rehearsal  string  `json:"rehearsal"`
	Month      *int    `json:"equivents_month"`
	Direction  *string `json:"direction"`
	Cloud      *string `json:"cloud"`
	CloudError *string `json:"cloud_error"`
	LastPoll   *string `json:"last_poll"`
	LastHook   *string `json:"last_hook"`
}

func equiwattStateOf(v state.Equivents) equiwattState {
	s := equiwattState{
		Equivent: onOff(v.Active), Rehearsal: *onOff(&v.Rehearsal), Month: v.Month, Cloud: onOff(v.Cloud),
		CloudError: text(v.CloudError), LastPoll: instant(v.LastPoll), LastHook: instant(v.LastHook),
	}
	if r := v.Running; r != nil {
		s.Start, s.End, s.Source = instant(r.Start), instant(r.End), &r.Source
		s.PlannedEnd, s.Confirmed, s.Direction = &r.Planned, &r.Confirmed, text(r.Direction)
	}
	if l := v.Last; l != nil {
		d := l.End.Unix() - l.Start.Unix()
		s.LastStart, s.LastEnd, s.LastDuration = instant(l.Start), instant(l.End), &d
	}
	return s
}
