package web

import (
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// fill puts a text into every string there is.
func fill(v reflect.Value, text string) {
	if v.Type() == reflect.TypeFor[time.Time]() || v.Type() == reflect.TypeFor[*time.Location]() {
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		if !v.IsNil() {
			fill(v.Elem(), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), text)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte(text))
			return
		}
		for i := range v.Len() {
			fill(v.Index(i), text)
		}
	case reflect.Map:
		m := reflect.MakeMap(v.Type())
		value := reflect.New(v.Type().Elem()).Elem()
		if value.Kind() == reflect.String {
			value.SetString(text)
		}
		m.SetMapIndex(reflect.ValueOf(text), value)
		v.Set(m)
	}
}

func everything(t testing.TB, text string) Page {
	p := calm(t)
	p.View.Equiwatt.Running = &state.Equivent{Start: ago(time.Hour), End: noon.Add(time.Hour), Planned: true, Running: true, Heard: noon}
	p.View.Equiwatt.Pending, p.View.Skew = ago(time.Minute), time.Minute
	p.Problems, p.Steps = []string{""}, []string{""}
	p.Sources = append(p.Sources, Source{Missing: "x"})
	fill(reflect.ValueOf(&p).Elem(), text)
	p.Sources[1].Missing, p.Sources[2].Missing = "", "" // else none is off
	return p
}

// skeleton is what a page is made of: its elements and their attributes, and
// the values of those that could run or load something.
func skeleton(t *testing.T, page string) []string {
	var out []string
	for _, n := range elements(t, page) {
		line := n.Data
		for _, a := range n.Attr {
			line += " " + a.Key
			if a.Key == "href" || a.Key == "src" || a.Key == "action" || a.Key == "id" || a.Key == "class" {
				line += "=" + a.Val
			}
		}
		out = append(out, line)
	}
	return out
}

func TestNoTextBecomesMarkup(t *testing.T) {
	want := skeleton(t, draw(t, everything(t, "x")))
	for _, text := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' autofocus onfocus='alert(1)`, `</pre></details></li></ol><h1>`,
		`</title><script>alert(1)</script>`, `javascript:alert(1)`, `{{.Version}}<!--`, "`onload=alert(1)`", "\x00<svg/onload=alert(1)>", `&lt;script&gt;`,
		`</style><style>*{display:none}`, `]]><script>`, "\u2028<b>\u202e",
	} {
		if got := skeleton(t, draw(t, everything(t, text))); !slices.Equal(got, want) {
			t.Errorf("%q changes what the page is made of:\n%q\nwant\n%q", text, got, want)
		}
	}
	if page := draw(t, everything(t, "Zebra")); strings.Count(page, "Zebra") < 30 {
		t.Errorf("only %d of the texts are shown: this test does not see what it should", strings.Count(page, "Zebra"))
	}
}

func TestHookTokenOnlyInHookURLs(t *testing.T) {
	for name, p := range situations(t) {
		page, urls := draw(t, p), 0
		for _, n := range elements(t, page) {
			for _, a := range n.Attr {
				if n.Data == "input" && a.Key == "value" && strings.Contains(a.Val, hookToken) {
					urls++
				}
			}
		}
		if got := strings.Count(page, hookToken); got != urls || urls != len(p.Hooks) {
			t.Errorf("%s: the token stands there %d times, in %d of %d URLs", name, got, urls, len(p.Hooks))
		}
	}
}

func TestWhatIsNotSeenIsMadeVisible(t *testing.T) {
	tests := map[string]string{
		"plain\n\ttext":   "plain\n\ttext",
		"Grüße, 你好 🌍":     "Grüße, 你好 🌍",
		"a\u202egnp.exe":  `a\u202egnp.exe`,
		"zero\u200bwidth": `zero\u200bwidth`,
		"bell\x07\x1b[1m": `bell\u0007\u001b[1m`,
		"\xff":            "\ufffd",
	}
	for in, want := range tests {
		if got := printable(in); got != want {
			t.Errorf("%q is shown as %q, want %q", in, got, want)
		}
	}
}

func FuzzPage(f *testing.F) {
	f.Add("done=refresh&seen=1-2-20261121", `{"a":[1,{"b":null}]}`, "Content-Type", "accepted")
	f.Add("seen=%00&seen", "[[[[[[[[", "<x>", "")
	f.Add("%zz;", "\xff\x00", "\u202e", event.Unread)
	f.Fuzz(func(t *testing.T, query, body, text, verdict string) {
		if _, err := url.ParseRequestURI("/?" + query); err != nil || strings.ContainsAny(query, " \r\n\t") {
			return
		}
		p := Page{View: state.View{At: noon}, Version: text, Problems: []string{text}, Deliveries: []event.Delivery{
			{ID: 1, Received: noon, Source: text, Via: text, Verdict: verdict, Header: map[string]string{text: text}, Query: query, Body: []byte(body)},
		}}
		w := get(t, serve(p).Handler(), "/?"+query)
		if w.Code != 200 || !utf8.Valid(w.Body.Bytes()) || strings.ContainsAny(w.Body.String(), "\x00\u202e") {
			t.Errorf("answered %d: %q", w.Code, w.Body)
		}
		guarded(t, w.Header())
	})
}
