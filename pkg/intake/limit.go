package intake

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Limit keeps a vendor's rate limit, over restarts too: no two calls closer
// than Gap, no more than Most in any Span, none while the vendor asked for
// silence. Load and Save keep what a restart must know; an SD card does not
// like a write for each call of a slow timer, so those are assumed instead.
type Limit struct {
	Gap  time.Duration
	Span time.Duration
	Most int               // zero: any number
	Pace time.Duration     // of the timer whose calls are not saved
	Save func(text string) // may be slow

	saving sync.Mutex  // what is saved last is the newest
	warned atomic.Bool // what is saved says that calls may follow
	mu     sync.Mutex
	calls  []time.Time // the newest, oldest first
	quiet  time.Time
}

// saved is what a restart must know, in Unix nanoseconds.
type saved struct {
	At    int64   `json:"at"`
	Calls []int64 `json:"calls"`
	Quiet int64   `json:"quiet,omitempty"`
	Clean bool    `json:"clean,omitempty"` // nothing came after it
}

const (
	// longest is the longest silence a vendor is granted.
	longest = 24 * time.Hour
	// underWay is how long a call may take until it comes to the vendor: a slow
	// disk has two seconds, a slow network ten.
	underWay = 12 * time.Second
)

// Load takes what an earlier process saved. Where that was killed, its timer
// may have called at any time since. Where the clock is behind what was saved,
// as without a battery, no time is taken to have passed. The instants it makes
// carry now's monotonic reading, so that setting the clock moves none of them.
func (l *Limit) Load(text string, now time.Time) {
	if text == "" {
		return
	}
	var s saved
	if json.Unmarshal([]byte(text), &s) != nil {
		s = saved{At: now.UnixNano()}
	}
	at := time.Unix(0, s.At)
	behind := at.After(now)
	ago := func(ns int64) time.Duration { // negative: it is yet to come
		if behind {
			return at.Sub(time.Unix(0, ns))
		}
		return now.Sub(time.Unix(0, ns))
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ns := range s.Calls {
		l.calls = append(l.calls, now.Add(-max(ago(ns), 0)))
	}
	slices.SortFunc(l.calls, time.Time.Compare)
	if !s.Clean {
		n, since := len(l.calls), now.Add(-l.Span)
		if n > 0 && !behind {
			// A call counts from its answer, and the timer from the call: the
			// slower the answer, the sooner the next call came after it.
			since = later(since, l.calls[n-1].Add(l.Pace/2))
		}
		if n > 0 && now.Sub(l.calls[n-1]) < underWay {
			l.calls[n-1] = now // it was saved before it left
		}
		for t := now; l.Pace > 0 && t.After(since); t = t.Add(-l.Pace) {
			l.calls = append(l.calls, t)
		}
		slices.SortFunc(l.calls, time.Time.Compare)
	}
	l.forget()
	if s.Quiet != 0 {
		l.quiet = now.Add(-max(ago(s.Quiet), -longest))
	}
}

// forget drops the calls that can no longer be in the way of another.
func (l *Limit) forget() {
	if over := len(l.calls) - max(l.Most, 1); over > 0 {
		l.calls = slices.Delete(l.calls, 0, over)
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Free returns the first instant from now on at which a call is allowed.
func (l *Limit) Free(now time.Time) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.free(now)
}

func (l *Limit) free(now time.Time) time.Time {
	at := later(now, l.quiet)
	if n := len(l.calls); n > 0 {
		at = later(at, l.calls[n-1].Add(l.Gap))
		if l.Most > 0 && n >= l.Most {
			at = later(at, l.calls[n-l.Most].Add(l.Span))
		}
	}
	return at
}

// Wait returns when a call is allowed, and counts it. A call that the timer
// did not make is saved first, and so is the first call of a process.
func (l *Limit) Wait(ctx context.Context, timed bool) error {
	for ctx.Err() == nil {
		at, ok := l.take(time.Now())
		if ok {
			if !timed || !l.warned.Load() {
				l.save(false)
				l.Arrived() // a slow disk made it leave later than it was allowed
			}
			return nil
		}
		t := time.NewTimer(time.Until(at))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
	}
	return ctx.Err()
}

// take counts a call if one is allowed now; else it returns when one may be.
func (l *Limit) take(now time.Time) (at time.Time, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.free(now); at.After(now) {
		return at, false
	}
	l.calls = append(l.calls, now)
	l.forget()
	return now, true
}

// Arrived counts the newest call as made now. The vendor counts it when it
// comes there, which is between its leaving us and its answer; only whoever
// counts from the answer is never too early with the next one.
func (l *Limit) Arrived() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.calls); n > 0 {
		l.calls[n-1] = later(l.calls[n-1], time.Now())
	}
}

// Quiet allows no call for d, and longer where more silence was asked before.
func (l *Limit) Quiet(d time.Duration) {
	l.mu.Lock()
	l.quiet = later(l.quiet, time.Now().Add(min(d, longest)))
	l.mu.Unlock()
	l.save(false)
}

// Close saves what the next process must know.
func (l *Limit) Close() { l.save(true) }

func (l *Limit) save(clean bool) {
	l.saving.Lock()
	defer l.saving.Unlock()
	l.Save(l.text(clean, time.Now()))
	l.warned.Store(!clean)
}

// text tells instants by the clock as it is now, whatever it was then.
func (l *Limit) text(clean bool, now time.Time) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	unix := func(t time.Time) int64 { return now.Add(t.Sub(now)).UnixNano() }
	s := saved{At: now.UnixNano(), Calls: []int64{}, Clean: clean}
	for _, t := range l.calls {
		s.Calls = append(s.Calls, unix(t))
	}
	if l.quiet.After(now) {
		s.Quiet = unix(l.quiet)
	}
	text, _ := json.Marshal(s) // numbers only: cannot fail
	return string(text)
}
