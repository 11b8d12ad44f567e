package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// lull waits for a whole second between two questions of the program's timer,
// so that what follows comes by the way the story says.
func (d *demo) lull(ctx context.Context) (now time.Time, err error) {
	for {
		next := time.Now().Truncate(time.Second).Add(time.Second)
		if err := d.rest(ctx, time.Until(next)); err != nil {
			return next, err
		}
		calls := d.cloud.Calls()
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
	d.cloud.Start(start)
	return start, nil
}

// call delivers the webhooks that wait, all of which must be taken.
func (d *demo) call(ctx context.Context, way simulator.Way) error {
	for _, r := range d.cloud.Deliver(ctx, way) {
		if err := taken(r); err != nil {
			return err
		}
	}
	return ctx.Err()
}

func taken(r simulator.Receipt) error {
	switch {
	case r.Err != nil:
		return fmt.Errorf("webhook: %w", r.Err)
	case r.Status != http.StatusOK:
		return fmt.Errorf("webhook: it was answered %d", r.Status)
	}
	return nil
}

// on waits until Home Assistant knows that the equivent has begun, and returns
// how long that took.
func (d *demo) on(ctx context.Context, start time.Time) (after string, err error) {
	err = d.until(ctx, patience, func() bool {
		return len(d.known.said("started", start)) > 0 && d.known.Equivent == "ON" && d.known.Start.Equal(start) && d.known.Confirmed
	})
	if err != nil {
		return "", err
	}
	return seconds(d.known.said("started", start)[0].at.Sub(start)), nil
}

// off waits until Home Assistant knows that it has ended, and returns how long
// that took.
func (d *demo) off(ctx context.Context, start, end time.Time) (after string, err error) {
	err = d.until(ctx, patience, func() bool {
		return len(d.known.said("ended", start)) > 0 && d.known.LastEnd.Equal(end) && !d.known.Start.Equal(start)
	})
	if err != nil {
		return "", err
	}
	return seconds(d.known.said("ended", start)[0].at.Sub(end)), nil
}

func (d *demo) equivent(ctx context.Context) error {
	d.cloud.Plan(d.lasts)
	start, err := d.begin(ctx)
	d.cloud.Plan(0)
	if err != nil {
		return err
	}
	d.say("Equiwatt begins an equivent, and calls the webhook.")
	if err := d.call(ctx, simulator.InOrder); err != nil {
		return err
	}
	after, err := d.on(ctx, start)
	if err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.Equivent)+", and the trigger “started” fires",
		"(told by the webhook, confirmed by the cloud, "+after+" after it began).",
		"sensor.equiwatt_end → "+clock(d.known.End)+", as planned.")
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
	d.cloud.End(end)
	calls := "calls the other webhook."
	if way == simulator.Doubled {
		calls = "calls the other webhook twice, too."
	}
	d.say("Equiwatt ends it, and " + calls)
	if err := d.call(ctx, way); err != nil {
		return err
	}
	after, err := d.off(ctx, start, end)
	if err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.Equivent)+", and the trigger “ended” fires",
		"(told by the webhook, confirmed by the cloud, "+after+" after it ended).")
	return nil
}

// lost is an equivent that only the poll finds, with the quirk that was seen
// in 2022.
func (d *demo) lost(ctx context.Context) error {
	d.cloud.NullEnd(true)
	defer d.cloud.NullEnd(false)
	start, err := d.begin(ctx)
	if err != nil {
		return err
	}
	d.cloud.Lose()
	d.say("Equiwatt begins an equivent, but its webhook gets lost on the way. And the cloud has a",
		"known quirk today: it lists what runs among the past ones, with an end of null.")
	after, err := d.on(ctx, start)
	if err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.Equivent)+", and the trigger “started” fires",
		"(found by the poll, "+after+" after it began; it asks every 10 s here, and every minute at home).")
	if err := d.rest(ctx, time.Until(start.Add(d.lasts))); err != nil {
		return err
	}
	end, err := d.lull(ctx)
	if err != nil {
		return err
	}
	d.cloud.End(end)
	d.cloud.Lose()
	d.say("Equiwatt ends it, and that webhook gets lost too.")
	if after, err = d.off(ctx, start, end); err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.Equivent)+", and the trigger “ended” fires", "(found by the poll, "+after+" after it ended).")
	return nil
}

