package ecomon_test

import (
	"context"
	"fmt"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/ecomon"
)

func ExampleClient() {
	cloud := simulator.NewEcomon("the key", nil)
	url, err := cloud.Open("127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _ = cloud.Close() }()

	ctx := context.Background()
	client := &ecomon.Client{URL: url, Key: "the key"}
	if err := client.SetSecret(ctx, "the secret"); err != nil {
		fmt.Println(err) // a sentence for people, without key and secret
		return
	}
	have, err := client.Settings(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	added, err := client.SetLimit(ctx, have, ecomon.Hourly, "device_1", 5000)
	fmt.Println(added, err, cloud.Limits())
	// Output: true <nil> [HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING device_1 5000]
}

func ExampleDecode() {
	body := []byte(`{"data":{"alerts":[{"configuredLimitInWatts":1000,"consumptionThisFarInTheCurrentHourInWatts":501,"deviceId":"device_2"}]},` +
		`"event":"HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING"}`)
	for _, e := range ecomon.Decode(event.Delivery{Body: body}) {
		fmt.Println(e.Subject, e.Notice.Code, string(e.Data))
	}
	// Output: device_2 HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING {"configuredLimitInWatts":1000,"consumptionThisFarInTheCurrentHourInWatts":501,"deviceId":"device_2"}
}
