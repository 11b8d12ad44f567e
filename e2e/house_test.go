package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/debian"
	"github.com/grid2mqtt/grid2mqtt/e2e/hass"
	"github.com/grid2mqtt/grid2mqtt/e2e/mosquitto"
	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

// house is what a household has: a broker and a Home Assistant on it; and an outsider who hears all and can speak.
type house struct {
	hass   *hass.Instance
	broker *mosquitto.Broker
	air    *observer.Observer
	fences int

	refused []string // runs of automations; see refuses
}

const patience = time.Minute // for what takes milliseconds, or a second, where all is well

func openHouse(t *testing.T) *house {
	t.Helper()
	h, ctx := &house{}, limit(t, 10*time.Minute) // the first call ever provisions
	var err error
	h.broker, err = mosquitto.Open(ctx)
	need(t, err)
	t.Cleanup(func() { must(t, h.broker.Close()) })
	h.air, err = observer.Open(ctx, h.broker.URL(), "#")
	need(t, err)
	t.Cleanup(func() { must(t, h.air.Close()) })
	h.hass, err = hass.Open(ctx, hass.Options{LogLevels: map[string]string{
		"homeassistant.components.mqtt": "debug",
		// It counts its lines, and warns of two hundred: a street of homes is no household.
		"homeassistant.helpers.entity_registry": "warning",
	}})
	need(t, err)
	t.Cleanup(func() {
		must(t, os.WriteFile(t.ArtifactDir()+"/hass.log", []byte(h.hass.Log()), 0o600))
		must(t, h.hass.Close())
	})
	_, err = h.hass.AddMQTT(ctx, h.broker.Host, h.broker.Port)
	must(t, err)
	h.fence(t)
	h.birth(t, 0)
	return h
}

// need fails the test where this machine lacks something, or skips it under -short.
func need(t *testing.T, err error) {
	t.Helper()
	if errors.Is(err, debian.ErrMissing) && testing.Short() {
		t.Skip(err)
	}
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func limit(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	t.Cleanup(cancel)
	return ctx
}

// until waits for a condition that nobody announces.
func until(t *testing.T, within time.Duration, what string, ok func() bool) {
	t.Helper()
	ctx := limit(t, within)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatalf("not within %v: %s", within, what)
		case <-tick.C:
		}
	}
}

// quietly runs a part during which Home Assistant has nothing to complain of. Later parts build on it.
func (h *house) quietly(t *testing.T, name string, part func(*testing.T)) {
	t.Helper()
	h.part(t, name, func(t *testing.T) {
		for _, w := range h.complaints(t, func() { part(t) }) {
			t.Error("Home Assistant:", w)
		}
	})
}

// part runs a part on which later ones build.
func (h *house) part(t *testing.T, name string, part func(*testing.T)) {
	t.Helper()
	if !t.Run(name, part) {
		t.FailNow()
	}
}

// complaints are Home Assistant's warnings about an act.
func (h *house) complaints(t *testing.T, act func()) []string {
	t.Helper()
	from := h.hass.LogSize()
	act()
	h.settle(t)
	return h.hass.Warnings(from)
}

// say publishes text as it is and everything else as JSON.
func (h *house) say(t *testing.T, topic string, payload any, retained bool) {
	t.Helper()
	text, ok := payload.(string)
	if !ok {
		b, err := json.Marshal(payload)
		must(t, err)
		text = string(b)
	}
	must(t, h.air.Publish(limit(t, patience), topic, text, retained))
}

// mark is the place in the record behind all that was said before.
func (h *house) mark(t *testing.T) int {
	t.Helper()
	n, err := h.air.Mark(limit(t, patience))
	must(t, err)
	return n
}

// fence makes Home Assistant answer on one topic what it hears on another.
func (h *house) fence(t *testing.T) {
	t.Helper()
	_, err := h.hass.Automation(limit(t, patience), "fence", map[string]any{
		"alias": "fence", "mode": "queued", "trace": map[string]any{"stored_traces": 0},
		"triggers": []any{map[string]any{"trigger": "mqtt", "topic": "e2e/fence"}},
		"actions": []any{
			map[string]any{"action": "system_log.write", "data": map[string]any{"message": "fence {{ trigger.payload }}.", "level": "info", "logger": "fence"}},
			publish("e2e/fence/back", "{{ trigger.payload }}"),
		},
	})
	must(t, err)
}

