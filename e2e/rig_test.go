package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/mosquitto"
	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/e2e/product"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	apiToken  = "api-token-of-the-tests-0451"
	hookToken = "hook-token-of-the-tests-0451"

	statusTopic   = "grid2mqtt/status"
	stateTopic    = "grid2mqtt/equiwatt/state"
	eventTopic    = "grid2mqtt/equiwatt/event"
	bridgeTopic   = "grid2mqtt/bridge/state"
	documentTopic = "homeassistant/device/grid2mqtt_equiwatt/config"
)

// Where all is well an answer takes milliseconds and a poll comes every ten seconds; twice as long after one that failed.
const soon = 60 * time.Second

// A program that has to wait for a processor says things later than it could, by so much on a machine that still is of use.
const slow = 20 // seconds

// rig is a household without Home Assistant: a broker behind a gate, Equiwatt's cloud, the built program, and an outsider who
// hears all and can speak.
type rig struct {
	broker *mosquitto.Broker
	gate   *gate
	cloud  *simulator.Equiwatt
	air    *observer.Observer
	app    *product.Product
	skew   time.Duration // of the cloud's clock, by which the product judges
}

// confirming is the environment in which the API is the truth, believing the one in which webhooks are.
func confirming() map[string]string {
	return map[string]string{"EQUIWATT_TOKEN": apiToken, "EQUIWATT_POLL_INTERVAL": "10s"}
}

func believing() map[string]string { return map[string]string{"EQUIWATT_HOOK_TRUST": "believe"} }

// openRig starts everything but the product.
func openRig(t *testing.T, env map[string]string) *rig {
	t.Helper()
	binary, err := build()
	must(t, err)
	ctx := limit(t, 5*time.Minute) // the broker may have to be installed
	r := &rig{cloud: simulator.NewEquiwatt(apiToken, nil)}
	r.broker, err = mosquitto.Open(ctx)
	need(t, err)
	t.Cleanup(func() { must(t, r.broker.Close()) })
	r.gate = openGate(t, net.JoinHostPort(r.broker.Host, strconv.Itoa(r.broker.Port)))
	r.air, err = observer.Open(ctx, r.broker.URL(), "#")
	must(t, err)
	t.Cleanup(func() { must(t, r.air.Close()) })
	api, err := r.cloud.Open("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, r.cloud.Close()) })
	all := map[string]string{"MQTT_URL": r.gate.url(), "EQUIWATT_URL": api, "HOOK_TOKEN": hookToken, "TZ": "Europe/London"}
	maps.Copy(all, env)
	r.app, err = binary.Install(all)
	must(t, err)
	t.Cleanup(func() {
		must(t, r.app.Stop())
		if t.Failed() {
			t.Logf("the product's log:\n%s", r.app.Log())
		}
		must(t, r.app.Close())
	})
	return r
}

// triggers sets what the household typed into the vendor's app.
func (r *rig) triggers(body string) {
	for _, kind := range []string{simulator.Started, simulator.Ended} {
		r.cloud.Webhook(kind, simulator.Trigger{URL: r.app.Hooks + hookPath(kind), Body: body})
	}
}

// told is a body that tells what the vendor's variables hold.
const told = `{"start_time":"{start_time}","end_time":"{end_time}"}`

func hookPath(kind string) string { return "/hook/equiwatt/" + hookToken + "/" + kind }

// start starts the product and waits until it is online.
func (r *rig) start(t *testing.T) {
	t.Helper()
	mark := r.mark(t)
	must(t, r.app.Start(limit(t, soon)))
	r.online(t, mark)
}

func (r *rig) online(t *testing.T, mark int) {
	t.Helper()
	_, err := r.air.Next(limit(t, soon), mark, observer.Says(statusTopic, "online"))
	must(t, err)
}

func (r *rig) mark(t *testing.T) int {
	t.Helper()
	mark, err := r.air.Mark(limit(t, soon))
	must(t, err)
	return mark
}

// restartBroker is a power cut of a broker that remembers nothing; what the product says on the new one is heard from its
// first word on.
func (r *rig) restartBroker(t *testing.T) {
	t.Helper()
	mark := r.mark(t)
	r.stopBroker(t)
	r.startBroker(t)
	r.online(t, mark)
}

// stopBroker is a power cut when everything that was said is at rest: what is on its way may come twice.
func (r *rig) stopBroker(t *testing.T) {
	t.Helper()
	r.rest(t)
	r.gate.hold()
	r.broker.Kill()
}

func (r *rig) startBroker(t *testing.T) {
	t.Helper()
	must(t, r.broker.Start(limit(t, soon)))
	must(t, r.air.Connected(limit(t, soon)))
	r.gate.release()
}

// equivents is the payload of the state topic.
type equivents struct {
	Equivent     *string    `json:"equivent"`
	Start        *time.Time `json:"start"`
	End          *time.Time `json:"end"`
	PlannedEnd   *bool      `json:"planned_end"`
	Source       *string    `json:"source"`
	Confirmed    *bool      `json:"confirmed"`
	LastStart    *time.Time `json:"last_start"`
	LastEnd      *time.Time `json:"last_end"`
	LastDuration *int       `json:"last_duration"`
	Rehearsal    string     `json:"rehearsal"`
	Month        *int       `json:"equivents_month"`
	Direction    *string    `json:"direction"`
	Cloud        *string    `json:"cloud"`
	CloudError   *string    `json:"cloud_error"`
	LastPoll     *time.Time `json:"last_poll"`
	LastHook     *time.Time `json:"last_hook"`
}

// moment is the payload of the event topic.
type moment struct {
	Type      string    `json:"event_type"`
	ID        string    `json:"id"`
	Occurred  time.Time `json:"occurred"`
	Late      *bool     `json:"late"`
	Seconds   *int      `json:"late_seconds"`
	Start     time.Time `json:"start"`
	Source    string    `json:"source"`
	Confirmed bool      `json:"confirmed"`
}

// bridge is the payload of the bridge's state topic.
type bridge struct {
	Problem    string  `json:"problem"`
	Text       *string `json:"problem_text"`
	ClockAhead int     `json:"clock_ahead"`
}

func parse[T any](t *testing.T, m observer.Message) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(m.Payload), &v); err != nil {
		t.Fatalf("%s: %v: %s", m.Topic, err, m.Payload)
	}
	return v
}

