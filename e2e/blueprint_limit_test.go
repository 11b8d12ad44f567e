package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/hass"
	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

func limitCoach(t *testing.T, h *house) {
	const topic = "grid2mqtt/ecomon/a1b2c3d4"
	ecomon := sample(t, "ecomon")
	h.say(t, "homeassistant/device/grid2mqtt_ecomon_a1b2c3d4/config", ecomon["document"], true)
	h.say(t, topic+"/state", ecomon["calm"], true)
	h.becomes(t, "binary_sensor.ecomon_a1b2c3d4_limit_warning", "off")
	for _, id := range []string{"plug_off", "plug_on", "plug_touched"} {
		h.call(t, "input_boolean.turn_on", "input_boolean."+id, nil)
	}
	h.setUp(t, "coach", "limit_coach", object{
		"event": "event.ecomon_a1b2c3d4_event", "targets": []string{"notify.others"}, "power": []string{"sensor.house_power"}, "pause": 1,
		"plugs": []string{"input_boolean.plug_touched", "input_boolean.plug_off", "input_boolean.plug_on"},
	})
	h.idle(t)
	until(t, 2*time.Minute, "time enough in this hour", func() bool { return time.Now().Minute() < 59 })
	mark := h.mark(t)
	h.say(t, topic+"/state", ecomon["warned"], true)
	h.say(t, topic+"/event", ecomon["moment"], false)
	h.say(t, topic+"/event", ecomon["moment"], false)
	h.told(t, mark, "2000 Wh are left until ")
	// The second plug takes the power below the limit, so the third stays on.
	h.shows(t, map[string]string{"input_boolean.plug_touched": "off", "input_boolean.plug_off": "off"})
	until(t, patience, "it waits for the hour", func() bool {
		all, err := h.hass.Traces(limit(t, patience), "coach")
		return err == nil && slices.ContainsFunc(all, func(trace hass.Trace) bool { return trace.LastStep == "action/7" })
	})
	h.shows(t, map[string]string{"input_boolean.plug_on": "on"})
	must(t, h.hass.Restart(limit(t, time.Minute)))
	h.becomes(t, "binary_sensor.ecomon_a1b2c3d4_limit_warning", "on")
	h.say(t, topic+"/state", ecomon["calm"], true)
	h.shows(t, map[string]string{"input_boolean.plug_touched": "on", "input_boolean.plug_off": "on", "input_boolean.plug_on": "on"})
	if n := len(observer.Pick(h.air.Since(mark), observer.On("e2e/told"))); n != 1 {
		t.Errorf("told %d times", n)
	}
}
