package powerresponse_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/powerresponse"
)

func ExampleClient_Event() {
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"uuid": "00000000-0000-4000-8000-000000000001", "name": "Example event", "status": "SCHEDULED",
			"startDateTime": "2025-01-15T17:00:00.000Z", "endDateTime": "2025-01-15T18:00:00.000Z", "optInRequired": true}`)
	}))
	defer vendor.Close()

	client := &powerresponse.Client{URL: vendor.URL, APIKey: "the key", Tenant: "11111111-2222-4333-8444-555555555555"}
	e, err := client.Event(context.Background(), "00000000-0000-4000-8000-000000000001")
	if err != nil {
		fmt.Println(err) // a sentence for people, without the key
		return
	}
	fmt.Println(e.Name, "is", e.Status, "from", e.Start, "for", e.End.Sub(e.Start))
	// Output:
	// Example event is SCHEDULED from 2025-01-15 17:00:00 +0000 UTC for 1h0m0s
}
