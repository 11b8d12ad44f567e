package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// happening is a part of the day. It tells itself what its source says; it
// returns errSilent where something that should have been heard was not.
type happening struct {
	title, source string
	play          func(*demo, context.Context) error
}

func day() []happening {
	return []happening{
		{"An equivent", "equiwatt", (*demo).equivent},
		{"A limit alert", "ecomon", (*demo).alert},
		{"A lost webhook", "equiwatt", (*demo).lost},
		{"A doubled webhook", "equiwatt", (*demo).doubled},
		{"A broken cloud", "equiwatt", (*demo).outage},
		{"A rehearsal", "equiwatt", (*demo).rehearsal},
		{"A charge", "capacitor", (*demo).charge},
		{"A meter's data", "openvolt", (*demo).readings},
		{"A dispatch event", "powerresponse", (*demo).dispatch},
		{"A demo trigger", "equiwatt", (*demo).trigger},
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
		d.playing = h.source
		err := h.play(d, ctx)
		d.playing = ""
		if err != nil {
			wrong = d.missed(err) || wrong
			d.calm()
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
	devices := []string{"Grid2MQTT", "Equiwatt", "Ecomon", "Openvolt", "Capacitor", "PowerResponse", "Capacitor " + chargerID}
	err := d.until(ctx, patience, func() bool {
		e := d.known.equiwatt
		return d.known.met(devices...) && e.Equivent != "" && e.Month != nil && d.known.status == "online"
	})
	if err != nil {
		return err
	}
	d.chapter("Morning")
	d.say(fmt.Sprintf("Home Assistant finds %d devices: %s.", len(d.known.devices), strings.Join(d.known.devices, ", ")))
	d.say(fmt.Sprintf("Equiwatt's cloud lists %d past equivents. They are history, so none is announced:", listed),
		fmt.Sprintf("binary_sensor.equiwatt_equivent is %s, sensor.equiwatt_equivents_month is %s.", onOff(d.known.equiwatt.Equivent), d.known.equiwatt.month()))
	return d.rest(ctx, 3*time.Second)
}

// dusk sums the day up, and reports whether the vendors' limits were kept.
func (d *demo) dusk(begin time.Time) bool {
	d.chapter("Evening")
	begun := 0
	for start := range d.mine {
		if start >= begin.Unix() {
			begun++
		}
	}
	d.say(fmt.Sprintf("The day had %d equivents: “started” fired %s, “ended” %s.", begun,
		times(len(d.known.since("equiwatt", "started", begin))), times(len(d.known.since("equiwatt", "ended", begin)))))
	d.warned()
	var asked []string
	for _, v := range d.vendors() {
		if broken := v.cloud.Violations(); len(broken) > 0 {
			d.say(v.name + "'s limits were broken: " + broken[0] + ".")
			return false
		}
		if n, most := busy(v.cloud.Calls(), begin); n > 0 {
			asked = append(asked, fmt.Sprintf("%s %s, at most %s a minute.", v.name, times(n), times(most)))
		}
	}
	d.say("Every vendor was asked within its limits:", asked...)
	return true
}

// busy returns how many calls were made since begin, and how many of them
// within a minute at most.
func busy(calls []simulator.Call, begin time.Time) (n, most int) {
	calls = slices.DeleteFunc(calls, func(c simulator.Call) bool { return c.At.Before(begin) })
	first := 0 // of the minute before a call
	for i, c := range calls {
		for c.At.Sub(calls[first].At) >= time.Minute {
			first++
		}
		most = max(most, i-first+1)
	}
	return len(calls), most
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
