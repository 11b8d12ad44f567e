package openvolt

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

const secret = "s3cret-key-of-the-household"

var arrival = time.Date(2024, 5, 2, 12, 31, 27, 123456789, time.UTC)

func asker() *Client { return &Client{URL: "https://api.openvolt.com/v1", Key: secret} }

func webhooks() vendortest.Vendor {
	return vendortest.Vendor{
		Source: Source, Secrets: []string{secret, "customer@example.com"},
		Decode: func(_ string, body []byte) ([]event.Event, error) {
			return Decode(event.Delivery{Received: arrival, Source: Source, Body: body}), nil
		},
	}
}

// lists reads a sample as an answer to the question for meters.
func lists() vendortest.Vendor {
	return vendortest.Vendor{
		Source: Source, Secrets: []string{secret, "customer@example.com", "Example Street", "9999999999999"},
		Decode: func(name string, body []byte) (events []event.Event, err error) {
			a := rest.Answer{Status: http.StatusOK, Body: body}
			if name == "error_404.json" {
				a.Status = http.StatusNotFound
			}
			if name == "echoed_key.json" {
				a.Status = http.StatusBadRequest
			}
			list, err := asker().readMeters(a)
			for _, m := range list {
				events = append(events, m.Event(arrival))
			}
			return events, err
		},
	}
}

// spans reads a sample as the answer to the question for some of the half hours
// that are in it, and tells the readings as an event's data.
func spans() vendortest.Vendor {
	return vendortest.Vendor{
		Source: Source, Secrets: []string{secret, "test_meter_number", "test_customer_id"},
		Decode: func(name string, body []byte) ([]event.Event, error) {
			from := time.Date(2024, 4, 27, 0, 0, 0, 0, time.UTC)
			to := from.Add(24 * time.Hour)
			switch name {
			case "interval_data_hh.json":
				from = time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
				to = from.Add(Most)
			case "interval_data_edge.json":
				to = from.Add(3 * time.Hour)
			}
			r, err := asker().readReadings(rest.Answer{Status: http.StatusOK, Body: body}, "test_meter_id", from, to)
			if err != nil {
				return nil, err
			}
			e := Summary{}.Event("test_meter_id", arrival)
			e.Data, _ = json.Marshal(r)
			return []event.Event{e}, nil
		},
	}
}

func TestContract(t *testing.T) {
	t.Run("hooks", func(t *testing.T) { vendortest.Run(t, webhooks(), "testdata/hooks") })
	t.Run("meters", func(t *testing.T) { vendortest.Run(t, lists(), "testdata/meters") })
	t.Run("intervals", func(t *testing.T) { vendortest.Run(t, spans(), "testdata/intervals") })
}
