package homeassistant

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// devices changes the view's devices; Equiwatt's own is the first.
func devices(change func([]*state.Device) []*state.Device) func(*state.View) {
	return func(v *state.View) {
		s := v.Sources[0]
		s.Devices = state.DevicesOf(change(s.Devices.List())...)
		v.Sources = []state.Source{s}
	}
}

// What is new or differs is said and nothing else, a document before its state.
func TestDevicesAreSaidWhereTheyDiffer(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	p := h.publisher(b.addr)
	p.Step = func() (state.View, bool) { // as it is, without the house's own Equiwatt
		h.mu.Lock()
		defer h.mu.Unlock()
		if len(h.coming) > 0 {
			h.coming[0](&h.view)
			h.coming = h.coming[1:]
		}
		return h.view, len(h.coming) > 0
	}
	run(t, p)
	online(t, o, 1)
	until(t, "the documents again", func() bool { return len(o.on(document)) == 2 })
	said := func(what string, change func([]*state.Device) []*state.Device, want ...string) {
		t.Helper()
		n := len(o.all())
		h.happen(devices(change))
		until(t, what, func() bool { return len(o.all()) >= n+len(want) })
		if diff := cmp.Diff(want, o.topics(n)); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", what, diff)
		}
	}
	const (
		aDocument, aState = "homeassistant/device/grid2mqtt_equiwatt_a/config", "grid2mqtt/equiwatt/a/state"
		bDocument, bState = "homeassistant/device/grid2mqtt_equiwatt_b/config", "grid2mqtt/equiwatt/b/state"
	)
	device := func(subject string, month, edition int) *state.Device {
		return &state.Device{Source: "equiwatt", Subject: subject, Edition: edition, State: &state.Equivents{Month: &month}}
	}
	said("two come", func(d []*state.Device) []*state.Device {
		return append(d, device("a", 0, 0), device("b", 0, 0))
	}, aDocument, bDocument, aState, bState)
	said("one changes, one is made anew", func(d []*state.Device) []*state.Device {
		d[1], d[2] = device("a", 0, 0), device("b", 1, 0)
		return d
	}, bState)
	said("one is another edition", func(d []*state.Device) []*state.Device {
		d[1] = device("a", 2, 1)
		return d
	}, aDocument, aState)
	for _, topic := range []string{aDocument, bState} {
		if !slices.Contains(strings.Split(h.remembered("owned"), "\n"), topic) {
			t.Errorf("%s is not remembered as ours", topic)
		}
	}
}
