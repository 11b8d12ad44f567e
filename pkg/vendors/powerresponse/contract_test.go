package powerresponse

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

const (
	secret = "s3cret-api-key-of-the-tenant"
	token  = "example-webhook-token"
	tenant = "11111111-2222-4333-8444-555555555555"
	first  = "00000000-0000-4000-8000-000000000001"
)

var arrival = time.Date(2025, 1, 15, 16, 30, 0, 123456789, time.UTC)

// webhooks reads a sample as a signed delivery.
func webhooks() vendortest.Vendor {
	return vendortest.Vendor{
		Source: Source, Secrets: []string{token},
		Decode: func(_ string, body []byte) ([]event.Event, error) {
			return Decode(event.Delivery{Received: arrival, Source: Source, Body: body}), nil
		},
		Verify: func(h http.Header, body []byte) ([]byte, error) {
			proven, _, err := Verify(token, "", h, body)
			return proven, err
		},
		Sign: func(body []byte) http.Header { return http.Header{"X-Signature": {Signature(token, body)}} },
	}
}

// transport answers without a network.
type transport func(*http.Request) *http.Response

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r), nil }

// answers reads a sample as the API's answer to the question for an event.
func answers() vendortest.Vendor {
	return vendortest.Vendor{
		Source: Source, Secrets: []string{secret, token},
		Decode: func(name string, body []byte) ([]event.Event, error) {
			status := http.StatusOK
			if strings.HasPrefix(name, "error") {
				status = http.StatusBadRequest
			}
			c := client("https://cloud.equiwatt.com")
			c.HTTP = &http.Client{Transport: transport(func(*http.Request) *http.Response {
				return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(body))}
			})}
			a, err := c.Read(bare, first)
			return a.Events, err
		},
	}
}

func TestContract(t *testing.T) {
	t.Run("hooks", func(t *testing.T) { vendortest.Run(t, webhooks(), "testdata/hooks") })
	t.Run("events", func(t *testing.T) { vendortest.Run(t, answers(), "testdata/events") })
}
