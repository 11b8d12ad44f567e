package equiwatt

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// fields is what a household's own text told, by name.
type fields struct {
	body, query map[string]any
}

// read takes a body of any kind, whatever its content type says: a JSON
// object, a form, or lines like "key=value" and "key: value". What is none of
// them has no fields.
func read(body []byte, query string) (f fields) {
	f.query = form(query)
	text := bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
	switch {
	case len(text) == 0:
	case text[0] == '{':
		f.body = object(text)
	case bytes.ContainsAny(text, " \t\r\n") || !bytes.Contains(text, []byte("=")):
		f.body = lines(string(text))
	default:
		f.body = form(string(text))
	}
	return f
}

func object(text []byte) (m map[string]any) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber() // as they came
	if dec.Decode(&m) != nil {
		return nil
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil
	}
	return m
}

func form(text string) map[string]any {
	m := map[string]any{}
	values, _ := url.ParseQuery(text) // what can be read of it
	for k, v := range values {
		if k != "" {
			m[k] = v[0]
		}
	}
	return m
}

func lines(text string) map[string]any {
	m := map[string]any{}
	for line := range strings.Lines(text) {
		i := strings.IndexAny(line, "=:")
		if i <= 0 {
			continue
		}
		if strings.Contains(line, "&") {
			maps.Copy(m, form(strings.TrimSpace(line)))
			continue
		}
		if key := strings.TrimSpace(line[:i]); key != "" && !strings.ContainsAny(key, " \t") {
			m[key] = strings.TrimSpace(line[i+1:])
		}
	}
	return m
}

// first calls use with what the named fields say until it takes one: the
// body's before the query's, then in the order of the names. Letter case is no
// difference between names.
func (f fields) first(names []string, use func(text string) bool) {
	for _, part := range []map[string]any{f.body, f.query} {
		for _, name := range names {
			for _, k := range slices.Sorted(maps.Keys(part)) {
				if !strings.EqualFold(k, name) {
					continue
				}
				if text, ok := scalar(part[k]); ok && use(text) {
					return
				}
			}
		}
	}
}

// scalar is a text or a number that was told.
func scalar(v any) (string, bool) {
	switch v := v.(type) {
	case json.Number:
		return v.String(), true
	case string:
		text := strings.TrimSpace(v)
		return text, told(text)
	}
	return "", false
}

// told reports whether a text is more than nothing or a variable that the
// vendor did not fill in.
func told(text string) bool { return text != "" && !strings.ContainsAny(text, "{}%$") }

// harmless is a field without what is personal, at any depth. A variable that
// was not filled in is no field.
func harmless(name string, v any) (any, bool) {
	if event.Personal(name) {
		return nil, false
	}
	switch v := v.(type) {
	case nil:
		return nil, false
	case string:
		return v, told(strings.TrimSpace(v)) && !event.Mailed(v)
	case []any:
		kept := []any{}
		for _, item := range v {
			if item, ok := harmless("", item); ok {
				kept = append(kept, item)
			}
		}
		return kept, len(kept) > 0
	case map[string]any:
		kept := map[string]any{}
		for k, item := range v {
			if item, ok := harmless(k, item); ok {
				kept[k] = item
			}
		}
		return kept, len(kept) > 0
	}
	return v, true
}

// plainKey is a text as it is compared: without case, blanks and dashes.
func plainKey(text string) string { return dashes.Replace(strings.ToLower(text)) }

var dashes = strings.NewReplacer("_", "", "-", "", " ", "", ".", "")
