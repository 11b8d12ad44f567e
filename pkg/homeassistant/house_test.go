package homeassistant

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// house is what a publisher speaks of: views, one after the other, and what
// became of their moments.
type house struct {
	t testing.TB

	mu       sync.Mutex
	view     state.View
	coming   []func(*state.View) // what happens next, one a step
	due      []state.Moment
	marks    []string // "id sent", "id doubtful" or "id rest"
	said     map[string]state.Said
	memory   map[string]string
	calls    []string // commands and hooks
	problems []string
	asked    []bool // of each question for the broker whether it was after a refusal
	steps    int
	seq      int64    // of the view
	spoken   []string // "seq" or "seq unchanged"

	grown chan struct{}
	log   textBuffer
}

func newHouse(t testing.TB) *house {
	return &house{
		t: t, view: viewOf(&state.Equivents{Asked: true, Active: ptr(false), Month: ptr(0)}), said: map[string]state.Said{},
		memory: map[string]string{}, grown: make(chan struct{}, 1),
	}
}

// viewOf is a View in which Equiwatt alone is on.
func viewOf(q *state.Equivents, due ...state.Moment) state.View {
	return state.View{Equiwatt: q, Sources: []state.Source{{
		Name: "equiwatt", Due: due, Devices: state.DevicesOf(&state.Device{Source: "equiwatt", State: q}),
	}}}
}

// happen lets the view change, and wakes the publisher.
func (h *house) happen(changes ...func(*state.View)) {
	h.mu.Lock()
	h.coming = append(h.coming, changes...)
	h.mu.Unlock()
	select {
	case h.grown <- struct{}{}:
	default:
	}
}

// month is a change that only the state tells.
func month(n int) func(*state.View) {
	return func(v *state.View) {
		q := *v.Equiwatt
		q.Month = &n
		*v = viewOf(&q)
	}
}

// start is a moment, with the state that goes with it.
func (h *house) start(id string) func(*state.View) {
	return func(v *state.View) {
		q := *v.Equiwatt
		q.Active = ptr(true)
		q.Running = &state.Equivent{Start: time.Now(), Source: "api", Confirmed: true, Running: true}
		*v = viewOf(&q)
		h.due = append(h.due, state.Moment{ID: id, Source: "equiwatt", Type: "started", Occurred: time.Now(), Opens: true})
	}
}

func (h *house) step() (state.View, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.steps++
	if len(h.coming) > 0 {
		h.coming[0](&h.view)
		h.coming = h.coming[1:]
		h.seq++
	}
	v := h.view
	if v.Equiwatt != nil {
		h.due = slices.DeleteFunc(h.due, func(m state.Moment) bool { return h.said[m.ID] == state.AtRest })
		v = viewOf(v.Equiwatt, slices.Clone(h.due)...)
	}
	v.Seq = h.seq
	return v, len(h.coming) > 0
}

func (h *house) mark(id string, s state.Said, _ time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.said[id] = s
	h.marks = append(h.marks, id+map[state.Said]string{state.Sent: " sent", state.Doubtful: " doubtful", state.AtRest: " rest"}[s])
}

func (h *house) spoke(seq int64, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	text := fmt.Sprint(seq)
	if at.IsZero() {
		text += " unchanged"
	}
	h.spoken = append(h.spoken, text)
}

func (h *house) hasSpoken() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.spoken)
}

func (h *house) marked() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.marks)
}

func (h *house) remembered(key string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.memory[key]
}

func (h *house) called() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.calls)
}

func (h *house) call(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.calls = append(h.calls, text)
}

func (h *house) stepped() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.steps
}

func (h *house) asks() []bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.asked)
}

// dial connects a publisher whose loop the test itself turns.
func dial(t testing.TB, p *Publisher) mqtt.Client {
	t.Helper()
	p.stopped = t.Context().Done()
	client, _, err := p.dial(t.Context(), false, make(chan struct{}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Disconnect(0) })
	return client
}

// publisher makes a publisher for a broker at addr; change it before it runs.
func (h *house) publisher(addr string) *Publisher {
	return New(&Publisher{
		Names: plainNames, About: about, ClientID: "grid2mqtt-test", Wait: true,
		Log:   zerolog.New(&h.log),
		Grown: h.grown, Step: h.step, Now: time.Now, Mark: h.mark, Spoken: h.spoke,
		Broker: func(_ context.Context, refused bool) (Broker, error) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.asked = append(h.asked, refused)
			return Broker{URL: "mqtt://" + addr}, nil
		},
		Bridge: func(state.View) Bridge {
			h.mu.Lock()
			defer h.mu.Unlock()
			return Bridge{Problems: slices.Clone(h.problems), Sources: []string{"equiwatt"}}
		},
		Stepped: func(state.View) {},
		Command: func(_ context.Context, source, subject, command, payload string) {
			h.call(strings.Join([]string{"command", source, subject, command, payload}, "|"))
		},
		Forwarded: func(_ context.Context, source, kind string, body []byte) {
			h.call(fmt.Sprintf("hook|%s|%s|%s", source, kind, body))
		},
		Memory: Memory{
			Get: func(key string) (string, bool) {
				h.mu.Lock()
				defer h.mu.Unlock()
				v, ok := h.memory[key]
				return v, ok
			},
			Set: func(key, value string) {
				h.mu.Lock()
				defer h.mu.Unlock()
				h.memory[key] = value
			},
		},
	})
}

// run runs a publisher until the test ends, or stop is called. It leaves in
// less than four seconds, whatever the broker does; a loaded machine may be slow.
func run(t testing.TB, p *Publisher) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.Run(ctx)
	}()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(20 * time.Second):
			t.Error("the publisher does not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}

const (
	bridgeDocument = "homeassistant/device/grid2mqtt_bridge/config"
	document       = "homeassistant/device/grid2mqtt_equiwatt/config"
	bridgeTopic    = "grid2mqtt/bridge/state"
	stateTopic     = "grid2mqtt/equiwatt/state"
	eventTopic     = "grid2mqtt/equiwatt/event"
	statusTopic    = "grid2mqtt/status"
	birthTopic     = "homeassistant/status"
)

// everything is what a connection begins with.
var everything = []string{bridgeDocument, document, bridgeTopic, stateTopic}

// online waits until a connection of ours has said all it begins with.
func online(t testing.TB, o *observer, times int) {
	t.Helper()
	until(t, "online", func() bool {
		n := 0
		for _, p := range o.on(statusTopic) {
			if p == "online" {
				n++
			}
		}
		return n >= times
	})
}

// flushed waits until everything that was said before now has been seen, by a
// change of state that comes last, and returns all topics from the nth on
// without it.
func flushed(t testing.TB, h *house, o *observer, n, mark int) []string {
	t.Helper()
	h.happen(month(mark))
	until(t, "the last word", func() bool { return strings.Contains(o.last(stateTopic), fmt.Sprintf(`"equivents_month":%d,`, mark)) })
	topics := o.topics(n)
	return topics[:len(topics)-1]
}
