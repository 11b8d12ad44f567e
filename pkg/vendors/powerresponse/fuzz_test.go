package powerresponse

import (
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

func FuzzDecode(f *testing.F) {
	vendortest.Samples(f, "testdata/hooks", func(_ string, body []byte) { f.Add(body) })
	f.Fuzz(func(t *testing.T, body []byte) {
		events := Decode(event.Delivery{Received: arrival, Source: Source, Body: body})
		vendortest.Check(t, vendortest.Vendor{Source: Source}, events, nil)
		if len(events) == 0 || len(events) > batch {
			t.Errorf("%d events", len(events))
		}
		for _, id := range Hints(events) {
			if UUID(id) != id {
				t.Errorf("%q is no UUID", id)
			}
		}
	})
}

func FuzzEvent(f *testing.F) {
	v := answers()
	vendortest.Samples(f, "testdata/events", func(_ string, body []byte) { f.Add(body) })
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, name := range []string{"event", "error"} {
			events, refusal := v.Decode(name, body)
			vendortest.Check(t, vendortest.Vendor{Source: Source}, events, refusal)
			if refusal != nil && !utf8.ValidString(refusal.Error()) {
				t.Errorf("not text: %q", refusal)
			}
		}
		if e, ok := parseEvent(body); ok && !e.End.IsZero() && !e.End.After(e.Start) {
			t.Errorf("it ends before it begins: %+v", e)
		}
	})
}

func FuzzPage(f *testing.F) {
	vendortest.Samples(f, "testdata/api", func(_ string, body []byte) { f.Add(body) })
	f.Fuzz(func(t *testing.T, body []byte) {
		items, _, ok := parsePage(body)
		if !ok && len(items) > 0 {
			t.Error("items of a page that cannot be read")
		}
		for _, item := range items {
			if w := webhook(item); w.UUID != "" && UUID(w.UUID) != w.UUID {
				t.Errorf("%+v", w)
			}
		}
	})
}

// FuzzChallenge: whatever is answered can be no delivery, for none begins so.
func FuzzChallenge(f *testing.F) {
	f.Add("challenge=abc", []byte(`{"challenge":"abc"}`))
	f.Add("challenge=%20%7B", []byte(`{"challenge":" {\"eventUUID\":\"x\"}"}`))
	f.Fuzz(func(t *testing.T, query string, body []byte) {
		for method, b := range map[string][]byte{"GET": nil, "POST": body} {
			text, ok := Challenge(method, query, b)
			var object map[string]any
			var list []any
			if ok && (len(text) > longest || text == "" || json.Unmarshal([]byte(text), &object) == nil && object != nil || json.Unmarshal([]byte(text), &list) == nil && list != nil) {
				t.Errorf("%q is answered", text)
			}
			if !ok && text != "" {
				t.Errorf("%q comes with a no", text)
			}
			if !ok {
				continue
			}
			for _, e := range Decode(event.Delivery{Received: arrival, Source: Source, Body: []byte(text)}) {
				if e.Notice.Code != event.Undecodable {
					t.Errorf("%q would be a delivery: %+v", text, e)
				}
			}
		}
	})
}
