package e2e

import (
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// limitCoach is an hour of Ecomon's alerts in a home with plugs. Equiwatt is on too: the hour is that of its clock.
func limitCoach(t *testing.T, h *home) {
	enoughOfTheHour(t)
	h.open(t)
	alerts := simulator.NewEcomon("", nil)
	limits(alerts, h.app)
	deliver := func() {
		t.Helper()
		for _, s := range alerts.Deliver(limit(t, patience), simulator.Doubled) {
			if s.Status != 200 {
				t.Errorf("%s: %d %v", s.Kind, s.Status, s.Err)
			}
		}
	}
	alerts.Say("price", `{"event":"PRICE_WARNING","data":{"alerts":[{"deviceId":"A1B2C3D4"}]}}`) // so that the reader is known
	deliver()
	h.becomes(t, h.equivent(), "off")
	isCatalogue(t, h.house, "ecomon")
	h.shows(t, map[string]string{
		"binary_sensor.ecomon_a1b2c3d4_limit_warning": "off", "sensor.ecomon_a1b2c3d4_limit": "unknown", "sensor.ecomon_a1b2c3d4_remaining": "unknown",
	})
	h.setUpCoaches(t)
	skew, hour := fullHour(h.cloud)
	h.press(t, "refresh")
	_, err := h.air.Next(limit(t, patience), 0, whole(h.id+"/equiwatt/state", func(s equivents) bool { // the clock is told
		return s.LastPoll != nil && s.LastPoll.Before(time.Now().Add(skew/2))
	}))
	must(t, err)
	mark := h.mark(t)
	alerts.Use("A1B2C3D4", 3000)
	alerts.HalfHour()
	deliver()
	h.told(t, mark, "2000 Wh are left until ")
	// The second plug takes the power below the limit, so the third stays on.
	h.shows(t, map[string]string{"input_boolean.plug_touched": "off", "input_boolean.plug_off": "off", "sensor.ecomon_a1b2c3d4_projection": "6000"})
	for _, id := range []string{"coach", "only_told"} {
		h.waits(t, id, "event", "Until the hour is over")
	}
	h.shows(t, map[string]string{"input_boolean.plug_on": "on", "input_boolean.guest_plug": "on"})
	if time.Until(hour) > slow*time.Second {
		alerts.Use("A1B2C3D4", 2500) // past the limit is another alert in the same hour
		deliver()
		_, err := h.air.Times(limit(t, patience), mark, 2, observer.On("grid2mqtt/ecomon/a1b2c3d4/event"))
		must(t, err)
	}
	h.call(t, "input_boolean.turn_off", "input_boolean.plug_on", nil) // by hand
	must(t, h.hass.Restart(limit(t, 3*time.Minute)))
	if time.Until(hour) > slow*time.Second {
		h.becomes(t, "binary_sensor.ecomon_a1b2c3d4_limit_warning", "on")
	}
	until(t, lead+soon, "the full hour", func() bool { return time.Now().After(hour) })
	h.becomes(t, "binary_sensor.ecomon_a1b2c3d4_limit_warning", "off")
	h.shows(t, map[string]string{"input_boolean.plug_touched": "on", "input_boolean.plug_off": "on"})
	h.idle(t)
	h.shows(t, map[string]string{"input_boolean.plug_on": "off", "input_boolean.guest_plug": "on"})
	h.shows(t, map[string]string{"sensor.ecomon_a1b2c3d4_limit": "5000", "sensor.ecomon_a1b2c3d4_consumption": "unknown"})
	if n := len(observer.Pick(h.air.Since(mark), observer.On("e2e/told"))); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// setUpCoaches makes two automations: of one the householder says "not this time".
func (h *home) setUpCoaches(t *testing.T) {
	t.Helper()
	for _, id := range []string{"plug_off", "plug_on", "plug_touched", "guest_plug", "not_this_time"} {
		h.call(t, "input_boolean.turn_on", "input_boolean."+id, nil)
	}
	h.setUp(t, "coach", "limit_coach", object{
		"event": "event.ecomon_a1b2c3d4_event", "targets": []string{"notify.others"}, "power": []string{"sensor.house_power"}, "pause": 1,
		"plugs": []string{"input_boolean.plug_touched", "input_boolean.plug_off", "input_boolean.plug_on"},
	})
	h.setUp(t, "only_told", "limit_coach", object{
		"event": "event.ecomon_a1b2c3d4_event", "plugs": []string{"input_boolean.guest_plug"}, "opt_out": []string{"input_boolean.not_this_time"},
	})
	h.idle(t)
}
