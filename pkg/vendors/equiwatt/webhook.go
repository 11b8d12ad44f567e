package equiwatt

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// What a webhook tells: the last part of its path, for the vendor lets the
// household name one URL for each trigger.
const (
	Started = "started"
	Ended   = "ended"
)

// Decode tells what a webhook says: one event for the kinds Started and Ended,
// none for another. The names of the vendor's variables are shown in its app
// only, so the household's own text is read for what it happens to hold, and
// nothing in it is required; the body's word goes before the query's, and the
// path's before both.
func Decode(d event.Delivery) []event.Event {
	if d.Kind != Started && d.Kind != Ended {
		return nil
	}
	f := read(d.Body, d.Query)
	w := &event.Window{Running: d.Kind == Started, Direction: f.direction()}
	w.Start = f.time("start_time", "event_started")
	w.End = f.time("end_time", "event_finished")
	if length := f.seconds("duration"); w.End.IsZero() && !w.Start.IsZero() && length > 0 {
		w.End = sane(w.Start.Add(length))
	}
	seen := d.Received.UTC()
	at := w.Start
	if d.Kind == Ended {
		at = w.End
	}
	if at.IsZero() {
		at = seen
	}
	return []event.Event{{
		Source: Source, Key: "hook/" + d.Kind + "/" + strconv.FormatInt(d.Received.UnixNano(), 10), By: event.Webhook,
		At: at, Seen: seen, Window: w, Data: f.data(),
	}}
}

// time is the first of the named fields that holds an instant; zero: none.
func (f fields) time(names ...string) (t time.Time) {
	f.first(names, func(text string) bool {
		t = instant(text)
		return !t.IsZero()
	})
	return t
}

// seconds is the first of the named fields that holds a length; zero: none.
func (f fields) seconds(names ...string) (d time.Duration) {
	const longest = 366 * 24 * 3600 // more is no length of an equivent
	f.first(names, func(text string) bool {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || n <= 0 || n > longest {
			return false
		}
		d = time.Duration(n * float64(time.Second)).Round(time.Millisecond)
		return true
	})
	return d
}

// direction is the kind of equivent as far as the household's text names it,
// in the vendor's words
// (https://community.equiwatt.com/t/introducing-powerdown-powerup-instant-events/514).
func (f fields) direction() (found string) {
	f.first([]string{"direction"}, func(text string) bool {
		found = direction(text, "down", "up")
		return found != ""
	})
	if found != "" {
		return found
	}
	f.first([]string{"event", "action", "type"}, func(text string) bool {
		found = direction(text, "powerdown", "powerup")
		return found != ""
	})
	return found
}

func direction(text, down, up string) string {
	text = plainKey(text)
	switch lower, more := strings.Contains(text, down), strings.Contains(text, up); {
	case lower && !more:
		return "powerDOWN"
	case more && !lower:
		return "powerUP"
	}
	return ""
}

// layouts are the ways of ISO 8601 that carry an offset. Go reads a fraction
// of a second where none is named.
var layouts = [...]string{
	"2006-01-02T15:04:05Z07:00", "2006-01-02T15:04:05Z0700", "2006-01-02T15:04:05Z07", "2006-01-02T15:04Z07:00",
	"20060102T150405Z0700", "2006-01-02T15:04:05 Z07:00", "2006-01-02T15:04:05 UTC",
}

// instant reads Unix seconds, Unix milliseconds or ISO 8601 with an offset,
// for without one it could be any hour of the day; zero: none of them.
func instant(text string) time.Time {
	if n, err := strconv.ParseFloat(text, 64); err == nil {
		return unix(n)
	}
	text = strings.ToUpper(text)
	if len(text) > len("2006-01-02") && text[10] == ' ' {
		text = text[:10] + "T" + text[11:]
	}
	// A form makes a blank of the plus in "+01:00".
	for _, text := range []string{text, strings.Replace(text, " ", "+", 1)} {
		for _, layout := range layouts {
			if t, err := time.Parse(layout, text); err == nil {
				return sane(t.UTC())
			}
		}
	}
	return time.Time{}
}

func unix(n float64) time.Time {
	const milliseconds = 1e11 // as seconds, the year 5138
	if math.IsNaN(n) || n < 1 || n >= (lastSecond+1)*1000 {
		return time.Time{}
	}
	if n > milliseconds {
		return sane(time.UnixMilli(int64(n)).UTC())
	}
	return sane(time.UnixMilli(int64(math.Round(n * 1000))).UTC())
}

// sane is t where it can be the time of an equivent at all, else zero.
func sane(t time.Time) time.Time {
	if s := t.Unix(); s < 1 || s > lastSecond {
		return time.Time{}
	}
	return t
}

// data is what was told, without what is personal, as one JSON object; nil
// where nothing is left.
func (f fields) data() json.RawMessage {
	all := map[string]any{}
	for _, part := range []map[string]any{f.query, f.body} { // the body's word goes first, so it comes last
		for k, v := range part {
			if v, ok := harmless(k, v); ok {
				all[k] = v
			}
		}
	}
	if len(all) == 0 {
		return nil
	}
	text := &strings.Builder{}
	enc := json.NewEncoder(text)
	enc.SetEscapeHTML(false)
	if enc.Encode(all) != nil {
		return nil // cannot be: it came out of JSON or is text
	}
	return json.RawMessage(strings.TrimSuffix(text.String(), "\n"))
}
