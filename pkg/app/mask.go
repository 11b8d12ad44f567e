package app

import (
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// masker makes of what a vendor sent something that may be shown to strangers.
// It keeps the shape: names of fields, structure, lengths, punctuation, times,
// measurements, and the vendor's own words where the field says that there is
// one. Of everything else letters become x and digits 0, or 1 in a number. The
// same value always becomes the same, and two values never the same while there
// is room to tell them apart.
//
// It cannot know a person's name that stands where a vendor's word belongs.
type masker struct {
	own    bool // for the household itself: only what is personal by its field's name, and addresses of mail, are hidden
	out    bytes.Buffer
	masks  map[string]string // of values
	shapes map[string]int    // how many values have the mask
}

// masked returns what may be shown of a body.
func masked(body []byte) string {
	if !isText(body) {
		return "(" + strconv.Itoa(len(body)) + " bytes that are no text)"
	}
	return newMasker(false).body(body)
}

// maskedQuery returns what may be shown of a URL's query.
func maskedQuery(query string) string { return newMasker(false).query(query) }

// veiled returns what the household itself is shown of a body. Bytes that are
// no text stay as they are.
func veiled(body []byte) []byte {
	if !isText(body) {
		return body
	}
	return []byte(newMasker(true).body(body))
}

// veiledQuery returns what the household itself is shown of a URL's query.
func veiledQuery(query string) string { return newMasker(true).query(query) }

func newMasker(own bool) *masker {
	return &masker{own: own, masks: map[string]string{}, shapes: map[string]int{}}
}

func isText(b []byte) bool { return utf8.Valid(b) && bytes.IndexByte(b, 0) < 0 }

func (m *masker) body(body []byte) string {
	switch {
	case jsonLike.Match(body) || json.Valid(body):
		m.json(body)
	case formLike.Match(body):
		m.form(string(body))
	case m.own:
		m.out.WriteString(mail.ReplaceAllStringFunc(string(body), func(s string) string { return m.mask(s, '0') }))
	default:
		m.out.WriteString(m.mask(string(body), '0'))
	}
	return m.out.String()
}

func (m *masker) query(query string) string {
	m.form(query)
	return m.out.String()
}

var mail = regexp.MustCompile(`[^\s"'<>()=&,;:@]+@[^\s"'<>()=&,;:@]+\.[A-Za-z]{2,}`)

// shows reports whether the text of a field that is not personal by its name
// is shown.
func (m *masker) shows(name, text string) bool {
	if m.own {
		return !mail.MatchString(text)
	}
	return showsText(name, text)
}

// named reports whether the name of a field is shown.
func (m *masker) named(name string) bool {
	return fieldName(name) || m.own && !mail.MatchString(name)
}

// frame is an object or a list around a value.
type frame struct {
	opened byte
	name   string // of the field that it is the value of
	hidden bool   // nothing in it is shown
}

var jsonLike = regexp.MustCompile(`^\s*[{[]`)

// json masks a text that is JSON, or began as such.
func (m *masker) json(b []byte) {
	around := []frame{{}}
	var at frame // of the value that comes next
	key := false // a field's name comes next
	last := byte(0)
	for i := 0; i < len(b); {
		end := i + 1
		switch c := b[i]; {
		case c == '"':
			end = i + stringEnd(b[i:])
			text, ok := unquoted(b[i:end])
			switch {
			case !ok:
				m.plain(string(b[i:end]), at.hidden)
			case key && bytes.HasPrefix(bytes.TrimLeft(b[end:], " \t\r\n"), []byte(":")):
				at = frame{name: text, hidden: at.hidden || event.Personal(text)}
				m.quoted(b[i:end], text, m.named(text))
				key = false
			default:
				m.quoted(b[i:end], text, (!key || m.own) && !at.hidden && m.shows(at.name, text))
			}
		case c == '{' || c == '[':
			at.opened = c
			around = append(around, at)
			key = c == '{'
			m.out.WriteByte(c)
		case c == '}' || c == ']':
			around = around[:max(1, len(around)-1)]
			key = false
			m.out.WriteByte(c)
		case c == ',':
			at = around[len(around)-1]
			key = at.opened == '{'
			m.out.WriteByte(c)
		case c == '-' || c >= '0' && c <= '9':
			for end < len(b) && strings.IndexByte("0123456789+-.eE", b[end]) >= 0 {
				end++
			}
			// Elsewhere it is no number, but a part of a text that broke.
			m.number(string(b[i:end]), at.hidden || !m.own && strings.IndexByte("\x00:[,", last) < 0, at.name)
		case c >= utf8.RuneSelf || unicode.IsLetter(rune(c)):
			for end < len(b) && (b[end] >= utf8.RuneSelf || unicode.IsLetter(rune(b[end]))) {
				end++
			}
			if text := string(b[i:end]); text == "true" || text == "false" || text == "null" {
				m.out.WriteString(text)
			} else {
				m.plain(text, at.hidden)
			}
		default:
			m.out.WriteByte(c)
		}
		if c := b[end-1]; c > ' ' {
			last = c
		}
		i = end
	}
}

// stringEnd is how long the JSON string is that b begins with.
func stringEnd(b []byte) int {
	for i := 1; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

func unquoted(raw []byte) (text string, ok bool) {
	err := json.Unmarshal(raw, &text)
	return text, err == nil
}

func (m *masker) quoted(raw []byte, text string, shown bool) {
	if shown {
		m.out.Write(raw)
		return
	}
	enc := json.NewEncoder(&m.out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(m.mask(text, '0')) // a text can always be encoded
	m.out.Truncate(m.out.Len() - 1)   // the line end
}

// plain writes a part of a text that broke.
func (m *masker) plain(text string, hidden bool) {
	if hidden || !m.own || mail.MatchString(text) {
		text = m.mask(text, '0')
	}
	m.out.WriteString(text)
}

func (m *masker) number(text string, hidden bool, name string) {
	if hidden || !m.own && !showsNumber(name, text) {
		digits, _, _ := strings.Cut(strings.ToLower(text), "e")
		text = m.mask(digits, '1')
	}
	m.out.WriteString(text)
}

var formLike = regexp.MustCompile(`^[A-Za-z_][^\s=&{}<>"]*=[^\s{}<>"]*$`)

func (m *masker) form(text string) {
	for i, pair := range strings.Split(text, "&") {
		if i > 0 {
			m.out.WriteByte('&')
		}
		name, value, ok := strings.Cut(pair, "=")
		if !ok && !m.own || !m.named(name) {
			name = m.mask(name, '0')
		}
		m.out.WriteString(name)
		if !ok {
			continue
		}
		if event.Personal(name) || !m.shows(name, strings.ReplaceAll(value, "%40", "@")) {
			value = m.mask(value, '0')
		}
		m.out.WriteString("=" + value)
	}
}

// mask hides a value.
func (m *masker) mask(value string, digit rune) string {
	if done, ok := m.masks[string(digit)+value]; ok {
		return done
	}
	runes := []rune(value)
	for i, r := range runes {
		switch {
		case unicode.IsDigit(r):
			runes[i] = digit
		case unicode.IsUpper(r):
			runes[i] = 'X'
		case r >= utf8.RuneSelf || unicode.IsLetter(r):
			runes[i] = 'x'
		}
	}
	shape := string(runes)
	m.shapes[shape]++
	if n := m.shapes[shape]; n > 1 {
		shape = numbered(runes, n)
	}
	m.masks[string(digit)+value] = shape
	return shape
}

// numbered writes n over the last letters and digits, where they are enough.
func numbered(runes []rune, n int) string {
	plain := string(runes)
	for i := len(runes) - 1; i >= 0 && n > 0; i-- {
		if unicode.IsLetter(runes[i]) || unicode.IsDigit(runes[i]) {
			runes[i] = rune('0' + n%10)
			n /= 10
		}
	}
	if n > 0 {
		return plain
	}
	return string(runes)
}

var fieldShape = regexp.MustCompile(`^[A-Za-z_$][A-Za-z0-9_.$-]{0,63}$`)

// fieldName reports whether a name is one that a vendor gave a field, and not
// a value that happens to stand there.
func fieldName(name string) bool {
	return name == "" || fieldShape.MatchString(name) && !manyDigits.MatchString(name)
}

var (
	manyDigits = regexp.MustCompile(`[0-9]{5}|[0-9a-fA-F]{12}`)
	word       = regexp.MustCompile(`^[A-Za-z]+([._:/-][A-Za-z]+)*[0-9]?$`)
	release    = regexp.MustCompile(`^[Vv]?[0-9]{1,3}(\.[0-9]{1,3}){0,2}(-[a-z]{1,5}\.?[0-9]?)?$`)
	direction  = regexp.MustCompile(`^(Instant )?[Pp]ower(UP|DOWN)$`)
	numeric    = regexp.MustCompile(`^[+-]?[0-9]+(\.[0-9]+)?$`)
	hour       = regexp.MustCompile(`^[0-2]?[0-9]:[0-5][0-9](:[0-5][0-9])?$`)
)

// showsText reports whether the text of a field is no secret and nobody's own.
func showsText(name, text string) bool {
	switch {
	case text == "" || hour.MatchString(text) || direction.MatchString(text):
		return true
	case isTime(text):
		return !says(name, "birth", "born", "birthday", "birthdate", "dob")
	case numeric.MatchString(text):
		return showsNumber(name, text)
	case says(name, "version", "firmware") && release.MatchString(text):
		return true
	}
	return len(text) <= 64 && word.MatchString(text) && says(name, "event", "type", "status", "state", "action", "kind", "reason", "code", "unit",
		"measurand", "direction", "phase", "context", "format", "vendor", "model", "version", "currency", "zone", "level")
}

// showsNumber: a long number is an identity, unless its field holds an instant;
// of what is called an id nearly every number is.
func showsNumber(name, text string) bool {
	whole, _, fraction := strings.Cut(strings.TrimLeft(text, "+-"), ".")
	switch {
	case says(name, "id", "ids", "tag", "no", "nr", "serial", "pin", "age", "lat", "latitude", "lon", "lng", "long", "longitude"):
		return len(whole) <= 2 && !fraction
	case len(whole) < 8:
		return true
	}
	n, err := strconv.ParseInt(whole, 10, 64)
	if n > 1e11 {
		n /= 1000 // milliseconds
	}
	return err == nil && n >= 1_500_000_000 && n < 2_500_000_000 &&
		says(name, "time", "timestamp", "date", "at", "start", "started", "end", "ended", "finish", "finished", "from", "to", "until", "seen", "created", "updated", "expires")
}

// says reports whether one of some words is in a field's name, however they
// are joined in it.
func says(name string, words ...string) bool {
	parts := strings.FieldsFunc(strings.ToLower(joints.ReplaceAllString(name, "$1 $2")), func(r rune) bool { return !unicode.IsLetter(r) })
	return slices.ContainsFunc(parts, func(p string) bool { return slices.Contains(words, p) })
}

var joints = regexp.MustCompile(`([a-z0-9])([A-Z])`)

func isTime(text string) bool {
	for _, layout := range []string{time.RFC3339, time.DateOnly, time.DateTime, "2006-01-02T15:04:05", "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05Z0700"} {
		if _, err := time.Parse(layout, text); err == nil {
			return true
		}
	}
	return false
}
