package ecomon

import (
	"encoding/hex"
	"net/http"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/vendortest"
)

const secret = "correct horse battery staple"

var arrival = time.Date(2026, 1, 15, 17, 30, 2, 123456789, time.UTC)

func sign(body []byte) http.Header {
	return http.Header{Header: {"sha1=" + hex.EncodeToString(mac(secret, body))}}
}

func hook(body []byte) []event.Event {
	return Decode(event.Delivery{Received: arrival, Source: Source, Body: body})
}

func webhooks() vendortest.Vendor {
	return vendortest.Vendor{
		Source: Source, Secrets: []string{secret},
		Decode: func(_ string, body []byte) ([]event.Event, error) { return hook(body), nil },
		Verify: Config{Secret: secret}.Verify, Sign: sign,
	}
}

func TestContract(t *testing.T) { vendortest.Run(t, webhooks(), "testdata/hooks") }
