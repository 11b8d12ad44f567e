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

	Setup     string // "ok", or the name of the first step of setting up that is broken
	SetupText string // what it is, or what is waited for; empty: nothing
}

// Documents returns the discovery documents of what a View shows.
func (n Names) Documents(v state.View, a About) []Message {
	list := []Message{n.documentOf(bridgeDevice(), a)}
	for _, s := range v.Sources {
		for _, d := range s.Devices.All() {
			list = append(list, n.documentOf(describe(d), a))
		}
	}
	return list
}

func (n Names) documentOf(d device, a About) Message {
	return Message{n.Document(d.source, d.subject), n.document(d, a)}
}

// States returns the retained states of a View.
func (n Names) States(v state.View, b Bridge, a About) []Message {
	list := []Message{n.bridgeState(b, a)}
	for _, s := range v.Sources {
		for _, d := range s.Devices.All() {
			list = append(list, n.stateOf(d))
		}
	}
	return list
}

func (n Names) bridgeState(b Bridge, a About) Message {
	return Message{n.State(bridge, ""), encode(bridgeStateOf(b, a))}
}

func (n Names) stateOf(d *state.Device) Message {
	return Message{n.State(d.Source, d.Subject), encode(payload(d))}
}

// describe returns a device as Home Assistant is told of it.
func describe(d *state.Device) device {
	var of device
	switch s := d.State.(type) {
	case *state.Equivents:
		of = equiwattDevice(s)
	case *state.Readers:
		of = ecomonDevice()
	case *state.Reader:
		of = readerDevice(d.ID)
	case *state.Meters:
		of = openvoltDevice()
	case *state.Meter:
		of = meterDevice(d.ID)
	case *state.Response:
		of = responseDevice()
	case *state.Chargers:
		of = chargersDevice(s)
	case *state.Charger:
		of = chargerDevice(d.ID, s)
	case *state.Connector:
		of = connectorDevice(s)
	}
	of.source, of.subject = d.Source, d.Subject
	return of
}

// payload returns what a device's state topic says: every key always there,
// null where it is unknown.
func payload(d *state.Device) any {
	switch s := d.State.(type) {
	case *state.Equivents:
		return equiwattStateOf(*s)
	case *state.Readers:
		return struct{}{}
	case *state.Reader:
		return readerStateOf(*s)
	case *state.Meters:
		return struct{}{}
	case *state.Meter:
		return meterStateOf(*s)
	case *state.Response:
		return responseStateOf(*s)
	case *state.Chargers:
		return chargersStateOf(*s)
	case *state.Charger:
		return chargerStateOf(*s)
	case *state.Connector:
		return connectorStateOf(*s)
	}
	return nil
}

func bridgeDevice() device {
	return device{
		source: bridge, name: "Grid2MQTT", manufacturer: "Grid2MQTT", model: "Bridge",
		entities: []entity{
			{key: "problem", platform: "binary_sensor", name: "Problem", class: "problem", category: "diagnostic"},
			{key: "problem_text", platform: "sensor", name: "Problem text", icon: "mdi:message-alert-outline", category: "diagnostic"},
			{key: "setup", platform: "sensor", name: "Setup", icon: "mdi:clipboard-check-outline", category: "diagnostic"},
			{key: "version", platform: "sensor", name: "Version", icon: "mdi:tag-outline", category: "diagnostic"},
		},
	}
}

type bridgeState struct {
	Version     string   `json:"version"`
	Problem     string   `json:"problem"`
	ProblemText *string  `json:"problem_text"`
	Setup       *string  `json:"setup"`
	SetupText   *string  `json:"setup_text"`
	Sources     []string `json:"sources"`
	ClockAhead  int64    `json:"clock_ahead"` // s, of the vendors'
}

func bridgeStateOf(b Bridge, a About) bridgeState {
	s := bridgeState{
		Version: a.Version, Problem: "OFF", Sources: b.Sources, ClockAhead: int64(b.Skew / time.Second),
		Setup: text(b.Setup), SetupText: text(b.SetupText),
	}
	if s.Sources == nil {
		s.Sources = []string{}
	}
	if len(b.Problems) > 0 {
		s.Problem, s.ProblemText = "ON", text(b.Problems[0])
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
