package intake

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// api is a vendor's API, and the household's side of asking it.
type api struct {
	*Poller
	began  time.Time
	start  func() // of the poller
	urgent atomic.Bool

	mu    sync.Mutex
	err   error
	takes time.Duration   // until it answers
	hops  int             // redirects before the answer
	calls []time.Duration // since began
	done  []error
	saves int
}

func (a *api) set(f func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f()
}

// answer sets what it answers from now on, and forgets the calls so far.
func (a *api) answer(err error) { a.set(func() { a.err, a.calls = err, nil }) }

func (a *api) slow(d time.Duration) { a.set(func() { a.takes = d }) }

func (a *api) told() (done []error) {
	a.set(func() { done = slices.Clone(a.done) })
	return done
}

func (a *api) saved() (n int) {
	a.set(func() { n = a.saves })
	return n
}

func (a *api) ask(ctx context.Context, wait func(context.Context) error) (event.Answer, error) {
	var (
		hops  int
		takes time.Duration
		err   error
	)
	a.set(func() { hops = a.hops })
	for range hops + 1 {
		if err := wait(ctx); err != nil {
			return event.Answer{}, err
		}
		a.set(func() {
			a.calls = append(a.calls, time.Since(a.began))
			takes, err = a.takes, a.err
		})
		select {
		case <-ctx.Done():
		case <-time.After(takes):
		}
	}
	return event.Answer{Body: []byte("answer")}, err
}

// polling runs f beside a poller, in a bubble. The poller starts when f first
// lets time go by, and ends when f returns.
func polling(t *testing.T, interval time.Duration, f func(a *api)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := &api{began: time.Now()}
		a.Poller = NewPoller(&Poller{
			Interval: interval, Ask: a.ask, Urgent: a.urgent.Load,
			Limit: &Limit{Gap: gap, Span: span, Most: most, Pace: interval, Save: func(string) { a.set(func() { a.saves++ }) }},
			Done: func(_ context.Context, got event.Answer, err error) {
				if string(got.Body) != "answer" {
					t.Errorf("told %+v, want what was answered", got)
				}
				a.set(func() { a.done = append(a.done, err) })
			},
		})
		if next := a.Next(); !next.IsZero() {
			t.Errorf("before Run it is asked at %s", next)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		a.start = sync.OnceFunc(func() { running.Go(func() { a.Run(ctx) }) })
		f(a)
		cancel()
		running.Wait()
	})
}

// until lets time go by up to an instant after the beginning, and returns the
// calls so far.
func (a *api) until(d time.Duration) []time.Duration {
	a.start()
	pass(d - time.Since(a.began))
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.calls)
}

func expect(t *testing.T, what string, got []time.Duration, want ...time.Duration) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: asked at %s, want %s", what, got, want)
	}
}

const (
	s = time.Second
	m = time.Minute
)

func TestPollAsksAtOnceAndInItsInterval(t *testing.T) {
	polling(t, m, func(a *api) {
		a.slow(3 * s)
		expect(t, "good answers", a.until(3*m+30*s), 0, m, 2*m, 3*m)
		if got := a.told(); len(got) != 4 || errors.Join(got...) != nil {
			t.Errorf("told %v, want four good answers", got)
		}
		if next := a.Next().Sub(a.began); next != 4*m {
			t.Errorf("asked next at %s, want 4m", next)
		}
		if a.saved() != 1 {
			t.Errorf("saved %d times, want only the first call, which the timer did not make", a.saved())
		}
	})
}

func TestPollBacksOff(t *testing.T) {
	no := &event.Refusal{Reason: "no", Status: 500}
	out := &event.Refusal{Reason: "no", Status: 401, Unauthorized: true}
	for _, tt := range []struct {
		name              string
		interval, slowest time.Duration
		err               error
		want              []time.Duration // between calls
	}{
		{"refused", 10 * s, 0, no, []time.Duration{10 * s, 20 * s, 40 * s, m, m}},
		{"no refusal", 10 * s, 0, errors.New("other"), []time.Duration{10 * s, 20 * s, 40 * s, m, m}},
		{"token refused", 10 * s, 0, out, []time.Duration{10 * s, 20 * s, 40 * s, 80 * s, 160 * s, 5 * m, 5 * m}},
		{"as usual", m, 0, no, []time.Duration{m, m, m}},
		{"in no hurry", m, 15 * m, no, []time.Duration{m, 2 * m, 4 * m, 8 * m, 15 * m, 15 * m}},
		{"in no hurry, token refused", m, 15 * m, out, []time.Duration{m, 2 * m, 4 * m, 8 * m, 15 * m, 15 * m}},
		{"as usual, token refused", m, 0, out, []time.Duration{m, 2 * m, 4 * m, 5 * m, 5 * m}},
		{"slower than any back-off", 10 * m, 0, no, []time.Duration{10 * m, 10 * m}},
		{"slower than any back-off, token refused", 10 * m, 0, out, []time.Duration{10 * m, 10 * m}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			polling(t, tt.interval, func(a *api) {
				a.Slowest = tt.slowest
				a.answer(tt.err)
				want, at := []time.Duration{0}, time.Duration(0)
				for _, d := range tt.want {
					at += d
					want = append(want, at)
				}
				expect(t, "errors", a.until(at), want...)
				if got := a.told()[len(tt.want)-1]; got != tt.err {
					t.Errorf("told %v", got)
				}
			})
		})
	}
}

