package homeassistant

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What is no longer ours is cleared, documents first and the rest seconds
// later, and is remembered until the broker took it.
func TestOwnedTopicsAreCleared(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	gone := []string{"homeassistant/device/grid2mqtt_old/config", "my base/two/device/grid2mqtt_x/config", "grid2mqtt/old/state", "my base/x/state"}
	for _, topic := range gone {
		o.publish(topic, "{}", true)
	}
	h := newHouse(t)
	h.memory["owned"] = strings.Join([]string{"grid2mqtt/old/state", stateTopic, gone[1], "my base/x/state", gone[0]}, "\n")
	w := newWire(t, b.addr)
	w.lose(true) // not even the connection is acknowledged
	p := h.publisher(w.addr())
	run(t, p)
	until(t, "an attempt", func() bool { return p.Trouble() != "" && len(h.asks()) > 0 })
	w.mend()
	online(t, o, 1)
	until(t, "all is cleared", func() bool {
		return !slices.ContainsFunc(gone, func(topic string) bool { return o.last(topic) != "" })
	})
	seen := slices.DeleteFunc(o.topics(len(gone)), func(t string) bool { return t == statusTopic })
	want := slices.Concat([]string{gone[1], gone[0]}, everything, []string{gone[2], gone[3]})
	if diff := cmp.Diff(want, seen[:len(want)]); diff != "" {
		t.Errorf("cleared, want -, got +:\n%s", diff)
	}
	ours := strings.Join(append([]string{statusTopic}, everything...), "\n")
	until(t, "only what is ours is remembered", func() bool { return h.remembered("owned") == ours })
	if n := len(o.on("my")) + len(o.on("base/x/state")); n > 0 {
		t.Error("a topic with a blank was cut in two")
	}
}

func TestClearingIsRememberedUntilTheBrokerTookIt(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	const old = "homeassistant/device/grid2mqtt_old/config"
	o.publish(old, "{}", true)
	w := newWire(t, b.addr)
	p := h.publisher(w.addr())
	stop := run(t, p)
	online(t, o, 1)
	stop()

	h.memory["owned"] += "\n" + old
	p = h.publisher(w.addr())
	client := dial(t, p)
	w.lose(true)
	v, _ := h.step()
	p.begin(client, v)
	until(t, "it is cleared", func() bool { return o.last(old) == "" })
	if !strings.Contains(h.remembered("owned"), old) {
		t.Error("forgotten before the broker took it")
	}
	w.cut(false)
	w.mend()
	run(t, h.publisher(w.addr()))
	until(t, "it is cleared again", func() bool { return len(o.on(old)) == 3 && !strings.Contains(h.remembered("owned"), old) })
}

// A change of the base topic leaves nothing of the old one behind.
func TestAnotherBaseTopicClearsTheFormer(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	stop := run(t, h.publisher(b.addr))
	online(t, o, 1)
	stop()
	p := h.publisher(b.addr)
	p.Names = otherNames
	run(t, p)
	until(t, "the new one is online", func() bool { return o.last("home/grid/status") == "online" })
	until(t, "all is cleared", func() bool {
		return !slices.ContainsFunc(append([]string{statusTopic}, everything...), func(topic string) bool { return o.last(topic) != "" })
	})
	late := observe(t, b.addr)
	until(t, "what is retained", func() bool { return len(late.all()) >= 5 })
	for _, m := range late.all() {
		if m.retained && strings.Contains(m.topic, "grid2mqtt") {
			t.Errorf("left behind: %v", m)
		}
	}
}
