package e2e

import (
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// TestBrokerRefusesTheUser until it knows him: the log and the page say who was refused, and by whom.
func TestBrokerRefusesTheUser(t *testing.T) {
	t.Parallel()
	env := believing()
	const password = "p@ss/word-0451"
	env["MQTT_USERNAME"], env["MQTT_PASSWORD"] = "grid", password
	r := openRig(t, env)
	r.triggers(told)
	r.broker.Users = map[string]string{"somebody": "else"}
	must(t, r.broker.Stop())
	r.startBrokerAgain(t)
	must(t, r.app.Start(limit(t, soon)))
	at := strings.TrimPrefix(r.gate.url(), "mqtt://")
	until(t, soon, "a word in the log", func() bool {
		log := r.app.Log()
		return strings.Contains(log, `"grid"`) && strings.Contains(log, at) && strings.Contains(strings.ToLower(log), "not authori")
	})
	page := r.page(t)
	for _, want := range []string{"grid", at, "MQTT_PASSWORD"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not name %s", want)
		}
	}
	begin(few, deliver(simulator.InOrder))(t, r, time.Time{}) // is taken all the same
	a, err := http.Get(r.app.Web + "/healthz")
	must(t, err)
	if a.Body.Close(); a.StatusCode != http.StatusOK {
		t.Error("not healthy, though it is the broker's fault:", a.Status)
	}
	if strings.Count(r.app.Log(), "MQTT_PASSWORD") != 1 {
		t.Errorf("the log says it again and again:\n%s", r.app.Log())
	}
	r.broker.Users = map[string]string{"grid": password}
	must(t, r.broker.Stop())
	r.startBrokerAgain(t)
	m := r.says(t, 0, "started")
	if *m.Late || *m.Seconds < int(few/time.Second) {
		t.Errorf("%+v", m)
	}
	r.ordered(t, 0)
	if page := r.page(t); strings.Contains(page, "MQTT_PASSWORD") {
		t.Error("the page still complains")
	}
	r.tellsNo(t, password)
}

// startBrokerAgain where it was stopped and nobody is held back.
func (r *rig) startBrokerAgain(t *testing.T) {
	t.Helper()
	must(t, r.broker.Start(limit(t, soon)))
	must(t, r.air.Connected(limit(t, soon)))
}

// tellsNo secret anywhere.
func (r *rig) tellsNo(t *testing.T, secret string) {
	t.Helper()
	for where, text := range map[string]string{"log": r.app.Log(), "page": r.page(t)} {
		if strings.Contains(text, secret) {
			t.Errorf("the %s tells %s", where, secret)
		}
	}
	for _, m := range r.air.Since(0) {
		if strings.Contains(m.Payload, secret) {
			t.Errorf("%s tells %s", m.Topic, secret)
		}
	}
}

// TestPasswordInTheURL is decoded; a variable of its own wins.
func TestPasswordInTheURL(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.broker.Users = map[string]string{"grid two": "p@ss/word 0451"}
	must(t, r.broker.Stop())
	r.startBrokerAgain(t)
	at := strings.TrimPrefix(r.gate.url(), "mqtt://")
	plain := maps.Clone(r.app.Env)
	for url, more := range map[string]map[string]string{
		"mqtt://grid%20two:p%40ss%2Fword%200451@" + at: nil,
		"tcp://other:wrong@" + at:                      {"MQTT_USERNAME": "grid two", "MQTT_PASSWORD": "p@ss/word 0451"},
	} {
		r.app.Env = maps.Clone(plain)
		r.app.Env["MQTT_URL"] = url
		maps.Copy(r.app.Env, more)
		r.start(t)
		must(t, r.app.Stop())
	}
}

// TestNoBrokerAtTheStart is no reason to end, nor to lose a webhook.
func TestNoBrokerAtTheStart(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.triggers(told)
	r.broker.Kill()
	must(t, r.app.Start(limit(t, soon)))
	begin(few, deliver(simulator.InOrder))(t, r, time.Time{})
	until(t, soon, "a word on the page", func() bool { return strings.Contains(r.page(t), strings.TrimPrefix(r.gate.url(), "mqtt://")) })
	r.gate.hold()
	r.startBroker(t)
	back := time.Now()
	m, err := r.air.Next(limit(t, soon), 0, observer.Says(statusTopic, "online"))
	must(t, err)
	t.Logf("found the broker after %v", m.At.Sub(back))
	r.says(t, 0, "started")
	r.ordered(t, 0)
}
