package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	chargerKey    = "cap_live_key-of-the-tests-0451"
	chargerSecret = "secret-of-the-webhook-of-the-tests-0451"
	card          = "CARD-OF-THE-TESTS-0451"

	chargersTopic  = "grid2mqtt/capacitor/state"
	chargerTopic   = "grid2mqtt/capacitor/box_1/state"
	chargerEvents  = "grid2mqtt/capacitor/box_1/event"
	connectorTopic = "grid2mqtt/capacitor/box_1_1/state"
)

// station is a rig whose home has a charger with one connector at Capacitor.
type station struct {
	*rig
	vendor *simulator.Capacitor
}

func openStation(t *testing.T, env map[string]string) station {
	t.Helper()
	s, url := openCapacitor(t)
	all := map[string]string{"CAPACITOR_URL": url}
	for k, v := range env {
		all[k] = v
	}
	return station{openRig(t, all), s}
}

// openCapacitor is a vendor who knows one charger with one connector.
func openCapacitor(t *testing.T) (s *simulator.Capacitor, url string) {
	t.Helper()
	s = simulator.NewCapacitor(chargerKey, ticking())
	url, err := s.Open("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	s.Buy(simulator.Growth)
	s.Add("BOX-1", 1)
	return s, url
}

// ticking is a clock that shows each millisecond once, so that of two deliveries one is the older.
func ticking() func() time.Time {
	var mu sync.Mutex
	var last time.Time
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now := time.Now().Truncate(time.Millisecond)
		if !now.After(last) {
			now = last.Add(time.Millisecond)
		}
		last = now
		return now
	}
}

// asking is the environment in which the API is asked.
func asking() map[string]string { return map[string]string{"CAPACITOR_API_KEY": chargerKey} }

func (h station) path() string { return "/hook/capacitor/" + hookToken }

// hooked registers the webhook, whose deliveries go out at once.
func (h station) hooked() {
	h.vendor.Hook(h.app.Hooks+h.path(), chargerSecret)
	h.vendor.Prompt(true)
}

// connector is the payload of the connector's state topic.
type connector struct {
	Status   *string    `json:"status"`
	Plugged  *string    `json:"plugged"`
	Charging *string    `json:"charging"`
	Fault    *string    `json:"fault"`
	Energy   *float64   `json:"session_energy"`
	Start    *time.Time `json:"session_start"`
	ID       *string    `json:"session_id"`
	Reason   *string    `json:"stop_reason"`
}

// chargerState is the payload of the charger's state topic.
type chargerState struct {
	Online   *string    `json:"online"`
	LastSeen *time.Time `json:"last_seen"`
	Vendor   *string    `json:"vendor"`
	Model    *string    `json:"model"`
	Firmware *string    `json:"firmware"`
}

// quota is the payload of Capacitor's own state topic.
type quota struct {
	Left    *int    `json:"quota"`
	Limit   *int    `json:"quota_limit"`
	Problem *string `json:"problem_text"`
}

// healing is how long it takes until what a lost webhook told is asked for.
const healing = 4 * time.Minute

func (h station) becomes(t *testing.T, mark int, what string, ok func(connector) bool) connector {
	t.Helper()
	m, err := h.air.Next(limit(t, healing), mark, whole(connectorTopic, ok))
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	return parse[connector](t, m)
}

func (h station) charger(t *testing.T, mark int, ok func(chargerState) bool) {
	t.Helper()
	_, err := h.air.Next(limit(t, healing), mark, whole(chargerTopic, ok))
	must(t, err)
}

func (h station) quota(t *testing.T, mark int, ok func(quota) bool) quota {
	t.Helper()
	m, err := h.air.Next(limit(t, healing), mark, whole(chargersTopic, ok))
	must(t, err)
	return parse[quota](t, m)
}

func (h station) presses(t *testing.T, button string) {
	t.Helper()
	must(t, h.air.Publish(limit(t, soon), "grid2mqtt/capacitor/box_1_1/set/"+button, "PRESS", false))
}

// says waits for a moment behind a mark.
func (h station) says(t *testing.T, mark int, kind string) moment {
	t.Helper()
	m, err := h.air.Next(limit(t, soon), mark, whole(chargerEvents, func(m moment) bool { return m.Type == kind }))
	must(t, err)
	return parse[moment](t, m)
}

// said are the moments so far, in their order.
func (h station) said(t *testing.T) (kinds []string) {
	t.Helper()
	h.mark(t) // what is on its way is heard first
	for _, m := range observer.Pick(h.air.Since(0), observer.On(chargerEvents)) {
		kinds = append(kinds, parse[moment](t, m).Type)
	}
	return kinds
}