// settle returns when Home Assistant has heard all that was said before, and has written into its log what it has to say of it:
// the fence's own line is behind all others.
func (h *house) settle(t *testing.T) {
	t.Helper()
	h.fences++
	from, mark, n := h.hass.LogSize(), h.mark(t), fmt.Sprint(h.fences)
	h.say(t, "e2e/fence", n, false)
	_, err := h.air.Next(limit(t, patience), mark, observer.Says("e2e/fence/back", n))
	must(t, err)
	until(t, patience, "the fence in Home Assistant's log", func() bool { return strings.Contains(h.hass.LogFrom(from), "fence "+n+".") })
	size, since := h.hass.LogSize(), time.Now()
	until(t, patience, "Home Assistant's log at rest", func() bool {
		if s := h.hass.LogSize(); s != size {
			size, since = s, time.Now()
		}
		return time.Since(since) > 250*time.Millisecond
	})
}

// birth waits until Home Assistant has said online behind a mark. It does so 5 s after it runs and is quiet, and looks for a
// lost broker every 10 s.
func (h *house) birth(t *testing.T, mark int) {
	t.Helper()
	_, err := h.air.Next(limit(t, 2*time.Minute), mark, observer.Says("homeassistant/status", "online"))
	must(t, err)
}

// becomes waits for a state.
func (h *house) becomes(t *testing.T, entity, want string) hass.State {
	t.Helper()
	s, err := h.hass.WaitState(limit(t, patience), entity, hass.Is(want))
	if err != nil {
		t.Fatalf("want %q: %v", want, err)
	}
	return s
}

// shows waits for many states.
func (h *house) shows(t *testing.T, want map[string]string) {
	t.Helper()
	for id, s := range want {
		h.becomes(t, id, s)
	}
}

// device waits for a device.
func (h *house) device(t *testing.T, identifier string) (d hass.Device) {
	t.Helper()
	until(t, patience, "device "+identifier, func() bool {
		var err error
		d, err = h.hass.Device(limit(t, patience), identifier)
		return err == nil
	})
	return d
}

// entities of a device, from the key (the end of the unique id) to the registry's row.
func (h *house) entities(t *testing.T, identifier string) map[string]hass.Entity {
	t.Helper()
	all, err := h.hass.Entities(limit(t, patience))
	must(t, err)
	found := map[string]hass.Entity{}
	for _, e := range all {
		if key, ok := strings.CutPrefix(e.UniqueID, identifier+"_"); ok {
			found[key] = e
		}
	}
	return found
}

// automation counts what a trigger sets off, also over restarts, by saying so on e2e/ran/<id>.
func (h *house) automation(t *testing.T, id string, trigger map[string]any) {
	t.Helper()
	_, err := h.hass.Automation(limit(t, patience), id, map[string]any{
		"alias": id, "mode": "queued", "max": 100, "triggers": []any{trigger}, "actions": []any{publish("e2e/ran/"+id, "ran")},
	})
	must(t, err)
}

func publish(topic, payload string) map[string]any {
	return map[string]any{"action": "mqtt.publish", "data": map[string]any{"topic": topic, "payload": payload, "qos": 1}}
}

// ran waits until automations have run so often since they were made, and sees that they do not run more often.
func (h *house) ran(t *testing.T, want map[string]int) {
	t.Helper()
	for id, n := range want {
		if _, err := h.air.Times(limit(t, patience), 0, n, observer.On("e2e/ran/"+id)); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
	}
	h.settle(t)
	for id, n := range want {
		if got := len(observer.Pick(h.air.Since(0), observer.On("e2e/ran/"+id))); got != n {
			t.Errorf("%s ran %d times, not %d", id, got, n)
		}
	}
}
