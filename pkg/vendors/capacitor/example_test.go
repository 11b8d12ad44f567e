package capacitor_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/capacitor"
)

func ExampleClient_Charger() {
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("RateLimit-Limit", "50")
		w.Header().Set("RateLimit-Remaining", "49")
		fmt.Fprint(w, `{"chargeBoxId": "CHARGER-001", "isOnline": true, "vendor": "ABB", "model": "Terra AC",
			"connectors": [{"connectorId": 1, "status": "Preparing", "errorCode": "NoError"}]}`)
	}))
	defer vendor.Close()

	client := &capacitor.Client{
		URL: vendor.URL + "/api/v1", Key: "the key from the portal",
		Told: func(q capacitor.Quota) { fmt.Println("calls left today:", q.Remaining, "of", q.Limit) },
	}
	charger, _, err := client.Charger(context.Background(), "CHARGER-001")
	if err != nil {
		fmt.Println(err) // a sentence for people, without the key
		return
	}
	fmt.Println(charger.Vendor, charger.Model, "connected:", *charger.Online)
	for _, c := range charger.Connectors {
		fmt.Println("connector", c.ID, "is", c.Status)
	}
	// Output:
	// calls left today: 49 of 50
	// ABB Terra AC connected: true
	// connector 1 is Preparing
}