// cut kills the product once every moment that was said is known to have arrived; before that one may be said again.
func (h station) cut(t *testing.T) {
	t.Helper()
	h.mark(t)
	l := openLedger(t, h.rig)
	for _, m := range observer.Pick(h.air.Since(0), observer.On(chargerEvents)) {
		id := parse[moment](t, m).ID
		until(t, soon, "at rest: "+id, func() bool { return l.atRest(t, id) })
	}
	h.app.Kill()
}

// commands are the calls that changed something.
func (h station) commands() (all []string) {
	for _, c := range h.vendor.Calls() {
		if c.Method != http.MethodGet {
			all = append(all, c.Method+" "+c.Path)
		}
	}
	return all
}

// honest fails where a limit was broken, or a secret told.
func (h station) honest(t *testing.T) {
	t.Helper()
	for _, v := range h.vendor.Violations() {
		t.Error("the vendor's limit was broken:", v)
	}
	if n := h.vendor.Busiest(); n > 1 {
		t.Errorf("%d calls at a time", n)
	}
	told := h.app.Log() + h.page(t)
	for _, m := range h.air.Since(0) {
		told += m.Topic + m.Payload
	}
	for _, secret := range []string{chargerKey, chargerSecret, card, "Office Parking Lot"} {
		if strings.Contains(told, secret) {
			t.Errorf("%s is told", secret)
		}
	}
}

func counts(p *float64, want float64) bool { return p != nil && *p == want }

// TestCapacitor is a charge from the button that starts it to the one that stops it, with every trouble in its middle.
func TestCapacitor(t *testing.T) {
	t.Parallel()
	h := openStation(t, asking())
	h.vendor.Boot("BOX-1")
	h.vendor.Lose()
	h.start(t)
	h.becomes(t, 0, "known by the API", func(c connector) bool { return is(c.Status, "Available") && is(c.Plugged, "OFF") && c.ID == nil })
	h.charger(t, 0, func(c chargerState) bool {
		return is(c.Online, "ON") && is(c.Vendor, "ABB") && is(c.Model, "Terra AC") && is(c.Firmware, "1.6.0") && c.LastSeen != nil
	})
	if said := h.said(t); len(said) > 0 {
		t.Errorf("the API's answers say %v", said)
	}

	h.hooked()
	h.vendor.OCPP()
	h.vendor.Status("BOX-1", 1, "Preparing")
	h.becomes(t, 0, "plugged", func(c connector) bool { return is(c.Status, "Preparing") && is(c.Plugged, "ON") })
	h.presses(t, "start")
	h.becomes(t, 0, "charging", func(c connector) bool { return is(c.Charging, "ON") && is(c.ID, "12345") && counts(c.Energy, 0) })
	h.vendor.Charge("BOX-1", 1, 1500)
	h.becomes(t, 0, "1.5 kWh", func(c connector) bool { return counts(c.Energy, 1.5) })
	must(t, h.app.Restart(limit(t, soon)))
	mark := h.mark(t)
	h.vendor.Charge("BOX-1", 1, 1500)
	h.becomes(t, mark, "3 kWh after a restart", func(c connector) bool { return counts(c.Energy, 3) && is(c.Charging, "ON") })
	h.restartBroker(t)
	h.presses(t, "stop")
	h.becomes(t, mark, "stopped", func(c connector) bool {
		return is(c.Charging, "OFF") && is(c.Status, "Finishing") && is(c.Reason, "Remote") && counts(c.Energy, 3) && is(c.ID, "12345")
	})
	h.vendor.Status("BOX-1", 1, "Available")
	h.becomes(t, mark, "free", func(c connector) bool { return is(c.Plugged, "OFF") && is(c.ID, "12345") })

	want := []string{
		"connector_status_changed", "transaction_started", "connector_status_changed", "transaction_updated", "transaction_updated",
		"transaction_stopped", "connector_status_changed", "connector_status_changed",
	}
	until(t, soon, "every moment", func() bool { return len(h.said(t)) >= len(want) })
	if said := h.said(t); !slices.Equal(said, want) {
		t.Errorf("said %v", said)
	}
	if got := h.commands(); !slices.Equal(got, []string{"POST /api/v1/transactions/start", "POST /api/v1/transactions/12345/stop"}) {
		t.Errorf("told the charger %v", got)
	}
	h.honest(t)
}

