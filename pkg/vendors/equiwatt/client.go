package equiwatt

import (
	"context"
	"net/http"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
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
	seen := time.Now().UTC()
	if c.Now != nil {
		seen = c.Now().UTC()
	}
	return event.Answer{Received: seen, Date: r.Date, Body: r.Body, Events: Events(r, known, seen)}, nil
}

// Equivents asks once for the account's equivents. The error is a
// *event.Refusal wherever the vendor or the network is to blame. An answer that
// reports a failure is returned beside it; the body of one with another status
// than 200 means nothing. At most 1 MiB is taken: the one published capture of
// a real answer has 552 bytes.
func (c *Client) Equivents(ctx context.Context) (*Reply, error) {
	way := c.way()
	a, err := way.Do(ctx, http.MethodGet, c.URL, nil)
	if err != nil {
		return nil, err
	}
	return understand(way, a)
}

// way is the way to the vendor.
func (c *Client) way() *rest.Client {
	way := &rest.Client{
		Vendor: "Equiwatt", Credential: "token", Remedy: "ask for a new token in the Equiwatt app.",
		HTTP: c.HTTP, Wait: c.Wait, Now: c.Now, Agent: c.Agent, Timeout: c.Timeout,
	}
	if token := bearer(c.Token); token != "" {
		way.Header, way.Secrets = http.Header{"Authorization": {"Bearer " + token}}, []string{token}
	}
	return way
}

func understand(way *rest.Client, a rest.Answer) (*Reply, error) {
	if a.Status != http.StatusOK {
		return nil, way.Refuse(a)
	}
	if r := way.NoJSON(a); r != nil {
		return nil, r
	}
	r, f := parse(a.Body)
	if r != nil {
		r.Date = a.Date
	}
	switch f {
	case none:
		return r, nil
	case faultFailure:
		return r, way.Failure(r.Message, a)
	}
	return nil, &event.Refusal{Reason: string(f), Status: a.Status}
}
