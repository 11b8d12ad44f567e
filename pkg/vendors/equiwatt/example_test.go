package equiwatt_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/equiwatt"
)

func ExampleClient_Equivents() {
	vendor := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, `{"success": true, "msg": null, "data": {
			"current_event": {"start_time": 1670601661, "end_time": null},
			"previous_events": [{"start_time": 1670403676, "end_time": 1670407262}]}}`)
	}))
	defer vendor.Close()

	client := &equiwatt.Client{URL: vendor.URL + "/api/v3/equivents/", Token: "the token from the app"}
	reply, err := client.Equivents(context.Background())
	if err != nil {
		fmt.Println(err) // a sentence for people, without the token
		return
	}
	if reply.Current != nil {
		fmt.Println("running since", reply.Current.Start)
	}
	for _, e := range reply.Previous {
		fmt.Println("before:", e.Start, "for", e.End.Sub(e.Start))
	}
	// Output:
	// running since 2022-12-09 16:01:01 +0000 UTC
	// before: 2022-12-07 09:01:16 +0000 UTC for 59m46s
}