// TestCapacitorLosesWebhooks: each comes once, late, or never. What is lost is found by asking, and what comes too late says
// nothing.
func TestCapacitorLosesWebhooks(t *testing.T) {
	t.Parallel()
	h := openStation(t, asking())
	h.vendor.Boot("BOX-1")
	h.start(t)
	h.becomes(t, 0, "known", func(c connector) bool { return is(c.Status, "Available") })
	h.vendor.Hook(h.app.Hooks+h.path(), "")
	deliver := func(way simulator.Way, kinds ...string) {
		t.Helper()
		for _, r := range h.vendor.Deliver(limit(t, soon), way, kinds...) {
			if r.Status != http.StatusOK || r.Answer != "" || r.Took > 5*time.Second {
				t.Errorf("%+v", r)
			}
		}
	}
	h.vendor.Begin("BOX-1", 1, card)
	deliver(simulator.Doubled)
	h.says(t, 0, "transaction_started")
	h.becomes(t, 0, "charging", func(c connector) bool { return is(c.Charging, "ON") && is(c.ID, "12345") })
	h.vendor.Charge("BOX-1", 1, 1000)
	h.vendor.Charge("BOX-1", 1, 1000)
	deliver(simulator.Reversed)
	h.becomes(t, 0, "the newest update", func(c connector) bool { return counts(c.Energy, 2) })

	h.vendor.End("BOX-1", 1, "EVDisconnected")
	h.vendor.Lose("transaction.stopped")
	h.vendor.Status("BOX-1", 1, "Available")
	deliver(simulator.InOrder)
	until(t, soon, "the newest status", func() bool { return len(h.said(t)) == 5 })
	h.cut(t)
	h.start(t)
	h.becomes(t, 0, "healed", func(c connector) bool {
		return is(c.Reason, "EVDisconnected") && counts(c.Energy, 2) && is(c.Charging, "OFF")
	})

	h.vendor.Disconnect("BOX-1")
	h.vendor.Connect("BOX-1")
	deliver(simulator.Reversed)
	mark := h.mark(t)
	must(t, h.air.Quiet(limit(t, soon), 2*time.Second, observer.On(chargerEvents)))
	h.charger(t, 0, func(c chargerState) bool { return is(c.Online, "ON") })
	if held := h.held(t)[chargerTopic]; !strings.Contains(held, `"online":"ON"`) {
		t.Errorf("an older delivery changed %s", held)
	}
	for _, m := range observer.Pick(h.air.Since(mark), observer.On(connectorTopic)) {
		if c := parse[connector](t, m); !counts(c.Energy, 2) {
			t.Errorf("%s", m.Payload)
		}
	}
	want := []string{"transaction_started", "connector_status_changed", "transaction_updated", "connector_status_changed", "connector_status_changed", "charger_connected"}
	if said := h.said(t); !slices.Equal(said, want) {
		t.Errorf("said %v, want %v", said, want)
	}
	h.honest(t)
}

// TestCapacitorQuota: what is left of the day's calls is shown, ten of them are the household's, and after a 429 there is
// silence until the next day.
func TestCapacitorQuota(t *testing.T) {
	t.Parallel()
	h := openStation(t, asking())
	h.vendor.Buy(simulator.Free)
	h.vendor.Boot("BOX-1")
	h.vendor.Status("BOX-1", 1, "Preparing")
	h.start(t)
	h.becomes(t, 0, "known", func(c connector) bool { return is(c.Status, "Preparing") })
	first := h.quota(t, 0, func(q quota) bool { return q.Left != nil && *q.Left == 48 })
	if *first.Limit != 50 {
		t.Errorf("%d calls a day", *first.Limit)
	}
	h.vendor.Spend(38)
	h.presses(t, "start")
	h.quota(t, 0, func(q quota) bool { return q.Left != nil && *q.Left == 9 && q.Problem == nil })
	must(t, h.app.Restart(limit(t, soon)))
	must(t, h.air.Quiet(limit(t, soon), 5*time.Second, observer.On(chargersTopic)))
	if n := len(h.vendor.Calls()); n != 3 || !strings.Contains(h.held(t)[chargersTopic], `"quota":9`) {
		t.Errorf("%d calls, want the list, the charger and the start; shown: %s", n, h.held(t)[chargersTopic])
	}

	h.vendor.Spend(9)
	h.presses(t, "stop")
	h.quota(t, 0, func(q quota) bool { return q.Problem != nil && strings.Contains(*q.Problem, "used up") })
	calls := len(h.vendor.Calls())
	must(t, h.app.Restart(limit(t, soon)))
	h.presses(t, "stop")
	must(t, h.air.Quiet(limit(t, soon), 5*time.Second, observer.On(chargersTopic)))
	if n := len(h.vendor.Calls()); n != calls {
		t.Errorf("%d calls after the quota was used up", n-calls)
	}
	h.honest(t)
}

