package homeassistant

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// What a connection and a birth say, to the message: order, and no more.
func TestConnectAndBirth(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	o.publish(birthTopic, "online", true) // a copy from the past
	h := newHouse(t)
	h.happen(h.start("1-started"))
	p := h.publisher(b.addr)
	stop := run(t, p)

	online(t, o, 1)
	until(t, "the moment", func() bool { return len(o.on(eventTopic)) == 1 })
	connected := append(slices.Clone(everything), statusTopic, eventTopic)
	until(t, "the documents again", func() bool { return len(o.on(document)) == 2 })
	repeated := []string{bridgeDocument, document}
	if diff := cmp.Diff(append(connected, repeated...), flushed(t, h, o, 1, 1)); diff != "" {
		t.Errorf("on connect, want -, got +:\n%s", diff)
	}
	if h.remembered("birth") != "" {
		t.Error("a retained birth was taken for a live one")
	}

	seen := len(o.all())
	for range 3 {
		o.client.Publish(birthTopic, 1, false, "online")
	}
	until(t, "the documents again", func() bool { return len(o.on(document)) == 4 })
	want := slices.Concat([]string{birthTopic, birthTopic, birthTopic}, everything, repeated)
	if diff := cmp.Diff(want, flushed(t, h, o, seen, 2)); diff != "" {
		t.Errorf("on a birth, want -, got +:\n%s", diff)
	}
	if h.remembered("birth") == "" {
		t.Error("the birth is not remembered")
	}
	for _, m := range o.all() {
		if m.topic != birthTopic && m.retained {
			t.Errorf("seen live and still retained: %v", m)
		}
	}

	farewell(t, b, o, stop)
	if diff := cmp.Diff([]string{"1-started sent", "1-started rest"}, h.marked()); diff != "" {
		t.Errorf("marks: %s", diff)
	}
}

// farewell stops a publisher, and looks at what it leaves behind.
func farewell(t *testing.T, b *broker, o *observer, stop func()) {
	t.Helper()
	stop()
	until(t, "offline", func() bool { return slices.Equal(o.on(statusTopic), []string{"online", "offline"}) })
	late := observe(t, b.addr)
	until(t, "what is retained", func() bool { return len(late.all()) >= 6 })
	for _, m := range late.all() {
		if !m.retained || m.topic == eventTopic {
			t.Errorf("retained: %v", m)
		}
	}
	if !strings.Contains(b.log.String(), "as grid2mqtt-test (p2, c1, k10)") {
		t.Error("the client id, a clean session and a keepalive of 10 s are not in the broker's log")
	}
}

// A state comes before the event that goes with it, and only what differs.
func TestDifferencesOnly(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	run(t, h.publisher(b.addr))
	online(t, o, 1)
	n := len(o.all())
	h.happen(month(1), month(1), month(2), h.start("a"), h.start("b"), month(1))
	topics := flushed(t, h, o, n, 9)
	var events []string
	for i, topic := range topics {
		switch topic {
		case eventTopic:
			events = append(events, read(t, []byte(o.all()[n+i].payload)).text("id"))
		case stateTopic, bridgeDocument, document:
		default:
			t.Errorf("unasked: %s", topic)
		}
	}
	if diff := cmp.Diff([]string{"a", "b"}, events); diff != "" {
		t.Errorf("events: %s", diff)
	}
	first := slices.Index(topics, eventTopic)
	if first == 0 || !strings.Contains(o.all()[n+first-1].payload, `"equivent":"ON"`) {
		t.Errorf("before the first event: %v", o.all()[n:])
	}
	if got := len(o.on(stateTopic)); got > 6 {
		t.Errorf("%d states for four that differ", got)
	}
	if got := len(o.on(bridgeTopic)); got != 1 {
		t.Errorf("the bridge's state was said %d times, and never changed", got)
	}
}

