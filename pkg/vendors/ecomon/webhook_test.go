package ecomon

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

// TestTheHourIsPartOfTheKey: a repeat in the clock hour is the same, the same
// body in the next one is not, wherever the clock stands.
func TestTheHourIsPartOfTheKey(t *testing.T) {
	body, err := os.ReadFile("testdata/hooks/hourly_consumption_limit_estimation_warning.json")
	if err != nil {
		t.Fatal(err)
	}
	oslo := time.FixedZone("Oslo", 3600)
	at := func(h, m, s int, zone *time.Location) []event.Event {
		return Decode(event.Delivery{Received: time.Date(2026, 3, 29, h, m, s, 0, zone), Body: body})
	}
	first := at(0, 30, 1, time.UTC)
	for i, e := range at(1, 59, 59, oslo) {
		if e.Key != first[i].Key || !e.Same(first[i]) || e.At.Location() != time.UTC {
			t.Errorf("%+v is news beside %+v", e, first[i])
		}
	}
	for i, e := range at(1, 0, 0, time.UTC) {
		if e.Key == first[i].Key {
			t.Errorf("%s comes again in the next hour", e.Key)
		}
	}
	if len(first) != 2 || first[0].Key == first[1].Key || !strings.HasSuffix(first[1].Key, "/2026032900/1") || len(first[0].Key) != 16+len("/2026032900/0") {
		t.Errorf("%+v", first)
	}
}

func TestManyAlertsAreBounded(t *testing.T) {
	var items []string
	for i := range 2 * most {
		items = append(items, fmt.Sprintf(`{"deviceId":"d%d"}`, i))
	}
	if got := hook([]byte(`{"event":"X","data":{"alerts":[` + strings.Join(items, ",") + `]}}`)); len(got) != most || got[most-1].Subject != "d499" {
		t.Errorf("%d events", len(got))
	}
	if got := hook([]byte(`{"event":"X","data":{"alerts":[{"deviceId":"` + strings.Repeat("d", longest+1) + `"}]}}`)); got[0].Subject != "" || got[0].Notice.Code != "X" {
		t.Errorf("%+v", got)
	}
	if got := hook([]byte(strings.Repeat("[", 64<<10))); got[0].Notice.Code != event.Undecodable {
		t.Errorf("%+v", got)
	}
}

func FuzzDecode(f *testing.F) {
	vendortest.Samples(f, "testdata/hooks", func(_ string, body []byte) { f.Add(body) })
	f.Fuzz(func(t *testing.T, body []byte) {
		events := hook(body)
		vendortest.Check(t, webhooks(), events, nil)
		if len(events) == 0 {
			t.Error("nothing is shown of it")
		}
		for _, e := range events {
			if e.Notice.Code == "" || e.Notice.Code == Test && e.Subject != "" {
				t.Errorf("%+v %+v", e, e.Notice)
			}
		}
	})
}
