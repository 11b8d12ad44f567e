package powerresponse

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// fields is a JSON object whose members' names are compared without case,
// dashes and underscores: eventUUID, eventUuid and event_uuid are one.
type fields map[string]any

// read takes one JSON document; ok is false where it is none.
func read(body []byte) (v any, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(body, []byte("\ufeff"))))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil, false
	}
	_, err := dec.Token()
	return v, err == io.EOF
}

// object returns the members of v by their plain names; nil: it is no object.
// Of two that differ in nothing else the first by its full name counts.
func object(v any) fields {
	members, ok := v.(map[string]any)
	if !ok {
		return nil
	}
	f := fields{}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		plain := plainKey(name)
		if _, twice := f[plain]; !twice {
			f[plain] = members[name]
		}
	}
	return f
}

func plainKey(name string) string { return dashes.Replace(strings.ToLower(name)) }

var dashes = strings.NewReplacer("_", "", "-", "", " ", "", ".", "")

// text is the first of the named fields that holds a text or a number, as one
// printable line of at most 200 characters; empty: none.
func (f fields) text(names ...string) string {
	for _, name := range names {
		switch v := f[name].(type) {
		case json.Number:
			return line(v.String())
		case string:
			if v = line(v); v != "" {
				return v
			}
		}
	}
	return ""
}

// line is the most that Home Assistant shows of a text.
func line(text string) string {
	text = strings.Join(strings.FieldsFunc(text, func(r rune) bool {
		return unicode.IsSpace(r) || !unicode.IsPrint(r) || r == unicode.ReplacementChar
	}), " ")
	const long = 200
	if runes := []rune(text); len(runes) > long {
		return string(runes[:long-1]) + "…"
	}
	return text
}

// uuid is the first of the named fields that holds a UUID; empty: none.
func (f fields) uuid(names ...string) string {
	for _, name := range names {
		if text, ok := f[name].(string); ok {
			if id := UUID(text); id != "" {
				return id
			}
		}
	}
	return ""
}

// truth is nil where the field holds neither true nor false.
func (f fields) truth(name string) *bool {
	text := strings.ToLower(f.text(name))
	if v, ok := f[name].(bool); ok {
		text = strconv.FormatBool(v)
	}
	if text != "true" && text != "false" {
		return nil
	}
	yes := text == "true"
	return &yes
}

// number is nil where the field holds none, neither as a number nor as a text.
func (f fields) number(name string) *float64 {
	n, err := strconv.ParseFloat(f.text(name), 64)
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return nil
	}
	return &n
}

// The years in which an event can be. Later ones do not fit into 64 bits of
// nanoseconds.
const (
	firstYear = 2000
	lastYear  = 2199
)

// time is the first of the named fields that holds an instant: RFC 3339 with
// an offset, for without one it could be any hour of the day, or Unix seconds
// or milliseconds; zero: none.
func (f fields) time(names ...string) time.Time {
	for _, name := range names {
		text := f.text(name)
		t, err := time.Parse(time.RFC3339, strings.ToUpper(text))
		if n, wrong := strconv.ParseInt(text, 10, 64); wrong == nil {
			const milliseconds = 100_000_000_000 // as seconds, the year 5138
			if err = nil; n > milliseconds {
				t = time.UnixMilli(n)
			} else {
				t = time.Unix(n, 0)
			}
		}
		if t = t.UTC(); err == nil && t.Year() >= firstYear && t.Year() <= lastYear {
			return t
		}
	}
	return time.Time{}
}
