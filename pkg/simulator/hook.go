package simulator

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// What a webhook speaks of; the vendor's app takes one URL for each.
const (
	Started = "started"
	Ended   = "ended"
)

// Trigger is what the customer typed into the app. The vendor documents that
// variables may stand in URL and body, not how they are called; here they are
// {action}, {start_time}, {end_time}, {duration} in Unix seconds and seconds,
// and {event_started}, {event_finished} in ISO 8601. What is not known is
// empty, and another word in braces stays as it is.
type Trigger struct {
	URL  string
	Body string
}

// Receipt is a webhook that was sent.
type Receipt struct {
	At     time.Time
	Kind   string
	URL    string
	Body   string
	Status int   // of the answer; zero: none came
	Err    error // why none came
}

// Way is how webhooks that wait are delivered.
type Way int

// The ways a webhook takes. One that is late is delivered later; one that is
// lost is not delivered, see Lose.
const (
	InOrder  Way = iota
	Doubled      // each twice in a row
	Reversed     // the newest first
)

// letter is a webhook that waits.
type letter struct{ kind, url, body string }

// Webhook sets the trigger of a kind; an empty URL removes it.
func (s *Equiwatt) Webhook(kind string, t Trigger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.triggers[kind] = t
}

// post puts a webhook among those that wait; the caller holds the lock.
func (s *Equiwatt) post(kind string, e *equivent) {
	if t := s.triggers[kind]; t.URL != "" {
		s.waiting = append(s.waiting, t.fill(kind, e))
	}
}

// fill writes the variables into a trigger.
func (t Trigger) fill(kind string, e *equivent) letter {
	end := e.end
	if end.IsZero() {
		end = e.plan
	}
	action := "Start"
	if kind == Ended {
		action = "End"
	}
	finished, unix, length := "", "", ""
	if !end.IsZero() {
		finished, unix = end.Format(time.RFC3339), strconv.FormatInt(end.Unix(), 10)
		length = strconv.Itoa(int(end.Sub(e.start) / time.Second))
	}
	words := strings.NewReplacer(
		"{action}", action, "{duration}", length,
		"{start_time}", strconv.FormatInt(e.start.Unix(), 10), "{end_time}", unix,
		"{event_started}", e.start.Format(time.RFC3339), "{event_finished}", finished,
	)
	return letter{kind, words.Replace(t.URL), words.Replace(t.Body)}
}

// Deliver sends the webhooks that wait, one after the other, and each once as
// the vendor does: who is not there misses it.
func (s *Equiwatt) Deliver(ctx context.Context, way Way) []Receipt {
	s.mu.Lock()
	letters := s.waiting
	s.waiting = nil
	s.mu.Unlock()
	if way == Reversed {
		slices.Reverse(letters)
	}
	var receipts []Receipt
	for _, l := range letters {
		receipts = append(receipts, s.send(ctx, l))
		if way == Doubled {
			receipts = append(receipts, s.send(ctx, l))
		}
	}
	return receipts
}

// Lose forgets the webhooks that wait, and returns how many there were.
func (s *Equiwatt) Lose() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(s.waiting)
	s.waiting = nil
	return n
}

// Demo sends the app's demo trigger of a kind, which looks like a real one of
// half an hour from now on, while the API knows of nothing.
func (s *Equiwatt) Demo(ctx context.Context, kind string) (Receipt, error) {
	s.mu.Lock()
	t := s.triggers[kind]
	now := s.now().Truncate(time.Second).UTC()
	s.mu.Unlock()
	if t.URL == "" {
		return Receipt{}, fmt.Errorf("simulator: no URL for the trigger %s", kind)
	}
	return s.send(ctx, t.fill(kind, &equivent{start: now, plan: now.Add(30 * time.Minute)})), nil
}

// Sent returns every webhook that was sent, in that order.
func (s *Equiwatt) Sent() []Receipt {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.sent)
}

func (s *Equiwatt) send(ctx context.Context, l letter) Receipt {
	r := Receipt{At: s.now(), Kind: l.kind, URL: l.url, Body: l.body}
	r.Status, r.Err = l.send(ctx)
	s.mu.Lock()
	s.sent = append(s.sent, r)
	s.mu.Unlock()
	return r
}

func (l letter) send(ctx context.Context) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.url, strings.NewReader(l.body))
	if err != nil {
		return 0, fmt.Errorf("simulator: webhook: %w", err)
	}
	req.Close = true // it comes from far away each time
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return 0, fmt.Errorf("simulator: webhook: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)) // what it says does not matter to the vendor
	return res.StatusCode, nil
}
