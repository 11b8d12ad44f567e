package hass

import (
	"slices"
	"testing"
)

func TestWarnings(t *testing.T) {
	const log = `2026-11-21 13:00:00.123 INFO (MainThread) [homeassistant.setup] Setting up
2026-11-21 13:00:01.123 ERROR (MainThread) [homeassistant.components.mqtt.discovery] Exception in x
Traceback (most recent call last):
  File "x"
2026-11-21 13:00:02.123 INFO (MainThread) [homeassistant.setup] WARNING is only a word here
and here
2026-11-21 13:00:03.123 WARNING (Thread-5) [homeassistant.components.mqtt.client] Error returned from MQTT server: The connection was lost.
2026-11-21 13:00:03.123 ERROR (MainThread) [paho.mqtt.client] failed to receive on socket: [Errno 104] Connection reset by peer
2026-11-21 13:00:03.123 CRITICAL (SyncWorker_6) [concurrent.futures] Exception in worker
Traceback (most recent call last):
2026-11-21 13:00:03.124 WARNING (MainThread) [homeassistant.components.mqtt.sensor] y
`
	want := []string{
		"2026-11-21 13:00:01.123 ERROR (MainThread) [homeassistant.components.mqtt.discovery] Exception in x\nTraceback (most recent call last):\n  File \"x\"",
		"2026-11-21 13:00:03.124 WARNING (MainThread) [homeassistant.components.mqtt.sensor] y",
	}
	if got := warnings(log); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	h := &Instance{dir: t.TempDir()}
	if h.LogSize() != 0 || h.Log() != "" {
		t.Error("a log before the start")
	}
}
