package e2e

import (
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// TestForwardedHooks come over MQTT from a Home Assistant that the internet can reach.
func TestForwardedHooks(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	hear := func(kind, body string, retained bool) {
		must(t, r.air.Publish(limit(t, soon), "grid2mqtt/hook/equiwatt/"+kind, body, retained))
	}
	hear("started", "the past", true)
	must(t, r.air.Publish(limit(t, soon), "grid2mqtt/equiwatt/set/rehearse", "3", true))
	r.start(t)
	hear("other", "no kind", false)
	must(t, r.air.Publish(limit(t, soon), "grid2mqtt/hook/equiwatt", "no kind at all", false))
	must(t, r.air.Publish(limit(t, soon), "grid2mqtt/hook/nobody/started", "no source", false))
	hear("started", "", false)
	r.says(t, 0, "started")
	hear("ended", `{"direction":"powerDOWN"}`, false)
	r.says(t, 0, "ended")
	r.only(t, 0, "started", "ended")
	for i, m := range observer.Pick(r.air.Since(0), observer.On(stateTopic)) {
		if s := parse[equivents](t, m); i == 0 && !isNull(s) || s.Rehearsal != "OFF" {
			t.Errorf("a retained message was heard: %s", m.Payload)
		}
	}
	var kept []string
	openLedger(t, r).deliveries(t, 0, func(kind, via, verdict, body string) {
		kept = append(kept, kind+body)
		if via != "mqtt" {
			t.Errorf("%s came by %s", kind, via)
		}
	})
	if len(kept) != 2 || kept[0] != "started" || kept[1] != `ended{"direction":"powerDOWN"}` {
		t.Errorf("kept: %q", kept)
	}
}

// TestRefresh asks the API at once.
func TestRefresh(t *testing.T) {
	t.Parallel()
	env := confirming()
	env["EQUIWATT_POLL_INTERVAL"] = "1h"
	r := openRig(t, env)
	r.start(t)
	r.becomes(t, 0, isOff)
	begin(few)(t, r, time.Time{})
	r.command(t, "refresh", "PRESS")
	r.says(t, 0, "started")
	end(0)(t, r, time.Time{})
	for range 40 { // a child at the button
		r.command(t, "refresh", "")
	}
	r.says(t, 0, "ended")
	r.command(t, "destroy", "all")
	r.command(t, "refresh", "PRESS")
	r.polled(t)
	r.only(t, 0, "started", "ended")
	r.within(t)
}

// TestRehearsalLengths are whole minutes from 1 to 240, anything else 5, and 0 ends it.
func TestRehearsalLengths(t *testing.T) {
	t.Parallel()
	r := openRig(t, confirming())
	r.start(t)
	r.becomes(t, 0, isOff)
	var want []string
	for payload, minutes := range map[string]int{"1": 1, "3": 3, "240": 240, "241": 5, "x": 5, "": 5, "-1": 5, "2.5": 5, "5 minutes": 5, "99999999999999999999": 5} {
		mark := r.mark(t)
		before := time.Now().Truncate(time.Second)
		r.command(t, "rehearse", payload)
		s := r.becomes(t, mark, isOn)
		if s.Rehearsal != "ON" || *s.Source != "rehearsal" || *s.Confirmed || !*s.PlannedEnd || s.Start.Before(before) || s.Start.After(time.Now()) ||
			s.End.Sub(*s.Start) != time.Duration(minutes)*time.Minute || s.Month == nil || *s.Month != 0 {
			t.Errorf("%q: %+v from %v to %v", payload, s, s.Start, s.End)
		}
		e := r.says(t, mark, "rehearsal_started")
		if *e.Late || !e.Occurred.Equal(*s.Start) || e.Source != "rehearsal" {
			t.Errorf("%q: %+v", payload, e)
		}
		mark = r.mark(t)
		r.command(t, "rehearse", "0")
		s = r.becomes(t, mark, isOff)
		if s.Rehearsal != "OFF" || s.LastEnd != nil || s.LastStart != nil || *s.Month != 0 {
			t.Errorf("%q: not forgotten: %+v", payload, s)
		}
		r.says(t, mark, "rehearsal_ended")
		want = append(want, "rehearsal_started", "rehearsal_ended")
	}
	r.command(t, "rehearse", "0") // there is nothing to end
	r.polled(t)
	r.only(t, 0, want...)
}

// TestRehearsalBesideARealOne: the real one is the one shown, and outlives it.
func TestRehearsalBesideARealOne(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.triggers(told)
	r.start(t)
	r.command(t, "rehearse", "10")
	first := r.becomes(t, 0, isOn)
	r.says(t, 0, "rehearsal_started")
	mark := r.mark(t)
	r.command(t, "rehearse", "60")
	s := r.becomes(t, mark, func(s equivents) bool { return isOn(s) && !s.End.Equal(*first.End) })
	if !s.Start.Equal(*first.Start) || s.End.Sub(*s.Start) < time.Hour {
		t.Errorf("the length is not set anew: from %v to %v", s.Start, s.End)
	}
	must(t, r.app.Restart(limit(t, soon)))
	mark = r.mark(t)
	begin(few, deliver(simulator.InOrder))(t, r, time.Time{})
	r.says(t, 0, "started")
	r.command(t, "rehearse", "0")
	r.says(t, 0, "rehearsal_ended")
	end(0, deliver(simulator.InOrder))(t, r, time.Time{})
	r.says(t, 0, "ended")
	r.only(t, 0, "rehearsal_started", "started", "rehearsal_ended", "ended")
	real := false
	for _, m := range observer.Pick(r.air.Since(mark), observer.On(stateTopic)) {
		switch s := parse[equivents](t, m); {
		case isOn(s) && *s.Source == "webhook":
			real = true
		case isOn(s) && real, real && isNull(s), isOff(s) && s.LastEnd == nil:
			t.Errorf("not the real one: %s", m.Payload)
		}
	}
}

// TestRehearsalEndsByItself after its minute, over a restart.
func TestRehearsalEndsByItself(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.start(t)
	r.command(t, "rehearse", "1")
	on := r.becomes(t, 0, isOn)
	r.says(t, 0, "rehearsal_started")
	must(t, r.app.Restart(limit(t, soon)))
	m, err := r.air.Next(limit(t, 2*time.Minute), 0, whole(eventTopic, func(m moment) bool { return m.Type == "rehearsal_ended" }))
	must(t, err)
	if e := parse[moment](t, m); !e.Occurred.Equal(*on.End) || m.At.Before(*on.End) || *e.Seconds > slow {
		t.Errorf("%s", m.Payload)
	}
	r.only(t, 0, "rehearsal_started", "rehearsal_ended")
}
