package e2e

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/e2e/product"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	ecomonSecret = "ecomon-secret-of-the-tests-0451"
	readerState  = "grid2mqtt/ecomon/a1b2c3d4/state"
	readerEvent  = "grid2mqtt/ecomon/a1b2c3d4/event"
)

// lead is how long before the full hour a test begins, by the clock that the product goes by.
const lead = 2 * time.Minute

// meter is a rig with Ecomon's cloud. Equiwatt is on too: the hour is that of its clock, so that no test waits for a full one.
type meter struct {
	*rig
	alerts *simulator.Ecomon
	hour   time.Time // when the clock hour is over, by this machine's clock
}

// reader is the payload of a reader's state topic.
type reader struct {
	Warning     string     `json:"limit_warning"`
	Limit       *float64   `json:"limit"`
	Consumption *float64   `json:"consumption"`
	Projection  *float64   `json:"projection"`
	Remaining   *float64   `json:"remaining"`
	LastAlert   *time.Time `json:"last_alert"`
}

// alarm is the payload of a reader's event topic.
type alarm struct {
	moment
	Kind        string         `json:"kind"`
	Limit       *float64       `json:"limit"`
	Consumption *float64       `json:"consumption"`
	Projection  *float64       `json:"projection"`
	Remaining   *float64       `json:"remaining"`
	Data        map[string]any `json:"data"`
}

func openMeter(t *testing.T) *meter {
	t.Helper()
	env := confirming()
	env["ECOMON_SECRET"] = ecomonSecret
	m := &meter{rig: openRig(t, env), alerts: simulator.NewEcomon("", nil)}
	m.skew, m.hour = fullHour(m.cloud)
	limits(m.alerts, m.app)
	m.start(t)
	m.rig.becomes(t, 0, isOff) // its clock is told
	return m
}

// fullHour sets a cloud's clock so that its hour is over after the lead, and returns by how much, and when that is by this
// machine's clock.
func fullHour(cloud *simulator.Equiwatt) (skew time.Duration, over time.Time) {
	now := time.Now()
	skew = now.Truncate(time.Hour).Add(-lead).Sub(now)
	cloud.Skew(skew)
	return skew, now.Add(lead)
}

// limits lets a reader have both alerts, which call the product.
func limits(alerts *simulator.Ecomon, app *product.Product) {
	alerts.Sign(ecomonSecret)
	for _, alert := range []string{simulator.HalfHourAlert, simulator.ContinuousAlert} {
		alerts.Limit(alert, "A1B2C3D4", 5000, app.Hooks+"/hook/ecomon/"+hookToken)
	}
}

// deliver sends what waits, and fails unless each gets this answer.
func (m *meter) deliver(t *testing.T, way simulator.Way, status int) []simulator.Receipt {
	t.Helper()
	sent := m.alerts.Deliver(limit(t, soon), way)
	if len(sent) == 0 {
		t.Error("nothing was delivered")
	}
	for _, s := range sent {
		if s.Status != status || s.Answer != "" {
			t.Errorf("%s: %d %q %v, not %d", s.Kind, s.Status, s.Answer, s.Err, status)
		}
	}
	return sent
}

// warn makes the reader warn at half the hour.
func (m *meter) warn(t *testing.T) simulator.Receipt {
	t.Helper()
	m.alerts.Use("A1B2C3D4", 3000)
	m.alerts.HalfHour()
	sent := m.deliver(t, simulator.Doubled, http.StatusOK)
	m.shows(t, 0, reader{Warning: "ON", Limit: num(5000), Consumption: num(3000), Projection: num(6000), Remaining: num(2000)})
	m.told(t, 0, "limit_warning")
	return sent[0]
}

func num(f float64) *float64 { return &f }

// shows waits for a state behind a mark, whenever its alert was.
func (m *meter) shows(t *testing.T, mark int, want reader) {
	t.Helper()
	same := func(a, b *float64) bool { return a == b || a != nil && b != nil && *a == *b }
	_, err := m.air.Next(limit(t, soon+lead), mark, whole(readerState, func(r reader) bool {
		return r.Warning == want.Warning && same(r.Limit, want.Limit) && same(r.Consumption, want.Consumption) &&
			same(r.Projection, want.Projection) && same(r.Remaining, want.Remaining) && r.LastAlert != nil
	}))
	must(t, err)
}

// told waits until as many moments were said behind a mark, and fails unless they are these.
func (m *meter) told(t *testing.T, mark int, kinds ...string) (all []alarm) {
	t.Helper()
	_, err := m.air.Times(limit(t, soon+lead), mark, len(kinds), observer.On(readerEvent))
	must(t, err)
	m.mark(t) // what is on its way is heard first
	var got []string
	for _, msg := range observer.Pick(m.air.Since(mark), observer.On(readerEvent)) {
		if msg.Retained || msg.QoS != 1 {
			t.Errorf("%+v", msg)
		}
		a := parse[alarm](t, msg)
		all = append(all, a)
		got = append(got, a.Type)
	}
	if !slices.Equal(got, kinds) {
		t.Errorf("said %v, not %v", got, kinds)
	}
	return all
}

