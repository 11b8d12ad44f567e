package e2e

import (
	"net/http"
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
