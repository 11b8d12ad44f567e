package homeassistant

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// readBackNow asks until there is a connection to ask on.
func readBackNow(t *testing.T, p *Publisher, places ...Place) (err error) {
	t.Helper()
	until(t, "a connection", func() bool {
		err = p.ReadBack(t.Context(), places...)
		return !errors.Is(err, ErrNotConnected)
	})
	return err
}

func TestReadBack(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	p := h.publisher(b.addr)
	run(t, p)
	online(t, o, 1)
	for _, places := range [][]Place{nil, {{Source: "equiwatt"}}, {{Source: bridge}}, {{Source: "nobody"}}} {
		if err := readBackNow(t, p, places...); err != nil {
			t.Errorf("%v: %v", places, err)
		}
	}
	h.happen(month(7))
	until(t, "the change", func() bool { return len(o.on(stateTopic)) > 1 })
	if err := p.ReadBack(t.Context()); err != nil {
		t.Errorf("after a change: %v", err)
	}
	if p.Trouble() != "" || len(h.called()) != 0 {
		t.Errorf("reading back is taken for something else: %q %q", p.Trouble(), h.called())
	}
}

func TestReadBackOfWhatAnotherSays(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	p := h.publisher(b.addr)
	run(t, p)
	online(t, o, 1)
	for _, tt := range []struct {
		said           int // how often the document was when all is calm
		topic, payload string
	}{
		{2, document, `{"origin":{"name":"Grid2MQTT"}}`}, // after a connect, and a little later
		{5, stateTopic, `{}`},                            // that one, and twice after the birth
	} {
		until(t, "calm", func() bool { return len(o.on(document)) == tt.said })
		o.publish(tt.topic, tt.payload, true)
		var u *Unread
		if err := readBackNow(t, p); !errors.As(err, &u) || u.Topic != tt.topic || !u.Foreign || u.Passing {
			t.Errorf("%s: %v", tt.topic, err)
		}
		o.publish(birthTopic, "online", false) // all is said anew
		until(t, "as it was", func() bool { return p.ReadBack(t.Context()) == nil })
	}
}

// To somebody who may not read Mosquitto says nothing.
func TestReadBackOfWhatMayNotBeRead(t *testing.T) {
	t.Parallel()
	b := newBroker(t, "allow_anonymous true")
	b.stop()
	rights := b.file("rights")
	if err := os.WriteFile(rights, []byte("topic readwrite grid2mqtt/#\ntopic write homeassistant/device/#\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.configure("acl_file " + rights)
	b.start()
	h := newHouse(t)
	p := h.publisher(b.addr)
	run(t, p)
	var u *Unread
	if err := readBackNow(t, p); !errors.As(err, &u) || u.Topic != bridgeDocument || u.Foreign || u.Passing {
		t.Errorf("%v", err)
	}
}

// A broker that passes on what is retained and keeps none of it.
func TestReadBackOfWhatIsNotKept(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	h := newHouse(t)
	p := h.publisher(b.addr)
	client := dial(t, p)
	v, _ := h.step()
	p.begin(client, v)
	r := &readBack{result: make(chan error, 1), places: []Place{{Source: "equiwatt"}}}
	p.ask(r, v)
	for _, m := range []Message{p.Names.documentOf(describe(v.Sources[0].Devices.At(0)), about), p.Names.stateOf(v.Sources[0].Devices.At(0))} {
		p.echoed(inbound{topic: m.Topic, payload: m.Payload})
	}
	if p.answer(); len(p.asked) != 1 || p.patience() > readBackWithin {
		t.Error("does not wait for what is kept")
	}
	r.deadline = time.Now()
	p.answer()
	var u *Unread
	if err := <-r.result; !errors.As(err, &u) || u.Topic != document || u.Foreign || !u.Passing || len(p.asked) != 0 {
		t.Errorf("%v", err)
	}
}

// Mosquitto ends the connection of somebody who writes what he may not.
func TestThrownOut(t *testing.T) {
	t.Parallel()
	b := newBroker(t, "allow_anonymous true")
	b.stop()
	rights := b.file("rights")
	if err := os.WriteFile(rights, []byte("topic read #\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.configure("acl_file " + rights)
	b.start()
	h := newHouse(t)
	p := h.publisher(b.addr)
	run(t, p)
	until(t, "again and again", func() bool { return p.Health().Thrown > 1 })
	b.stop()
	b.configure()
	b.start()
	until(t, "welcome", func() bool { return p.ReadBack(t.Context()) == nil })
}

func TestReadBackWithoutAConnection(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	h := newHouse(t)
	p := h.publisher(b.addr)
	p.Broker = func(context.Context, bool) (Broker, error) { return Broker{}, ErrNoBroker }
	stop := run(t, p)
	if err := p.ReadBack(t.Context()); !errors.Is(err, ErrNotConnected) {
		t.Errorf("never connected: %v", err)
	}
	stop()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.ReadBack(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}

	p = h.publisher(b.addr)
	client := dial(t, p)
	v, _ := h.step()
	p.begin(client, v)
	r := &readBack{result: make(chan error, 1)}
	p.ask(r, v)
	p.put(func(a *arrivals) { a.lost = true })
	p.turn()
	if err := <-r.result; !errors.Is(err, ErrNotConnected) || len(p.asked) != 0 {
		t.Errorf("lost meanwhile: %v", err)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	p := h.publisher(b.addr)
	if got := p.Health(); got.Trouble == "" || got.Refused || !got.Since.IsZero() {
		t.Errorf("before it runs: %+v", got)
	}
	run(t, p)
	online(t, o, 1)
	until(t, "connected", func() bool {
		got := p.Health()
		return got.Trouble == "" && !got.Since.IsZero() && !got.Born && got.Birth.IsZero() && !got.Gone
	})
	since := p.Health().Since
	o.publish(birthTopic, "online", false)
	until(t, "the birth", func() bool { got := p.Health(); return got.Born && !got.Birth.Before(since) && !got.Gone })
	o.publish(birthTopic, "offline", false)
	until(t, "the goodbye", func() bool { return p.Health().Gone })
	b.stop()
	until(t, "the loss", func() bool { got := p.Health(); return got.Trouble != "" && !got.Refused && got.Since.IsZero() })
	b.start()
	until(t, "another connection", func() bool { got := p.Health(); return got.Trouble == "" && got.Since.After(since) })
}

func TestHealthKnowsWhoIsMissing(t *testing.T) {
	h := newHouse(t)
	p := h.publisher("")
	p.gate.goodbye(time.Now().Add(-away))
	p.gate.open(time.Now())
	if p.feel(); !p.Health().Missing {
		t.Errorf("%+v", p.Health())
	}
	if got := chosen(state.View{}, nil); len(got) != 1 || got[0].Source != bridge {
		t.Errorf("with no source: %v", got)
	}
}
