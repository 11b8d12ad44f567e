package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// happening is a part of the day; it returns errSilent where something that
// should have been heard was not.
type happening struct {
	title string
	play  func(*demo, context.Context) error
}

func day() []happening {
	return []happening{
		{"An equivent", (*demo).equivent},
		{"A lost webhook", (*demo).lost},
		{"A doubled webhook", (*demo).doubled},
		{"A broken cloud", (*demo).outage},
		{"A rehearsal", (*demo).rehearsal},
		{"A demo trigger", (*demo).trigger},
	}
}

// days plays days until ctx ends, or once; it reports whether something in the
// first was not as it should be.
func (d *demo) days(ctx context.Context, once bool) (wrong bool) {
	if err := d.dawn(ctx); err != nil {
		wrong = d.missed(err)
	}
	for ctx.Err() == nil {
		if d.day(ctx, day()) {
			wrong = true
		}
		if once || ctx.Err() != nil {
			break
		}
		if d.rest(ctx, 30*time.Second) == nil {
			d.chapter("Another day")
		}
	}
	return wrong
}

// day plays one day, and reports whether something was not as it should be.
func (d *demo) day(ctx context.Context, list []happening) (wrong bool) {
	begin := time.Now()
	for _, h := range list {
		d.chapter(h.title)
		if err := h.play(d, ctx); err != nil {
			wrong = d.missed(err) || wrong
			d.cloud.End(time.Now())
			d.cloud.Lose()
			d.cloud.NullEnd(false)
			d.cloud.Mend()
			d.rehearsed, d.pressed = time.Time{}, time.Time{}
		}
		if d.rest(ctx, d.pause) != nil {
			return wrong
		}
	}
	return !d.dusk(begin) || wrong
}

// missed tells what went wrong. The end of the story is no fault.
func (d *demo) missed(err error) bool {
	if errors.Is(err, context.Canceled) {
		return false
	}
	if !errors.Is(err, errSilent) {
		d.say("Something went wrong: " + err.Error())
		return true
	}
	d.say("What should come now was not heard for "+patience.String()+". The log may say why.", "(A Home Assistant that said goodbye is one reason: events wait for it.)")
	return true
}

// dawn is told when Home Assistant has heard of everything for the first time.
func (d *demo) dawn(ctx context.Context) error {
	err := d.until(ctx, patience, func() bool {
		return len(d.known.devices) == 2 && d.known.Equivent != "" && d.known.Month != nil && d.known.status == "online"
	})
	if err != nil {
		return err
	}
	d.chapter("Morning")
	d.say(fmt.Sprintf("Home Assistant finds two devices, %s and %s.", d.known.devices[0], d.known.devices[1]))
	d.say(fmt.Sprintf("Equiwatt's cloud lists %d past equivents. They are history, so none is announced:", listed),
		fmt.Sprintf("binary_sensor.equiwatt_equivent is %s, sensor.equiwatt_equivents_month is %s.", onOff(d.known.Equivent), d.known.month()))
	return d.rest(ctx, 3*time.Second)
}

// dusk sums the day up, and reports whether the vendor's limits were kept.
func (d *demo) dusk(begin time.Time) bool {
	d.chapter("Evening")
	var calls []time.Time
	most := 0
	for _, c := range d.cloud.Calls() {
		calls = append(calls, c.At)
	}
	asked, begun := 0, 0
	for i, at := range calls {
		if at.Before(begin) {
			continue
		}
		asked++
		n := 0
		for j := i; j >= 0 && at.Sub(calls[j]) < time.Minute; j-- {
			n++
		}
		most = max(most, n)
	}
	for start := range d.mine {
		if start >= begin.Unix() {
			begun++
		}
	}
	d.say(fmt.Sprintf("The day had %d equivents: “started” fired %s, “ended” %s.", begun,
		times(d.known.since("started", begin)), times(d.known.since("ended", begin))))
	broken := d.cloud.Violations()
	if len(broken) > 0 {
		d.say("Equiwatt's limits were broken: " + broken[0] + ".")
		return false
	}
	d.say(fmt.Sprintf("Equiwatt was asked %s, at most %s a minute: within its limits of one call a second and ten a minute.", times(asked), times(most)))
	return true
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return strconv.Itoa(n) + " times"
}
