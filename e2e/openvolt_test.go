package e2e

import (
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	voltKey   = "openvolt-key-of-the-tests-0451"
	voltMeter = "6514167223e3d1424bf82742"
	voltState = "grid2mqtt/openvolt/" + voltMeter + "/state"
	voltEvent = "grid2mqtt/openvolt/" + voltMeter + "/event"
)

// volts is a household whose meter Openvolt reads. It is London's midnight last, an hour ago at least.
type volts struct {
	*rig
	vendor   *simulator.Openvolt
	midnight time.Time
}

// meterState is the payload of the meter's state topic.
type meterState struct {
	Newest  *time.Time `json:"newest_interval"`
	LastDay *string    `json:"last_day"`
	Energy  *float64   `json:"last_day_energy"`
	Age     *int       `json:"data_age"`
	Gaps    *int       `json:"gaps"`
	Status  *string    `json:"status"`
}

func openVolts(t *testing.T) *volts {
	t.Helper()
	v := &volts{vendor: simulator.NewOpenvolt(voltKey, nil)}
	url, err := v.vendor.Open("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, v.vendor.Close()) })
	london, err := time.LoadLocation("Europe/London")
	must(t, err)
	y, m, d := time.Now().Add(-time.Hour).In(london).Date()
	v.midnight = time.Date(y, m, d, 0, 0, 0, 0, london)
	v.rig = openRig(t, map[string]string{"OPENVOLT_API_KEY": voltKey, "OPENVOLT_URL": url})
	v.vendor.Connect(voltMeter)
	v.vendor.Subscribe(v.app.Hooks + "/hook/openvolt/" + hookToken)
	return v
}

// deliver sends the webhooks that wait; all must be taken.
func (v *volts) deliver(t *testing.T, way simulator.Way) {
	t.Helper()
	sent := v.vendor.Deliver(limit(t, soon), way)
	if len(sent) == 0 {
		t.Error("nothing was delivered")
	}
	for _, r := range sent {
		if r.Status != http.StatusOK || r.Answer != "" {
			t.Errorf("%s: %d %q %v", r.Kind, r.Status, r.Answer, r.Err)
		}
	}
}

// shows waits for a state behind a mark.
func (v *volts) shows(t *testing.T, mark int, ok func(meterState) bool) meterState {
	t.Helper()
	m, err := v.air.Next(limit(t, 2*time.Minute), mark, whole(voltState, ok))
	must(t, err)
	return parse[meterState](t, m)
}

// dayIs is the state of a meter of which the vendor's last day is known, with so many gaps.
func (v *volts) dayIs(gaps int) func(meterState) bool {
	var kWh float64
	whole := true
	yesterday := v.midnight.AddDate(0, 0, -1)
	for at := yesterday; at.Before(v.midnight); at = at.Add(30 * time.Minute) {
		half, known := v.vendor.Energy(voltMeter, at)
		kWh, whole = kWh+half, whole && known
	}
	return func(s meterState) bool {
		return whole && s.Newest != nil && s.Newest.Equal(v.midnight.Add(-30*time.Minute)) && s.Gaps != nil && *s.Gaps == gaps &&
			s.LastDay != nil && *s.LastDay == yesterday.Format(time.DateOnly) && s.Energy != nil && math.Abs(*s.Energy-kWh) < 1e-9
	}
}

// events are what was said of new data of the meter, each id once, and how many deliveries they stand for.
func (v *volts) events(t *testing.T) (n, deliveries int) {
	t.Helper()
	v.mark(t)
	seen := map[string]bool{}
	for _, m := range observer.Pick(v.air.Since(0), observer.On(voltEvent)) {
		e := parse[struct {
			ID         string
			Type       string `json:"event_type"`
			Deliveries int
		}](t, m)
		if e.Type != "meter_data_received" {
			t.Errorf("%s", m.Payload)
		}
		if !seen[e.ID] {
			seen[e.ID] = true
			n, deliveries = n+1, deliveries+e.Deliveries
		}
	}
	return n, deliveries
}

// kept is how many half hours the journal has.
func (v *volts) kept(t *testing.T) (n int) {
	t.Helper()
	must(t, openLedger(t, v.rig).db.QueryRowContext(limit(t, soon), "SELECT count(*) FROM intervals").Scan(&n))
	return n
}

func (v *volts) honest(t *testing.T) {
	t.Helper()
	for _, why := range v.vendor.Violations() {
		t.Error("the vendor's limit was broken:", why)
	}
	if n := v.vendor.Busiest(); n > 1 {
		t.Errorf("%d calls at a time", n)
	}
	for _, personal := range []string{"Example Customer", "customer@example.com", "Example Street", "9999999999999", "test_customer_id", voltKey} {
		for _, m := range v.air.Since(0) {
			if strings.Contains(m.Payload, personal) {
				t.Errorf("%s tells %s", m.Topic, personal)
			}
		}
		if strings.Contains(v.app.Log(), personal) {
			t.Errorf("the log tells %s", personal)
		}
	}
}

// TestThirteenMonths come in a burst, with holes, doubled and all at once, and the product is killed in their middle: they are
// fetched in few calls, said once, and each half hour is there; what is missing is missing.
func TestThirteenMonths(t *testing.T) {
	t.Parallel()
	v := openVolts(t)
	v.vendor.Lose()
	v.start(t)
	s := v.shows(t, 0, func(s meterState) bool { return s.Status != nil && *s.Status == "active" })
	if s.Newest != nil || s.Gaps != nil || s.Age != nil || s.LastDay != nil || s.Energy != nil {
		t.Errorf("%+v", s)
	}
	v.vendor.Backfill(voltMeter, v.midnight, 13, false)
	hole := v.midnight.AddDate(0, 0, -100)
	v.vendor.Miss(voltMeter, hole, hole.Add(90*time.Minute), "missing")
	v.vendor.Miss(voltMeter, hole.AddDate(0, 0, 60), hole.AddDate(0, 0, 60).Add(time.Hour), "null")
	v.deliver(t, simulator.AtOnce)
	burst := len(v.vendor.Calls())
	until(t, soon, "the event", func() bool { n, _ := v.events(t); return n > 0 })
	v.app.Kill()
	mark := v.mark(t)
	v.start(t)
	v.shows(t, mark, v.dayIs(5))
	first := v.midnight.UTC().AddDate(0, -13, 0)
	until(t, 3*time.Minute, "all half hours", func() bool { return v.kept(t) == int(v.midnight.Sub(first)/(30*time.Minute))-5 })
	told := 0
	until(t, 2*time.Minute, "all deliveries told of", func() bool { n, deliveries := v.events(t); told = n; return deliveries == 13 })
	if told > 2 { // what took longer than two seconds to come is told of a minute later
		t.Errorf("%d events for a burst", told)
	}
	for _, again := range v.vendor.Sent() { // a vendor that doubts whether they arrived
		if r := v.vendor.Again(limit(t, soon), again); r.Status != http.StatusOK {
			t.Errorf("%+v", r)
		}
	}
	until(t, soon, "the rest", func() bool {
		calls := v.vendor.Calls()
		return time.Since(calls[len(calls)-1].At) > 5*time.Second
	})
	if n := len(v.vendor.Calls()) - burst; n > 2*16 {
		t.Errorf("%d calls after the burst", n)
	}
	if n, _ := v.events(t); n != told {
		t.Errorf("%d events after what was told again, %d before", n, told)
	}
	v.honest(t)
}

// TestLateData: holes are filled and values corrected, by webhook and by command, over restarts, a pause that the vendor asks
// for, and a cloud that fails.
func TestLateData(t *testing.T) {
	t.Parallel()
	v := openVolts(t)
	v.vendor.Fill(voltMeter, v.midnight.AddDate(0, 0, -20), v.midnight)
	hole := v.midnight.AddDate(0, 0, -10)
	v.vendor.Miss(voltMeter, hole, hole.Add(time.Hour), "blank")
	v.vendor.Lose()
	hours := func() int { return int(time.Since(v.midnight)/time.Hour) * 3600 }
	least := hours()
	v.start(t)
	if s := v.shows(t, 0, v.dayIs(2)); s.Age == nil || *s.Age < least || *s.Age > hours() {
		t.Errorf("%+v", s)
	}
	until(t, 2*time.Minute, "thirteen months asked", func() bool { return len(v.vendor.Calls()) >= 14 })

	mark := v.mark(t)
	v.vendor.Fill(voltMeter, hole, hole.Add(time.Hour))
	v.deliver(t, simulator.Doubled)
	v.shows(t, mark, v.dayIs(0))

	yesterday := v.midnight.AddDate(0, 0, -1)
	v.vendor.Correct(voltMeter, yesterday, yesterday.Add(time.Hour), 4.5)
	v.vendor.Break(simulator.TooMany("5").For(1))
	v.deliver(t, simulator.InOrder)
	v.shows(t, mark, v.dayIs(0))
	calls := v.vendor.Calls()
	for i, c := range calls[:len(calls)-1] {
		if c.Status == http.StatusTooManyRequests && calls[i+1].At.Sub(c.At) < 5*time.Second {
			t.Errorf("called %v after it asked for 5 s of silence", calls[i+1].At.Sub(c.At))
		}
	}

	must(t, v.app.Stop())
	v.vendor.Correct(voltMeter, yesterday, yesterday.Add(time.Hour), 2.25)
	v.vendor.Lose()
	n := len(v.vendor.Calls())
	v.start(t)
	until(t, soon, "the list", func() bool { return len(v.vendor.Calls()) > n })
	if asked := v.vendor.Calls()[n]; !strings.HasSuffix(asked.Path, "/meters") {
		t.Errorf("asked %s", asked.Path)
	}
	payload := fmt.Sprintf(`{"from":%q,"to":%q}`, yesterday.Format(time.DateOnly), yesterday.Format(time.DateOnly))
	must(t, v.air.Publish(limit(t, soon), "grid2mqtt/openvolt/"+voltMeter+"/set/refetch", payload, false))
	v.shows(t, mark, v.dayIs(0))
	until(t, soon, "the rest", func() bool {
		calls := v.vendor.Calls()
		return time.Since(calls[len(calls)-1].At) > 5*time.Second
	})
	if more := v.vendor.Calls()[n:]; len(more) > 3 {
		t.Errorf("%d calls after a restart: %+v", len(more), more)
	}
	if n, _ := v.events(t); n > 2 {
		t.Errorf("%d events", n)
	}
	v.honest(t)
}

// TestKeyRotated: the vendor gives another key, and the household is told at once; with the new one all goes on.
func TestKeyRotated(t *testing.T) {
	t.Parallel()
	const next = "next-key-of-the-tests-0451"
	v := openVolts(t)
	v.vendor.Fill(voltMeter, v.midnight.AddDate(0, 0, -20), v.midnight)
	v.vendor.Lose()
	v.start(t)
	v.shows(t, 0, v.dayIs(0))
	v.vendor.Rotate(next)
	v.deliver(t, simulator.InOrder)
	refused := func(b bridge) bool { return b.Text != nil && strings.Contains(*b.Text, "Openvolt refuses the API key") }
	_, err := v.air.Next(limit(t, soon), 0, whole(bridgeTopic, refused))
	must(t, err)
	_, err = v.air.Next(limit(t, soon), 0, whole("grid2mqtt/openvolt/event", func(m moment) bool { return m.Type == "api_keys_rotated" }))
	must(t, err)
	must(t, v.app.Stop())
	v.app.Env["OPENVOLT_API_KEY"] = next
	mark := v.mark(t)
	v.start(t)
	_, err = v.air.Next(limit(t, soon), mark, whole(bridgeTopic, func(b bridge) bool { return b.Problem == "OFF" }))
	must(t, err)
	v.shows(t, mark, v.dayIs(0))
	for _, m := range v.air.Since(0) {
		if strings.Contains(m.Payload, next) {
			t.Errorf("%s tells the new key", m.Topic)
		}
	}
	if strings.Contains(v.app.Log(), next) {
		t.Error("the log tells the new key")
	}
	v.honest(t)
}
