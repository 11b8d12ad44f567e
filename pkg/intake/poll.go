package intake

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// urgent is how often an API is asked while a webhook waits for it to agree.
const urgent = 10 * time.Second

// Poller asks one vendor's API: by the timer, when told to, and every ten
// seconds while Urgent.
type Poller struct {
	Interval time.Duration
	Limit    *Limit
	// Ask makes the calls, each after wait.
	Ask func(ctx context.Context, wait func(context.Context) error) (event.Answer, error)
	// Done takes what came of it.
	Done func(ctx context.Context, a event.Answer, err error)
	// Urgent says whether a webhook waits for the API.
	Urgent func() bool

	ask, look chan struct{}
	next      atomic.Int64 // Unix nanoseconds
}

// NewPoller returns p ready to run.
func NewPoller(p *Poller) *Poller {
	p.ask, p.look = make(chan struct{}, 1), make(chan struct{}, 1)
	return p
}

// Next returns when the API is asked next, if nothing comes up; zero before Run.
func (p *Poller) Next() time.Time {
	if at := p.next.Load(); at != 0 {
		return time.Unix(0, at).UTC()
	}
	return time.Time{}
}

// AskNow asks as soon as the vendor's limits allow, whatever the back-off.
func (p *Poller) AskNow() { signal(p.ask) }

// Look makes the poller decide anew when it asks next.
func (p *Poller) Look() { signal(p.look) }

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run asks until ctx ends.
func (p *Poller) Run(ctx context.Context) {
	retry := p.backOff(time.Minute)
	due, last := time.Now(), time.Time{}
	for timed := false; ; {
		asked, ok := p.wait(ctx, due, last)
		if !ok {
			return
		}
		timed = timed && !asked
		wait := func(ctx context.Context) error { return p.Limit.Wait(ctx, timed) }
		answer, err := p.Ask(ctx, wait)
		if ctx.Err() != nil {
			return
		}
		last = time.Now()
		due = last.Add(p.Interval)
		if err == nil {
			retry.Reset()
		} else if d := p.rest(err, &retry); d > 0 {
			due = last.Add(d)
		}
		timed = true
		p.Done(ctx, answer, err)
	}
}

// wait returns when it is time to ask, and whether somebody other than the
// timer wants it; ok is false at the end of ctx.
func (p *Poller) wait(ctx context.Context, due, last time.Time) (asked, ok bool) {
	for {
		at, hurried := due, false
		if soon := last.Add(urgent); !last.IsZero() && soon.Before(at) && p.Urgent() {
			at, hurried = soon, true
		}
		p.next.Store(at.UnixNano())
		t := time.NewTimer(time.Until(at))
		select {
		case <-ctx.Done():
			t.Stop()
			return false, false
		case <-p.ask:
			t.Stop()
			return true, true
		case <-p.look:
			t.Stop()
		case <-t.C:
			return hurried, true
		}
	}
}

func (p *Poller) backOff(most time.Duration) backoff.ExponentialBackOff {
	return backoff.ExponentialBackOff{InitialInterval: p.Interval, Multiplier: 2, MaxInterval: max(p.Interval, most)}
}

// rest returns how long to wait after a bad answer: as the vendor asked, else
// longer each time, and longest where the token is refused.
func (p *Poller) rest(err error, retry *backoff.ExponentialBackOff) time.Duration {
	var r *event.Refusal
	if !errors.As(err, &r) {
		return retry.NextBackOff()
	}
	if r.Status == 429 && r.RetryAfter == 0 {
		r.RetryAfter = time.Minute
	}
	if r.RetryAfter > 0 {
		p.Limit.Quiet(r.RetryAfter)
		return max(p.Interval, r.RetryAfter)
	}
	retry.MaxInterval = max(p.Interval, time.Minute)
	if r.Unauthorized {
		retry.MaxInterval = max(p.Interval, 5*time.Minute)
	}
	return retry.NextBackOff()
}
