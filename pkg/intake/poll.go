package intake

import (
	"context"
	"errors"
	"net/http"
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
	// Slowest is the longest rest after bad answers, where it is over a minute.
	Slowest time.Duration
	Limit   *Limit
	// Ask makes the calls, each after wait.
	Ask func(ctx context.Context, wait func(context.Context) error) (event.Answer, error)
	// Done takes what came of it.
	Done func(ctx context.Context, a event.Answer, err error)
	// Urgent says whether a webhook waits for the API.
	Urgent func() bool
	// Due returns when there is something to ask, given the newest call; zero:
	// nothing. Nil: every Interval. It is called again after each call, after
	// Look, and every Interval. Ask may find that there is nothing to ask any
	// more: it then returns without a call.
	Due func(last time.Time) time.Time

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
	retry := &backoff.ExponentialBackOff{InitialInterval: p.Interval, Multiplier: 2}
	due, last := time.Now(), time.Time{}
	for {
		asked, ok := p.wait(ctx, due, last)
		if !ok {
			return
		}
		timed, before := !asked, last
		last = time.Now()
		called := false
		answer, err := p.Ask(ctx, func(ctx context.Context) error {
			if called { // it was answered with a redirect
				p.Limit.Arrived()
			}
			if err := p.Limit.Wait(ctx, timed); err != nil {
				return err
			}
			called = true
			timed = false // only one call is the timer's; a redirect is another
			last = time.Now()
			// Whoever asked before this call is answered by it.
			select {
			case <-p.ask:
			default:
			}
			return nil
		})
		if called {
			p.Limit.Arrived()
		}
		if ctx.Err() != nil {
			return
		}
		if !called && err == nil { // there was nothing to ask
			last, due = before, time.Now().Add(time.Second)
			continue
		}
		due = last.Add(p.Interval)
		if p.Due != nil {
			due = time.Time{}
		}
		if err == nil {
			retry.Reset()
		} else {
			due = time.Now().Add(p.rest(err, retry))
		}
		p.Done(ctx, answer, err)
	}
}

// wait returns when it is time to ask, and whether somebody other than the
// timer wants it; ok is false at the end of ctx.
func (p *Poller) wait(ctx context.Context, due, last time.Time) (asked, ok bool) {
	for {
		at, hurried, idle := due, false, false
		if p.Due != nil {
			plan := p.Due(last)
			if idle = plan.IsZero(); idle {
				plan = time.Now().Add(p.Interval)
			}
			at = later(plan, due)
		}
		if soon := last.Add(urgent); !last.IsZero() && soon.Before(at) && p.Urgent() {
			at, hurried = soon, true
		}
		at = p.Limit.Free(at)
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
			if !idle || hurried {
				return hurried, true
			}
		}
	}
}

// rest returns how long to wait after a bad answer: as the vendor asked, else
// longer each time, and longest where the token is refused.
func (p *Poller) rest(err error, retry *backoff.ExponentialBackOff) time.Duration {
	most, silence := max(p.Slowest, time.Minute), time.Duration(0)
	var r *event.Refusal
	if errors.As(err, &r) {
		silence = min(r.RetryAfter, longest)
		if r.Status == http.StatusTooManyRequests && silence == 0 {
			silence = time.Minute
		}
		if r.Unauthorized {
			most = max(p.Slowest, 5*time.Minute)
		}
	}
	if silence > 0 {
		p.Limit.Quiet(silence)
		return max(p.Interval, silence)
	}
	retry.MaxInterval = max(p.Interval, most)
	return min(retry.NextBackOff(), retry.MaxInterval)
}
