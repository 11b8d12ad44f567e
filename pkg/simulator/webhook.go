package simulator

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

// Receipt is a webhook that was sent, and what became of it.
type Receipt struct {
	At     time.Time
	Method string
	Kind   string
	URL    string
	Header http.Header // as it was sent, the signature included
	Body   string
	Status int           // of the answer; zero: none came
	Answer string        // what the receiver said, 64 KiB at most
	Took   time.Duration // until the answer was there
	Err    error         // why none came
}

// Way is how webhooks that wait are delivered.
type Way int

// The ways a webhook takes. One that is late is delivered later; one that is
// lost is not delivered, see Lose.
const (
	InOrder  Way = iota
	Doubled      // each twice in a row
	Reversed     // the newest first
	AtOnce       // all at the same time, in no order
)

// letter is a webhook that waits.
type letter struct {
	kind   string // what it speaks of: the vendor's event type
	url    string
	method string      // empty: POST
	header http.Header // e.g. Content-Type and the signature; nil: none
	body   string
}

// post puts a webhook among those that wait, if there is a URL for it; the
// caller holds the lock.
func (c *cloud) post(l letter) {
	if l.url == "" {
		return
	}
	c.waiting = append(c.waiting, l)
	if c.prompt {
		c.posting.Go(func() { c.Deliver(context.Background(), InOrder) })
	}
}

// Prompt makes webhooks go out by themselves, in order, as soon as something
// happens; at first they wait for Deliver. Close waits for those on their way.
func (c *cloud) Prompt(on bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.prompt = on
}

// Deliver sends the webhooks that wait, one after the other, and each once as
// vendors do: who is not there misses it. With kinds, only theirs: the others
// wait on and are late.
func (c *cloud) Deliver(ctx context.Context, way Way, kinds ...string) []Receipt {
	c.postman.Lock()
	defer c.postman.Unlock()
	letters := c.take(kinds)
	switch way {
	case AtOnce:
		return c.sendAll(ctx, letters)
	case Reversed:
		slices.Reverse(letters)
	}
	var receipts []Receipt
	for _, l := range letters {
		receipts = append(receipts, c.send(ctx, l))
		if way == Doubled {
			receipts = append(receipts, c.send(ctx, l))
		}
	}
	return receipts
}

// Lose forgets the webhooks that wait, with kinds only theirs, and returns how
// many there were.
func (c *cloud) Lose(kinds ...string) int { return len(c.take(kinds)) }

// take removes the letters of these kinds from those that wait.
func (c *cloud) take(kinds []string) (taken []letter) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waiting = slices.DeleteFunc(c.waiting, func(l letter) bool {
		fits := len(kinds) == 0 || slices.Contains(kinds, l.kind)
		if fits {
			taken = append(taken, l)
		}
		return fits
	})
	return taken
}

// Waiting returns the kinds of the webhooks that wait, in their order.
func (c *cloud) Waiting() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var kinds []string
	for _, l := range c.waiting {
		kinds = append(kinds, l.kind)
	}
	return kinds
}

// Again sends what was sent once more, to the letter: a double that comes
// late, or a replay by somebody who listened.
func (c *cloud) Again(ctx context.Context, r Receipt) Receipt {
	return c.send(ctx, letter{kind: r.Kind, url: r.URL, method: r.Method, header: r.Header, body: r.Body})
}

// Sent returns every webhook that was sent, in the order of the answers.
func (c *cloud) Sent() []Receipt {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.sent)
}

func (c *cloud) sendAll(ctx context.Context, letters []letter) []Receipt {
	receipts := make([]Receipt, len(letters))
	var all sync.WaitGroup
	for i, l := range letters {
		all.Go(func() { receipts[i] = c.send(ctx, l) })
	}
	all.Wait()
	return receipts
}

// send sends a letter and keeps the receipt; the caller does not hold the lock.
func (c *cloud) send(ctx context.Context, l letter) Receipt {
	if l.method == "" {
		l.method = http.MethodPost
	}
	r := Receipt{At: c.now(), Method: l.method, Kind: l.kind, URL: l.url, Header: l.header.Clone(), Body: l.body}
	start := time.Now()
	r.Status, r.Answer, r.Err = l.send(ctx)
	r.Took = time.Since(start)
	c.mu.Lock()
	c.sent = append(c.sent, r)
	c.mu.Unlock()
	return r
}

func (l letter) send(ctx context.Context) (status int, answer string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, l.method, l.url, strings.NewReader(l.body))
	if err != nil {
		return 0, "", fmt.Errorf("simulator: webhook: %w", err)
	}
	maps.Copy(req.Header, l.header)
	req.Close = true // it comes from far away each time
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, "", fmt.Errorf("simulator: webhook: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, _ := io.ReadAll(io.LimitReader(res.Body, 64<<10)) // the status is what matters
	return res.StatusCode, string(text), nil
}
