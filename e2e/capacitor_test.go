package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

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
			if r.Status != http.StatusOK || r.Answer != "" {
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
	h.kill(t)
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
	mark := h.mark(t)
	must(t, h.app.Restart(limit(t, soon)))
	h.online(t, mark)
	mark = h.mark(t)
	h.presses(t, "stop")
	h.quota(t, mark, func(q quota) bool { return q.Problem != nil && strings.Contains(*q.Problem, "used up") })
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

	mark := h.mark(t)
	must(t, h.app.Restart(limit(t, soon))) // which generation answers is remembered
	h.online(t, mark)
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
