package journal

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// encode returns an event as it will be read again, every time in UTC, and the
// name and JSON of its shape.
func encode(e event.Event) (_ event.Event, shape, content string, err error) {
	if err := e.Validate(); err != nil {
		return e, "", "", err
	}
	e.Seq = 0
	for _, t := range []*time.Time{&e.At, &e.Seen, &e.Again} {
		if *t = utc(*t); !storable(*t) {
			return e, "", "", fmt.Errorf("event %s of %s is at a time that cannot be stored", e.Key, e.Source)
		}
	}
	switch {
	case e.Window != nil:
		w := *e.Window
		w.Start, w.End = utc(w.Start), utc(w.End)
		e.Window = &w
	case e.Session != nil:
		s := *e.Session
		s.Start, s.End = utc(s.Start), utc(s.End)
		if s.WattHours != nil {
			n := *s.WattHours
			s.WattHours = &n
		}
		e.Session = &s
	case e.Status != nil:
		s := *e.Status
		e.Status = &s
	case e.Notice != nil:
		n := *e.Notice
		e.Notice = &n
	}
	shape, fields := e.Shape()
	text, err := json.Marshal(fields)
	if err != nil {
		return e, "", "", fmt.Errorf("event %s of %s cannot be stored: %w", e.Key, e.Source, err)
	}
	return e, shape, string(text), nil
}

// decode sets an event's shape from its name and JSON.
func decode(shape, content string, e *event.Event) error {
	switch shape {
	case "window":
		e.Window = new(event.Window)
		return fill(content, e.Window, func(key, value string) bool { return windowField(e.Window, key, value) })
	case "status":
		e.Status = new(event.Status)
		return fill(content, e.Status, func(key, value string) bool { return statusField(e.Status, key, value) })
	case "session":
		e.Session = new(event.Session)
		return fill(content, e.Session, func(key, value string) bool { return sessionField(e.Session, key, value) })
	case "notice":
		e.Notice = new(event.Notice)
		return fill(content, e.Notice, func(key, value string) bool { return noticeField(e.Notice, key, value) })
	}
	return fmt.Errorf("shape %q is not known", shape)
}

// fill reads the flat and plain JSON objects that almost all contents are by
// itself, five times faster than encoding/json, and leaves the others to it.
func fill[T any](content string, into *T, field func(key, value string) bool) error {
	if plainFields(content, field) {
		return nil
	}
	*into = *new(T)
	return json.Unmarshal([]byte(content), into)
}

// plainFields calls field for each member of an object of plain strings and
// bare words, the values as they stand there, and reports whether all of it
// was understood.
func plainFields(s string, field func(key, value string) bool) bool {
	if len(s) < 2 || s[0] != '{' || s[len(s)-1] != '}' || strings.IndexByte(s, '\\') >= 0 || !utf8.ValidString(s) {
		return false
	}
	for s = s[1 : len(s)-1]; s != ""; {
		key, rest, ok := strings.Cut(s, `":`)
		if !ok || key == "" || key[0] != '"' {
			return false
		}
		end := strings.IndexByte(rest, ',')
		if rest != "" && rest[0] == '"' {
			closing := strings.IndexByte(rest[1:], '"')
			if closing < 0 {
				return false
			}
			if end = closing + 2; end == len(rest) {
				end = -1
			} else if rest[end] != ',' {
				return false
			}
		}
		value := rest
		if s = ""; end >= 0 {
			value, s = rest[:end], rest[end+1:]
		}
		if !field(key[1:], value) {
			return false
		}
	}
	return true
}

// text returns what stands between the quotes of a plain string.
func text(value string) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	return value[1 : len(value)-1], true
}

func windowField(w *event.Window, key, value string) (ok bool) {
	switch key {
	case "start":
		w.Start, ok = instant(value)
	case "end":
		w.End, ok = instant(value)
	case "running":
		w.Running, ok = value == "true", value == "true" || value == "false"
	case "direction":
		w.Direction, ok = text(value)
	}
	return ok
}

func statusField(s *event.Status, key, value string) (ok bool) {
	switch key {
	case "state":
		s.State, ok = text(value)
	case "detail":
		s.Detail, ok = text(value)
	}
	return ok
}

func sessionField(s *event.Session, key, value string) (ok bool) {
	switch key {
	case "start":
		s.Start, ok = instant(value)
	case "end":
		s.End, ok = instant(value)
	case "watt_hours":
		n, err := strconv.ParseFloat(value, 64)
		s.WattHours, ok = &n, err == nil
	}
	return ok
}

func noticeField(n *event.Notice, key, value string) (ok bool) {
	if key == "code" {
		n.Code, ok = text(value)
	}
	return ok
}

func instant(value string) (time.Time, bool) {
	s, ok := text(value)
	if !ok {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	return t, err == nil && t.Location() == time.UTC
}

// utc drops the zone and the monotonic reading.
func utc(t time.Time) time.Time { return t.Round(0).UTC() }

// storable: Unix nanoseconds reach from 1678 to 2262.
func storable(t time.Time) bool {
	return t.IsZero() || time.Unix(0, t.UnixNano()).Equal(t)
}

// nanos is nil for the zero time.
func nanos(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UnixNano()
}

func toTime(v any) time.Time {
	n, ok := v.(int64)
	if !ok {
		return time.Time{}
	}
	return time.Unix(0, n).UTC()
}
