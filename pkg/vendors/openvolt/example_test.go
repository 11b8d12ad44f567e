package openvolt_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/openvolt"
)

func ExampleClient() {
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/meters" {
			fmt.Fprint(w, `{"data": [{"_id": "6514167223e3d1424bf82742", "status": "active"}]}`)
			return
		}
		fmt.Fprint(w, `{"granularity": "hh", "data": [
			{"start_interval": "2023-01-01T00:00:00.000Z", "consumption": "0.535", "consumption_units": "kWh"},
			{"start_interval": "2023-01-01T00:30:00.000Z", "consumption": null, "consumption_units": "kWh"}]}`)
	}))
	defer vendor.Close()

	client := &openvolt.Client{URL: vendor.URL + "/v1", Key: "the key from the dashboard"}
	meters, err := client.Meters(context.Background())
	if err != nil {
		fmt.Println(err) // a sentence for people, without the key
		return
	}
	day := time.Date(2023, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, m := range meters.List {
		readings, err := client.Readings(context.Background(), m.ID, day, day.Add(24*time.Hour))
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, r := range readings.List {
			fmt.Println(r.Start.Format(time.Kitchen), r.WattHours, "Wh") // what is missing is missing, not zero
		}
	}
	// Output: 12:00AM 535 Wh
}
