package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

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

// everything is a server all of whose texts are one.
func everything(t testing.TB, text string) *Server {
	s := whole(t)
	p := calm(t)
	p.View.Equiwatt.Running = &state.Equivent{Start: ago(time.Hour), End: noon.Add(time.Hour), Planned: true, Running: true, Heard: noon}
	p.View.Equiwatt.Pending, p.View.Skew = ago(time.Minute), time.Minute
	p.Problems, p.Steps = []string{""}, []string{""}
	p.Sources = append(p.Sources, Source{Missing: "x"})
	p.Sources[0].Actions = []Action{{}, {Danger: true}}
	p.Rotation = &Rotation{Until: noon, Uses: []Use{{"", 1}}}
	p.Rehearsal = &Rehearsal{Running: true, Stages: []Stage{{At: noon}, {}}}
	fill(reflect.ValueOf(&p).Elem(), text)
	p.Sources[1].Missing, p.Sources[2].Missing = "", "" // else none is off
	s.Page = func(context.Context) Page { return p }
	list, steps, rows, lines := happened(t), steps(), arrived(), s.Records.Lines("")
	o, _ := open(t.Context(), 912)
	counts := []Count{{N: 1}}
	fill(reflect.ValueOf(&list).Elem(), text)
	fill(reflect.ValueOf(&steps).Elem(), text)
	fill(reflect.ValueOf(&rows).Elem(), text)
	fill(reflect.ValueOf(&lines).Elem(), text)
	fill(reflect.ValueOf(&counts).Elem(), text)
	fill(reflect.ValueOf(&o.Delivery).Elem(), text)
	for i := range o.Events {
		data := o.Events[i].Data
		fill(reflect.ValueOf(&o.Events[i]).Elem(), text)
		o.Events[i].Data, _ = json.Marshal(map[string]string{string(data): text})
	}
	for seq := range o.Said {
		said := o.Said[seq]
		fill(reflect.ValueOf(&said).Elem(), text)
	}
	s.Spans = spans(list...)
	s.Checks = func(context.Context, bool) []Step { return steps }
	s.Records.List = func(context.Context, Filter) (List, error) { return List{Deliveries: rows}, errors.New(text) }
	s.Records.Counts = func(context.Context) ([]Count, error) { return counts, nil }
	s.Records.Open = func(context.Context, int64) (Opened, error) { return o, nil }
	s.Records.Lines = func(string) []Line { return lines }
	return s
}

// body draws a page, whatever its status.
func body(t *testing.T, s *Server, target string) string {
	t.Helper()
	return get(t, s.Handler(), target).Body.String()
}

// skeleton is what a page is made of: its elements and their attributes, and
// the values of those that could run or load something.
func skeleton(t *testing.T, page string) []string {
	var out []string
	for _, n := range elements(t, page) {
		line := n.Data
		for _, a := range n.Attr {
			line += " " + a.Key
			if a.Key == "href" || a.Key == "src" || a.Key == "action" || strings.HasPrefix(a.Key, "hx-") && a.Key != "hx-confirm" || a.Key == "id" || a.Key == "class" {
				line += "=" + a.Val
			}
		}
		out = append(out, passing.ReplaceAllString(line, "$1"))
	}
	return out
}