// whole is a payload that is a T of which ok holds, on a topic.
func whole[T any](topic string, ok func(T) bool) observer.Match {
	return func(m observer.Message) bool {
		var v T
		return m.Topic == topic && json.Unmarshal([]byte(m.Payload), &v) == nil && ok(v)
	}
}

// becomes waits for a state behind a mark.
func (r *rig) becomes(t *testing.T, mark int, ok func(equivents) bool) equivents {
	t.Helper()
	m, err := r.air.Next(limit(t, soon), mark, whole(stateTopic, ok))
	must(t, err)
	return parse[equivents](t, m)
}

// says waits for a moment behind a mark.
func (r *rig) says(t *testing.T, mark int, kind string) moment {
	t.Helper()
	m, err := r.air.Next(limit(t, soon), mark, whole(eventTopic, func(m moment) bool { return m.Type == kind }))
	must(t, err)
	return parse[moment](t, m)
}

// moments are the moments said behind a mark.
func (r *rig) moments(t *testing.T, mark int) (all []moment) {
	t.Helper()
	r.mark(t) // what is on its way is heard first
	for _, m := range observer.Pick(r.air.Since(mark), observer.On(eventTopic)) {
		all = append(all, parse[moment](t, m))
	}
	return all
}

// only fails unless exactly these moments were said behind a mark.
func (r *rig) only(t *testing.T, mark int, kinds ...string) {
	t.Helper()
	var got []string
	for _, m := range r.moments(t, mark) {
		got = append(got, m.Type)
	}
	if fmt.Sprint(got) != fmt.Sprint(kinds) {
		t.Errorf("said %v, not %v", got, kinds)
	}
}

func isOff(s equivents) bool  { return s.Equivent != nil && *s.Equivent == "OFF" }
func isOn(s equivents) bool   { return s.Equivent != nil && *s.Equivent == "ON" }
func isNull(s equivents) bool { return s.Equivent == nil }

// calls are the calls of the API that were answered, from the n-th on.
func (r *rig) calls(n int) (answered []simulator.Call) {
	all := r.cloud.Calls()
	for _, c := range all[min(n, len(all)):] {
		if c.Status != 0 {
			answered = append(answered, c)
		}
	}
	return answered
}

// polled waits until the product has spoken of a good answer to a call that came after this one.
func (r *rig) polled(t *testing.T) {
	t.Helper()
	r.polledSince(t, len(r.cloud.Calls()))
}

// polledSince is the same for a call after the nth.
func (r *rig) polledSince(t *testing.T, n int) {
	t.Helper()
	var at time.Time
	until(t, 2*time.Minute, "a good answer", func() bool {
		for _, c := range r.calls(n) {
			if c.Status == http.StatusOK {
				at = c.At
			}
		}
		return !at.IsZero()
	})
	r.becomes(t, 0, func(s equivents) bool {
		return s.LastPoll != nil && !s.LastPoll.Before(at.Add(r.skew).Truncate(time.Second))
	})
}

// post sends a webhook that must be taken.
func (r *rig) post(t *testing.T, kind, body string) {
	t.Helper()
	status, answer, err := r.app.Post(limit(t, soon), hookPath(kind), "application/json", []byte(body))
	must(t, err)
	if status != http.StatusOK || answer != "" {
		t.Errorf("%s: %d %q", kind, status, answer)
	}
}

// kill is a power cut once every moment that was said is known to have arrived; before that one may be said again.
func (r *rig) kill(t *testing.T) {
	t.Helper()
	r.rest(t)
	r.app.Kill()
}

// rest waits until the journal knows that the broker has all that was heard, of whatever source.
func (r *rig) rest(t *testing.T) {
	t.Helper()
	l := openLedger(t, r)
	r.mark(t) // what is on its way is heard first
	for _, m := range r.air.Since(0) {
		if !observer.On("grid2mqtt/+/event")(m) && !observer.On("grid2mqtt/+/+/event")(m) {
			continue
		}
		id := parse[moment](t, m).ID
		until(t, soon, "at rest: "+id, func() bool { return l.atRest(t, id) })
	}
}

// command says what Home Assistant's button or switch says.
func (r *rig) command(t *testing.T, name, payload string) {
	t.Helper()
	must(t, r.air.Publish(limit(t, soon), "grid2mqtt/equiwatt/set/"+name, payload, false))
}

// page is the text of the first page.
func (r *rig) page(t *testing.T) string {
	t.Helper()
	return r.read(t, "")
}

// read returns the text of a page.
func (r *rig) read(t *testing.T, target string) string {
	t.Helper()
	a, err := http.Get(r.app.Web + "/" + target)
	must(t, err)
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	must(t, err)
	return string(text)
}

// held is what the broker keeps.
func (r *rig) held(t *testing.T) map[string]string {
	t.Helper()
	held, err := observer.Held(limit(t, soon), r.broker.URL(), "#")
	must(t, err)
	return held
}

// within fails where the product broke the vendor's limits.
func (r *rig) within(t *testing.T) {
	t.Helper()
	for _, v := range r.cloud.Violations() {
		t.Error("the vendor's limit was broken:", v)
	}
}