func TestMomentsWaitForABirth(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	h.memory["birth"] = "2026-11-21T12:00:00Z"
	h.happen(h.start("a"))
	p := h.publisher(b.addr)
	run(t, p)
	online(t, o, 1)
	flushed(t, h, o, 0, 1) // states do not wait
	if len(o.on(eventTopic)) > 0 {
		t.Fatal("the moment did not wait")
	}
	n := len(o.all())
	o.publish(birthTopic, "online", false)
	until(t, "the moment", func() bool { return len(o.on(eventTopic)) == 1 })
	topics := slices.DeleteFunc(o.topics(n), func(t string) bool { return t == bridgeDocument || t == document })
	if diff := cmp.Diff([]string{birthTopic, bridgeTopic, stateTopic, eventTopic}, topics); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}

	p.receive(inbound{topic: birthTopic, payload: []byte("offline")})
	until(t, "the goodbye is heard", func() bool {
		p.in.mu.Lock()
		defer p.in.mu.Unlock()
		return p.in.count == 0
	})
	h.happen(h.start("b"))
	flushed(t, h, o, 0, 2)
	if len(o.on(eventTopic)) > 1 {
		t.Fatal("a moment was said to nobody")
	}
	o.publish("grid2mqtt/equiwatt/set/refresh", "", false) // a sign of life
	until(t, "the next moment", func() bool { return len(o.on(eventTopic)) == 2 })
}

func TestMomentsDoNotWaitWhereTheHouseholdSaysSo(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	h.memory["birth"] = "2026-11-21T12:00:00Z"
	h.happen(h.start("a"))
	p := h.publisher(b.addr)
	p.Wait, p.gate.wait = false, false
	run(t, p)
	until(t, "the moment", func() bool { return len(o.on(eventTopic)) == 1 })
	o.publish(birthTopic, "offline", false)
	h.happen(h.start("b"))
	until(t, "the next moment", func() bool { return len(o.on(eventTopic)) == 2 })
}

func TestBirthsOnBothPrefixes(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	p := h.publisher(b.addr)
	p.Names = otherNames
	run(t, p)
	until(t, "online", func() bool { return o.last("home/grid/status") == "online" })
	const state = "home/grid/equiwatt/state"
	for i, topic := range []string{"hass/status", birthTopic} {
		o.publish(topic, "online", false)
		until(t, "the answer to "+topic, func() bool { return len(o.on(state)) == 2+i })
	}
	if o.last("hass/device/home_grid_equiwatt/config") == "" {
		t.Error("no document under the other prefix")
	}
	o.publish("home/grid/equiwatt/set/refresh", "x", false)
	o.publish("grid2mqtt/equiwatt/set/refresh", "not for us", false)
	o.publish("home/grid/equiwatt/set/rehearse", "5", false)
	until(t, "the commands", func() bool { return len(h.called()) >= 2 })
	if diff := cmp.Diff([]string{"command|equiwatt||refresh|x", "command|equiwatt||rehearse|5"}, h.called()); diff != "" {
		t.Error(diff)
	}
}

func TestCommandsAndHooksArrive(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	for _, topic := range []string{"grid2mqtt/equiwatt/set/refresh", "grid2mqtt/hook/equiwatt/started", "grid2mqtt/hook/openvolt"} {
		o.publish(topic, "retained", true)
	}
	h := newHouse(t)
	run(t, h.publisher(b.addr))
	online(t, o, 1)
	for _, m := range []message{
		{topic: "grid2mqtt/equiwatt/set/rehearse", payload: "5"},
		{topic: "grid2mqtt/capacitor/c_1/set/start", payload: "now"},
		{topic: "grid2mqtt/hook/equiwatt/started", payload: `{"a":1}`},
		{topic: "grid2mqtt/hook/openvolt", payload: "body"},
		{topic: "grid2mqtt/hook/set/x", payload: "a hook of a source called set"},
		{topic: "grid2mqtt/equiwatt/set/a/b", payload: "no command"},
		{topic: "grid2mqtt/equiwatt/state/x", payload: "nothing of ours"},
		{topic: "grid2mqtt/equiwatt/set/refresh", payload: ""},
	} {
		o.publish(m.topic, m.payload, false)
	}
	want := []string{
		"command|equiwatt||rehearse|5", "command|capacitor|c_1|start|now", `hook|equiwatt|started|{"a":1}`, "hook|openvolt||body",
		"hook|set|x|a hook of a source called set", "command|equiwatt||refresh|",
	}
	until(t, "all of them", func() bool { return len(h.called()) >= len(want) })
	if diff := cmp.Diff(want, h.called()); diff != "" {
		t.Errorf("want -, got +:\n%s", diff)
	}
}
