package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// account is a vendor's account as it sees us, over all restarts: every call,
// and how long it asked for silence.
type account struct {
	pace time.Duration

	mu     sync.Mutex
	kept   string // what is saved
	saves  int
	calls  []time.Time
	silent [][2]time.Time
}

const (
	gap  = 1100 * time.Millisecond
	span = 61 * time.Second
	most = 10
)

// open is a start of the process.
func (a *account) open() *Limit {
	l := &Limit{Gap: gap, Span: span, Most: most, Pace: a.pace}
	l.Save = func(text string) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.kept = text
		a.saves++
	}
	l.Load(a.kept, time.Now())
	return l
}

// call makes one call within the limit.
func (a *account) call(ctx context.Context, l *Limit, timed bool) {
	if l.Wait(ctx, timed) != nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = append(a.calls, time.Now())
}

// wrong says which limit was not kept; empty: all were.
func (a *account) wrong() string {
	for i, t := range a.calls {
		if i > 0 && t.Sub(a.calls[i-1]) < gap {
			return fmt.Sprintf("call %d came %s after the one before", i, t.Sub(a.calls[i-1]))
		}
		if i >= most && t.Sub(a.calls[i-most]) < span {
			return fmt.Sprintf("%d calls in %s", most+1, t.Sub(a.calls[i-most]))
		}
		for _, s := range a.silent {
			if t.After(s[0]) && t.Before(s[1]) {
				return fmt.Sprintf("call %d came %s before the end of a silence", i, s[1].Sub(t))
			}
		}
	}
	return ""
}

// pass lets time go by inside a bubble.
func pass(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// step of a household's day.
type step struct {
	do   string
	wait time.Duration
	n    int
}

func (a *account) live(ctx context.Context, steps []step) {
	l := a.open()
	running, stop := context.WithCancel(ctx)
	var callers sync.WaitGroup
	kill := func() {
		stop()
		callers.Wait()
	}
	for _, s := range steps {
		pass(s.wait)
		switch s.do {
		case "ask":
			for range s.n {
				callers.Go(func() { a.call(running, l, false) })
			}
		case "tick":
			callers.Wait() // there is one poller, and its timer begins with its last call
			n := len(a.calls)
			if n > 0 {
				pass(max(0, time.Until(a.calls[n-1].Add(a.pace))))
			}
			a.call(running, l, n > 0)
		case "silence":
			d := time.Duration(s.n) * 30 * time.Second
			a.silent = append(a.silent, [2]time.Time{time.Now(), time.Now().Add(d)})
			l.Quiet(d)
		case "restart":
			kill()
			l.Close()
			l = a.open()
			running, stop = context.WithCancel(ctx)
		case "kill":
			kill()
			l = a.open()
			running, stop = context.WithCancel(ctx)
		}
		synctest.Wait()
	}
	callers.Wait()
	stop()
}

func TestLimitHoldsWhateverHappens(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) step {
			return step{
				do:   rapid.SampledFrom([]string{"ask", "ask", "ask", "tick", "tick", "silence", "restart", "kill"}).Draw(rt, "do"),
				wait: time.Duration(rapid.SampledFrom([]int{0, 1, 500, 1099, 1101, 6000, 60000, 61001}).Draw(rt, "wait")) * time.Millisecond,
				n:    rapid.IntRange(1, 12).Draw(rt, "n"),
			}
		}), 1, 40).Draw(rt, "steps")
		a := &account{pace: time.Duration(rapid.IntRange(10, 90).Draw(rt, "pace")) * time.Second}
		synctest.Test(t, func(t *testing.T) { a.live(t.Context(), steps) })
		if why := a.wrong(); why != "" {
			rt.Fatalf("%s: %s", why, a.calls)
		}
	})
}

// free says how long after now a call is allowed.
func free(l *Limit) time.Duration { return time.Until(l.Free(time.Now())) }

