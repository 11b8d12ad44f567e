package intake

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"
)

// Limit keeps a vendor's rate limit, over restarts too: no two calls closer
// than Gap, no more than Most in any Span, none while the vendor asked for
// silence. Load and Save keep what a restart must know; an SD card does not
// like a write for each call of a slow timer, so those are assumed instead.
type Limit struct {
	Gap  time.Duration
	Span time.Duration
	Most int
	Pace time.Duration     // of the timer whose calls are not saved
	Save func(text string) // may be slow

	mu    sync.Mutex
	calls []time.Time
	quiet time.Time
}

// saved is what a restart must know, in Unix milliseconds.
type saved struct {
	Calls []int64 `json:"calls"`
	Quiet int64   `json:"quiet,omitempty"`
	Clean bool    `json:"clean,omitempty"` // nothing came after it
}

// longest is the longest silence a vendor is granted.
const longest = 24 * time.Hour

// Load takes what an earlier process saved. Where that was killed, its timer
// may have called at any time since.
func (l *Limit) Load(text string, now time.Time) {
	var s saved
	if text == "" || json.Unmarshal([]byte(text), &s) != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, ms := range s.Calls {
		l.calls = append(l.calls, earlier(time.UnixMilli(ms), now))
	}
	if !s.Clean {
		for t := now; l.Pace > 0 && now.Sub(t) < l.Span; t = t.Add(-l.Pace) {
			l.calls = append(l.calls, t)
		}
	}
	slices.SortFunc(l.calls, time.Time.Compare)
	if s.Quiet > 0 {
		l.quiet = earlier(time.UnixMilli(s.Quiet), now.Add(longest))
	}
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
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
	at := now
	later := func(t time.Time) {
		if t.After(at) {
			at = t
		}
	}
	later(l.quiet)
	if n := len(l.calls); n > 0 {
		later(l.calls[n-1].Add(l.Gap))
		if n >= l.Most {
			later(l.calls[n-l.Most].Add(l.Span))
		}
	}
	return at
}

// Wait returns when a call is allowed, and counts it. A call that the timer
// did not make is saved first.
func (l *Limit) Wait(ctx context.Context, timed bool) error {
	for {
		at, text := l.take(time.Now())
		if at.IsZero() {
			if !timed {
				l.Save(text)
			}
			return nil
		}
		t := time.NewTimer(time.Until(at))
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// take counts a call if one is allowed now; else it returns when one may be.
func (l *Limit) take(now time.Time) (at time.Time, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if at := l.free(now); at.After(now) {
		return at, ""
	}
	l.calls = append(l.calls, now)
	if over := len(l.calls) - l.Most; over > 0 {
		l.calls = slices.Delete(l.calls, 0, over)
	}
	return time.Time{}, l.text(false)
}

// Quiet allows no call for d.
func (l *Limit) Quiet(d time.Duration) {
	l.mu.Lock()
	l.quiet = time.Now().Add(min(d, longest))
	text := l.text(false)
	l.mu.Unlock()
	l.Save(text)
}

// Close saves what the next process must know.
func (l *Limit) Close() {
	l.mu.Lock()
	text := l.text(true)
	l.mu.Unlock()
	l.Save(text)
}

func (l *Limit) text(clean bool) string {
	s := saved{Clean: clean, Calls: []int64{}}
	for _, t := range l.calls {
		s.Calls = append(s.Calls, t.UnixMilli())
	}
	if l.quiet.After(time.Now()) {
		s.Quiet = l.quiet.UnixMilli()
	}
	text, _ := json.Marshal(s) // numbers only: cannot fail
	return string(text)
}
