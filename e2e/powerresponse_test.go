package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	responseKey    = "powerresponse-key-of-the-tests-0451"
	responseTenant = "11111111-2222-4333-8444-555555555555"
	responseToken  = "powerresponse-hmac-of-the-tests-0451"

	responseState = "grid2mqtt/powerresponse/state"
	responseEvent = "grid2mqtt/powerresponse/event"
)

// tenant is a rig whose home is a tenant of PowerResponse.
type tenant struct {
	*rig
	platform *simulator.PowerResponse
	hook     string
}

func openTenant(t *testing.T) tenant {
	t.Helper()
	s := simulator.NewPowerResponse(responseKey, responseTenant, responseToken, nil)
	url, err := s.Open("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	r := openRig(t, map[string]string{
		"POWERRESPONSE_API_KEY": responseKey, "POWERRESPONSE_TENANT": responseTenant, "POWERRESPONSE_TOKEN": responseToken, "POWERRESPONSE_URL": url,
	})
	h := tenant{r, s, r.app.Hooks + "/hook/powerresponse/" + hookToken}
	s.Subscribe(h.hook, simulator.EventCreated, simulator.EventUpdated, simulator.EventCancelled)
	return h
}

// response is the payload of the state topic.
type response struct {
	Active    *string    `json:"active"`
	Start     *time.Time `json:"start"`
	End       *time.Time `json:"end"`
	NextStart *time.Time `json:"next_start"`
	NextEnd   *time.Time `json:"next_end"`
	LastStart *time.Time `json:"last_start"`
	LastEnd   *time.Time `json:"last_end"`
	Status    *string    `json:"status"`
	Enrolling string     `json:"enrolling"`
	Cloud     *string    `json:"cloud"`
}

func (h tenant) becomes(t *testing.T, mark int, ok func(response) bool) {
	t.Helper()
	_, err := h.air.Next(limit(t, soon), mark, whole(responseState, ok))
	must(t, err)
}

// says waits for a moment behind a mark and returns when it happened.
func (h tenant) says(t *testing.T, mark int, kind string) moment {
	t.Helper()
	m, err := h.air.Next(limit(t, soon), mark, whole(responseEvent, func(m moment) bool { return m.Type == kind }))
	must(t, err)
	return parse[moment](t, m)
}

func is(p *string, want string) bool { return p != nil && *p == want }

// TestPowerResponse is one event from its announcement to its end, with restarts in the middle.
func TestPowerResponse(t *testing.T) {
	t.Parallel()
	h := openTenant(t)
	h.start(t)
	h.becomes(t, 0, func(s response) bool { return is(s.Cloud, "ON") && s.Active == nil })

	start := time.Now().Add(40 * time.Second).Truncate(time.Second).UTC()
	end := start.Add(20 * time.Second)
	id := h.platform.Dispatch(simulator.Dispatch{Name: "Evening", Type: "TURN_DOWN", Status: "SCHEDULED", Start: start, End: end})
	for _, r := range h.platform.Deliver(limit(t, soon), simulator.Doubled) {
		if r.Status != http.StatusOK || r.Answer != "" {
			t.Errorf("%+v", r)
		}
	}
	h.says(t, 0, "announced")
	h.becomes(t, 0, func(s response) bool {
		return is(s.Active, "OFF") && s.Start == nil && s.NextStart.Equal(start) && s.NextEnd.Equal(end) && is(s.Status, "SCHEDULED")
	})
	must(t, h.app.Restart(limit(t, soon)))
	if m := h.says(t, 0, "started"); !m.Occurred.Equal(start) || !m.Start.Equal(start) {
		t.Errorf("%+v", m)
	}
	h.becomes(t, 0, func(s response) bool {
		return is(s.Active, "ON") && s.Start.Equal(start) && s.End.Equal(end) && s.NextStart == nil
	})
	h.restartBroker(t)
	must(t, h.app.Stop())
	mark := h.mark(t)
	h.start(t)
	if m := h.says(t, 0, "ended"); !m.Occurred.Equal(end) {
		t.Errorf("%+v", m)
	}
	h.becomes(t, mark, func(s response) bool {
		return is(s.Active, "OFF") && s.Start == nil && s.LastStart != nil && s.LastStart.Equal(start) && s.LastEnd.Equal(end)
	})
	h.said(t, "notice", "announced", "started", "ended")
	if v := h.platform.Violations(); len(v) > 0 || h.platform.Busiest() > 1 {
		t.Errorf("%v, %d calls at a time", v, h.platform.Busiest())
	}
	reads := 0
	for _, c := range h.platform.Calls() {
		if strings.HasSuffix(c.Path, id) {
			reads++
		}
		if c.Method != http.MethodGet {
			t.Errorf("%s %s by itself", c.Method, c.Path)
		}
	}
	if reads < 3 {
		t.Errorf("the truth was read %d times", reads)
	}
}

// said fails unless exactly these moments were said.
func (h tenant) said(t *testing.T, kinds ...string) {
	t.Helper()
	h.mark(t) // what is on its way is heard first
	var got []string
	for _, m := range observer.Pick(h.air.Since(0), observer.On(responseEvent)) {
		got = append(got, parse[moment](t, m).Type)
	}
	if strings.Join(got, " ") != strings.Join(kinds, " ") {
		t.Errorf("said %v, not %v", got, kinds)
	}
}

// TestPowerResponseLetsNobodyIn but who proves himself.
func TestPowerResponseLetsNobodyIn(t *testing.T) {
	t.Parallel()
	h := openTenant(t)
	h.start(t)
	body := `{"eventType":"EXAMPLE","eventUUID":"00000000-0000-4000-8000-00000000beef"}`
	forged := h.platform.Forge(limit(t, soon), h.hook, body)
	status, answer, err := h.app.Post(limit(t, soon), "/hook/powerresponse/"+hookToken, "application/json", []byte(body))
	must(t, err)
	if forged.Status != http.StatusUnauthorized || forged.Answer != "" || status != http.StatusUnauthorized || answer != "" {
		t.Errorf("forged: %d %q, unsigned: %d %q", forged.Status, forged.Answer, status, answer)
	}
	must(t, h.air.Publish(limit(t, soon), "grid2mqtt/hook/powerresponse", body, false))
	until(t, soon, "three refusals on the page", func() bool { return strings.Contains(h.page(t), "wrong signature") })
	if n := openLedger(t, h.rig).deliveries(t, 0, func(_, via, _, body string) {
		if via != "poll" {
			t.Errorf("kept: %q", body)
		}
	}); n > 1 {
		t.Errorf("%d deliveries", n)
	}

	challenge := func() bool {
		_, proven := h.platform.Challenge(limit(t, soon), http.MethodPost, h.hook, "challenge-0451")
		return proven
	}
	if challenge() {
		t.Error("a challenge is answered that nobody asked for")
	}
	must(t, h.air.Publish(limit(t, soon), "grid2mqtt/powerresponse/set/enrol", "PRESS", false))
	h.becomes(t, 0, func(s response) bool { return s.Enrolling == "ON" })
	mark := h.mark(t)
	if !challenge() || challenge() {
		t.Error("not just one challenge is answered")
	}
	h.becomes(t, mark, func(s response) bool { return s.Enrolling == "OFF" })
	if signed := h.platform.Send(limit(t, soon), h.hook, body); signed.Status != http.StatusOK {
		t.Errorf("signed: %+v", signed)
	}
	h.says(t, 0, "notice")
	for _, secret := range []string{responseKey, responseToken, hookToken} {
		if strings.Contains(h.app.Log(), secret) {
			t.Errorf("the log tells %s", secret)
		}
	}
}