func TestPollForgetsABackOff(t *testing.T) {
	polling(t, 10*s, func(a *api) {
		a.answer(&event.Refusal{Reason: "no", Unauthorized: true})
		expect(t, "refused", a.until(5*m), 0, 10*s, 30*s, 70*s, 150*s)
		a.answer(errors.New("the network is down"))
		expect(t, "the next trouble, with its own cap", a.until(7*m+30*s), 310*s, 370*s, 430*s)
		a.answer(nil)
		expect(t, "well again", a.until(8*m+30*s), 490*s, 500*s, 510*s)
		a.answer(errors.New("the network is down"))
		expect(t, "from the beginning", a.until(9*m+10*s), 520*s, 530*s, 550*s)
	})
}

func TestPollIsAskedNow(t *testing.T) {
	polling(t, m, func(a *api) {
		a.until(20 * s)
		a.AskNow()
		expect(t, "asked", a.until(79*s), 0, 20*s)
		expect(t, "the timer begins anew", a.until(81*s), 0, 20*s, 80*s)
		if a.saved() != 2 {
			t.Errorf("saved %d times, want the two calls that the timer did not make", a.saved())
		}
		a.answer(&event.Refusal{Reason: "no", Unauthorized: true})
		a.until(5 * m) // 2m20s, 3m20s, then 5m20s
		a.answer(nil)
		a.AskNow()
		expect(t, "over the back-off", a.until(5*m+s), 5*m)
	})
}

func TestPollAnswersManyWithOneCall(t *testing.T) {
	polling(t, m, func(a *api) {
		a.until(0)
		for range 5 {
			a.AskNow()
		}
		a.until(s)
		for range 5 {
			a.AskNow() // the call is still to be made, and answers these too
		}
		expect(t, "before the call", a.until(30*s), 0, gap)
		a.slow(5 * s)
		a.AskNow()
		a.until(32 * s)
		a.AskNow() // the call was made before; its answer may be too old
		// The vendor may have counted the call only just before it answered.
		expect(t, "during the call", a.until(m), 0, gap, 30*s, 35*s+gap)
	})
}

func TestPollKeepsSilence(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   *event.Refusal
		until time.Duration
	}{
		{"429", &event.Refusal{Reason: "no", Status: 429}, m},
		{"429 with seconds", &event.Refusal{Reason: "no", Status: 429, RetryAfter: 90 * s}, 90 * s},
		{"503 with seconds", &event.Refusal{Reason: "no", Status: 503, RetryAfter: 7 * m}, 7 * m},
		{"a year", &event.Refusal{Reason: "no", Status: 429, RetryAfter: 365 * 24 * time.Hour}, longest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			polling(t, 10*s, func(a *api) {
				said := *tt.err
				a.answer(tt.err)
				a.urgent.Store(true)
				a.until(0)
				if next := a.Next().Sub(a.began); next != tt.until {
					t.Errorf("asked next at %s, want %s", next, tt.until)
				}
				a.set(func() { a.err = nil })
				a.AskNow()
				a.until(30 * s)
				a.AskNow()
				a.Look()
				expect(t, "silence", a.until(tt.until-1), 0)
				a.urgent.Store(false)
				expect(t, "after it", a.until(tt.until+9*s), 0, tt.until)
				if *tt.err != said {
					t.Errorf("the vendor's refusal was changed to %+v", *tt.err)
				}
			})
		})
	}
}

func TestPollKeepsSilenceOfMoreThanItsInterval(t *testing.T) {
	polling(t, 5*m, func(a *api) {
		a.answer(&event.Refusal{Reason: "no", Status: 429, RetryAfter: s})
		expect(t, "a short one", a.until(10*m), 0, 5*m, 10*m)
	})
}

