package main

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// readerID is the device that Ecomon's alerts are about; limit is what it may
// use in a clock hour, in Wh.
const (
	readerID = "em451207"
	limit    = 5000
)

// readerState is what the state topic of Ecomon's device says; energies in Wh.
type readerState struct {
	Warning     string   `json:"limit_warning"`
	Limit       *float64 `json:"limit"`
	Consumption *float64 `json:"consumption"`
	Projection  *float64 `json:"projection"`
	Remaining   *float64 `json:"remaining"`
}

// soon is how far away the end of the clock hour may be for the story to wait
// for it.
const soon = 90 * time.Second

// alert is a warning of Ecomon's, which nobody but the clock takes back.
func (d *demo) alert(ctx context.Context) error {
	if left := time.Until(hourEnd()); left < 5*time.Second { // the alert is to hold for a moment
		if err := d.rest(ctx, left+time.Second); err != nil {
			return err
		}
	}
	begin, over := time.Now(), hourEnd()
	used := d.use(over)
	d.say("Ecomon looks at half past each hour, and here at once: of the "+strconv.Itoa(limit)+" Wh that the house may use in a",
		fmt.Sprintf("clock hour it has used %d Wh, and twice that is too much. Ecomon calls the webhook, and signs what it says.", used))
	err := d.until(ctx, patience, func() bool {
		r := d.known.reader
		return len(d.known.since("ecomon/"+readerID, "limit_warning", begin)) > 0 && r.Warning == "ON" && r.Consumption != nil && *r.Consumption == float64(used)
	})
	if err != nil {
		return err
	}
	r := d.known.reader
	d.say("binary_sensor.ecomon_"+readerID+"_limit_warning → "+onOff(r.Warning)+", and the trigger “limit_warning” fires:",
		fmt.Sprintf("limit %s, used %s, at this pace %s in the whole hour, remaining %s.", wattHours(r.Limit), wattHours(r.Consumption), wattHours(r.Projection), wattHours(r.Remaining)))
	return d.clearing(ctx, begin, over)
}

// clearing tells when an alert that was heard since begin is over, and waits
// for it where that is soon.
func (d *demo) clearing(ctx context.Context, begin, over time.Time) error {
	left := time.Until(over)
	if left > soon {
		d.say("Ecomon never says that it is over. It is when the clock hour is, at " + clock(over) + "; the story tells it if it runs until then.")
		return nil
	}
	d.say("Ecomon never says that it is over. It is when the clock hour is, at " + clock(over) + ".")
	return d.until(ctx, left+patience, func() bool {
		return len(d.known.since("ecomon/"+readerID, "cleared", begin)) > 0
	})
}

// hourEnd is when this clock hour is over.
func hourEnd() time.Time { return time.Now().Truncate(time.Hour).Add(time.Hour) }

// use lets the house use so much of its clock hour that Ecomon warns, each time
// a little more: the same alert in the same hour would be no news. It returns
// what was used, in Wh.
func (d *demo) use(hour time.Time) int {
	more := 200
	if !d.used.hour.Equal(hour) {
		d.ecomon.FullHour()
		d.used.hour, d.used.wattHours, more = hour, 0, 3200
	}
	d.used.wattHours += more
	d.ecomon.Use(readerID, float64(more))
	d.ecomon.HalfHour()
	return d.used.wattHours
}

// alerted tells what an Ecomon device said, where the story does not.
func (d *demo) alerted(said *moment) {
	if said.Type != "cleared" {
		d.say(said.entity() + " → " + said.Type)
		return
	}
	d.say("The clock hour is over: binary_sensor.ecomon_"+readerID+"_limit_warning → "+onOff(d.known.reader.Warning)+",",
		"and the trigger “cleared” fires, "+seconds(said.at.Sub(said.Occurred))+" after "+clock(said.Occurred)+".")
}

// warned tells whether Ecomon's warning is still to clear.
func (d *demo) warned() {
	if d.known.reader.Warning == "ON" {
		d.say("Ecomon's warning is still on. It clears by the clock, at " + clock(hourEnd()) + "; whoever lets the demo run until then sees it.")
	}
}

// wattHours is how Home Assistant shows an energy.
func wattHours(v *float64) string {
	if v == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.0f Wh", *v)
}
