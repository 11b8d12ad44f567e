package e2e

import (
	"slices"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/mosquitto"
	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

// TestLife is the built program on a broker from its start to its end: by SIGTERM, by a power cut, and again.
func TestLife(t *testing.T) {
	t.Parallel()
	binary, err := build()
	must(t, err)
	ctx := limit(t, 5*time.Minute) // the broker may have to be installed
	broker, err := mosquitto.Open(ctx)
	need(t, err)
	defer func() { must(t, broker.Close()) }()
	air, err := observer.Open(ctx, broker.URL(), "grid2mqtt/#")
	must(t, err)
	defer func() { must(t, air.Close()) }()
	p, err := binary.Open(ctx, map[string]string{"MQTT_URL": broker.URL()})
	must(t, err)
	defer func() { must(t, p.Close()) }()

	mark := func() int {
		t.Helper()
		n, err := air.Mark(limit(t, patience))
		must(t, err)
		return n
	}
	says := func(mark int, status string) {
		t.Helper()
		m, err := air.Next(limit(t, patience), mark, observer.Says("grid2mqtt/status", status))
		if err != nil {
			t.Fatalf("%v\n%s", err, p.Log())
		}
		if m.QoS != 1 || !m.Retained {
			t.Errorf("%+v", m)
		}
	}
	says(0, "online")
	before := mark()
	p.Kill()
	says(before, "offline") // the last will
	before = mark()
	must(t, p.Start(ctx))
	says(before, "online")
	before = mark()
	must(t, p.Stop())
	says(before, "offline")
	held, err := observer.Held(limit(t, patience), broker.URL(), "grid2mqtt/status")
	if err != nil || held["grid2mqtt/status"] != "offline" {
		t.Error(held, err)
	}
	status := observer.Payloads(observer.Pick(air.Since(0), observer.On("grid2mqtt/status")))
	if !slices.Equal(status, []string{"online", "offline", "online", "offline"}) {
		t.Error(status)
	}
}