func (d *demo) doubled(ctx context.Context) error {
	start, err := d.begin(ctx)
	if err != nil {
		return err
	}
	d.say("Equiwatt begins an equivent, and calls the webhook twice.")
	if err := d.call(ctx, simulator.Doubled); err != nil {
		return err
	}
	after, err := d.on(ctx, start)
	if err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.Equivent)+", and the trigger “started” fires",
		"(told by the webhook, confirmed by the cloud, "+after+" after it began).")
	if err := d.finish(ctx, start, simulator.Doubled); err != nil {
		return err
	}
	if err := d.rest(ctx, 2*time.Second); err != nil { // for what must not come
		return err
	}
	begun, ended := len(d.known.said("started", start)), len(d.known.said("ended", start))
	d.say(fmt.Sprintf("Four webhooks, one equivent: “started” fired %s, “ended” %s.", times(begun), times(ended)))
	if begun != 1 || ended != 1 {
		return errSilent
	}
	return nil
}

// outage is a cloud that answers 503 for a while.
func (d *demo) outage(ctx context.Context) error {
	d.cloud.Break(simulator.Status(503))
	d.say("Equiwatt's cloud breaks: to every question it answers 503 from now on.")
	if err := d.until(ctx, patience, func() bool { return d.known.CloudError != "" }); err != nil {
		return err
	}
	d.say("sensor.equiwatt_cloud_error → “"+d.known.CloudError+"”",
		"binary_sensor.equiwatt_equivent stays "+onOff(d.known.Equivent)+", as the last good answer said. After ten minutes without",
		"another it would be unknown, and never off by accident.")
	if err := d.rest(ctx, 5*time.Second); err != nil {
		return err
	}
	d.cloud.Mend()
	if err := d.until(ctx, patience, func() bool { return d.known.CloudError == "" }); err != nil {
		return err
	}
	d.say("The cloud is whole again, and sensor.equiwatt_cloud_error empty.")
	return nil
}

// rehearsal turns the switch on, as Home Assistant does.
func (d *demo) rehearsal(ctx context.Context) error {
	if d.known.Rehearsal == "ON" {
		d.say("Somebody rehearses already, so the story does not.")
		return nil
	}
	d.rehearsed = time.Now()
	defer func() { d.rehearsed = time.Time{} }()
	before := d.known.month()
	d.say("Home Assistant's switch “Rehearse” is turned on, for one minute: to see what your automations do.")
	if err := d.broker.Publish("grid2mqtt/equiwatt/set/rehearse", []byte("1"), false, 1); err != nil {
		return fmt.Errorf("rehearse: %w", err)
	}
	begun := func() bool {
		return d.known.since("rehearsal_started", d.rehearsed) > 0 && d.known.Equivent == "ON" && d.known.Source == "rehearsal"
	}
	if err := d.until(ctx, patience, begun); err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent → " + onOff(d.known.Equivent) + ", and the trigger “rehearsal_started” fires.")
	over := func() bool {
		return d.known.since("rehearsal_ended", d.rehearsed) > 0 && d.known.Source != "rehearsal"
	}
	if err := d.until(ctx, time.Minute+patience, over); err != nil {
		return err
	}
	still := ""
	if d.known.month() == before {
		still = "still "
	}
	d.say("binary_sensor.equiwatt_equivent → "+onOff(d.known.Equivent)+", and the trigger “rehearsal_ended” fires.",
		"Rehearsals do not count: sensor.equiwatt_equivents_month is "+still+d.known.month()+".")
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
	r, err := d.cloud.Demo(ctx, simulator.Started)
	if err == nil {
		err = taken(r)
	}
	if err != nil {
		return err
	}
	err = d.until(ctx, patience, func() bool { return d.asked() > 0 && !d.known.LastHook.Before(d.pressed.Truncate(time.Second)) })
	if err != nil {
		return err
	}
	d.say("binary_sensor.equiwatt_equivent stays "+onOff(d.known.Equivent)+": a webhook is a reason to ask, and Equiwatt's cloud shows no",
		"equivent. The program asks it about every 10 s for two minutes, in case the cloud is slow.")
	if err := d.until(ctx, waiting+patience, func() bool { return d.known.since("unconfirmed", d.pressed) > 0 }); err != nil {
		return err
	}
	d.say("event.equiwatt_event → unconfirmed. The cloud was asked "+times(d.asked())+" and never showed it,",
		"so it switched nothing: binary_sensor.equiwatt_equivent is "+onOff(d.known.Equivent)+".")
	return nil
}

// quiet is when a webhook is no longer taken for a real start's, nor for one
// with another that a stranger sent.
func (d *demo) quiet() time.Time {
	at := d.last.Add(near)
	if hook := d.known.LastHook.Add(waiting); hook.After(at) {
		at = hook
	}
	return at.Add(5 * time.Second)
}

// asked is how often the cloud was asked since the demo trigger.
func (d *demo) asked() (n int) {
	for _, c := range d.cloud.Calls() {
		if c.At.After(d.pressed) {
			n++
		}
	}
	return n
}
