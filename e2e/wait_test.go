package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const birthTopic = "homeassistant/status"

// greets says what Home Assistant says of itself.
func (r *rig) greets(t *testing.T, topic, word string, retained bool) {
	t.Helper()
	must(t, r.air.Publish(limit(t, soon), topic, word, retained))
}

// born says Home Assistant's birth and waits until it is answered by every document and state, and by no moment but those that
// come behind them.
func (r *rig) born(t *testing.T, topic string) {
	t.Helper()
	mark := r.mark(t)
	r.greets(t, topic, "online", false)
	missing := []string{bridgeTopic, stateTopic}
	for _, d := range []string{"bridge", "equiwatt"} {
		missing = append(missing, strings.TrimSuffix(topic, "status")+"device/grid2mqtt_"+d+"/config")
		if topic == birthTopic && r.app.Env["MQTT_DISCOVERY_PREFIX"] != "" {
			missing[len(missing)-1] = r.app.Env["MQTT_DISCOVERY_PREFIX"] + "/device/grid2mqtt_" + d + "/config"
		}
	}
	heard, err := r.air.Next(limit(t, soon), mark, observer.Says(topic, "online"))
	must(t, err)
	var last observer.Message
	for _, want := range missing {
		m, err := r.air.Next(limit(t, soon), mark, observer.On(want))
		must(t, err)
		if !m.At.Before(last.At) {
			last = m
		}
	}
	t.Logf("the birth was answered after %v", last.At.Sub(heard.At))
	for _, m := range observer.Pick(r.air.Since(mark), observer.On(eventTopic)) {
		if m.At.Before(last.At) {
			t.Errorf("a moment before all of the answer: %s", m.Payload)
		}
	}
}

// silent sees that no moment comes for a while, though the state that goes with it has come. Half a minute after the connect,
// which on a loaded machine may be over, it may.
func (r *rig) silent(t *testing.T, mark int, ok func(equivents) bool) {
	t.Helper()
	r.becomes(t, mark, ok)
	must(t, r.air.Quiet(limit(t, soon), 4*time.Second, observer.On(eventTopic)))
	connects := observer.Pick(r.air.Since(0), observer.Says(statusTopic, "online"))
	may := connects[len(connects)-1].At.Add(29 * time.Second)
	for _, m := range observer.Pick(r.air.Since(mark), observer.On(eventTopic)) {
		if m.At.Before(may) {
			t.Errorf("it does not wait: %s", m.Payload)
		}
	}
}

// TestMomentsWaitForABirth after every connect, where a birth was ever heard.
func TestMomentsWaitForABirth(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.triggers(told)
	r.start(t)
	r.born(t, birthTopic)
	for name, trouble := range troubles() {
		if name == "nothing" {
			continue
		}
		trouble(t, r)
		mark := r.mark(t)
		start := begin(few, deliver(simulator.InOrder))(t, r, time.Time{})
		r.silent(t, mark, func(s equivents) bool { return isOn(s) && s.Start.Equal(start) })
		r.born(t, birthTopic)
		r.says(t, mark, "started")
		end(0, deliver(simulator.InOrder))(t, r, start)
		r.says(t, mark, "ended")
		r.born(t, birthTopic)
		r.only(t, mark, "started", "ended")
		until(t, soon, "another second", func() bool { return time.Since(start) > 2*few })
	}
}

// TestMomentsWaitHalfAMinute where no birth comes; what the broker has kept of an old one is none.
func TestMomentsWaitHalfAMinute(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.triggers(told)
	r.start(t)
	r.greets(t, birthTopic, "online", true)
	_, err := r.air.Times(limit(t, soon), 0, 2, observer.On(bridgeTopic))
	must(t, err)
	must(t, r.app.Stop())
	mark := r.mark(t)
	r.start(t)
	online, err := r.air.Next(limit(t, soon), mark, observer.Says(statusTopic, "online"))
	must(t, err)
	begin(few, deliver(simulator.InOrder))(t, r, time.Time{})
	r.silent(t, mark, isOn)
	m, err := r.air.Next(limit(t, soon), mark, observer.On(eventTopic))
	must(t, err)
	if waited := m.At.Sub(online.At); waited < 29*time.Second || waited > (30+slow)*time.Second {
		t.Errorf("said %v after the connect", waited)
	}
	end(0, deliver(simulator.InOrder))(t, r, time.Time{})
	ended, err := r.air.Next(limit(t, soon), mark, whole(eventTopic, func(m moment) bool { return m.Type == "ended" }))
	must(t, err)
	if s := parse[moment](t, ended); *s.Seconds > slow {
		t.Errorf("waited again: %s", ended.Payload)
	}
	r.only(t, mark, "started", "ended")
}

// TestMomentsWaitForAHomeAssistantThatIsAway until it is back, or shows otherwise that it lives.
func TestMomentsWaitForAHomeAssistantThatIsAway(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.triggers(told)
	r.start(t)
	r.greets(t, birthTopic, "offline", false)
	begin(few, deliver(simulator.InOrder))(t, r, time.Time{})
	r.silent(t, 0, isOn)
	r.command(t, "rehearse", "0")
	r.says(t, 0, "started")
	r.greets(t, birthTopic, "offline", false)
	mark := r.mark(t)
	end(0, deliver(simulator.InOrder))(t, r, time.Time{})
	r.silent(t, mark, isOff)
	r.born(t, birthTopic)
	r.says(t, 0, "ended")
	r.only(t, 0, "started", "ended")
}

// TestMomentsNeedNotWait where the household says so.
func TestMomentsNeedNotWait(t *testing.T) {
	t.Parallel()
	env := believing()
	env["MOMENTS_WAIT"] = "false"
	r := openRig(t, env)
	r.triggers(told)
	r.start(t)
	r.born(t, birthTopic)
	must(t, r.app.Stop())
	r.start(t)
	begin(few, deliver(simulator.InOrder))(t, r, time.Time{})
	r.says(t, 0, "started")
	r.greets(t, birthTopic, "offline", false)
	end(0, deliver(simulator.InOrder))(t, r, time.Time{})
	if m := r.says(t, 0, "ended"); *m.Seconds > slow {
		t.Errorf("waited: %+v", m)
	}
	r.only(t, 0, "started", "ended")
}

// TestBirthsOfAnotherPrefix are heard on its own topic and on the one that does not move.
func TestBirthsOfAnotherPrefix(t *testing.T) {
	t.Parallel()
	env := believing()
	env["MQTT_DISCOVERY_PREFIX"] = "my/ha"
	r := openRig(t, env)
	r.start(t)
	r.born(t, birthTopic)
	r.born(t, "my/ha/status")
	if slices.ContainsFunc(r.air.Since(0), func(m observer.Message) bool { return strings.HasPrefix(m.Topic, "homeassistant/device/") }) {
		t.Error("documents under the prefix that is not set")
	}
}
