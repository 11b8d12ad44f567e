package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// equiwattState is what Equiwatt's state topic says.
type equiwattState struct {
	Equivent   string    `json:"equivent"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	Source     string    `json:"source"`
	Confirmed  bool      `json:"confirmed"`
	Rehearsal  string    `json:"rehearsal"`
	LastEnd    time.Time `json:"last_end"`
	Month      *int      `json:"equivents_month"`
	CloudError string    `json:"cloud_error"`
	LastHook   time.Time `json:"last_hook"`
}

// month is how Home Assistant shows the number of equivents this month.
func (s equiwattState) month() string {
	if s.Month == nil {
		return "unknown"
	}
	return strconv.Itoa(*s.Month)
}

// lull waits for a whole second between two questions of the program's timer,
// so that what follows comes by the way the story says.
func (d *demo) lull(ctx context.Context) (now time.Time, err error) {
	for {
		next := time.Now().Truncate(time.Second).Add(time.Second)
		if err := d.rest(ctx, time.Until(next)); err != nil {
			return next, err
		}
		calls := d.equiwatt.Calls()
		if n := len(calls); n > 0 {
			if since := time.Since(calls[n-1].At); since > 1200*time.Millisecond && since < pollInterval-4*time.Second {
				return next, nil
			}
		}
	}
}

// begin begins an equivent; its webhook waits.
func (d *demo) begin(ctx context.Context) (start time.Time, err error) {
	if start, err = d.lull(ctx); err != nil {
		return start, err
	}
	d.mine[start.Unix()], d.last = true, start
	d.equiwatt.Start(start)
	return start, nil
}

// on waits until Home Assistant knows that the equivent has begun, and returns
// how long that took.
func (d *demo) on(ctx context.Context, start time.Time) (after string, err error) {
	err = d.until(ctx, patience, func() bool {
		return len(d.known.said("equiwatt", "started", start)) > 0 && d.known.equiwatt.Equivent == "ON" && d.known.equiwatt.Start.Equal(start) && d.known.equiwatt.Confirmed
	})
	if err != nil {
		return "", err
	}
	return seconds(d.known.said("equiwatt", "started", start)[0].at.Sub(start)), nil
}

// off waits until Home Assistant knows that it has ended, and returns how long
// that took.
func (d *demo) off(ctx context.Context, start, end time.Time) (after string, err error) {
	err = d.until(ctx, patience, func() bool {
		return len(d.known.said("equiwatt", "ended", start)) > 0 && d.known.equiwatt.LastEnd.Equal(end) && !d.known.equiwatt.Start.Equal(start)
	})
	if err != nil {
		return "", err
	}
	return seconds(d.known.said("equiwatt", "ended", start)[0].at.Sub(end)), nil
}

func (d *demo) equivent(ctx context.Context) error {
	d.equiwatt.Plan(d.lasts)
	start, err := d.begin(ctx)
	d.equiwatt.Plan(0)
	if err != nil {
		return err
	}
	d.say("Equiwatt begins an equivent, and calls the webhook.")
	if err := taken(d.equiwatt.Deliver(ctx, simulator.InOrder)); err != nil {
		return err
	}
	after, err := d.on(ctx, start)
	if err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.equiwatt.Equivent)+", and the trigger “started” fires",
		"(told by the webhook, confirmed by the cloud, "+after+" after it began).",
		"sensor.equiwatt_end → "+clock(d.known.equiwatt.End)+", as planned.")
	return d.finish(ctx, start, simulator.InOrder)
}

// finish ends an equivent a while later, and calls the webhook.
func (d *demo) finish(ctx context.Context, start time.Time, way simulator.Way) error {
	if err := d.rest(ctx, time.Until(start.Add(d.lasts))); err != nil {
		return err
	}
	end, err := d.lull(ctx)
	if err != nil {
		return err
	}
	d.equiwatt.End(end)
	calls := "calls the other webhook."
	if way == simulator.Doubled {
		calls = "calls the other webhook twice, too."
	}
	d.say("Equiwatt ends it, and " + calls)
	if err := taken(d.equiwatt.Deliver(ctx, way)); err != nil {
		return err
	}
	after, err := d.off(ctx, start, end)
	if err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.equiwatt.Equivent)+", and the trigger “ended” fires",
		"(told by the webhook, confirmed by the cloud, "+after+" after it ended).")
	return nil
}

// lost is an equivent that only the poll finds, with the quirk that was seen
// in 2022.
func (d *demo) lost(ctx context.Context) error {
	d.equiwatt.NullEnd(true)
	defer d.equiwatt.NullEnd(false)
	start, err := d.begin(ctx)
	if err != nil {
		return err
	}
	d.equiwatt.Lose()
	d.say("Equiwatt begins an equivent, but its webhook gets lost on the way. And the cloud has a",
		"known quirk today: it lists what runs among the past ones, with an end of null.")
	after, err := d.on(ctx, start)
	if err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.equiwatt.Equivent)+", and the trigger “started” fires",
		"(found by the poll, "+after+" after it began; it asks every 10 s here, and every minute at home).")
	if err := d.rest(ctx, time.Until(start.Add(d.lasts))); err != nil {
		return err
	}
	end, err := d.lull(ctx)
	if err != nil {
		return err
	}
	d.equiwatt.End(end)
	d.equiwatt.Lose()
	d.say("Equiwatt ends it, and that webhook gets lost too.")
	if after, err = d.off(ctx, start, end); err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.equiwatt.Equivent)+", and the trigger “ended” fires", "(found by the poll, "+after+" after it ended).")
	return nil
}

func (d *demo) doubled(ctx context.Context) error {
	start, err := d.begin(ctx)
	if err != nil {
		return err
	}
	d.say("Equiwatt begins an equivent, and calls the webhook twice.")
	if err := taken(d.equiwatt.Deliver(ctx, simulator.Doubled)); err != nil {
		return err
	}
	after, err := d.on(ctx, start)
	if err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.equiwatt.Equivent)+", and the trigger “started” fires",
		"(told by the webhook, confirmed by the cloud, "+after+" after it began).")
	if err := d.finish(ctx, start, simulator.Doubled); err != nil {
		return err
	}
	if err := d.rest(ctx, 2*time.Second); err != nil { // for what must not come
		return err
	}
	begun, ended := len(d.known.said("equiwatt", "started", start)), len(d.known.said("equiwatt", "ended", start))
	d.say(fmt.Sprintf("Four webhooks, one equivent: “started” fired %s, “ended” %s.", times(begun), times(ended)))
	if begun != 1 || ended != 1 {
		return errSilent
	}
	return nil
}

// outage is a cloud that answers 503 for a while.
func (d *demo) outage(ctx context.Context) error {
	d.equiwatt.Break(simulator.Status(503))
	d.say("Equiwatt's cloud breaks: to every question it answers 503 from now on.")
	if err := d.until(ctx, patience, func() bool { return d.known.equiwatt.CloudError != "" }); err != nil {
		return err
	}
	d.say("sensor.equiwatt_cloud_error → “"+d.known.equiwatt.CloudError+"”",
		"binary_sensor.equiwatt_equivent stays "+onOff(d.known.equiwatt.Equivent)+", as the last good answer said. After ten minutes without",
		"another it would be unknown, and never off by accident.")
	if err := d.rest(ctx, 5*time.Second); err != nil {
		return err
	}
	d.equiwatt.Mend()
	if err := d.until(ctx, patience, func() bool { return d.known.equiwatt.CloudError == "" }); err != nil {
		return err
	}
	d.say("The cloud is whole again, and sensor.equiwatt_cloud_error empty.")
	return nil
}

// rehearsal turns the switch on, as Home Assistant does.
func (d *demo) rehearsal(ctx context.Context) error {
	if d.known.equiwatt.Rehearsal == "ON" {
		d.say("Somebody rehearses already, so the story does not.")
		return nil
	}
	d.rehearsed = time.Now()
	defer func() { d.rehearsed = time.Time{} }()
	before := d.known.equiwatt.month()
	d.say("Home Assistant's switch “Rehearse” is turned on, for one minute: to see what your automations do.")
	if err := d.broker.Publish("grid2mqtt/equiwatt/set/rehearse", []byte("1"), false, 1); err != nil {
		return fmt.Errorf("rehearse: %w", err)
	}
	begun := func() bool {
		return len(d.known.since("equiwatt", "rehearsal_started", d.rehearsed)) > 0 && d.known.equiwatt.Equivent == "ON" && d.known.equiwatt.Source == "rehearsal"
	}
	if err := d.until(ctx, patience, begun); err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → " + onOff(d.known.equiwatt.Equivent) + ", and the trigger “rehearsal_started” fires.")
	over := func() bool {
		return len(d.known.since("equiwatt", "rehearsal_ended", d.rehearsed)) > 0 && d.known.equiwatt.Source != "rehearsal"
	}
	if err := d.until(ctx, time.Minute+patience, over); err != nil {
		return err
	}
	still := ""
	if d.known.equiwatt.month() == before {
		still = "still "
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.equiwatt.Equivent)+", and the trigger “rehearsal_ended” fires.",
		"Rehearsals do not count: sensor.equiwatt_equivents_month is "+still+d.known.equiwatt.month()+".")
	return nil
}

// near is how close to a real start a webhook is taken for that one's; waiting
// is how long the program asks about one.
const near, waiting = 5 * time.Minute, 2 * time.Minute

func (d *demo) trigger(ctx context.Context) error {
	if at := d.quiet(); time.Until(at) > 0 {
		d.say("The next comes at "+clock(at)+": for five minutes after a real start, a webhook that says “started”",
			"is taken for that one's. Meanwhile Equiwatt is asked as ever, every 10 s.")
	}
	for wait := time.Until(d.quiet()); wait > 0; wait = time.Until(d.quiet()) {
		if err := d.rest(ctx, wait); err != nil {
			return err
		}
	}
	if _, err := d.lull(ctx); err != nil {
		return err
	}
	d.pressed = time.Now()
	defer func() { d.pressed = time.Time{} }()
	d.say("“Send a demo trigger” is pressed in Equiwatt's app: its webhook looks like a real start.")
	r, err := d.equiwatt.Demo(ctx, simulator.Started)
	if err == nil {
		err = taken([]simulator.Receipt{r})
	}
	if err != nil {
		return err
	}
	err = d.until(ctx, patience, func() bool {
		return d.asked() > 0 && !d.known.equiwatt.LastHook.Before(d.pressed.Truncate(time.Second))
	})
	if err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent stays "+onOff(d.known.equiwatt.Equivent)+": a webhook is a reason to ask, and Equiwatt's cloud shows no",
		"equivent. The program asks it about every 10 s for two minutes, in case the cloud is slow.")
	if err := d.until(ctx, waiting+patience, func() bool { return len(d.known.since("equiwatt", "unconfirmed", d.pressed)) > 0 }); err != nil {
		return err
	}
	d.say("event.equiwatt_event → unconfirmed. The cloud was asked "+times(d.asked())+" and never showed it,",
		"so it switched nothing: binary_sensor.equiwatt_equivent is "+onOff(d.known.equiwatt.Equivent)+".")
	return nil
}

// quiet is when a webhook is no longer taken for a real start's, nor for one
// with another that a stranger sent.
func (d *demo) quiet() time.Time {
	at := d.last.Add(near)
	if hook := d.known.equiwatt.LastHook.Add(waiting); hook.After(at) {
		at = hook
	}
	return at.Add(5 * time.Second)
}

// asked is how often the cloud was asked since the demo trigger.
func (d *demo) asked() (n int) {
	for _, c := range d.equiwatt.Calls() {
		if c.At.After(d.pressed) {
			n++
		}
	}
	return n
}

// equivented tells what Equiwatt's device said, where the story does not.
func (d *demo) equivented(said *moment) {
	switch said.Type {
	case "started", "ended":
		if !d.mine[said.Start.Unix()] {
			d.say("event.equiwatt_event → " + said.Type)
		}
	case "unconfirmed":
		if d.pressed.IsZero() {
			d.say("event.equiwatt_event → unconfirmed. A webhook said at "+clock(said.Occurred)+" that an equivent had begun,",
				"and Equiwatt's cloud did not show one for two minutes. It switched nothing.")
		}
	case "rehearsal_started":
		if d.rehearsed.IsZero() {
			d.say("Somebody rehearses: event.equiwatt_event → rehearsal_started, and binary_sensor.equiwatt_equivent is " + onOff(d.known.equiwatt.Equivent) + ".")
		}
	case "rehearsal_ended":
		if d.rehearsed.IsZero() {
			d.say("The rehearsal is over: event.equiwatt_event → rehearsal_ended, and binary_sensor.equiwatt_equivent is " + onOff(d.known.equiwatt.Equivent) + ".")
		}
	}
}