func TestNoTextBecomesMarkup(t *testing.T) {
	for _, target := range []string{"/", "/deliveries", "/delivery?id=1", "/day", "/setup", "/log"} {
		want := skeleton(t, body(t, everything(t, "x"), target))
		for _, text := range []string{
			`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' autofocus onfocus='alert(1)`, `</pre></details></li></ol><h1>`,
			`</title><script>alert(1)</script>`, `javascript:alert(1)`, `{{.Version}}<!--`, "`onload=alert(1)`", "\x00<svg/onload=alert(1)>", `&lt;script&gt;`,
			`</style><style>*{display:none}`, `]]><script>`, "\u2028<b>\u202e", `</svg><a href="//evil.example">`, `<hx-partial hx-target="#now">`, `" hx-get="//evil.example`,
		} {
			if got := skeleton(t, body(t, everything(t, text), target)); !slices.Equal(got, want) {
				t.Errorf("%s: %q changes what the page is made of:\n%s", target, text, cmp.Diff(want, got))
			}
		}
		least := map[string]int{"/": 40, "/deliveries": 20, "/delivery?id=1": 12, "/day": 8, "/setup": 20, "/log": 6}[target]
		if n := strings.Count(body(t, everything(t, "Zebra"), target), "Zebra"); n < least {
			t.Errorf("%s: only %d of the texts are shown: this test does not see what it should", target, n)
		}
	}
}

// Who writes the address of a page writes nothing into it.
func TestNoQueryBecomesMarkup(t *testing.T) {
	h := whole(t).Handler()
	for _, target := range []string{"/?done=", "/deliveries?source=", "/deliveries?verdict=", "/deliveries?via=", "/deliveries?text=", "/deliveries?since=", "/deliveries?until=", "/deliveries?before=", "/day?on=", "/log?level=", "/delivery?id="} {
		want := skeleton(t, get(t, h, target+"x").Body.String())
		attack := url.QueryEscape(`"><script>alert(1)</script><a onclick='x`)
		got := skeleton(t, get(t, h, target+attack).Body.String())
		for i := range got {
			got[i] = strings.ReplaceAll(got[i], attack, "x") // in an address, as it should be
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s changes what the page is made of:\n%s", target, cmp.Diff(want, got))
		}
	}
}

func TestHookTokenOnlyInHookURLs(t *testing.T) {
	for name, p := range situations(t) {
		page, urls := draw(t, serve(p), "/"), 0
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

// Every parameter of every page, and every text that comes from elsewhere.
func FuzzPage(f *testing.F) {
	pages := []string{"/", "/deliveries", "/delivery", "/day", "/setup", "/log", "/sample"}
	for i, query := range []string{
		"done=refresh&seen=1-2-20261121", "source=equiwatt&verdict=accepted&via=http&text=a&since=2026-11-01T00:00&until=2026-12-01T00:00&before=7&after=3&newest=1",
		"id=912", "on=2026-10-25", "on=9999-99-99", "level=debug", "id=-1",
	} {
		f.Add(i, query, `{"a":[1,{"b":null}]}`, "Content-Type", "accepted")
	}
	f.Add(1, "text=%00&before=99999999999999999999", "[[[[[[[[", "<x>", "")
	f.Add(3, "on=0000-00-00&%zz;", "\xff\x00", "\u202e", event.Unread)
	f.Fuzz(func(t *testing.T, page int, query, content, text, verdict string) {
		if _, err := url.ParseRequestURI("/?" + query); err != nil || strings.ContainsAny(query, " \r\n\t") || page < 0 {
			return
		}
		d := event.Delivery{ID: 1, Received: noon, Source: text, Via: text, Verdict: verdict, Header: map[string]string{text: text}, Query: query, Body: []byte(content)}
		s := whole(t)
		s.Page = func(context.Context) Page {
			return Page{View: state.View{At: noon}, Version: text, Problems: []string{text}, Deliveries: []event.Delivery{d}}
		}
		s.Records.List = func(context.Context, Filter) (List, error) {
			return List{Deliveries: []event.Delivery{d}, Newer: true}, nil
		}
		s.Records.Open = func(context.Context, int64) (Opened, error) { return Opened{Delivery: d}, nil }
		w := get(t, s.Handler(), pages[page%len(pages)]+"?"+query)
		if w.Code != 200 && w.Code != 400 && w.Code != 404 || !utf8.Valid(w.Body.Bytes()) || strings.ContainsAny(w.Body.String(), "\x00\u202e") {
			t.Errorf("answered %d: %q", w.Code, w.Body)
		}
		guarded(t, w.Header())
	})
}
