package web

import (
	"strings"
	"testing"
	"unicode/utf8"

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
	}{
		{"text", strings.Repeat("x", 64<<10), "60.0 KiB"},
		{"runes", strings.Repeat("€", 20<<10), "56.0 KiB"},
		{"JSON", `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, "1020.0 KiB"},
		{"bytes", strings.Repeat("\x00", 300), "44 B"},
		{"all of it", strings.Repeat("x", maxBody), ""},
	}
	for _, tt := range tests {
		row := clock{now: noon}.delivery(event.Delivery{Received: noon, Body: []byte(tt.body)}, "")
		if row.Rest != tt.rest || len(row.Body) > maxText+4 || row.Body == "" {
			t.Errorf("%s: %d bytes are shown, and %q is said to be left", tt.name, len(row.Body), row.Rest)
		}
	}
	if text, form := pretty([]byte(strings.Repeat("[[[[[[[[[[[],", 200))); len(text) > maxText+4 || form == "" {
		t.Errorf("%d bytes of %s", len(text), form)
	}
}

func TestOpenPageIsNotSentTheSameListAgain(t *testing.T) {
	p := calm(t)
	h := serve(p).Handler()
	seen := newModel(p, "").Deliveries.Seen
	if page := get(t, h, "/?seen="+seen).Body.String(); strings.Contains(page, `id="delivery-912"`) || !strings.Contains(page, " data-same ") {
		t.Error("what was seen is sent again")
	}
	if page := get(t, h, "/").Body.String(); !strings.Contains(page, `id="delivery-912"`) || strings.Contains(page, " data-same ") {
		t.Error("the first look shows no list")
	}
	p.Deliveries = append([]event.Delivery{{ID: 913, Received: noon, Source: "equiwatt"}}, p.Deliveries...)
	if page := get(t, serve(p).Handler(), "/?seen="+seen).Body.String(); !strings.Contains(page, `id="delivery-913"`) {
		t.Error("a new delivery is not shown")
	}
	if page := get(t, serve(Page{}).Handler(), "/?seen=").Body.String(); !strings.Contains(page, "Nothing has arrived yet.") {
		t.Error("an empty list is not said to be empty")
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

// The goal is 5 ms for a page with as much on it as there ever is.
func BenchmarkPage(b *testing.B) {
	h := serve(crowded(b)).Handler()
	b.SetBytes(int64(get(b, h, "/").Body.Len()))
	for b.Loop() {
		get(b, h, "/")
	}
}

func BenchmarkRenewal(b *testing.B) {
	p := crowded(b)
	h := serve(p).Handler()
	target := "/?seen=" + newModel(p, "").Deliveries.Seen
	b.SetBytes(int64(get(b, h, target).Body.Len()))
	for b.Loop() {
		get(b, h, target)
	}
}
