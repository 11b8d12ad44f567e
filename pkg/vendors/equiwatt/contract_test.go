package equiwatt

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

const secret = "s3cret-token-of-the-household"

var arrival = time.Date(2022, 12, 9, 16, 5, 0, 123456789, time.UTC)

// webhooks reads a sample as a delivery; its kind is what its name begins with.
func webhooks() vendortest.Vendor {
	return vendortest.Vendor{
		Source: Source,
		Decode: func(name string, body []byte) ([]event.Event, error) {
			d := event.Delivery{Received: arrival, Source: Source, Kind: Ended, Body: body}
			if strings.HasPrefix(name, Started) {
				d.Kind = Started
			}
			if strings.HasSuffix(name, ".query") {
				d.Query, d.Body = string(body), nil
			}
			return Decode(d), nil
		},
	}
}

// answers reads a sample as an answer of the API, after one that showed an
// equivent running which no sample has.
func answers() vendortest.Vendor {
	way := (&Client{Token: "Bearer " + secret}).way()
	known := []event.Event{{
		Source: Source, Key: "api/1670500000", By: event.API, At: time.Unix(1670500000, 0).UTC(), Seen: arrival,
		Window: &event.Window{Start: time.Unix(1670500000, 0).UTC(), Running: true},
	}}
	return vendortest.Vendor{
		Source:  Source,
		Secrets: []string{secret},
		Decode: func(_ string, body []byte) ([]event.Event, error) {
			r, err := understand(way, rest.Answer{Status: http.StatusOK, Body: body})
			if err != nil {
				return nil, err
			}
			return Events(r, known, arrival), nil
		},
	}
}

func TestContract(t *testing.T) {
	t.Run("hooks", func(t *testing.T) { vendortest.Run(t, webhooks(), "testdata/hooks") })
	t.Run("api", func(t *testing.T) { vendortest.Run(t, answers(), "testdata/api") })
}
