package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// TestAway is what happens while somebody is away: a start is said if it still runs, an end if its start was said, and what came
// and went says nothing.
func TestAway(t *testing.T) {
	t.Parallel()
	app := func(t *testing.T, r *rig, meanwhile ...func()) {
		must(t, r.app.Stop())
		for _, f := range meanwhile {
			f()
		}
		r.start(t)
	}
	killed := func(t *testing.T, r *rig, meanwhile ...func()) {
		r.kill(t)
		for _, f := range meanwhile {
			f()
		}
		r.start(t)
	}
	broker := func(t *testing.T, r *rig, meanwhile ...func()) {
		mark := r.mark(t)
		r.stopBroker(t)
		for _, f := range meanwhile {
			f()
			r.answered(t) // so the product knows
		}
		r.startBroker(t)
		r.online(t, mark)
	}
	for who, away := range map[string]func(*testing.T, *rig, ...func()){"app": app, "killed app": killed, "broker": broker} {
		t.Run(who, func(t *testing.T) {
			t.Parallel()
			r := openRig(t, confirming())
			r.start(t)
			r.becomes(t, 0, isOff)
			starts := func() { r.cloud.Start(time.Now().Add(-few)) }
			ends := func() { r.cloud.End(time.Now()) }

			mark := r.mark(t)
			away(t, r, starts, ends)
			s := r.becomes(t, mark, func(s equivents) bool { return s.LastEnd != nil })
			r.polled(t)
			if s.Month == nil || *s.Month != 1 || isOn(s) {
				t.Errorf("a whole one: %+v", s)
			}
			r.only(t, mark)

			mark = r.mark(t)
			away(t, r, starts)
			r.says(t, mark, "started")
			r.only(t, mark, "started")

			mark = r.mark(t)
			away(t, r, ends)
			r.says(t, mark, "ended")
			r.polled(t)
			r.only(t, mark, "ended")
			r.ordered(t, mark)
			r.within(t)
		})
	}
}

// answered waits for two more calls of the API: what the first one's answer told is known when the second one comes.
func (r *rig) answered(t *testing.T) {
	t.Helper()
	n := len(r.cloud.Calls())
	until(t, soon, "two calls", func() bool { return len(r.cloud.Calls()) >= n+2 })
}

// TestLateAfterAnOutage is a start and an end that are told when the broker is back.
func TestLateAfterAnOutage(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.triggers(told)
	r.start(t)
	for _, kind := range []string{"started", "ended"} {
		mark := r.mark(t)
		r.stopBroker(t)
		was := time.Now().Add(-2 * time.Minute)
		if kind == "started" {
			r.cloud.Start(was.Add(-time.Minute))
		} else {
			was = was.Add(time.Minute)
			r.cloud.End(was)
		}
		deliver(simulator.InOrder)(t, r)
		r.startBroker(t)
		m := r.says(t, mark, kind)
		late := int(time.Since(m.Occurred) / time.Second)
		if *m.Seconds < 59 || *m.Seconds > late || *m.Late {
			t.Errorf("%s: %d s late, now it is %d", kind, *m.Seconds, late)
		}
		r.ordered(t, mark)
		r.only(t, mark, kind)
	}
}

// TestLate is a start of which a webhook tells more than five minutes after it.
func TestLate(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.triggers(told)
	r.start(t)
	begin(310*time.Second, deliver(simulator.InOrder))(t, r, time.Time{})
	if m := r.says(t, 0, "started"); !*m.Late || *m.Seconds < 310 {
		t.Errorf("%+v", m)
	}
}

// TestWebhookAsksUntilTheAPIAgrees is a cloud whose API is slower than its webhooks.
func TestWebhookAsksUntilTheAPIAgrees(t *testing.T) {
	t.Parallel()
	env := confirming()
	env["EQUIWATT_POLL_INTERVAL"] = "1h"
	r := openRig(t, env)
	r.triggers(told)
	r.start(t)
	r.becomes(t, 0, isOff)
	r.cloud.Start(time.Now().Add(-few))
	r.cloud.Vanish()
	deliver(simulator.InOrder)(t, r)
	r.answered(t)
	r.only(t, 0)
	r.cloud.Reappear()
	r.says(t, 0, "started")
	r.post(t, simulator.Ended, "")
	r.answered(t)
	r.only(t, 0, "started")
	r.cloud.End(time.Now())
	r.says(t, 0, "ended")
	r.only(t, 0, "started", "ended")
	r.within(t)
	n := len(r.cloud.Calls())
	must(t, r.air.Quiet(limit(t, soon), 12*time.Second, observer.On(stateTopic)))
	if n != len(r.cloud.Calls()) {
		t.Error("it asks on although the API agrees")
	}
}

