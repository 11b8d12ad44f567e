package e2e

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// ordered looks at what was said on the newest connection behind a mark: documents, states, online, and only then moments.
func (r *rig) ordered(t *testing.T, mark int) {
	t.Helper()
	r.mark(t)
	all := observer.Pick(r.air.Since(mark), ours)
	online := -1
	for i, m := range all {
		if m.QoS != 1 || m.Retained == observer.On(eventTopic)(m) {
			t.Errorf("%+v", m)
		}
		if m.Topic == statusTopic && m.Payload == "online" {
			online = i
		}
	}
	if online < 0 {
		t.Fatal("it is not online")
	}
	if last := observer.Pick(all[online:], observer.On(statusTopic)); len(last) != 1 {
		t.Errorf("online, and then %v", last)
	}
	// Backwards from there: what is before the documents was said on another connection.
	states, rest := back(all[:online], "/state")
	documents, _ := back(rest, "/config")
	if len(states) < 2 || len(documents) < 2 {
		t.Errorf("before online: documents of %v, states of %v", documents, states)
	}
	if early := observer.Pick(all[:online], observer.On(eventTopic)); len(early) > 0 {
		t.Errorf("a moment before online: %+v", early[0])
	}
}

// ours are the messages of the product.
func ours(m observer.Message) bool {
	return observer.On("homeassistant/device/+/config")(m) || m.Topic == statusTopic || observer.On("grid2mqtt/+/state")(m) || m.Topic == eventTopic
}

// back takes the messages at the end that have a kind of topic, and returns the topics and what is before them.
func back(all []observer.Message, kind string) (topics map[string]bool, rest []observer.Message) {
	topics = map[string]bool{}
	for rest = all; len(rest) > 0 && strings.HasSuffix(rest[len(rest)-1].Topic, kind); rest = rest[:len(rest)-1] {
		topics[rest[len(rest)-1].Topic] = true
	}
	return topics, rest
}

// TestConnect is everything that is said on a new connection, whatever ended the last one.
func TestConnect(t *testing.T) {
	t.Parallel()
	r := openRig(t, confirming())
	r.start(t)
	r.becomes(t, 0, isOff)
	r.ordered(t, 0)
	first := documents(t, r.air.Since(0))
	if len(first) != 2 {
		t.Errorf("documents: %v", slices.Collect(maps.Keys(first)))
	}
	begin(few)(t, r, time.Time{})
	r.says(t, 0, "started")
	for name, trouble := range map[string]func(){
		"stop":    func() { must(t, r.app.Stop()); must(t, r.app.Start(limit(t, soon))) },
		"kill":    func() { r.kill(t); must(t, r.app.Start(limit(t, soon))) },
		"cut":     func() { r.gate.cut() },
		"broker":  func() { r.stopBroker(t); r.startBroker(t) },
		"silence": func() { r.gate.freeze() },
	} {
		mark := r.mark(t)
		trouble()
		r.online(t, mark)
		r.ordered(t, mark)
		if again := documents(t, r.air.Since(mark)); !maps.Equal(first, again) {
			t.Errorf("%s: other documents: %v", name, again)
		}
		states := observer.Pick(r.air.Since(mark), observer.On(stateTopic))
		if len(states) == 0 || !isOn(parse[equivents](t, states[0])) {
			t.Errorf("%s: not what runs: %v", name, states)
		}
		r.only(t, mark)
	}
	r.within(t)
}

func documents(t *testing.T, all []observer.Message) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, m := range observer.Pick(all, observer.On("homeassistant/device/+/config")) {
		if old, ok := found[m.Topic]; ok && old != m.Payload {
			t.Errorf("%s has changed", m.Topic)
		}
		found[m.Topic] = m.Payload
	}
	return found
}

// TestKeys are all there from the first message on, whatever is known.
func TestKeys(t *testing.T) {
	t.Parallel()
	for name, env := range map[string]map[string]string{"confirm": confirming(), "believe": believing()} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openRig(t, env)
			r.cloud.Break(simulator.HangUp())
			r.start(t)
			r.keys(t, stateTopic, "equivent start end planned_end source confirmed last_start last_end last_duration rehearsal equivents_month direction cloud cloud_error last_poll last_hook",
				"rehearsal cloud cloud_error")
			r.keys(t, bridgeTopic, "version problem problem_text setup setup_text", "version problem problem_text setup setup_text sources clock_ahead")
		})
	}
}

// keys fails where a key is missing in the first message on a topic, or where another than those named is not null.
func (r *rig) keys(t *testing.T, topic, want, known string) {
	t.Helper()
	m, err := r.air.Next(limit(t, soon), 0, observer.On(topic))
	must(t, err)
	got := map[string]any{}
	must(t, json.Unmarshal([]byte(m.Payload), &got))
	for key := range strings.FieldsSeq(want) {
		if _, ok := got[key]; !ok {
			t.Errorf("%s has no %s: %s", topic, key, m.Payload)
		}
	}
	for key, v := range got {
		if v != nil && !slices.Contains(strings.Fields(known), key) {
			t.Errorf("%s knows %s before anything was said: %v", topic, key, v)
		}
	}
}

// TestStopsWhateverHangs is SIGTERM while neither the API nor the broker answers: within five seconds, but for a machine that
// had something else to do just then.
func TestStopsWhateverHangs(t *testing.T) {
	t.Parallel()
	r := openRig(t, confirming())
	r.cloud.Break(simulator.Slow())
	var took []time.Duration
	for range 4 {
		n := len(r.cloud.Calls())
		r.start(t)
		until(t, 2*time.Minute, "a call", func() bool { return len(r.cloud.Calls()) > n })
		r.gate.freeze()
		began := time.Now()
		must(t, r.app.Stop())
		if took = append(took, time.Since(began)); took[len(took)-1] <= 5*time.Second {
			t.Log(took)
			return
		}
	}
	t.Errorf("it took %v to stop", took)
}

// TestStopSaysOffline while a household's webhook is being posted and the API hangs.
func TestStopSaysOffline(t *testing.T) {
	t.Parallel()
	r := openRig(t, confirming())
	r.cloud.Break(simulator.Slow())
	r.start(t)
	until(t, soon, "a call", func() bool { return len(r.cloud.Calls()) > 0 })
	over := make(chan struct{})
	slow, err := http.NewRequestWithContext(limit(t, soon), http.MethodPost, r.app.Hooks+hookPath("started"), neverEnding{over})
	must(t, err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if a, err := http.DefaultClient.Do(slow); err == nil {
			a.Body.Close()
		}
	}()
	mark := r.mark(t)
	must(t, r.app.Stop())
	_, err = r.air.Next(limit(t, patience), mark, observer.Says(statusTopic, "offline"))
	must(t, err)
	if held := r.held(t); held[statusTopic] != "offline" {
		t.Errorf("the broker holds %q", held[statusTopic])
	}
	close(over)
	<-done
}

// neverEnding is a body of which nothing comes.
type neverEnding struct{ over <-chan struct{} }

func (n neverEnding) Read([]byte) (int, error) {
	<-n.over
	return 0, http.ErrBodyReadAfterClose
}
