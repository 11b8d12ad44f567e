package capacitor

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

func FuzzDecode(f *testing.F) {
	vendortest.Samples(f, "testdata/hooks", func(_ string, body []byte) { f.Add(body) })
	f.Fuzz(func(t *testing.T, body []byte) {
		events := Decoder{}.Decode(event.Delivery{Received: arrival, Source: Source, Body: body})
		vendortest.Check(t, vendortest.Vendor{Source: Source}, events, nil)
		if len(events) == 0 {
			t.Error("a delivery says nothing")
		}
		for _, e := range events {
			var facts Facts
			if e.Data != nil && json.Unmarshal(e.Data, &facts) != nil {
				t.Errorf("%s is not what it says", e.Data)
			}
			if e.Data == nil != (e.Notice != nil && e.Notice.Code == event.Undecodable) {
				t.Errorf("%+v has the facts %s", e, e.Data)
			}
		}
	})
}

func FuzzAnswer(f *testing.F) {
	v := answers()
	v.Secrets = []string{key, secret}
	vendortest.Samples(f, "testdata/api", func(name string, body []byte) { f.Add(name, body) })
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		if strings.Contains(string(body), secret[:8]) {
			return
		}
		events, refusal := v.Decode(name, body)
		vendortest.Check(t, v, events, refusal)
		hookOf(one(body, "webhook", "id"))
	})
}

func FuzzQuota(f *testing.F) {
	f.Add("50", "49", "3600")
	f.Add("1000, 1000;w=86400", "0", "1770422400")
	f.Fuzz(func(t *testing.T, limit, remaining, reset string) {
		q, told := quotaOf(http.Header{"Ratelimit-Limit": {limit}, "Ratelimit-Remaining": {remaining}, "Ratelimit-Reset": {reset}}, arrival)
		if d := q.Reset.Sub(arrival); told && (q.Limit <= 0 || q.Remaining < 0 || q.Remaining > q.Limit || d <= 0 || d > 25*time.Hour) {
			t.Errorf("%+v", q)
		}
	})
}

func FuzzObserve(f *testing.F) {
	f.Add("X-Signature", "sha256="+sign(secret, []byte("{}")), []byte("{}"))
	f.Add("Authorization", secret, []byte("{}"))
	f.Fuzz(func(t *testing.T, name, value string, body []byte) {
		s, ok := Observe(secret, http.Header{name: {value}}, body)
		if plain := value == secret || strings.EqualFold(strings.TrimPrefix(value, "sha256="), sign(secret, body)); ok && !plain {
			t.Errorf("%q is believed as %+v", value, s)
		}
	})
}
