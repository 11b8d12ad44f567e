package observer

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Match says whether a message is meant.
type Match func(Message) bool

// On matches a topic, or a filter with + and # as MQTT has them.
func On(filter string) Match {
	want := strings.Split(filter, "/")
	return func(m Message) bool {
		got := strings.Split(m.Topic, "/")
		for i, w := range want {
			switch {
			case w == "#":
				return true
			case i == len(got) || w != "+" && w != got[i]:
				return false
			}
		}
		return len(got) == len(want)
	}
}

// Says matches a payload on a topic or filter.
func Says(filter, payload string) Match {
	on := On(filter)
	return func(m Message) bool { return on(m) && m.Payload == payload }
}

// Pick returns the messages that match, in their order.
func Pick(all []Message, match Match) []Message {
	var picked []Message
	for _, m := range all {
		if match(m) {
			picked = append(picked, m)
		}
	}
	return picked
}

// Payloads of messages.
func Payloads(all []Message) []string {
	payloads := make([]string, 0, len(all))
	for _, m := range all {
		payloads = append(payloads, m.Payload)
	}
	return payloads
}

// Since is the record behind a mark; 0 is its beginning.
func (o *Observer) Since(mark int) []Message {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]Message(nil), o.record[mark:]...)
}

// Wait until the record behind a mark is as it should be. The error tells the record.
func (o *Observer) Wait(ctx context.Context, mark int, what string, ok func([]Message) bool) error {
	err := o.await(ctx, what, func() bool { return ok(o.record[mark:]) })
	if err != nil {
		return fmt.Errorf("%w; heard:%s", err, list(o.Since(mark)))
	}
	return nil
}

// Next waits for the first match behind a mark, which may already be there.
func (o *Observer) Next(ctx context.Context, mark int, match Match) (Message, error) {
	found, err := o.Times(ctx, mark, 1, match)
	if err != nil {
		return Message{}, err
	}
	return found[0], nil
}

// Times waits until there are n matches or more behind a mark and returns them all.
func (o *Observer) Times(ctx context.Context, mark, n int, match Match) ([]Message, error) {
	var found []Message
	err := o.Wait(ctx, mark, fmt.Sprintf("%d times", n), func(all []Message) bool {
		found = Pick(all, match)
		return len(found) >= n
	})
	return found, err
}

// Quiet waits until nothing that matches has come for so long, counted from the call at the earliest.
func (o *Observer) Quiet(ctx context.Context, pause time.Duration, match Match) error {
	began := time.Now()
	for {
		last := began
		o.mu.Lock()
		if found := Pick(o.record, match); len(found) > 0 && found[len(found)-1].At.After(began) {
			last = found[len(found)-1].At
		}
		o.mu.Unlock()
		rest := time.NewTimer(time.Until(last.Add(pause)))
		select {
		case <-ctx.Done():
			rest.Stop()
			return fmt.Errorf("observer: never quiet for %v: %w", pause, ctx.Err())
		case <-rest.C:
		}
		if time.Since(last) >= pause && o.silentSince(last, match) {
			return nil
		}
	}
}

func (o *Observer) silentSince(t time.Time, match Match) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := Pick(o.record, match)
	return len(found) == 0 || !found[len(found)-1].At.After(t)
}

// list is for errors: a line a message, the newest fifty, cut where they are long.
func list(all []Message) string {
	var b strings.Builder
	if len(all) == 0 {
		b.WriteString(" nothing")
	}
	if n := len(all) - 50; n > 0 {
		fmt.Fprintf(&b, "\n  (%d older)", n)
		all = all[n:]
	}
	for _, m := range all {
		payload := m.Payload
		if len(payload) > 200 {
			payload = payload[:200] + "…"
		}
		retained := ""
		if m.Retained {
			retained = " (retained)"
		}
		fmt.Fprintf(&b, "\n  %s %s%s %q", m.At.Format("15:04:05.000"), m.Topic, retained, payload)
	}
	return b.String()
}
