// Package rest makes one HTTP call to a vendor's web API, and says why it gave
// no good answer in a household's words. What the answer means is the vendor's
// room to say.
//
// A call is one request, or a few where a GET is redirected, each after Wait;
// nothing is asked again by itself. The key stays with the host that was asked,
// and no refusal repeats a secret, an address or a port: for the same reason it
// is the same sentence from call to call.
package rest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"time"
)

const (
	// patience is how long one request may take, body included.
	patience = 10 * time.Second
	// biggest is how many bytes of a body are taken where the vendor's room
	// sets no other limit.
	biggest = 1 << 20
	// hops is how many redirects are followed.
	hops = 3
)

// Client calls one vendor's API. It may be used by many at once; whether two
// calls may be in flight is for Wait to say.
type Client struct {
	Vendor     string      // as people call it, e.g. "Openvolt"; refusals begin with it
	Header     http.Header // sent where the call is to the configured host, e.g. the key; replaces what is set here by itself
	Credential string      // what people call the proof in Header; empty: "API key"
	Remedy     string      // what to do where it is refused, e.g. "ask for a new one in the app."; empty: "is it right?"
	Secrets    []string    // never repeated in a refusal

	HTTP  *http.Client                // nil: the default one; only its Transport is used, for one request is one call
	Wait  func(context.Context) error // called before every request, a redirect's too; its error is handed on; nil: none waits
	Now   func() time.Time            // nil: time.Now
	Agent string                      // User-Agent; empty: "grid2mqtt"
	// Timeout of one request, its body included; zero: 10 s.
	Timeout time.Duration
	// Plain: plain HTTP may leave this machine, for nothing in a call is secret.
	Plain bool
	// Biggest is how many bytes of a body are taken; zero: 1 MiB.
	Biggest int64
}

// Answer is what came back, of any status.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte    // exactly the bytes received; where the status is not 2xx, as many of them as came, Biggest at most
	Date   time.Time // the vendor's clock as its Date header says; zero: not said

	stranger bool // from another host than the one asked, so without the key
}

// Good reports whether the status is 2xx.
func (a Answer) Good() bool { return a.Status >= 200 && a.Status <= 299 }

func (a Answer) redirect() bool {
	switch a.Status {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther,
		http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return true
	}
	return false
}

// Do makes one call and returns the answer, whatever its status. Body is JSON;
// nil: there is none. Redirects are followed for GET only, at most three, never
// to plain HTTP outside this machine, and without the key on another host; any
// other method's is an answer like all others. The error is a *event.Refusal
// where the vendor or the network is to blame, and wraps ctx's error where ctx
// has ended.
func (c *Client) Do(ctx context.Context, method, rawURL string, body []byte) (Answer, error) {
	if why := Unusable(rawURL); why != "" && !(c.Plain && plain(rawURL)) {
		return Answer{}, errors.New("rest: " + c.Vendor + "'s address: " + why)
	}
	at, _ := url.Parse(rawURL) // usable, so it parses
	proven := true             // the key goes along
	for range hops + 1 {
		a, err := c.request(ctx, method, at, body, proven)
		if err != nil || method != http.MethodGet || !a.redirect() {
			return a, err
		}
		next, err := at.Parse(a.Header.Get("Location"))
		if err != nil || a.Header.Get("Location") == "" || !safe(at, next) {
			return Answer{}, refuse(c.Vendor+" sends us to an address that is not safe to follow.", a.Status)
		}
		proven = proven && sameHost(at, next)
		at = next
	}
	return Answer{}, refuse(c.Vendor+" sends us from one address to the next without end.", 0)
}

// request makes one request, within the limits.
func (c *Client) request(ctx context.Context, method string, at *url.URL, body []byte, proven bool) (Answer, error) {
	if c.Wait != nil {
		if err := c.Wait(ctx); err != nil && ctx.Err() == nil {
			return Answer{}, err // a sentence of whoever has us wait
		} else if err != nil {
			return Answer{}, fmt.Errorf("rest: wait for %s: %w", c.Vendor, err)
		}
	}
	inner, cancel := context.WithTimeout(ctx, cmp.Or(c.Timeout, patience))
	defer cancel()
	a, err := c.send(inner, method, at, body, proven)
	switch {
	case err != nil && ctx.Err() != nil:
		return Answer{}, fmt.Errorf("rest: ask %s: %w", c.Vendor, ctx.Err())
	case err != nil:
		return Answer{}, c.refuseNetwork(err, at.Hostname(), a.Status)
	case a.Good() && int64(len(a.Body)) > c.biggest():
		return Answer{}, refuse(c.Vendor+"'s answer is too big: more than "+size(c.biggest())+".", a.Status)
	}
	a.Body = a.Body[:min(int64(len(a.Body)), c.biggest())]
	return a, nil
}

func (c *Client) send(ctx context.Context, method string, at *url.URL, body []byte, proven bool) (a Answer, err error) {
	var content io.Reader
	if body != nil {
		content = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, at.String(), content)
	if err != nil {
		return a, err
	}
	// On a connection that is used again Go repeats a request that it thinks
	// lost, which would be a call more than Wait has counted.
	req.Close, req.GetBody = true, nil
	req.Header.Set("Accept", "application/json")
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("User-Agent", cmp.Or(c.Agent, "grid2mqtt"))
	if proven {
		maps.Copy(req.Header, c.Header.Clone())
	}
	res, err := c.transport().RoundTrip(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	a = Answer{Status: res.StatusCode, Header: res.Header, Date: date(res.Header), stranger: !proven}
	if a.redirect() {
		return a, nil // what stands in it changes nothing
	}
	a.Body, err = io.ReadAll(io.LimitReader(res.Body, c.biggest()+1))
	if !a.Good() {
		err = nil // the status speaks for itself, and what came of the body may explain it
	}
	return a, err
}

func (c *Client) transport() http.RoundTripper {
	if c.HTTP != nil && c.HTTP.Transport != nil {
		return c.HTTP.Transport
	}
	return http.DefaultTransport
}

func (c *Client) biggest() int64 { return cmp.Or(c.Biggest, biggest) }

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now().UTC()
	}
	return c.Now().UTC()
}