func TestLimitOverRestarts(t *testing.T) {
	for _, tt := range []struct {
		name   string
		calls  int // as fast as is allowed
		timed  int // the timer's after them
		clean  bool
		silent time.Duration
		away   time.Duration // between the two processes
		want   time.Duration // the first call after that
	}{
		{name: "first start", clean: true},
		{name: "one call", calls: 1, clean: true, want: gap},
		{name: "one call, killed", calls: 1, want: gap},
		{name: "a second later", calls: 1, clean: true, away: time.Second, want: 100 * time.Millisecond},
		{name: "it may have come there just now", calls: 1, away: time.Second, want: gap},
		{name: "the timer cannot have called yet", calls: 1, away: 29 * time.Second},
		{name: "it may, where the answer was slow", calls: 1, away: 59 * time.Second, want: gap},
		{name: "it may just have", calls: 1, away: time.Minute, want: gap},
		{name: "it did, and was stopped", calls: 1, timed: 2, clean: true, want: gap},
		{name: "it did, and was killed", calls: 1, timed: 2, want: gap},
		{name: "long ago", calls: 1, timed: 2, clean: true, away: time.Hour},
		{name: "long ago, killed", calls: 1, timed: 2, away: time.Hour, want: gap},
		{name: "all calls used", calls: most, clean: true, want: span - 9*gap},
		{name: "all calls used, killed", calls: most, want: span - 9*gap},
		{name: "some time ago", calls: most, clean: true, away: 30 * time.Second, want: span - 9*gap - 30*time.Second},
		{name: "silence", calls: 1, silent: time.Hour, away: 20 * time.Minute, want: 40 * time.Minute},
		{name: "silence, stopped", calls: 1, silent: time.Hour, clean: true, away: 20 * time.Minute, want: 40 * time.Minute},
		{name: "silence over", calls: 1, silent: time.Hour, clean: true, away: time.Hour},
		{name: "an absurd silence", calls: 1, silent: 365 * 24 * time.Hour, clean: true, want: longest},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				a := &account{pace: time.Minute}
				l := a.open()
				for range tt.calls {
					a.call(t.Context(), l, false)
				}
				for range tt.timed {
					pass(a.pace)
					a.call(t.Context(), l, true)
				}
				if tt.silent > 0 {
					l.Quiet(tt.silent)
				}
				if tt.clean {
					l.Close()
				}
				pass(tt.away)
				if got := free(a.open()); got != tt.want {
					t.Errorf("the first call is allowed after %s, want %s", got, tt.want)
				}
			})
		})
	}
}

func TestLimitSavesOnlyWhatItMust(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{pace: time.Minute}
		l := a.open()
		saves := func(what string, want int) {
			t.Helper()
			if a.saves != want {
				t.Errorf("%s: saved %d times, want %d", what, a.saves, want)
			}
			a.saves = 0
		}
		saves("opening", 0)
		a.call(t.Context(), l, false)
		saves("a call out of turn", 1)
		for range 1440 {
			pass(time.Minute)
			a.call(t.Context(), l, true)
		}
		saves("a day of the timer's calls", 0)
		l.Quiet(time.Minute)
		saves("a silence", 1)
		pass(time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := l.Wait(ctx, false); !errors.Is(err, context.Canceled) {
			t.Errorf("a call after the end: %v", err)
		}
		saves("a call that was not made", 0)
		l.Close()
		saves("closing", 1)
		if size := len(a.kept); size > 400 {
			t.Errorf("%d bytes are saved: %s", size, a.kept)
		}
		pass(time.Minute)
		a.call(t.Context(), l, true)
		saves("a call after closing, which was said to be the end", 1)
	})
}

// A call is saved before it is made, so that a kill right after it is no way
// around the limit.
func TestLimitSavesFirst(t *testing.T) {
	l := &Limit{Gap: gap, Span: span, Most: most}
	var text string
	l.Save = func(s string) { text = s }
	if err := l.Wait(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	var s saved
	if err := json.Unmarshal([]byte(text), &s); err != nil || len(s.Calls) != 1 || s.Clean {
		t.Errorf("saved %s, want the call, and that more may come", text)
	}
}

// A slow disk does not bring a call nearer to the next one.
func TestLimitCountsFromWhenACallLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Limit{Gap: gap, Span: span, Most: most, Save: func(string) { pass(900 * time.Millisecond) }}
		for range 2 {
			if err := l.Wait(t.Context(), false); err != nil {
				t.Fatal(err)
			}
			if got := free(l); got != gap {
				t.Errorf("the next one is allowed after %s, want %s", got, gap)
			}
		}
	})
}

func TestLimitSilenceIsNotCutShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := (&account{}).open()
		l.Quiet(time.Hour)
		l.Quiet(time.Minute)
		if got := free(l); got != time.Hour {
			t.Errorf("silent for %s, want the hour that was asked for first", got)
		}
		began := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
		defer cancel()
		if err := l.Wait(ctx, false); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != 10*time.Minute {
			t.Errorf("who no longer waits got %v after %s", err, time.Since(began))
		}
		if err := l.Wait(t.Context(), false); err != nil || time.Since(began) != time.Hour {
			t.Errorf("the next call came after %s: %v", time.Since(began), err)
		}
	})
}

