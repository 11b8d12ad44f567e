package homeassistant

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// Message is one retained MQTT message.
type Message struct {
	Topic   string
	Payload []byte
}

// Bridge is what this program says of itself.
type Bridge struct {
	Problems []string // sentences, the most important first
	Sources  []string // that are on
	Skew     time.Duration
}

// Documents returns the discovery documents of what a View shows.
func (n Names) Documents(v state.View, a About, token bool) []Message {
	devices := []device{bridgeDevice()}
	if v.Equiwatt != nil {
		devices = append(devices, equiwattDevice(token))
	}
	var list []Message
	for _, d := range devices {
		list = append(list, Message{n.Document(d.source, d.subject), n.document(d, a)})
	}
	return list
}

// States returns the retained states of a View.
func (n Names) States(v state.View, b Bridge, a About) []Message {
	list := []Message{{n.State(bridge, ""), encode(bridgeStateOf(b, a))}}
	if v.Equiwatt != nil {
		list = append(list, Message{n.State("equiwatt", ""), encode(equiwattStateOf(*v.Equiwatt))})
	}
	return list
}

func bridgeDevice() device {
	return device{
		source: bridge, name: "Grid2MQTT", manufacturer: "Grid2MQTT", model: "Bridge",
		entities: []entity{
			{key: "problem", platform: "binary_sensor", name: "Problem", class: "problem", category: "diagnostic"},
			{key: "problem_text", platform: "sensor", name: "Problem text", icon: "mdi:message-alert-outline", category: "diagnostic"},
			{key: "version", platform: "sensor", name: "Version", icon: "mdi:tag-outline", category: "diagnostic"},
		},
	}
}

type bridgeState struct {
	Version     string   `json:"version"`
	Problem     string   `json:"problem"`
	ProblemText *string  `json:"problem_text"`
	Sources     []string `json:"sources"`
	ClockAhead  int64    `json:"clock_ahead"` // s, of the vendors'
}

func bridgeStateOf(b Bridge, a About) bridgeState {
	s := bridgeState{Version: a.Version, Problem: "OFF", Sources: b.Sources, ClockAhead: int64(b.Skew / time.Second)}
	if s.Sources == nil {
		s.Sources = []string{}
	}
	if len(b.Problems) > 0 {
		s.Problem, s.ProblemText = "ON", text(b.Problems[0])
	}
	return s
}

// EquiwattMoments are the event types of the Equiwatt device.
var equiwattMoments = []string{"started", "ended", "unconfirmed", "rehearsal_started", "rehearsal_ended"}

func equiwattDevice(token bool) device {
	d := device{
		source: "equiwatt", name: "Equiwatt", manufacturer: "Equiwatt", model: "Household account",
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
	if token {
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

func onOff(b *bool) *string {
	if b == nil {
		return nil
	}
	s := "OFF"
	if *b {
		s = "ON"
	}
	return &s
}

// instant is RFC 3339 in UTC, as Home Assistant's timestamps want it.
func instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := t.UTC().Format(time.RFC3339)
	return &s
}

// text is at most 200 characters; Home Assistant refuses states over 255.
func text(s string) *string {
	if s == "" {
		return nil
	}
	if utf8.RuneCountInString(s) > 200 {
		s = string([]rune(s)[:199]) + "…"
	}
	return &s
}

// lateAfter is how long after it happened a moment counts as late.
const lateAfter = 5 * time.Minute

// moment is the payload of an event topic.
func moment(m state.Moment, now time.Time) []byte {
	late := max(0, now.Sub(m.Occurred))
	p := map[string]any{
		"event_type": m.Type, "id": m.ID, "occurred": instant(m.Occurred),
		"late": late > lateAfter, "late_seconds": int64(late / time.Second),
	}
	for k, v := range m.Fields {
		switch v := v.(type) {
		case time.Time:
			p[k] = instant(v)
		case string:
			p[k] = text(v)
		default:
			p[k] = v
		}
	}
	if data := fit(m.Data); data != nil {
		p["data"] = data
	}
	return encode(p)
}

// most is how large a vendor's own fields may be in an event.
const most = 4 << 10

// fit returns the vendor's own fields; of too many only the scalars of the top
// level that fit, and nothing where none does. They are written anew, for Home
// Assistant reads no text with half a character, and loses the event.
func fit(data json.RawMessage) json.RawMessage {
	if len(data) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	var all any
	if d.Decode(&all) != nil || all == nil {
		return nil
	}
	if whole := encode(all); len(whole) <= most {
		return whole
	}
	fields, _ := all.(map[string]any)
	some, size := map[string]any{}, len("{}")
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		switch fields[k].(type) {
		case map[string]any, []any:
			continue
		}
		if n := len(encode(k)) + len(encode(fields[k])) + len(":,"); size+n <= most {
			some[k] = fields[k]
			size += n
		}
	}
	if len(some) == 0 {
		return nil
	}
	return encode(some)
}
