// Package openvolt translates what Openvolt's smart-meter API and webhooks say
// into events and readings, and decides what to ask next. It only translates:
// it stores nothing, waits for nothing but the network, and reads no clock but
// the one it is given.
//
// Key rule: a delivery has one id, so each is one event,
// "delivery/<delivery_id>"; the vendor's event_id is the name of the event's
// type and the same for all of a kind
// (https://docs.openvolt.com/docs/webhooks). A delivery without an id has the
// key "body/<hash of the body>".
//
// Nothing of a payload is kept in an event but which meter and which time it
// speaks of: of the other payloads nothing is documented, and customers have
// names, and rotated keys are keys.
//
// What the vendor documents nowhere: a signature, limits, paging, the envelope
// of lists, the form of errors, whether an end is inclusive, and whether the
// labels of half hours are their starts or their ends. Here ends are exclusive
// whatever the answer holds, labels are starts unless the household says
// otherwise, and no value is ever made up for one that is missing.
package openvolt

import (
	"encoding/json"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Source is the name of this vendor in events, topics and paths.
const Source = "openvolt"

// HalfHour is the length of every interval.
const HalfHour = 30 * time.Minute

// word is a JSON text or number as a text of one line, without blanks around
// it; empty: it is neither, or longer than any id or name there is.
func word(raw json.RawMessage) string {
	const longest = 100
	text := ""
	if len(raw) > 0 && raw[0] == '"' {
		_ = json.Unmarshal(raw, &text) // valid JSON, so it is a text
	} else if len(raw) > 0 && (raw[0] == '-' || raw[0] >= '0' && raw[0] <= '9') {
		text = string(raw)
	}
	text = strings.TrimSpace(text)
	if utf8.RuneCountInString(text) > longest || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return ""
	}
	return text
}

// instant reads a date, or a date-time with its offset; zero: it is neither, or
// out of the time in which there are such meters.
func instant(text string) time.Time {
	for _, layout := range [...]string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil && t.Year() >= 2000 && t.Year() < 2200 {
			return t.UTC()
		}
	}
	return time.Time{}
}

// Midnight is the beginning of t's day in UTC, in which days are complete or
// not: a day of UTC always has 48 half hours.
func Midnight(t time.Time) time.Time { return t.UTC().Truncate(24 * time.Hour) }
