// Package simulator plays the vendors' side, true to what they document and
// to what was seen of them, with faults on command: for the demo, and for
// tests that ask and are told over real HTTP.
//
// It keeps the vendors' limits and counts who breaks them. It does nothing by
// itself: what happens, happens because it was called, and at the time its
// clock tells. Only webhooks may go out by themselves, see Prompt.
package simulator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// cloud is what every simulated vendor shares and embeds: an API of routes that
// can be opened, closed and broken, whose calls are logged and counted against
// the vendor's limits, and webhooks that wait to be delivered.
//
// A vendor is made like this; what is set here does not change later:
//
//	s := &Openvolt{cloud: newCloud(now)}
//	s.base = "/v1"                              // Open returns it behind the address
//	s.limits = []limit{{1, time.Second}}        // one call a second
//	s.guard = s.mayAsk                          // the key is right, the quota is left
//	s.refuse = openvoltError                    // how the vendor words 404, 405 and 429
//	s.handle("GET /v1/meters/{id}", s.meter)
//
// Handlers, guard, refuse and stamp are called one at a time and with the lock
// held, so they may read and change the vendor's fields and call post, but must
// not lock, wait or send. The vendor's own methods lock mu themselves.
type cloud struct {
	now    func() time.Time // the simulator's clock; skew does not touch it
	base   string           // path that Open adds to the address
	limits []limit          // of all calls together; a call over one is answered 429
	// guard returns the answer to a call that may not be made, e.g. without the
	// key; ok is true where it may. Nil: every call may. It is asked only where
	// a route fits.
	guard func(r *http.Request, body []byte) (no said, ok bool)
	// refuse words the answer to a call over the limits (429), to a path
	// without a route (404) and to another method than the route's (405).
	refuse func(status int) said
	// stamp adds what stands in the header of every answer, e.g. a quota's rest.
	stamp func(h http.Header)

	mu     sync.Mutex // guards what follows, and what the vendor keeps
	routes []route
	skew   time.Duration

	faults   []Fault
	released chan struct{} // closed: nobody is kept waiting

	calls    []Call
	counted  []time.Time
	violated []string
	flying   int
	busiest  int

	prompt  bool
	waiting []letter
	sent    []Receipt

	postman sync.Mutex     // held while letters are sent, so that they keep their order
	posting sync.WaitGroup // those that Prompt sends

	server *http.Server
}

// limit is how many calls a vendor takes within a span that slides.
type limit struct {
	most int
	span time.Duration
}

// said is what a handler answers.
type said struct {
	status int         // zero: 200
	header http.Header // beside Content-Type, which is JSON's, and Date; nil: none
	json   any         // written as JSON, a json.RawMessage as it is; nil: no body
}

// handler answers a call, whose body was read whole. Parts of the path in
// braces are r.PathValue's.
type handler func(r *http.Request, body []byte) said

type route struct {
	method string
	path   []string // a part in braces fits every text that is not empty
	answer handler
}

// newCloud returns what a vendor embeds; nil is time.Now.
func newCloud(now func() time.Time) cloud {
	if now == nil {
		now = time.Now
	}
	return cloud{now: now, released: make(chan struct{}), refuse: func(status int) said {
		return said{status: status, json: map[string]string{"message": http.StatusText(status)}}
	}}
}

// handle adds a route, "METHOD /path/{part}/last": exactly that path, a slash
// at its end included. The first route that fits a call answers it.
func (c *cloud) handle(pattern string, h handler) {
	method, path, _ := strings.Cut(pattern, " ")
	c.routes = append(c.routes, route{method, strings.Split(path, "/"), h})
}

// fits reports whether the route's path is the call's, and if so sets its parts.
func (t route) fits(r *http.Request) bool {
	parts := strings.Split(r.URL.EscapedPath(), "/")
	if len(parts) != len(t.path) {
		return false
	}
	values := map[string]string{}
	for i, part := range parts {
		plain, err := url.PathUnescape(part)
		if name, braced := strings.CutPrefix(t.path[i], "{"); braced && plain != "" {
			values[strings.TrimSuffix(name, "}")] = plain
		} else if plain != t.path[i] || err != nil {
			return false
		}
	}
	for name, value := range values {
		r.SetPathValue(name, value)
	}
	return true
}

