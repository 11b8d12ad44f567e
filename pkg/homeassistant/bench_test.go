package homeassistant

import (
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// BenchmarkMoments is a view with one moment due and one state that differs
// at each step, until a real broker has taken all of them.
func BenchmarkMoments(b *testing.B) {
	m := newBroker(b)
	h := newHouse(b)
	var rest atomic.Int64
	began, n := time.Now(), 0
	start := make(chan struct{})
	p := h.publisher(m.addr)
	p.Step = func() (state.View, bool) {
		select {
		case <-start:
		default:
			return h.view, false
		}
		if n == b.N {
			return h.view, false
		}
		n++
		q := *h.view.Equiwatt
		q.Month = ptr(n)
		return viewOf(&q, state.Moment{
			ID: strconv.Itoa(n), Source: "equiwatt", Type: "started", Occurred: began,
			Fields: map[string]any{"start": began, "end": time.Time{}, "source": "api", "confirmed": true, "direction": ""},
		}), n < b.N
	}
	p.Mark = func(_ string, s state.Said, _ time.Time) {
		if s == state.AtRest {
			rest.Add(1)
		}
	}
	run(b, p)
	until(b, "connected", func() bool { return p.Trouble() == "" })
	b.ReportAllocs()
	b.ResetTimer()
	close(start)
	p.Wake()
	until(b, "all at rest", func() bool { return rest.Load() >= int64(b.N) })
	b.StopTimer()
	b.ReportMetric(2*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

// BenchmarkStep is a step that changes nothing, of which a day has many.
func BenchmarkStep(b *testing.B) {
	m := newBroker(b)
	h := newHouse(b)
	p := h.publisher(m.addr)
	v := h.view
	p.Step = func() (state.View, bool) { return v, false }
	p.Bridge = func(state.View) Bridge { return Bridge{Sources: []string{"equiwatt"}} }
	p.Stepped = func(state.View) {}
	p.begin(dial(b, p), v)
	b.ReportAllocs()
	for b.Loop() {
		p.turn()
	}
}

func BenchmarkRender(b *testing.B) {
	b.Run("states", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			plainNames.States(views["calm"], Bridge{}, about)
		}
	})
	b.Run("documents", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			plainNames.Documents(views["calm"], about)
		}
	})
	b.Run("moment", func(b *testing.B) {
		m := state.Moment{ID: "1", Type: "started", Occurred: now, Fields: map[string]any{"start": now, "end": now, "source": "api", "confirmed": true, "direction": ""}}
		b.ReportAllocs()
		for b.Loop() {
			moment(m, now)
		}
	})
}

// many is a View of that many devices, and change makes one of them differ.
func many(n int) (v state.View, change func(i int)) {
	s := state.Source{Name: "equiwatt"}
	for i := range n {
		s.Devices = s.Devices.With(i, &state.Device{Source: "equiwatt", Subject: strconv.Itoa(i), State: &state.Equivents{Month: ptr(0)}})
	}
	v = state.View{Sources: []state.Source{s}}
	return v, func(i int) {
		d := *v.Sources[0].Devices.At(i % n)
		d.State = &state.Equivents{Month: ptr(i)}
		v.Sources[0].Devices = v.Sources[0].Devices.With(i%n, &d)
	}
}

// BenchmarkReconnect is everything that three thousand devices have to say
// after a connect, until a real broker has taken all of it.
func BenchmarkReconnect(b *testing.B) {
	const devices = 3000
	m, h := newBroker(b), newHouse(b)
	p := h.publisher(m.addr)
	v, _ := many(devices)
	helpers := sync.WaitGroup{}
	defer helpers.Wait()
	helpers.Go(p.collect)
	defer close(p.tokens)
	client := dial(b, p)
	b.ReportAllocs()
	for b.Loop() {
		p.begin(client, v)
		for len(p.tokens) > 0 {
			runtime.Gosched()
		}
	}
	b.ReportMetric(float64(2*devices), "messages")
}

// BenchmarkOneOfMany is a change of one device among few and among many.
func BenchmarkOneOfMany(b *testing.B) {
	for _, n := range []int{3, 3000} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			m, h := newBroker(b), newHouse(b)
			p := h.publisher(m.addr)
			v, change := many(n)
			helpers := sync.WaitGroup{}
			defer helpers.Wait()
			helpers.Go(p.collect)
			defer close(p.tokens)
			p.begin(dial(b, p), v)
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				i++
				change(i)
				p.say(v, false)
			}
		})
	}
}
