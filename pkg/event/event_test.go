package event

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func window(end time.Time) Event {
	return Event{Source: "equiwatt", Key: "api/1", By: API, At: noon, Seen: noon, Window: &Window{Start: noon, End: end, Running: true}}
}

func TestValidate(t *testing.T) {
	for want, spoil := range map[string]func(*Event){
		"":            func(*Event) {},
		"2 shapes":    func(e *Event) { e.Status = &Status{State: "ok"} },
		"0 shapes":    func(e *Event) { e.Window = nil },
		"no source":   func(e *Event) { e.Source = "" },
		"no key":      func(e *Event) { e.Key = "" },
		"no teller":   func(e *Event) { e.By = "" },
		"not said":    func(e *Event) { e.Seen = time.Time{} },
		"quiet":       func(e *Event) { e.Quiet = true },
		"reverse":     func(e *Event) { e.Again = noon },
		"is not JSON": func(e *Event) { e.Data = json.RawMessage("{") },
	} {
		e := window(noon)
		spoil(&e)
		err := e.Validate()
		if (want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

// TestSame: the same thing told again is the same, whenever and wherever.
func TestSame(t *testing.T) {
	a := window(noon.Add(time.Hour))
	for name, change := range map[string]func(*Event){
		"stored":      func(e *Event) { e.Seq = 7 },
		"heard later": func(e *Event) { e.Seen = noon.Add(time.Minute) },
	} {
		b := window(noon.Add(time.Hour))
		if change(&b); !a.Same(b) {
			t.Errorf("%s is not the same", name)
		}
	}
	for name, change := range map[string]func(*Event){
		"another end":     func(e *Event) { e.Window.End = noon },
		"no longer runs":  func(e *Event) { e.Window.Running = false },
		"another key":     func(e *Event) { e.Key = "api/2" },
		"another subject": func(e *Event) { e.Subject = "x" },
		"another teller":  func(e *Event) { e.By = Webhook },
		"another shape":   func(e *Event) { e.Window, e.Notice = nil, &Notice{Code: "x"} },
		"other data":      func(e *Event) { e.Data = json.RawMessage("{}") },
	} {
		b := window(noon.Add(time.Hour))
		if change(&b); a.Same(b) {
			t.Errorf("%s is the same", name)
		}
	}
}

func TestShape(t *testing.T) {
	for want, e := range map[string]Event{
		"window": {Window: &Window{}}, "status": {Status: &Status{}}, "session": {Session: &Session{}}, "notice": {Notice: &Notice{}}, "": {},
	} {
		if got, _ := e.Shape(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
