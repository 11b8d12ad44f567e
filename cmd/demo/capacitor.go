package main

import (
	"context"
	"fmt"
	"time"
)

// chargerID is the charger in the garage, chargerPath where its state stands,
// and connectorPath where that of its only connector does.
const (
	chargerID     = "GARAGE-7"
	chargerPath   = "capacitor/garage_7"
	connectorPath = chargerPath + "_1"
)

// connectorState is what the state topic of a Capacitor connector says.
type connectorState struct {
	Status   string   `json:"status"`
	Plugged  string   `json:"plugged"`
	Charging string   `json:"charging"`
	Energy   *float64 `json:"session_energy"` // kWh
	Reason   string   `json:"stop_reason"`
}

// accountState is what the state topic of Capacitor itself says.
type accountState struct {
	Quota *int `json:"quota"`
}

// charge is a charging session that Home Assistant begins and ends.
func (d *demo) charge(ctx context.Context) error {
	begin := time.Now()
	d.capacitor.Status(chargerID, 1, "Preparing")
	d.say("A car is plugged in, and Capacitor calls the webhook.")
	if err := d.until(ctx, patience, func() bool { return d.known.connector.Plugged == "ON" }); err != nil {
		return err
	}
	d.say("binary_sensor.capacitor_garage_7_1_plugged → " + onOff(d.known.connector.Plugged) + ", sensor.capacitor_garage_7_1_status → " + d.known.connector.Status + ".")
	if err := d.rest(ctx, d.lasts/5); err != nil {
		return err
	}
	d.say("Home Assistant's button “Start” is pressed. The program asks Capacitor, and Capacitor the charger.")
	if err := d.press("start"); err != nil {
		return err
	}
	err := d.until(ctx, patience, func() bool {
		return len(d.known.since(chargerPath, "transaction_started", begin)) > 0 && d.known.connector.Charging == "ON"
	})
	if err != nil {
		return err
	}
	d.say("binary_sensor.capacitor_garage_7_1_charging → " + onOff(d.known.connector.Charging) + ", and the trigger “transaction_started” fires.")
	if err := d.fill(ctx); err != nil {
		return err
	}
	return d.unplug(ctx, begin)
}

// press presses a button of the connector, as Home Assistant does.
func (d *demo) press(button string) error {
	if err := d.broker.Publish(base+connectorPath+"/set/"+button, []byte("PRESS"), false, 1); err != nil {
		return fmt.Errorf("%s: %w", button, err)
	}
	return nil
}

// fill puts energy into the car.
func (d *demo) fill(ctx context.Context) error {
	for i := range 3 {
		if err := d.rest(ctx, d.lasts/5); err != nil {
			return err
		}
		d.capacitor.Charge(chargerID, 1, 1200)
		want := 1.2 * float64(i+1)
		err := d.until(ctx, patience, func() bool {
			got := d.known.connector.Energy
			return got != nil && same(*got, want)
		})
		if err != nil {
			return err
		}
		d.say("sensor.capacitor_garage_7_1_session_energy → " + kilowattHours(d.known.connector.Energy) + ".")
	}
	return d.rest(ctx, d.lasts/5)
}

// unplug ends the charge.
func (d *demo) unplug(ctx context.Context, begin time.Time) error {
	d.say("Home Assistant's button “Stop” is pressed.")
	if err := d.press("stop"); err != nil {
		return err
	}
	err := d.until(ctx, patience, func() bool {
		return len(d.known.since(chargerPath, "transaction_stopped", begin)) > 0 && d.known.connector.Charging == "OFF" && d.known.connector.Reason != ""
	})
	if err != nil {
		return err
	}
	d.say("binary_sensor.capacitor_garage_7_1_charging → "+onOff(d.known.connector.Charging)+", and the trigger “transaction_stopped” fires",
		"(the reason: "+d.known.connector.Reason+"; "+kilowattHours(d.known.connector.Energy)+" stay on show until the next charge begins).")
	if err := d.rest(ctx, d.lasts/5); err != nil {
		return err
	}
	begin = time.Now()
	d.capacitor.Status(chargerID, 1, "Available")
	err = d.until(ctx, patience, func() bool {
		return len(d.known.since(chargerPath, "connector_status_changed", begin)) > 0 && d.known.connector.Plugged == "OFF" && d.known.account.Quota != nil
	})
	if err != nil {
		return err
	}
	d.say("The car is unplugged: binary_sensor.capacitor_garage_7_1_plugged → "+onOff(d.known.connector.Plugged)+".",
		fmt.Sprintf("Of Capacitor's calls of today %d are left (sensor.capacitor_quota).", *d.known.account.Quota))
	return nil
}