// Open serves the API on addr, e.g. "127.0.0.1:0", until Close, and returns
// its URL.
func (c *cloud) Open(addr string) (url string, err error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return "", fmt.Errorf("simulator: listen: %w", err)
	}
	server := &http.Server{Handler: c, ReadHeaderTimeout: 10 * time.Second}
	c.mu.Lock()
	twice := c.server != nil
	if !twice {
		c.server = server
	}
	c.mu.Unlock()
	if twice {
		return "", errors.Join(errors.New("simulator: it is open already"), l.Close())
	}
	go func() { _ = server.Serve(l) }() // ends with Close
	return "http://" + l.Addr().String() + c.base, nil
}

// Close ends Open, and whoever was kept waiting gets his answer. It may be
// opened again, as after an outage.
func (c *cloud) Close() error {
	c.Release()
	c.mu.Lock()
	server := c.server
	c.server = nil
	c.mu.Unlock()
	defer c.posting.Wait()
	if server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if server.Shutdown(ctx) == nil {
		return nil
	}
	return server.Close() // somebody connected and asks nothing
}

// Skew sets the Date header's clock ahead of the simulator's.
func (c *cloud) Skew(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.skew = d
}

// Call is one request to the API, as it came.
type Call struct {
	At     time.Time
	Method string
	Path   string // with its query
	Header http.Header
	Body   string
	Status int // of the answer; zero: none was given yet, or none ever
	// Violation says which limit the call broke; empty: none.
	Violation string
}

// Calls returns every call so far, in the order they came.
func (c *cloud) Calls() []Call {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.calls)
}

// Violations says for each call that broke a limit which one it was.
func (c *cloud) Violations() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.violated)
}

// Busiest is how many calls were in flight at a time, at most.
func (c *cloud) Busiest() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.busiest
}

// ServeHTTP is the API.
func (c *cloud) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // who asks has gone
	}
	c.mu.Lock()
	c.flying++
	c.busiest = max(c.busiest, c.flying)
	n, within := c.note(r, body)
	a := c.judge(r, body, within)
	released := c.released
	c.mu.Unlock()
	defer c.landed()

	if a.hold {
		select {
		case <-released:
		case <-r.Context().Done():
			return
		}
	}
	if a.hangUp {
		hangUp(w)
		return
	}
	c.mu.Lock()
	c.calls[n].Status = a.status
	c.mu.Unlock()
	a.write(w)
}

func (c *cloud) landed() {
	c.mu.Lock()
	c.flying--
	c.mu.Unlock()
}

// note logs a call and reports whether it was within the limits; the caller
// holds the lock.
func (c *cloud) note(r *http.Request, body []byte) (n int, within bool) {
	now := c.now()
	c.calls = append(c.calls, Call{At: now, Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone(), Body: string(body)})
	broken, most := "", 0
	for _, l := range c.limits {
		most = max(most, l.most)
		if n := len(c.counted); n >= l.most && now.Sub(c.counted[n-l.most]) < l.span {
			broken = fmt.Sprintf("more than %d calls within %v at %s", l.most, l.span, now.UTC().Format(time.RFC3339Nano))
		}
	}
	if broken != "" {
		c.violate(broken)
	}
	c.counted = append(c.counted, now)
	c.counted = c.counted[max(0, len(c.counted)-most):]
	return len(c.calls) - 1, broken == ""
}

// violate notes which limit the newest call broke, for guards that keep limits
// of their own; the caller holds the lock.
func (c *cloud) violate(why string) {
	c.violated = append(c.violated, why)
	c.calls[len(c.calls)-1].Violation = why
}

// judge decides the answer; the caller holds the lock.
func (c *cloud) judge(r *http.Request, body []byte, within bool) answer {
	a := answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}}
	a.header.Set("Date", c.now().Add(c.skew).UTC().Format(http.TimeFormat))
	if !within {
		a.say(c.refuse(http.StatusTooManyRequests))
		return a
	}
	a.say(c.ask(r, body))
	if c.stamp != nil {
		c.stamp(a.header)
	}
	if f, broken := c.fault(r); broken {
		f.apply(&a)
	}
	return a
}

// ask finds the true answer; the caller holds the lock.
func (c *cloud) ask(r *http.Request, body []byte) said {
	status := http.StatusNotFound
	for _, t := range c.routes {
		if !t.fits(r) {
			continue
		}
		if t.method != r.Method {
			status = http.StatusMethodNotAllowed
			continue
		}
		if c.guard != nil {
			if no, ok := c.guard(r, body); !ok {
				return no
			}
		}
		return t.answer(r, body)
	}
	return c.refuse(status)
}

// say makes s the answer.
func (a *answer) say(s said) {
	if s.status != 0 {
		a.status = s.status
	}
	if s.json != nil {
		a.body, _ = json.Marshal(s.json) // a vendor's own types: cannot fail
	}
	maps.Copy(a.header, s.header)
}
