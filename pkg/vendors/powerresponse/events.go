package powerresponse

import (
	"strings"
	"time"
	"unicode"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Event is one dispatch event as GET /api/v1/events/{uuid} shows it. The
// values of Type, Status and IncentiveType are not documented: they are the
// vendor's own words, and a new one is no error.
type Event struct {
	UUID          string
	Name          string
	Type          string
	Status        string
	Start         time.Time // zero: not said
	End           time.Time // zero: not said
	OptInRequired *bool     // nil: not said
	Incentive     *float64  // unit not documented; nil: not said
	IncentiveType string
}

// parseEvent reads an answer, also one wrapped as a delivery may be. An event
// that ends before it begins has no times.
func parseEvent(body []byte) (e Event, ok bool) {
	v, _ := read(body)
	f := object(v)
	for depth := nesting; depth > 0 && f.uuid("uuid", "id") == ""; depth-- {
		f = f.unwrapped()
	}
	e = Event{
		UUID: f.uuid("uuid", "id"), Name: f.text("name"), Type: f.text("type", "eventtype"), Status: f.text("status"),
		Start: f.time("startdatetime", "starttime"), End: f.time("enddatetime", "endtime"),
		OptInRequired: f.truth("optinrequired"), Incentive: f.number("incentive"), IncentiveType: f.text("incentivetype"),
	}
	if !e.End.IsZero() && !e.End.After(e.Start) {
		e.Start, e.End = time.Time{}, time.Time{}
	}
	return e, e.UUID != ""
}

func (f fields) unwrapped() fields {
	for _, name := range wrappers {
		if inner := object(f[name]); inner != nil {
			return inner
		}
	}
	return nil
}

// Key is the identity of what is told of an event.
func Key(uuid string) string { return "event/" + uuid }

// Gone is the Status of an event that the API knows no more.
const Gone = "gone"

// Told is what an answer says: a Window, or where its status says that it will
// not be, a Status with that word. Its Data holds name, type, status,
// optInRequired, incentive and incentiveType, as far as they were said.
func (e Event) Told(seen time.Time) event.Event {
	t := event.Event{
		Source: Source, Key: Key(e.UUID), By: event.API, At: e.Start, Seen: seen.UTC(),
		Data: encode(struct {
			Name          string   `json:"name,omitempty"`
			Type          string   `json:"type,omitempty"`
			Status        string   `json:"status,omitempty"`
			OptInRequired *bool    `json:"optInRequired,omitempty"`
			Incentive     *float64 `json:"incentive,omitempty"`
			IncentiveType string   `json:"incentiveType,omitempty"`
		}{e.Name, e.Type, e.Status, e.OptInRequired, e.Incentive, e.IncentiveType}),
	}
	if t.At.IsZero() {
		t.At = t.Seen
	}
	if e.Cancelled() {
		t.Status = &event.Status{State: e.Status}
	} else {
		t.Window = &event.Window{Start: e.Start, End: e.End, Direction: e.Direction()}
	}
	return t
}

// gone is what is told of an event that the API answers with 404.
func gone(uuid string, seen time.Time) event.Event {
	seen = seen.UTC()
	return event.Event{
		Source: Source, Key: Key(uuid), By: event.API, At: seen, Seen: seen,
		Status: &event.Status{State: Gone, Detail: "PowerResponse does not know this event any more."},
	}
}

// Cancelled reports whether the status is a word for that. The vendor
// documents none, so only what can mean nothing else is taken.
func (e Event) Cancelled() bool {
	found := false
	for _, word := range words(e.Status) {
		switch word {
		case "cancelled", "canceled", "aborted", "withdrawn", "deleted", "terminated":
			found = true
		case "not", "no", "never", "partially":
			return false
		}
	}
	return found
}

// Direction is powerDOWN or powerUP where the type says "down" or "up"; empty:
// it does not, and the vendor documents no field that does.
func (e Event) Direction() string {
	var down, up bool
	for _, word := range words(e.Type) {
		down = down || word == "down" || word == "turndown" || word == "powerdown"
		up = up || word == "up" || word == "turnup" || word == "powerup"
	}
	switch {
	case down && !up:
		return "powerDOWN"
	case up && !down:
		return "powerUP"
	}
	return ""
}

// words are the letters of a name in lower case, cut where something else
// stands between them.
func words(name string) []string {
	return strings.FieldsFunc(strings.ToLower(name), func(r rune) bool { return !unicode.IsLetter(r) })
}
