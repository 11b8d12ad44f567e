package main

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// meterID is the meter that joins, meterName the device that it becomes, and
// meterPath where its state stands.
const (
	meterID   = "meter-5f21ab"
	meterName = "Openvolt meter 5f21ab"
	meterPath = "openvolt/meter_5f21ab"
)

// months is how much of the past Openvolt has of a new meter.
const months = 13

// meterState is what the state topic of an Openvolt meter says.
type meterState struct {
	LastDay string   `json:"last_day"`
	Energy  *float64 `json:"last_day_energy"` // kWh
}

// readings are meter data that arrive: thirteen months of a meter that is new,
// and on another day a correction.
func (d *demo) readings(ctx context.Context) error {
	begin := time.Now()
	if d.known.met(meterName) {
		if err := d.correction(ctx); err != nil {
			return err
		}
		_, err := d.received(ctx, begin)
		return err
	}
	d.openvolt.Connect(meterID)
	d.say("A meter is connected to Openvolt, which calls the webhook.")
	if err := taken(d.openvolt.Deliver(ctx, simulator.InOrder)); err != nil {
		return err
	}
	if err := d.until(ctx, patience, func() bool { return d.known.met(meterName) }); err != nil {
		return err
	}
	d.say("Home Assistant finds a device: " + meterName + ".")
	begin = time.Now()
	d.openvolt.Backfill(meterID, begin, months, false)
	d.say(fmt.Sprintf("Openvolt finds %d months of half hours, and calls the webhook %s at once: there is something", months, times(len(d.openvolt.Waiting()))),
		"new of each month. The webhook does not say what; the program has to ask.")
	if err := taken(d.openvolt.Deliver(ctx, simulator.AtOnce)); err != nil {
		return err
	}
	told, err := d.received(ctx, begin)
	if err != nil {
		return err
	}
	if told.Deliveries != months {
		return errSilent // they are to be said as one
	}
	d.say(fmt.Sprintf("%s → meter_data_received, once for %d webhooks: there is something new from %s to %s.",
		told.entity(), told.Deliveries, told.Start.Local().Format(time.DateOnly), told.End.Local().Format(time.DateOnly)))
	y, m, day := begin.Date()
	if err := d.arrived(ctx, time.Date(y, m, day-1, 0, 0, 0, 0, time.Local)); err != nil {
		return err
	}
	d.say("sensor.openvolt_meter_5f21ab_last_day_energy → "+kilowattHours(d.known.meter.Energy)+", used on "+d.known.meter.LastDay+".",
		"The program asks for the newest days first, then for the others, no more than one question a second.")
	return nil
}

// correction is a day that Openvolt knows better now.
func (d *demo) correction(ctx context.Context) error {
	from, err := time.ParseInLocation(time.DateOnly, d.known.meter.LastDay, time.Local)
	if err != nil {
		return fmt.Errorf("last_day: %w", err)
	}
	was := d.known.meter.Energy
	kWh, _ := d.openvolt.Energy(meterID, from)
	d.openvolt.Correct(meterID, from, from.Add(30*time.Minute), kWh+1)
	d.say("Openvolt corrects the first half hour of " + d.known.meter.LastDay + ", and calls the webhook.")
	if err := taken(d.openvolt.Deliver(ctx, simulator.InOrder)); err != nil {
		return err
	}
	if err := d.arrived(ctx, from); err != nil {
		return err
	}
	d.say("sensor.openvolt_meter_5f21ab_last_day_energy → " + kilowattHours(d.known.meter.Energy) + ". It was " + kilowattHours(was) + ".")
	return nil
}

// received waits for the moment that new data are there.
func (d *demo) received(ctx context.Context, begin time.Time) (told moment, err error) {
	err = d.until(ctx, time.Minute+patience, func() bool {
		list := d.known.since(meterPath, "meter_data_received", begin)
		if len(list) > 0 {
			told = list[0]
		}
		return len(list) > 0
	})
	return told, err
}

// arrived waits until Home Assistant knows of the last complete day what
// Openvolt does.
func (d *demo) arrived(ctx context.Context, from time.Time) error {
	to := from.AddDate(0, 0, 1)
	sum := 0.0
	for at := from; at.Before(to); at = at.Add(30 * time.Minute) {
		kWh, _ := d.openvolt.Energy(meterID, at)
		sum += kWh
	}
	return d.until(ctx, patience, func() bool {
		m := d.known.meter
		return m.LastDay == from.Format(time.DateOnly) && m.Energy != nil && same(*m.Energy, sum)
	})
}

// same reports whether two energies are the same but for rounding, in kWh.
func same(a, b float64) bool { return math.Abs(a-b) < 0.001 }

// kilowattHours is how Home Assistant shows an energy.
func kilowattHours(v *float64) string {
	if v == nil {
		return "unknown"
	}
	return fmt.Sprintf("%.2f kWh", *v)
}
