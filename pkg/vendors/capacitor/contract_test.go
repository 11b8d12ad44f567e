package capacitor

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

const (
	key    = "cap_live_s3cret-of-the-household"
	secret = "s3cret-of-the-webhook"
	card   = "USER001" // the idTag of the samples of webhooks
	cards  = "USER123" // … and of the API
)

var arrival = time.Date(2026, 2, 6, 16, 0, 0, 123456789, time.UTC)

// webhooks reads a sample as a delivery. Cards are secrets of the household.
func webhooks() vendortest.Vendor {
	return vendortest.Vendor{
		Source: Source, Secrets: []string{key, secret, card, cards},
		Decode: func(_ string, body []byte) ([]event.Event, error) {
			return Decoder{Salt: []byte("salt")}.Decode(event.Delivery{Received: arrival, Source: Source, Body: body}), nil
		},
	}
}

// signed is the same where a header proves the sender.
func signed() vendortest.Vendor {
	v := webhooks()
	v.Secrets = []string{secret}
	scheme := Signature{Header: "X-Capacitor-Signature", Scheme: hmacScheme}
	v.Verify = func(h http.Header, body []byte) ([]byte, error) { return scheme.Verify(secret, h, body) }
	v.Sign = func(body []byte) http.Header {
		return http.Header{"X-Capacitor-Signature": {"sha256=" + sign(secret, body)}}
	}
	return v
}

// answers reads a sample as an answer of the API; its name says to which
// question.
func answers() vendortest.Vendor {
	c := &Client{Key: key, Secret: secret}
	return vendortest.Vendor{
		Source: Source, Secrets: []string{key, secret, card, cards, "Office Parking Lot"},
		Decode: func(name string, body []byte) (events []event.Event, err error) {
			a := rest.Answer{Status: http.StatusOK, Header: http.Header{}, Body: body}
			for part, status := range map[string]int{"not_connected": 503, "not_found": 404, "rate_limit": 429, "charger_limit": 429, "unauthorized": 401} {
				if strings.Contains(name, part) {
					a.Status = status
					a.Date = arrival
					return nil, c.refuse(a)
				}
			}
			list, _, _ := items(body, "chargers")
			for _, f := range list {
				if ch := chargerOf(f); ch.ID != "" {
					events = append(events, ch.event("charger/", arrival, false))
				}
			}
			list, _, _ = items(body, "transactions")
			for _, f := range append(list, one(body, "transaction", "transactionid")) {
				if t := transactionOf(f); t.ID != "" {
					events = append(events, t.Event(arrival))
				}
			}
			if ch := chargerOf(one(body, "charger", "connectors")); ch.ID != "" {
				events = append(events, ch.events(arrival, true)...)
			}
			return unique(events), nil
		},
	}
}

// unique leaves out what a damaged list says twice.
func unique(events []event.Event) (list []event.Event) {
	seen := map[string]bool{}
	for _, e := range events {
		if !seen[e.Key] {
			seen[e.Key] = true
			list = append(list, e)
		}
	}
	return list
}

func TestContract(t *testing.T) {
	t.Run("hooks", func(t *testing.T) { vendortest.Run(t, webhooks(), "testdata/hooks") })
	t.Run("signed", func(t *testing.T) { vendortest.Run(t, signed(), "testdata/hooks") })
	t.Run("api", func(t *testing.T) { vendortest.Run(t, answers(), "testdata/api") })
}
