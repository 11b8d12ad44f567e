package app

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestLeave(t *testing.T) {
	url := broker(t)
	all := listenAll(t, url)
	env := map[string]string{"HOOK_ADDR": "127.0.0.1:0", "WEB_ADDR": "127.0.0.1:0", "DATA_DIR": t.TempDir(), "MQTT_URL": url, "EQUIWATT_HOOK_TRUST": "believe"}
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- Run(ctx, env, io.Discard, Host{}) }()
	eventually(t, "online", func() bool { return all.last("grid2mqtt/status") == "online" })
	var said strings.Builder
	if err := Leave(t.Context(), env, &said, Host{}); !errors.Is(err, ErrNotLeft) || !strings.Contains(err.Error(), "is running") || said.Len() > 0 {
		t.Errorf("while it runs: %v, %q", err, said.String())
	}
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if err := Leave(t.Context(), env, &said, Host{}); err != nil {
		t.Error(err)
	}
	if text := said.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "5 retained topics") {
		t.Errorf("said %q", text)
	}
	said.Reset()
	if err := Leave(t.Context(), env, &said, Host{}); err != nil || !strings.Contains(said.String(), "nothing to clear") {
		t.Errorf("a second time: %q, %v", said.String(), err)
	}
	eventually(t, "all cleared", func() bool {
		for _, topic := range []string{"grid2mqtt/status", "grid2mqtt/bridge/state", "grid2mqtt/equiwatt/state",
			"homeassistant/device/grid2mqtt_bridge/config", "homeassistant/device/grid2mqtt_equiwatt/config"} {
			if all.last(topic) != "" {
				return false
			}
		}
		return true
	})
}

func TestLeaveWithAnUnusableConfiguration(t *testing.T) {
	err := Leave(t.Context(), map[string]string{"RETENTION": "soon"}, io.Discard, Host{})
	if err == nil || errors.Is(err, ErrNotLeft) || !strings.Contains(err.Error(), "RETENTION") {
		t.Error(err)
	}
}

// The page's buttons take a running app off the broker, and let it come back.
func TestLeavingByThePage(t *testing.T) {
	broker := broker(t)
	all := listenAll(t, broker)
	_, page := start(t, map[string]string{"MQTT_URL": broker, "ECOMON_UNSIGNED": "true"})
	eventually(t, "online", func() bool { return all.last("grid2mqtt/status") == "online" })
	if text := get(t, page+"/setup"); !strings.Contains(text, "Leave the broker") || strings.Contains(text, "Come back") {
		t.Error("the page does not offer to leave")
	}
	if code := presses(t, page, "", "leave", ""); code >= 400 {
		t.Fatal(code)
	}
	for _, topic := range []string{"grid2mqtt/status", "grid2mqtt/bridge/state", "homeassistant/device/grid2mqtt_ecomon/config"} {
		eventually(t, topic+" is cleared", func() bool { return all.last(topic) == "" })
	}
	if text := get(t, page+"/setup"); !strings.Contains(text, "Come back") || strings.Contains(text, "Leave the broker") {
		t.Error("the page does not offer to come back")
	}
	if code := presses(t, page, "", "return", ""); code >= 400 {
		t.Fatal(code)
	}
	eventually(t, "online again", func() bool { return all.last("grid2mqtt/status") == "online" })
	eventually(t, "everything again", func() bool { return strings.Contains(all.last("grid2mqtt/bridge/state"), `"version"`) })
}