func TestPollHurriesWhileUrgent(t *testing.T) {
	for name, err := range map[string]error{"answers": nil, "errors": errors.New("no")} {
		t.Run(name, func(t *testing.T) {
			next := 106 * s
			if err != nil {
				next = 110 * s // a bad answer's rest begins with it
			}
			polling(t, m, func(a *api) {
				a.answer(err)
				a.slow(4 * s)
				a.until(15 * s)
				a.urgent.Store(true)
				expect(t, "not told to look", a.until(16*s), 0)
				a.Look()
				expect(t, "urgent", a.until(49*s), 0, 16*s, 26*s, 36*s, 46*s)
				if a.saved() != 5 {
					t.Errorf("saved %d times, want all 5 calls", a.saved())
				}
				a.urgent.Store(false)
				a.Look()
				a.until(50 * s)
				if got := a.Next().Sub(a.began); got != next {
					t.Errorf("asked next at %s, want %s", got, next)
				}
				a.answer(err)
				expect(t, "as usual again", a.until(111*s), next)
			})
		})
	}
}

func TestPollLooksAgainWithoutAsking(t *testing.T) {
	polling(t, m, func(a *api) {
		for range 50 {
			a.until(time.Since(a.began) + s)
			a.Look()
		}
		expect(t, "nothing is urgent", a.until(59*s), 0)
	})
}

func TestPollStaysWithinTheLimit(t *testing.T) {
	polling(t, 10*s, func(a *api) {
		a.urgent.Store(true)
		for range 1199 {
			a.until(time.Since(a.began) + 500*time.Millisecond)
			a.AskNow()
		}
		calls := a.until(10 * m)
		for i, at := range calls {
			if i > 0 && at-calls[i-1] < gap || i >= most && at-calls[i-most] < span {
				t.Fatalf("call %d at %s breaks the limit: %s", i, at, calls[:i])
			}
		}
		if n := len(calls); n < 95 {
			t.Errorf("%d calls in ten minutes, want as many as are allowed", n)
		}
	})
}

// A kill must not let the next process forget the calls of a redirect.
func TestPollSavesARedirectsCalls(t *testing.T) {
	polling(t, m, func(a *api) {
		a.set(func() { a.hops = 2 })
		a.slow(s)
		hop := s + gap // the vendor may have counted a call only just before it answered
		expect(t, "redirects", a.until(m+10*s), 0, hop, 2*hop, m+2*hop, m+3*hop, m+4*hop)
		if a.saved() != 5 {
			t.Errorf("%d calls were saved, want all but the timer's own", a.saved())
		}
	})
}

func TestPollEndsWhereverItIs(t *testing.T) {
	for name, f := range map[string]func(a *api){
		"between two calls": func(a *api) { a.until(s) },
		"in a call":         func(a *api) { a.slow(m); a.until(s) },
		"in a silence": func(a *api) {
			a.answer(&event.Refusal{Status: 429})
			a.until(0)
			a.AskNow()
			a.until(s)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var a *api
			told := 0
			polling(t, m, func(p *api) {
				f(p)
				a, told = p, len(p.told())
			})
			if len(a.calls) != 1 || len(a.done) != told {
				t.Errorf("after the end: %d calls, told %d times, before %d", len(a.calls), len(a.done), told)
			}
		})
	}
}

// An Ask that fails before its first call must not be repeated without rest.
func TestPollRestsWithoutACall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		p := NewPoller(&Poller{
			Interval: m, Urgent: func() bool { return false }, Limit: &Limit{},
			Ask: func(context.Context, func(context.Context) error) (event.Answer, error) {
				asked++
				return event.Answer{}, errors.New("the address cannot be used")
			},
			Done: func(context.Context, event.Answer, error) {},
		})
		ctx, cancel := context.WithCancel(t.Context())
		go p.Run(ctx)
		pass(m + s)
		cancel()
		synctest.Wait()
		if asked != 2 {
			t.Errorf("asked %d times in a minute, want 2", asked)
		}
	})
}

// A plan says when there is something to ask; where there is nothing any more,
// nobody is told, and asking does not turn in a circle.
func TestPollAsksByPlan(t *testing.T) {
	polling(t, m, func(a *api) {
		plan := []time.Duration{5 * s, 7 * s, 200 * s}
		a.Due = func(time.Time) (at time.Time) {
			a.set(func() {
				if len(plan) > 0 {
					at = a.began.Add(plan[0])
				}
			})
			return at
		}
		var asks atomic.Int64
		ask := a.Ask
		a.Ask = func(ctx context.Context, wait func(context.Context) error) (event.Answer, error) {
			asks.Add(1)
			if time.Since(a.began) >= 200*s {
				return event.Answer{}, nil
			}
			a.set(func() { plan = plan[1:] })
			return ask(ctx, wait)
		}
		expect(t, "the first two", a.until(199*s), 5*s, 7*s)
		expect(t, "nothing any more", a.until(203*s-1), 5*s, 7*s)
		if n := asks.Load(); n > 5 || len(a.told()) != 2 {
			t.Errorf("asked %d times, told %d", n, len(a.told()))
		}
		a.set(func() { plan = []time.Duration{0} })
		a.Look()
		before := asks.Load()
		a.until(204 * s)
		if asks.Load() == before {
			t.Error("Look did not make it look at the plan")
		}
	})
}
