package main

import (
	"context"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// responseState is what PowerResponse's state topic says.
type responseState struct {
	Active    string    `json:"active"`
	NextStart time.Time `json:"next_start"`
}

// dispatch is an event that is announced, begins and ends.
func (d *demo) dispatch(ctx context.Context) error {
	start := time.Now().Truncate(time.Second).Add(d.lasts + 5*time.Second) // there is time to announce it
	end := start.Add(d.lasts)
	d.powerResponse.Dispatch(simulator.Dispatch{Name: "Evening peak", Type: "TURN_DOWN", Status: "SCHEDULED", Start: start, End: end})
	d.say("PowerResponse schedules an event for "+clock(start)+", and calls the webhook, which is signed and says",
		"only which event it speaks of; the program asks the cloud for the rest.")
	err := taken(d.powerResponse.Deliver(ctx, simulator.InOrder))
	if err != nil {
		return err
	}
	err = d.until(ctx, patience, func() bool {
		return len(d.known.said("powerresponse", "announced", start)) > 0 && d.known.powerResponse.NextStart.Equal(start)
	})
	if err != nil {
		return err
	}
	d.say("sensor.powerresponse_next_start → "+clock(d.known.powerResponse.NextStart)+", and the trigger “announced” fires: time to warm the house.",
		"binary_sensor.powerresponse_active is "+onOff(d.known.powerResponse.Active)+" until then.")
	err = d.until(ctx, d.lasts+patience, func() bool {
		return len(d.known.said("powerresponse", "started", start)) > 0 && d.known.powerResponse.Active == "ON"
	})
	if err != nil {
		return err
	}
	d.say("binary_sensor.powerresponse_active → "+onOff(d.known.powerResponse.Active)+", and the trigger “started” fires",
		"(by the clock, "+seconds(d.known.said("powerresponse", "started", start)[0].at.Sub(start))+" after it began; nobody has to call).")
	err = d.until(ctx, d.lasts+patience, func() bool {
		return len(d.known.said("powerresponse", "ended", start)) > 0 && d.known.powerResponse.Active != "ON"
	})
	if err != nil {
		return err
	}
	d.say("binary_sensor.powerresponse_active → "+onOff(d.known.powerResponse.Active)+", and the trigger “ended” fires",
		"(by the clock, "+seconds(d.known.said("powerresponse", "ended", start)[0].at.Sub(end))+" after it ended).")
	return nil
}
