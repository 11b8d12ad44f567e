package web

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

const (
	// A page of 50 deliveries is to be drawn in 5 ms, on a Raspberry Pi in a few times that; a
	// longer body is shown in part.
	maxBody = 4 << 10
	// Indenting makes deep nesting long by the square of its depth.
	maxDepth = 24
	maxText  = 8 << 10
	maxHex   = 256
)

// deliveries is the list, and the word for what it holds: an open page that
// has seen it is not sent it again.
type deliveries struct {
	Rows []delivery
	Seen string
	Same bool
}

type delivery struct {
	ID            int64
	At            *instant
	Source, Kind  string
	Via, Size     string
	Verdict, Tone string
	Meaning       string // what the verdict means, one sentence or empty
	Header        []field
	Query         string
	Body, Form    string // Form is "JSON", "text" or "bytes"
	Rest          string // how much of the body is not shown; empty: nothing
}

type field struct{ Name, Value string }

type refusal struct {
	Source, Verdict string
	Count           int
}

func (c clock) deliveries(p Page, seen string) deliveries {
	n := len(p.Deliveries)
	if n == 0 {
		return deliveries{}
	}
	out := deliveries{Seen: fmt.Sprintf("%d-%d-%s", p.Deliveries[0].ID, n, c.now.Format("20060102"))}
	if out.Seen == seen {
		out.Same = true
		return out
	}
	titles := map[string]string{}
	for _, s := range p.Sources {
		titles[s.Name] = s.Title
	}
	for _, d := range p.Deliveries {
		out.Rows = append(out.Rows, c.delivery(d, cmp.Or(titles[d.Source], d.Source)))
	}
	return out
}

func (c clock) delivery(d event.Delivery, title string) delivery {
	row := delivery{
		ID: d.ID, At: c.at(d.Received), Source: printable(title), Kind: printable(d.Kind), Via: via(d.Via),
		Size: size(max(d.Size, len(d.Body))), Query: printable(d.Query),
	}
	row.Verdict, row.Tone, row.Meaning = verdict(d.Verdict)
	for _, name := range slices.Sorted(maps.Keys(d.Header)) {
		row.Header = append(row.Header, field{printable(name), printable(d.Header[name])})
	}
	shown := min(len(d.Body), maxBody)
	row.Body, row.Form = pretty(d.Body[:shown])
	if row.Form == "bytes" {
		shown = min(shown, maxHex)
	}
	if rest := max(d.Size, len(d.Body)) - shown; rest > 0 {
		row.Rest = size(rest)
	}
	return row
}

func via(v string) string {
	switch v {
	case event.ViaHTTP:
		return "webhook"
	case event.ViaMQTT:
		return "through Home Assistant"
	case event.ViaPoll:
		return "poll"
	case event.ViaCommand:
		return "command"
	}
	return printable(v)
}

func verdict(v string) (label, tone, meaning string) {
	switch v {
	case event.Accepted:
		return v, "good", ""
	case event.Duplicate:
		return v, "calm", "Nothing in it was new."
	case event.Unread:
		return v, "warn", "It is authentic, but could not be read. It is kept as it came."
	}
	return printable(v), "calm", ""
}

// pretty is the beginning of a body for people: JSON is indented, text is
// shown as it is, and other bytes in hexadecimal.
func pretty(body []byte) (text, form string) {
	if len(body) == 0 {
		return "", ""
	}
	if depth(body) <= maxDepth {
		var b bytes.Buffer
		if json.Indent(&b, body, "", "  ") == nil {
			return cut(printable(b.String()), maxText), "JSON"
		}
	}
	if whole := completeRunes(body); utf8.Valid(whole) && !bytes.ContainsRune(whole, 0) {
		return cut(printable(string(whole)), maxText), "text"
	}
	return hex.Dump(body[:min(len(body), maxHex)]), "bytes"
}

func depth(body []byte) int {
	now, most := 0, 0
	for _, b := range body {
		switch b {
		case '{', '[':
			now++
			most = max(most, now)
		case '}', ']':
			now--
		}
	}
	return most
}

// completeRunes leaves out a last rune that was cut in two.
func completeRunes(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if last := b[len(b)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return string(completeRunes([]byte(s[:limit]))) + "\n…"
}

// printable makes visible what would not be seen, or would turn the text
// around it: control and format characters, and bytes that are not text.
func printable(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r) // a byte that is not text comes as U+FFFD
		}
	}
	return b.String()
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] < ' ' && s[i] != '\n' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func hidden(r rune) bool {
	if r == '\n' || r == '\t' || r == '\r' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

func size(n int) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}

func refusals(p Page) []refusal {
	var out []refusal
	for _, key := range slices.Sorted(maps.Keys(p.Refused)) {
		source, why, _ := strings.Cut(key, "/")
		for _, s := range p.Sources {
			if s.Name == source {
				source = s.Title
				break
			}
		}
		out = append(out, refusal{printable(source), printable(why), p.Refused[key]})
	}
	return out
}
