package openvolt

import (
	"encoding/json"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Event says what the vendor calls a meter's status, and by that that the meter
// is one of the account.
func (m Meter) Event(seen time.Time) event.Event {
	return event.Event{
		Source: Source, Subject: m.ID, Key: "status/" + m.ID, By: event.API, At: seen.UTC(), Seen: seen.UTC(),
		Status: &event.Status{State: m.Status},
	}
}

// Summary is what is known of a meter's half hours as a whole.
type Summary struct {
	First, End time.Time // of what is known, half open; zero: nothing is
	LastDay    string    // "2026-11-20", the last complete day of the household's zone; empty: none
	WattHours  float64   // on that day
	Gaps       int       // half hours missing between First and End
}

// Event tells a summary of a meter; one that says the same is told again.
func (s Summary) Event(meter string, seen time.Time) event.Event {
	e := event.Event{
		Source: Source, Subject: meter, Key: "meter/" + meter, By: event.API, At: seen.UTC(), Seen: seen.UTC(),
		Session: &event.Session{Start: s.First.UTC(), End: s.End.UTC()},
	}
	if s.LastDay != "" {
		e.Session.WattHours = &s.WattHours
	}
	e.Data, _ = json.Marshal(struct {
		LastDay string `json:"last_day,omitempty"`
		Gaps    int    `json:"gaps"`
	}{s.LastDay, s.Gaps}) // a text and a number: cannot fail
	return e
}
