package e2e

import (
	"net/http"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// TestPipeline is one equivent in every way in which it can be told, and with every trouble in its middle: it starts once and
// ends once, and no state of the whole run says anything else.
func TestPipeline(t *testing.T) {
	t.Parallel()
	for channel, scripts := range map[string][]script{"webhook": webhooks(), "poll": polls(), "believed webhook": believed()} {
		for _, s := range scripts {
			for name, trouble := range troubles() {
				t.Run(channel+"/"+s.way+"/"+name, func(t *testing.T) {
					t.Parallel()
					play(t, s, trouble)
				})
			}
		}
	}
}

// few seconds are what an equivent has run for, so that it ends later than it began in the vendor's whole seconds.
const few = 3 * time.Second

// script tells one equivent in one way.
type script struct {
	way     string
	env     map[string]string
	hooked  bool   // the household has set up the vendor's triggers
	body    string // … with this body
	arrival bool   // the times are those of arrival

	start, end step
	heard      func(*testing.T, *rig) // what follows when the start was said; nil: nothing
	over       func(*testing.T, *rig) // what follows when the end was said; nil: nothing
}

// step makes something happen and returns when it did.
type step func(t *testing.T, r *rig, start time.Time) time.Time

func troubles() map[string]func(*testing.T, *rig) {
	return map[string]func(*testing.T, *rig){
		"nothing": func(*testing.T, *rig) {},
		"app restarted": func(t *testing.T, r *rig) {
			must(t, r.app.Stop())
			r.start(t)
		},
		"app killed": func(t *testing.T, r *rig) {
			r.kill(t)
			r.start(t)
		},
		"broker restarted": func(t *testing.T, r *rig) { r.restartBroker(t) },
	}
}

func play(t *testing.T, s script, trouble func(*testing.T, *rig)) {
	r := openRig(t, s.env)
	if s.hooked {
		r.triggers(s.body)
	}
	r.start(t)
	is := truth{source: "webhook"}
	asks := s.env["EQUIWATT_TOKEN"] != ""
	if asks {
		is.source, is.confirmed = "api", true
		r.becomes(t, 0, isOff)
	}
	is.start = s.start(t, r, time.Time{})
	if s.arrival {
		is.slack = time.Since(is.start)
	}
	r.says(t, 0, "started")
	if s.heard != nil {
		s.heard(t, r)
	}
	trouble(t, r)
	is.end = s.end(t, r, is.start)
	if s.arrival {
		is.slack = max(is.slack, time.Since(is.end))
	}
	r.says(t, 0, "ended")
	if s.over != nil {
		s.over(t, r)
	}
	if asks {
		r.polled(t)
	} else {
		must(t, r.air.Quiet(limit(t, soon), time.Second, observer.On("grid2mqtt/#")))
	}
	r.judge(t, is)
	r.within(t)
}

// begin makes an equivent begin that long ago, then does what follows.
func begin(ago time.Duration, then ...func(*testing.T, *rig)) step {
	return func(t *testing.T, r *rig, _ time.Time) time.Time {
		at := time.Now().Add(-ago).Truncate(time.Second)
		r.cloud.Start(at)
		for _, f := range then {
			f(t, r)
		}
		return at
	}
}

// end ends it that long ago, then does what follows.
func end(ago time.Duration, then ...func(*testing.T, *rig)) step {
	return func(t *testing.T, r *rig, _ time.Time) time.Time {
		at := time.Now().Add(-ago).Truncate(time.Second)
		if !r.cloud.End(at) {
			t.Error("nothing ran")
		}
		for _, f := range then {
			f(t, r)
		}
		return at
	}
}

func deliver(way simulator.Way) func(*testing.T, *rig) {
	return func(t *testing.T, r *rig) {
		sent := r.cloud.Deliver(limit(t, soon), way)
		if len(sent) == 0 {
			t.Error("nothing was delivered")
		}
		for _, s := range sent {
			if s.Status != http.StatusOK {
				t.Errorf("%s: %d %v", s.Kind, s.Status, s.Err)
			}
		}
	}
}

func lose(t *testing.T, r *rig) {
	if r.cloud.Lose() == 0 {
		t.Error("there was nothing to lose")
	}
}

// webhooks are told beside an API that is the truth.
func webhooks() []script {
	ordered, doubled := deliver(simulator.InOrder), deliver(simulator.Doubled)
	return []script{
		{way: "on time", start: begin(few, ordered), end: end(0, ordered), env: confirming(), hooked: true},
		{way: "lost", start: begin(few, lose), end: end(0, lose), env: confirming(), hooked: true, body: told},
		{way: "doubled", start: begin(few, doubled), end: end(0, doubled), env: confirming(), hooked: true, body: told},
		{way: "late", start: begin(few), heard: ordered, end: end(0), over: ordered, env: confirming(), hooked: true, body: told},
		{way: "out of order", start: begin(few), end: end(0, deliver(simulator.Reversed)), env: confirming(), hooked: true, body: told},
	}
}

// polls find everything by themselves. What is lost, doubled, late or out of order are the answers.
func polls() []script {
	fail := func(f simulator.Fault) func(*testing.T, *rig) {
		return func(t *testing.T, r *rig) { r.cloud.Break(f.For(1)) }
	}
	slow := func(t *testing.T, r *rig) {
		n := len(r.cloud.Calls())
		r.cloud.Break(simulator.Slow().For(1))
		until(t, soon, "a call", func() bool { return len(r.cloud.Calls()) > n })
		must(t, r.air.Quiet(limit(t, soon), time.Second, observer.On(eventTopic)))
		r.cloud.Release()
	}
	again := func(t *testing.T, r *rig) {
		for range 2 {
			r.command(t, "refresh", "PRESS")
			r.polled(t)
		}
	}
	outdated := func(t *testing.T, r *rig) {
		r.cloud.Break(simulator.Raw(http.StatusOK, nil, nothingEver).For(1))
		r.polled(t)
		r.polled(t)
	}
	return []script{
		{way: "on time", start: begin(few), end: end(0), env: confirming()},
		{way: "lost", start: begin(few, fail(simulator.Status(http.StatusBadGateway))), end: end(0, fail(simulator.HangUp())), env: confirming()},
		{way: "doubled", start: begin(few), heard: again, end: end(0), over: again, env: confirming()},
		{way: "late", start: begin(few, slow), end: end(0, slow), env: confirming()},
		{way: "out of order", start: begin(few), heard: outdated, end: end(0), over: outdated, env: confirming()},
	}
}

// nothingEver is an answer from before the first equivent.
const nothingEver = `{"success":true,"msg":null,"data":{"current_event":null,"previous_events":[]}}`

// believed webhooks are all there is. A start that is lost is lost; for an end that is lost there is the clock.
func believed() []script {
	ordered, doubled := deliver(simulator.InOrder), deliver(simulator.Doubled)
	const most = 40 * time.Second
	closing := believing()
	closing["EQUIWATT_MAX_DURATION"] = most.String()
	byClock := func(_ *testing.T, _ *rig, start time.Time) time.Time { return start.Add(most) }
	replay := func(t *testing.T, r *rig) { r.post(t, simulator.Started, r.cloud.Sent()[0].Body) }
	return []script{
		{way: "on time", start: begin(0, ordered), end: end(0, ordered), env: believing(), hooked: true, arrival: true},
		{way: "lost", start: begin(few, ordered), end: byClock, env: closing, hooked: true, body: told},
		{way: "doubled", start: begin(few, doubled), end: end(0, doubled), env: believing(), hooked: true, body: told},
		{way: "late", start: begin(90*time.Second, ordered), end: end(30*time.Second, ordered), env: believing(), hooked: true, body: told},
		{way: "out of order", start: begin(few, ordered), end: end(0, ordered), over: replay, env: believing(), hooked: true, body: told},
	}
}
