package app

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// registrar manages a source's webhook at its vendor. A function that is nil is
// what the vendor does not let us do.
type registrar struct {
	list     errand // what is registered there, ours or not
	check    errand // that ours is as it should be; the error says what is not
	register errand // ours, once: what is there is mended, never doubled
	remove   errand // ours alone
	test     errand // makes the vendor send a test webhook to ours

	takes   []string      // names of the settings that register may be given, e.g. "limit"
	arrival time.Duration // how long a test webhook may take; zero: 30 s
	proves  bool          // check sends the test too: nothing else shows that the secret is right
}

// errand is one thing to do about a webhook. Each line says what was found or
// done, without the source's name in front, and may hold the URL: the secret in
// it is hidden before it is shown. The error is one sentence for people, a
// *event.Refusal wherever the vendor or the network is to blame; the lines
// beside it are what was done before.
type errand func(ctx context.Context, h hook) (lines []string, err error)

// hook is our webhook, and how its vendor may be asked about it.
type hook struct {
	URL      string            // where the vendor is to post; for list it may be empty: not known
	Former   string            // where it was to post until now; empty: nowhere else
	Settings map[string]string // what register was given, of what the registrar takes
	Wait     func(context.Context) error
	Agent    string

	// What the source remembers under a key of the journal's settings. Where
	// another process has the journal, nothing new is remembered.
	Get func(key string) (string, bool)
	Set func(key, value string)
}

// hostOf is all that is shown of a webhook's address that is not ours: its path
// may be a secret as ours is.
func hostOf(address string) string {
	if u, err := url.Parse(address); err == nil && u.Host != "" {
		return u.Host
	}
	return "an address that cannot be read"
}

// longestWait is how long a call beside the poll's waits for the vendor's
// limits: somebody sits in front of it.
const longestWait = 30 * time.Second

// beside makes calls beside the poll's, each after wait: one at a time and
// within the vendor's limits. A pause that the vendor asks for is kept.
func (s source) beside(ctx context.Context, f func(wait func(context.Context) error) error) error {
	if s.poll == nil {
		return f(func(ctx context.Context) error { return ctx.Err() })
	}
	return s.poll.alone(ctx, func() error {
		limit, called := &s.poll.limit, false
		err := f(func(ctx context.Context) error {
			if called {
				limit.Arrived()
			}
			if free := limit.Free(time.Now()); time.Until(free) > longestWait {
				return errors.New(s.title + " allows no call before " + free.UTC().Format("15:04 MST") + ": try again then")
			}
			if err := limit.Wait(ctx, false); err != nil {
				return err
			}
			called = true
			return nil
		})
		if called {
			limit.Arrived()
		}
		var r *event.Refusal
		if errors.As(err, &r) && (r.RetryAfter > 0 || r.Status == http.StatusTooManyRequests) {
			limit.Quiet(cmp.Or(r.RetryAfter, time.Minute))
		}
		return err
	})
}

// alone runs f while nobody else calls the source's API.
func (p *polled) alone(ctx context.Context, f func() error) error {
	p.once.Do(func() { p.turn = make(chan struct{}, 1) })
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-p.turn }()
	return f()
}
