package simulator

import (
	"context"
	"fmt"
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

// Webhook sets the trigger of a kind; an empty URL removes it.
func (s *Equiwatt) Webhook(kind string, t Trigger) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.triggers[kind] = t
}

// tell posts a webhook of an equivent; the caller holds the lock.
func (s *Equiwatt) tell(kind string, e *equivent) { s.post(s.triggers[kind].fill(kind, e)) }

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
	return letter{kind: kind, url: words.Replace(t.URL), body: words.Replace(t.Body)}
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
