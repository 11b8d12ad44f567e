package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// lasts is how long an equivent of the compressed day lasts, and pause what is
// between two parts of it.
const lasts, pause = 15 * time.Second, 5 * time.Second

// patience is how long the story waits for what should come.
const patience = 45 * time.Second

// errSilent: what should have been heard was not.
var errSilent = errors.New("not heard in time")

// demo tells the story.
type demo struct {
	*stage
	out          io.Writer
	lasts, pause time.Duration

	known     known
	playing   string         // whose part of the day it is: a source, or nobody's
	mine      map[int64]bool // starts of the story's own equivents, Unix seconds
	last      time.Time      // the newest of them
	rehearsed time.Time      // when the story began a rehearsal; zero: it does not run
	used      struct {       // what Ecomon's device has used
		hour      time.Time // … in the clock hour that ends then
		wattHours int
	}
	pressed time.Time // when the story pressed the demo trigger; zero: it does not wait
}

func newDemo(s *stage, out io.Writer) *demo {
	return &demo{stage: s, out: out, lasts: lasts, pause: pause, mine: map[int64]bool{}}
}

// say tells something that is true now; more lines belong to it.
func (d *demo) say(line string, more ...string) {
	text := time.Now().Format(time.TimeOnly) + "  " + line + "\n"
	for _, m := range more {
		text += strings.Repeat(" ", len(time.TimeOnly)+2) + m + "\n"
	}
	_, _ = io.WriteString(d.out, text) // who has gone does not read it
}

// chapter is a headline.
func (d *demo) chapter(title string) { _, _ = fmt.Fprintf(d.out, "\n%s\n", title) }

func (d *demo) introduce(o options) {
	host, port, _ := net.SplitHostPort(d.brokerAddr) // it is being listened on
	elsewhere := "One elsewhere cannot reach it: start the demo with -broker 0.0.0.0:1883"
	if asked, _, _ := net.SplitHostPort(o.broker); asked != host {
		elsewhere = "One elsewhere: this machine's address instead"
	}
	log := "mixed into the story"
	if d.log != "" {
		log = d.log + "  (or start the demo with -v)"
	}
	var pages strings.Builder
	for _, v := range d.vendors() {
		fmt.Fprintf(&pages, "  %-13s http://%s/deliveries?source=%s\n", v.name, d.page, strings.ToLower(v.name))
	}
	fmt.Fprintf(d.out, `Grid2MQTT, the real program, between five simulated vendors and an MQTT broker of its own.
A day takes about eight minutes. Ctrl-C ends everything and leaves nothing behind.

The page        http://%s
%sEvery message   mosquitto_sub -h %s -p %s -t 'grid2mqtt/#' -v
Home Assistant  On this machine: Settings → Devices & services → Add integration → MQTT,
                broker %s, port %s, no user name, no password.
                %s
Be Equiwatt     curl -i -X POST %s
                It answers 200 and stands on the page at once, but switches nothing
                that Equiwatt's cloud does not show too.
The log         %s
`, d.page, pages.String(), host, port, host, port, elsewhere, d.hook("equiwatt")+"/started", log)
}

// goodbye is told when everything has ended.
func (d *demo) goodbye() {
	for _, m := range d.heard.take() {
		d.known.hear(m)
	}
	last := ""
	if d.known.status == "offline" {
		last = "grid2mqtt/status → offline. "
	}
	d.chapter("The end")
	d.say(last + "Everything is stopped, and nothing is left behind.")
}

// until listens until holds does, and tells what comes without being awaited.
// It returns errSilent where the time is over first.
func (d *demo) until(ctx context.Context, within time.Duration, holds func() bool) error {
	over := time.NewTimer(within)
	defer over.Stop()
	for {
		for _, m := range d.heard.take() {
			d.hear(m)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if holds() {
			return nil
		}
		select {
		case <-ctx.Done():
		case <-d.heard.more:
		case <-over.C:
			return errSilent
		}
	}
}

// rest lets time pass.
func (d *demo) rest(ctx context.Context, span time.Duration) error {
	if err := d.until(ctx, span, func() bool { return false }); !errors.Is(err, errSilent) {
		return err
	}
	return nil
}

// hear takes a message, and tells it where the story does not.
func (d *demo) hear(m message) {
	if m.topic == "homeassistant/status" {
		switch m.payload {
		case "online":
			d.say("A Home Assistant says hello, and is told everything anew.")
		case "offline":
			d.say("Home Assistant says goodbye. Events wait for it, an hour at most; states do not.")
		}
		return
	}
	said := d.known.hear(m)
	if said == nil {
		return
	}
	switch source := said.source(); {
	case source == "equiwatt":
		d.equivented(said)
	case source == "ecomon" && (source != d.playing || said.Type == "cleared"):
		d.alerted(said)
	case source != d.playing:
		d.say(said.entity() + " → " + said.Type)
	}
}

func clock(t time.Time) string { return t.Local().Format(time.TimeOnly) }

// onOff is how Home Assistant shows a binary sensor.
func onOff(payload string) string {
	if payload == "" {
		return "unknown"
	}
	return strings.ToLower(payload)
}

// seconds is a span as people say it.
func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", max(1, d.Milliseconds()))
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
