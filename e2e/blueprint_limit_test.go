package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/hass"
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
	for _, id := range []string{"plug_off", "plug_on", "plug_touched"} {
		h.call(t, "input_boolean.turn_on", "input_boolean."+id, nil)
	}
	h.setUp(t, "coach", "limit_coach", object{
		"event": "event.ecomon_a1b2c3d4_event", "targets": []string{"notify.others"}, "power": []string{"sensor.house_power"}, "pause": 1,
		"plugs": []string{"input_boolean.plug_touched", "input_boolean.plug_off", "input_boolean.plug_on"},
	})
	h.idle(t)
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
	until(t, patience, "it waits for the hour", func() bool {
		all, err := h.hass.Traces(limit(t, patience), "coach")
		return err == nil && slices.ContainsFunc(all, func(trace hass.Trace) bool { return trace.LastStep == "action/7" })
	})
	h.shows(t, map[string]string{"input_boolean.plug_on": "on"})
	must(t, h.hass.Restart(limit(t, 3*time.Minute)))
	if time.Until(hour) > slow*time.Second {
		h.becomes(t, "binary_sensor.ecomon_a1b2c3d4_limit_warning", "on")
	}
	until(t, lead+soon, "the full hour", func() bool { return time.Now().After(hour) })
	h.becomes(t, "binary_sensor.ecomon_a1b2c3d4_limit_warning", "off")
	h.shows(t, map[string]string{"input_boolean.plug_touched": "on", "input_boolean.plug_off": "on", "input_boolean.plug_on": "on"})
	h.shows(t, map[string]string{"sensor.ecomon_a1b2c3d4_limit": "5000", "sensor.ecomon_a1b2c3d4_consumption": "unknown"})
	if n := len(observer.Pick(h.air.Since(mark), observer.On("e2e/told"))); n != 1 {
		t.Errorf("told %d times", n)
	}
}
