package equiwatt

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

func FuzzDecode(f *testing.F) {
	vendortest.Samples(f, "testdata/hooks", func(name string, body []byte) {
		if strings.HasSuffix(name, ".query") {
			f.Add(false, []byte{}, string(body))
			return
		}
		f.Add(strings.HasPrefix(name, Started), body, "")
	})
	f.Fuzz(func(t *testing.T, started bool, body []byte, query string) {
		d := event.Delivery{Received: arrival, Source: Source, Kind: Ended, Body: body, Query: query}
		if started {
			d.Kind = Started
		}
		events := Decode(d)
		vendortest.Check(t, vendortest.Vendor{Source: Source}, events, nil)
		if len(events) != 1 || events[0].Window.Running != started {
			t.Errorf("the path says %s, read as %+v", d.Kind, events)
		}
	})
}

func FuzzReply(f *testing.F) {
	v := answers()
	vendortest.Samples(f, "testdata/api", func(_ string, body []byte) { f.Add(body) })
	f.Fuzz(func(t *testing.T, body []byte) {
		events, refusal := v.Decode("", body)
		vendortest.Check(t, v, events, refusal)
		live := 0
		for _, e := range events {
			if e.Window.Running {
				live++
			}
		}
		if live > 1 {
			t.Errorf("%d equivents run at once", live)
		}
		if refusal != nil && !utf8.ValidString(refusal.Error()) {
			t.Errorf("not text: %q", refusal)
		}
	})
}