// TestEcomonStrangers: who does not sign with the secret is refused, and changes nothing.
func TestEcomonStrangers(t *testing.T) {
	t.Parallel()
	m := openMeter(t)
	m.alerts.Use("A1B2C3D4", 3000)
	for _, secret := range []string{"", "another"} {
		m.alerts.Sign(secret)
		m.alerts.HalfHour()
		m.deliver(t, simulator.InOrder, http.StatusUnauthorized)
	}
	m.alerts.Sign(ecomonSecret)
	m.alerts.HalfHour()
	forged := m.deliver(t, simulator.InOrder, http.StatusOK)[0]
	m.told(t, 0, "limit_warning")
	forged.Body = strings.Replace(forged.Body, "5000", "9000", 1)
	if again := m.alerts.Again(limit(t, soon), forged); again.Status != http.StatusUnauthorized {
		t.Errorf("changed on its way: %d", again.Status)
	}
	must(t, m.air.Publish(limit(t, soon), "grid2mqtt/hook/ecomon", forged.Body, false)) // without its signature
	m.alerts.Test(forged.URL)
	m.deliver(t, simulator.InOrder, http.StatusOK)
	_, err := m.air.Next(limit(t, soon), 0, whole("grid2mqtt/ecomon/event", func(a alarm) bool { return a.Type == "test" && a.Kind == "webhook:test" }))
	must(t, err)
	m.told(t, 0, "limit_warning")
	kept := 0
	openLedger(t, m.rig).deliveries(t, 0, func(_, via, verdict, body string) {
		if via == "http" {
			kept++
		}
		if strings.Contains(body, "9000") || verdict != "accepted" {
			t.Errorf("kept by %s as %s: %s", via, verdict, body)
		}
	})
	if kept != 2 {
		t.Errorf("%d webhooks are kept, not two", kept)
	}
	if page := m.page(t); !strings.Contains(page, "wrong signature") || strings.Contains(page, ecomonSecret) {
		t.Error("the page does not count wrong signatures, or tells the secret")
	}
	m.within(t)
}

// TestEcomon is one clock hour of a reader: it warns, by both alerts, and is cleared once at the full hour, whoever was away.
func TestEcomon(t *testing.T) {
	t.Parallel()
	for name, trouble := range map[string]struct{ before, after func(*testing.T, *meter) }{
		"nobody is away": {func(*testing.T, *meter) {}, func(*testing.T, *meter) {}},
		"the app stops": {
			func(t *testing.T, m *meter) { must(t, m.app.Stop()) },
			func(t *testing.T, m *meter) { m.start(t) },
		},
		"the app is killed": {
			func(t *testing.T, m *meter) { m.kill(t) },
			func(t *testing.T, m *meter) { m.start(t) },
		},
		"the broker is away": {
			func(t *testing.T, m *meter) { m.stopBroker(t) },
			func(t *testing.T, m *meter) { m.startBroker(t) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := openMeter(t)
			first := m.warn(t)
			m.kill(t)
			mark := m.mark(t)
			m.start(t)
			m.shows(t, mark, reader{Warning: "ON", Limit: num(5000), Consumption: num(3000), Projection: num(6000), Remaining: num(2000)})
			m.restartBroker(t)
			m.alerts.Use("A1B2C3D4", 2500)
			m.deliver(t, simulator.InOrder, http.StatusOK)
			m.told(t, 0, "limit_warning", "limit_warning")
			if !time.Now().Before(m.hour) {
				t.Fatal("this machine is too slow: the hour is over already")
			}
			trouble.before(t, m)
			away := time.Now()
			until(t, lead+soon, "the full hour", func() bool { return time.Now().After(m.hour.Add(2 * time.Second)) })
			trouble.after(t, m)
			m.shows(t, 0, reader{Warning: "OFF", Limit: num(5000)})
			m.judge(t, m.told(t, 0, "limit_warning", "limit_warning", "cleared"))
			m.next(t, first)
			t.Log("away since", m.hour.Sub(away).Round(time.Second), "before the hour")
			m.within(t)
		})
	}
}

// judge looks at what was said of the hour.
func (m *meter) judge(t *testing.T, all []alarm) {
	t.Helper()
	half, often, cleared := all[0], all[1], all[2]
	end := m.hour.Add(m.skew)
	if !cleared.Occurred.Equal(end.Truncate(time.Hour)) && !cleared.Occurred.Equal(end.Round(time.Hour)) {
		t.Errorf("cleared at %v, the hour was over at %v", cleared.Occurred, end)
	}
	if half.Kind != simulator.HalfHourAlert || *half.Limit != 5000 || *half.Consumption != 3000 || *half.Projection != 6000 || *half.Remaining != 2000 {
		t.Errorf("at half the hour: %+v", half)
	}
	want := map[string]any{"configuredLimitInWatts": 5000.0, "consumptionThisFarInTheCurrentHourInWatts": 3000.0, "deviceId": "A1B2C3D4"}
	if !maps.Equal(half.Data, want) {
		t.Errorf("the vendor's own fields are %v, not %v", half.Data, want)
	}
	if often.Kind != simulator.ContinuousAlert || *often.Limit != 5000 || *often.Consumption != 3000 || *often.Remaining != 2000 {
		t.Errorf("at any time: %+v", often)
	}
	ids := map[string]bool{half.ID: true, often.ID: true, cleared.ID: true}
	if len(ids) != 3 || *half.Late || *half.Seconds > 60 || half.Occurred.After(end) {
		t.Errorf("%v, %+v", ids, half.moment)
	}
}

// next is the very same alert in the next hour, which is a new one.
func (m *meter) next(t *testing.T, first simulator.Receipt) {
	t.Helper()
	mark := m.mark(t)
	for range 2 {
		if again := m.alerts.Again(limit(t, soon), first); again.Status != http.StatusOK {
			t.Errorf("%d %v", again.Status, again.Err)
		}
	}
	m.shows(t, mark, reader{Warning: "ON", Limit: num(5000), Consumption: num(3000), Projection: num(6000), Remaining: num(2000)})
	m.told(t, mark, "limit_warning")
}
