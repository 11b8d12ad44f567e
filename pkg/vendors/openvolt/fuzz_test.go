package openvolt

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

func FuzzDecode(f *testing.F) {
	vendortest.Samples(f, "testdata/hooks", func(_ string, body []byte) { f.Add(body) })
	v := webhooks()
	v.Secrets = nil // whatever the fuzzer writes into an id is no secret
	f.Fuzz(func(t *testing.T, body []byte) {
		events, _ := v.Decode("", body)
		vendortest.Check(t, v, events, nil)
		var n notice
		if len(events) != 1 || events[0].Data != nil && json.Unmarshal(events[0].Data, &n) != nil {
			t.Fatalf("%+v", events)
		}
		if len(events[0].Data) > 4*len(body)+200 {
			t.Errorf("%d bytes of %d", len(events[0].Data), len(body))
		}
		for i, r := range n.Ranges {
			if r.Meter == "" || !r.End.After(r.Start) || i > 0 && n.Ranges[i-1].Meter == r.Meter && !r.Start.After(n.Ranges[i-1].End) {
				t.Errorf("%+v", n.Ranges)
			}
		}
	})
}

func FuzzMeters(f *testing.F) {
	vendortest.Samples(f, "testdata/meters", func(_ string, body []byte) { f.Add(body) })
	v := lists()
	v.Secrets = v.Secrets[:1]
	f.Fuzz(func(t *testing.T, body []byte) {
		events, refusal := v.Decode("", body)
		if refusal == nil { // ids may be anything
			v := v
			v.Secrets = nil
			vendortest.Check(t, v, events, nil)
			return
		}
		vendortest.Check(t, v, events, refusal)
	})
}

func FuzzReadings(f *testing.F) {
	vendortest.Samples(f, "testdata/intervals", func(_ string, body []byte) { f.Add(body) })
	to := april27.Add(24 * time.Hour)
	f.Fuzz(func(t *testing.T, body []byte) {
		r, refusal := asker().readReadings(rest.Answer{Status: 200, Body: body}, "test_meter_id", april27, to)
		vendortest.Check(t, spans(), nil, refusal)
		for i, x := range r.List {
			if x.Start.Before(april27) || !x.Start.Before(to) || x.Start.Minute()%30 != 0 || i > 0 && !x.Start.After(r.List[i-1].Start) || x.WattHours != x.WattHours {
				t.Errorf("%+v", r.List)
			}
		}
	})
}