// What is saved of a call is when it was allowed. A slow disk lets it leave
// later, and a process that is killed then has nothing better to leave behind.
func TestLimitAfterAKillAtASlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{pace: time.Minute}
		l := a.open()
		save := l.Save
		l.Save = func(text string) {
			save(text)
			<-time.After(900 * time.Millisecond)
		}
		a.call(t.Context(), l, true)
		pass(300 * time.Millisecond)
		a.call(t.Context(), a.open(), true)
		if why := a.wrong(); why != "" {
			t.Error(why)
		}
	})
}

// A small computer without a battery begins in the past.
func TestLimitWhereTheClockIsBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &account{pace: time.Minute}
		l := a.open()
		for range most {
			a.call(t.Context(), l, false)
		}
		for _, tt := range []struct {
			clean  bool
			silent time.Duration
			want   time.Duration
		}{
			{clean: true, want: span - 9*gap},
			{clean: false, want: span - 8*gap},
			{clean: true, silent: 2 * time.Minute, want: 2 * time.Minute},
		} {
			if tt.silent > 0 {
				l.Quiet(tt.silent)
			}
			past := time.Now().AddDate(-1, 0, 0)
			next := &Limit{Gap: gap, Span: span, Most: most, Pace: a.pace}
			next.Load(l.text(tt.clean, time.Now()), past)
			if got := next.Free(past).Sub(past); got != tt.want {
				t.Errorf("clean %t, silent for %s: a call is allowed after %s, want %s", tt.clean, tt.silent, got, tt.want)
			}
		}
	})
}

// Setting the clock moves no instant that has a monotonic reading.
func TestLimitDoesNotFollowTheClock(t *testing.T) {
	now := time.Now()
	text := fmt.Sprintf(`{"at":%d,"calls":[%d],"quiet":%d}`, now.UnixNano(), now.Add(-time.Second).UnixNano(), now.Add(time.Hour).UnixNano())
	l := &Limit{Gap: gap, Span: span, Most: most, Pace: time.Second}
	l.Load(text, now)
	for _, at := range append(l.calls, l.quiet) {
		if at == at.Round(0) { // Equal would not see it
			t.Errorf("%s has no monotonic reading", at)
		}
	}
}

func TestLimitReadsAnythingThatWasSaved(t *testing.T) {
	many := `{"at":1,"calls":[` + strings.Repeat("946684800000000000,", 100_000) + `0]}`
	for _, text := range []string{
		"", "null", "{}", "[]", "x", `{"at":"x"}`, `{"calls":[1.5]}`, `{"calls":null}`, many,
		`{"at":9223372036854775807,"calls":[9223372036854775807,-9223372036854775808],"quiet":9223372036854775807,"clean":true}`,
		`{"at":-9223372036854775808,"calls":[9223372036854775807,-9223372036854775808],"quiet":9223372036854775807}`,
		`{"at":9223372036854775807,"calls":[-9223372036854775808],"quiet":-9223372036854775808}`,
		`{"at":-9223372036854775808,"quiet":-9223372036854775808}`,
	} {
		for _, now := range []time.Time{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), time.Unix(0, 0), time.Date(1900, 1, 1, 0, 0, 0, 0, time.UTC), time.Date(2250, 1, 1, 0, 0, 0, 0, time.UTC)} {
			l := &Limit{Gap: gap, Span: span, Most: most, Pace: time.Minute}
			l.Load(text, now)
			if got := l.Free(now).Sub(now); got < 0 || got > longest {
				t.Errorf("%.60s at %s: a call is allowed after %s", text, now, got)
			}
			if len(l.calls) > most {
				t.Errorf("%.60s: %d calls are kept", text, len(l.calls))
			}
		}
	}
}

func TestLimitWithAGapOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &Limit{Gap: time.Second, Save: func(string) {}}
		began := time.Now()
		for range 20 {
			if err := l.Wait(t.Context(), false); err != nil {
				t.Fatal(err)
			}
		}
		if got := time.Since(began); got != 19*time.Second {
			t.Errorf("20 calls took %s, want 19s", got)
		}
	})
}