// TestDemoTrigger is a start that the API never shows: it switches nothing, and is one moment of its own for all that came
// together.
func TestDemoTrigger(t *testing.T) {
	t.Parallel()
	env := confirming()
	env["EQUIWATT_POLL_INTERVAL"] = "1h"
	r := openRig(t, env)
	r.triggers(told)
	r.start(t)
	r.becomes(t, 0, isOff)
	first, heard := time.Now(), time.Time{}
	for range 3 {
		s, err := r.cloud.Demo(limit(t, soon), simulator.Started)
		must(t, err)
		if s.Status != http.StatusOK {
			t.Errorf("%+v", s)
		}
		if heard.IsZero() {
			heard = time.Now()
		}
	}
	n := len(r.cloud.Calls())
	m, err := r.air.Next(limit(t, 3*time.Minute), 0, observer.On(eventTopic))
	must(t, err)
	e := parse[moment](t, m)
	if e.Type != "unconfirmed" || e.Occurred.Before(first.Truncate(time.Second)) || e.Occurred.After(heard) || *e.Late {
		t.Errorf("%s", m.Payload)
	}
	if asked := len(r.cloud.Calls()) - n; asked < 5 || asked > 13 {
		t.Errorf("asked %d times in two minutes", asked)
	}
	n = len(r.cloud.Calls())
	must(t, r.app.Restart(limit(t, soon)))
	r.polledSince(t, n)
	r.only(t, 0, "unconfirmed")
	if got := strings.Count(r.read(t, "deliveries?via=http"), "webhook · unconfirmed"); got != 1 {
		t.Errorf("the page says it of %d webhooks, of a burst of three", got)
	}
	for _, m := range observer.Pick(r.air.Since(0), observer.On(stateTopic)) {
		if isOn(parse[equivents](t, m)) {
			t.Errorf("it switches: %s", m.Payload)
		}
	}
	r.within(t)
}

// TestLateWebhookIsNoDemo is a start whose webhook comes when the API has long shown it, and its end.
func TestLateWebhookIsNoDemo(t *testing.T) {
	t.Parallel()
	r := openRig(t, confirming())
	r.triggers("")
	r.start(t)
	r.becomes(t, 0, isOff)
	begin(few)(t, r, time.Time{})
	r.says(t, 0, "started")
	end(0)(t, r, time.Time{})
	r.says(t, 0, "ended")
	deliver(simulator.Reversed)(t, r)
	came := time.Now()
	until(t, 3*time.Minute, "two minutes over", func() bool { return time.Since(came) > 125*time.Second })
	r.polled(t)
	r.only(t, 0, "started", "ended")
	r.within(t)
}

// TestEndIsBelievedWhileTheCloudIsSilent: nothing stays switched on because the API is gone.
func TestEndIsBelievedWhileTheCloudIsSilent(t *testing.T) {
	t.Parallel()
	r := openRig(t, confirming())
	r.triggers(told)
	r.start(t)
	r.becomes(t, 0, isOff)
	begin(few, deliver(simulator.InOrder))(t, r, time.Time{})
	r.says(t, 0, "started")
	r.cloud.Break(simulator.HangUp())
	is := end(0, deliver(simulator.InOrder))(t, r, time.Time{})
	m := r.says(t, 0, "ended")
	s := r.becomes(t, 0, func(s equivents) bool { return s.LastEnd != nil })
	if !m.Occurred.Equal(is) || !s.LastEnd.Equal(is) || s.CloudError == nil || *m.Seconds < 19 {
		t.Errorf("%+v %+v", m, s)
	}
	r.cloud.Mend()
	r.polled(t)
	r.only(t, 0, "started", "ended")
	r.within(t)
}