// TestCapacitorSaysWhyNot: a command that cannot be carried out is one clear sentence, and a charger that is not connected is
// no trouble of the API's.
func TestCapacitorSaysWhyNot(t *testing.T) {
	t.Parallel()
	h := openStation(t, asking())
	h.vendor.Older()
	h.vendor.Boot("BOX-1")
	h.start(t)
	h.becomes(t, 0, "known", func(c connector) bool { return is(c.Status, "Available") })
	h.presses(t, "start")
	h.quota(t, 0, func(q quota) bool { return q.Problem != nil && strings.Contains(*q.Problem, "it is Available") })
	if got := h.commands(); len(got) > 0 {
		t.Errorf("told the charger %v", got)
	}
	h.hooked()
	h.vendor.Status("BOX-1", 1, "Preparing")
	h.becomes(t, 0, "plugged", func(c connector) bool { return is(c.Status, "Preparing") })
	h.vendor.Prompt(false)
	h.vendor.Disconnect("BOX-1")
	h.vendor.Lose()
	h.presses(t, "start")
	h.charger(t, 0, func(c chargerState) bool { return is(c.Online, "OFF") })
	h.quota(t, 0, func(q quota) bool { return q.Problem != nil && strings.Contains(*q.Problem, "not connected") })

	h.vendor.Prompt(true)
	h.vendor.Connect("BOX-1")
	h.presses(t, "start")
	h.becomes(t, 0, "charging", func(c connector) bool { return is(c.Charging, "ON") })
	h.presses(t, "stop")
	h.becomes(t, 0, "stopped", func(c connector) bool { return is(c.Reason, "Remote") })
	want := []string{
		"POST /api/v1/transactions/start", "POST /api/v1/chargers/BOX-1/remote-start",
		"POST /api/v1/chargers/BOX-1/remote-start", "POST /api/v1/transactions/12345/stop",
	}
	if got := h.commands(); !slices.Equal(got, want) {
		t.Errorf("told the charger %v", got)
	}
	if m := parse[bridge](t, observer.Pick(h.air.Since(0), observer.On(bridgeTopic))[0]); m.Problem != "OFF" && m.Text != nil {
		t.Logf("%+v", *m.Text)
	}
	h.vendor.Break(simulator.WebPage())
	h.vendor.Disconnect("BOX-1")
	h.charger(t, 0, func(c chargerState) bool { return is(c.Online, "OFF") })
	h.vendor.Mend()
	h.honest(t)
}

// TestCapacitorHooks: registered once, and from then on nobody gets in who does not know the secret.
func TestCapacitorHooks(t *testing.T) {
	t.Parallel()
	env := asking()
	env["CAPACITOR_SECRET"], env["CAPACITOR_SIGNATURE"] = chargerSecret, "enforce"
	h := openStation(t, env)
	h.app.Env["PUBLIC_URL"] = h.app.Hooks
	h.vendor.Sign("X-Capacitor-Signature", "sha256=")
	h.start(t)
	run := func(code int, args ...string) string {
		t.Helper()
		must(t, h.app.Stop())
		defer h.start(t)
		r, err := h.app.Run(limit(t, soon), append([]string{"hooks"}, args...)...)
		must(t, err)
		if r.Code != code || strings.Contains(r.Stdout+r.Stderr, hookToken) || strings.Contains(r.Stdout+r.Stderr, chargerSecret) {
			t.Errorf("hooks %v: %d\n%s%s", args, r.Code, r.Stdout, r.Stderr)
		}
		return r.Stdout + r.Stderr
	}
	run(1, "check", "capacitor")
	for range 2 {
		run(0, "register", "capacitor")
	}
	if text := run(0, "check", "capacitor"); !strings.Contains(text, "all seven events") {
		t.Error(text)
	}
	if n := len(h.vendor.Hooks()); n != 1 {
		t.Errorf("%d webhooks are registered", n)
	}
	post := func(want int, note string) {
		t.Helper()
		body := fmt.Sprintf(`{"event":"charger.connected","timestamp":%q,"data":{"chargeBoxId":"BOX-1","note":%q}}`, time.Now().UTC().Format(time.RFC3339Nano), note)
		status, answer, err := h.app.Post(limit(t, soon), h.path(), "application/json", []byte(body))
		must(t, err)
		if status != want || answer != "" {
			t.Errorf("%s: %d %q, want %d", note, status, answer, want)
		}
	}
	post(http.StatusOK, "unsigned, and nobody knows better")
	until(t, soon, "the problem", func() bool { return strings.Contains(h.page(t), "not proven yet") })
	h.vendor.Prompt(true)
	h.vendor.Boot("BOX-1")
	h.becomes(t, 0, "proven", func(c connector) bool { return is(c.Status, "Available") })
	post(http.StatusUnauthorized, "unsigned")
	must(t, h.app.Restart(limit(t, soon)))
	post(http.StatusUnauthorized, "unsigned after a restart")
	if strings.Contains(h.page(t), "not proven yet") {
		t.Error("it is proven")
	}
	run(0, "remove", "capacitor")
	if n := len(h.vendor.Hooks()); n != 0 {
		t.Errorf("%d webhooks are left", n)
	}
	h.honest(t)
}
