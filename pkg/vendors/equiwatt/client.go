package equiwatt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

const (
	// patience is how long one call may take, body included.
	patience = 10 * time.Second
	// biggest is how many bytes of a body are read; the one published capture
	// of a real answer has 552.
	biggest = 1 << 20
	// hops is how many redirects are followed.
	hops = 3
)

// Client asks Equiwatt's household API. The vendor allows one call a second
// and ten a minute; Wait is where that is kept.
type Client struct {
	URL   string // asked as it is, its last slash included; https, or loopback
	Token string // with or without the word Bearer

	HTTP  *http.Client                // nil: the default one; only its Transport is used, for one request is one call
	Wait  func(context.Context) error // called before every request, a redirect's too; nil: none waits
	Now   func() time.Time            // nil: time.Now
	Agent string                      // User-Agent; empty: "grid2mqtt"
	// Timeout of one call, its body included; zero: 10 s.
	Timeout time.Duration
}

// Poll asks once and tells what is new beside known, the windows that the API
// showed as running when it last answered. The error is a *event.Refusal
// wherever the vendor or the network is to blame.
func (c *Client) Poll(ctx context.Context, known []event.Event) (event.Answer, error) {
	r, err := c.Equivents(ctx)
	if err != nil {
		return event.Answer{}, err
	}
	seen := c.now()
	return event.Answer{Received: seen, Date: r.Date, Body: r.Body, Events: Events(r, known, seen)}, nil
}

// Equivents asks once for the account's equivents. The error is a
// *event.Refusal wherever the vendor or the network is to blame. An answer that
// reports a failure is returned beside it.
func (c *Client) Equivents(ctx context.Context) (*Reply, error) {
	if why := unusable(c.URL); why != "" {
		return nil, errors.New("equiwatt: address: " + why)
	}
	at, _ := url.Parse(c.URL) // usable, so it parses
	proven := true            // the token goes along
	for range hops + 1 {
		a, err := c.call(ctx, at, proven)
		if err != nil {
			return nil, err
		}
		if !a.redirect() {
			return c.read(a, proven)
		}
		next, err := at.Parse(a.header.Get("Location"))
		if err != nil || a.header.Get("Location") == "" || !safe(at, next) {
			return nil, refuse(faultRedirect, a.status)
		}
		proven = proven && sameHost(at, next)
		at = next
	}
	return nil, refuse(faultCircle, 0)
}

// answer is what came back over HTTP.
type answer struct {
	status int
	header http.Header
	body   []byte // one byte more than biggest: too big
}

func (a answer) redirect() bool {
	switch a.status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// call makes one request, within the limits.
func (c *Client) call(ctx context.Context, at *url.URL, proven bool) (answer, error) {
	if c.Wait != nil {
		if err := c.Wait(ctx); err != nil {
			return answer{}, fmt.Errorf("equiwatt: wait: %w", err)
		}
	}
	limit := c.Timeout
	if limit == 0 {
		limit = patience
	}
	inner, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	a, err := c.send(inner, at, proven)
	if err == nil {
		return a, nil
	}
	if ctx.Err() != nil {
		return answer{}, fmt.Errorf("equiwatt: ask: %w", ctx.Err())
	}
	return answer{}, refuseNetwork(err, at.Hostname(), a.status)
}

func (c *Client) send(ctx context.Context, at *url.URL, proven bool) (a answer, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return a, err
	}
	// On a connection that is used again Go repeats a request that it thinks
	// lost, which would be a call more than Wait has counted.
	req.Close = true
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "grid2mqtt")
	if c.Agent != "" {
		req.Header.Set("User-Agent", c.Agent)
	}
	if token := bearer(c.Token); proven && token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := c.transport().RoundTrip(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	a.status, a.header = res.StatusCode, res.Header
	if a.status != http.StatusOK {
		return a, nil // what stands in it changes nothing
	}
	a.body, err = io.ReadAll(io.LimitReader(res.Body, biggest+1))
	return a, err
}

func (c *Client) transport() http.RoundTripper {
	if c.HTTP != nil && c.HTTP.Transport != nil {
		return c.HTTP.Transport
	}
	return http.DefaultTransport
}

func (c *Client) read(a answer, proven bool) (*Reply, error) {
	if a.status != http.StatusOK {
		return nil, refuseStatus(a.header, a.status, proven, c.now())
	}
	if len(a.body) > biggest {
		return nil, refuse(faultTooBig, a.status)
	}
	r, f := parse(a.body)
	if r != nil {
		r.Date = date(a.header)
	}
	switch f {
	case none:
		return r, nil
	case faultFailure:
		return r, refuseFailure(r.Message, bearer(c.Token), a.status)
	}
	return nil, refuse(f, a.status)
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now().UTC()
	}
	return c.Now().UTC()
}

// safe reports whether a redirect keeps the call private: never from https to
// plain http, and plain http never leaves this machine.
func safe(from, to *url.URL) bool {
	switch {
	case to.Hostname() == "":
		return false
	case to.Scheme == "https":
		return true
	}
	return to.Scheme == "http" && loopback(to) && loopback(from)
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
