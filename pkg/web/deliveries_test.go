package web

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func TestPretty(t *testing.T) {
	tests := []struct{ body, text, form string }{
		{"", "", ""},
		{`{"a":1,"b":[]}`, "{\n  \"a\": 1,\n  \"b\": []\n}", "JSON"},
		{"action=End", "action=End", "text"},
		{"Grüße", "Grüße", "text"},
		{`{"cut":"in tw`, `{"cut":"in tw`, "text"},
		{"half a rune \xe4\xbd", "half a rune ", "text"},
		{"\x00\x01", "00000000  00 01                                             |..|\n", "bytes"},
		{strings.Repeat("[", 25) + strings.Repeat("]", 25), strings.Repeat("[", 25) + strings.Repeat("]", 25), "text"},
	}
	for _, tt := range tests {
		if text, form := pretty([]byte(tt.body)); text != tt.text || form != tt.form {
			t.Errorf("%q is shown as %s %q, want %s %q", tt.body, form, text, tt.form, tt.text)
		}
	}
}

func TestLongBodiesAreShownInPart(t *testing.T) {
	tests := []struct {
		name, body, rest string
		size             int
	}{
		{"text", strings.Repeat("x", 164<<10), "100.0 KiB", 0},
		{"runes", strings.Repeat("€", 40<<10), "56.0 KiB", 0},
		{"JSON", `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, "960.0 KiB", 0},
		{"bytes", strings.Repeat("\x00", 1200), "176 B", 0},
		{"all of it", strings.Repeat("x", maxBody), "", 0},
		{"a body that was cut before", "x", "9 B", 10},
	}
	for _, tt := range tests {
		s := serve(calm(t))
		s.Records.Open = func(context.Context, int64) (Opened, error) {
			return Opened{Delivery: event.Delivery{ID: 1, Received: noon, Body: []byte(tt.body), Size: tt.size}}, nil
		}
		page := draw(t, s, "/delivery?id=1")
		if strings.Contains(page, "more are kept in the journal") != (tt.rest != "") || !strings.Contains(page, tt.rest) || len(page) > maxText+20<<10 {
			t.Errorf("%s: a page of %d bytes, which should say that %q is left", tt.name, len(page), tt.rest)
		}
	}
	if text, form := pretty([]byte(strings.Repeat("[[[[[[[[[[[],", 4000))); len(text) > maxText+4 || form == "" {
		t.Errorf("%d bytes of %s", len(text), form)
	}
}

func TestFilter(t *testing.T) {
	london := zone(t, "Europe/London")
	c := clock{now: noon.In(london)}
	tests := []struct {
		query string
		want  Filter
	}{
		{"", Filter{}},
		{"source=equiwatt&verdict=accepted&via=http&text=+a+b+&before=7&after=3", Filter{Source: "equiwatt", Verdict: "accepted", Via: "http", Text: "a b", Before: 7, After: 3}},
		{"since=2026-06-01T12:00&until=2026-11-21T00:30", Filter{Since: time.Date(2026, 6, 1, 12, 0, 0, 0, london), Until: time.Date(2026, 11, 21, 0, 30, 0, 0, london)}},
		{"since=yesterday&until=0001-01-01T00:00&before=-1&after=1e9", Filter{}},
		{"before=99999999999999999999", Filter{}},
	}
	for _, tt := range tests {
		q, err := url.ParseQuery(tt.query)
		if err != nil {
			t.Fatal(err)
		}
		got, a := c.filter(q)
		if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
			t.Errorf("%s:\n%s", tt.query, diff)
		}
		again, _ := c.filter(a.query())
		got.Before, got.After = 0, 0
		if diff := cmp.Diff(got, again, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" {
			t.Errorf("%s is not the same in an address:\n%s", tt.query, diff)
		}
	}
	if f, _ := c.filter(url.Values{"text": {strings.Repeat("€", 100)}}); len(f.Text) > 200 || !utf8.ValidString(f.Text) {
		t.Errorf("a text of %d bytes: %q", len(f.Text), f.Text)
	}
}

// The links to other pages of the list keep what was asked for.
func TestPagesOfDeliveries(t *testing.T) {
	var asked []Filter
	s := whole(t)
	list := s.Records.List
	s.Records.List = func(ctx context.Context, f Filter) (List, error) { asked = append(asked, f); return list(ctx, f) }
	h := s.Handler()
	page := get(t, h, "/deliveries?source=equiwatt&text=a%26b").Body.String()
	var rels []string
	for _, n := range elements(t, page) {
		at := map[string]string{}
		for _, a := range n.Attr {
			at[a.Key] = a.Val
		}
		if at["rel"] == "next" || at["rel"] == "prev" {
			rels = append(rels, at["rel"])
			get(t, h, "/"+at["href"])
		}
	}
	want := []Filter{{Source: "equiwatt", Text: "a&b"}, {Source: "equiwatt", Text: "a&b", Before: 907}}
	if diff := cmp.Diff(want, asked); diff != "" || !slices.Equal(rels, []string{"next"}) {
		t.Errorf("the links lead %q:\n%s", rels, diff)
	}
	if page = get(t, h, "/deliveries?before=1000").Body.String(); !strings.Contains(page, "after=912") {
		t.Error("an older page does not lead to newer ones")
	}
}

func TestDeliveriesThatCannotBeRead(t *testing.T) {
	s := whole(t)
	s.Records.List = func(context.Context, Filter) (List, error) { return List{}, errors.New("the disk <i>is gone</i>") }
	if w := get(t, s.Handler(), "/deliveries"); w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "the disk &lt;i&gt;is gone&lt;/i&gt;") {
		t.Errorf("%d", w.Code)
	}
	for target, want := range map[string]int{"/delivery?id=1": 404, "/delivery?id=x": 404, "/delivery": 404, "/delivery?id=912": 200, "/sample?id=-3": 404, "/sample?id=3": 200} {
		if w := get(t, whole(t).Handler(), target); w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
	if w := get(t, whole(t).Handler(), "/sample?id=3"); w.Body.String() != "sample 3 <b>" || w.Header().Get("Content-Type") != "text/plain; charset=utf-8" {
		t.Errorf("a sample is %q as %q", w.Body, w.Header().Get("Content-Type"))
	}
}

func FuzzPretty(f *testing.F) {
	f.Add([]byte(`{"a":[1,2,{"b":"\u0000"}]}`))
	f.Add([]byte("[[[[[[[[[[[[[[[[[[[[[[[[[[[[]"))
	f.Add([]byte{0xf0, 0x9f, 0x8c})
	f.Fuzz(func(t *testing.T, body []byte) {
		text, form := pretty(body)
		if len(text) > maxText+4 && form != "bytes" || !utf8.ValidString(text) || (form == "") != (len(body) == 0) {
			t.Errorf("%d bytes of %q", len(text), form)
		}
	})
}

// The goals, on a desktop: 5 ms for the first page with as much on it as there
// ever is, 20 ms for the deliveries.
func BenchmarkOverview(b *testing.B) { benchmark(b, "/") }

func BenchmarkDeliveries(b *testing.B) { benchmark(b, "/deliveries") }

func BenchmarkDay(b *testing.B) { benchmark(b, "/day") }

func benchmark(b *testing.B, target string) {
	h := crowded(b).Handler()
	b.SetBytes(int64(get(b, h, target).Body.Len()))
	for b.Loop() {
		get(b, h, target)
	}
}
