package capacitor

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Reply is what the API said to a Question.
type Reply struct {
	Date time.Time // the vendor's clock; zero: not said
	Body []byte    // exactly the bytes received; several pages follow each other
	IDs  []string  // all chargers, where they were asked for

	chargers     []Charger     // of the list
	detail       *Charger      // of its own page
	transactions []Transaction //
	gone         string        // a charger that is not known any more
	lost         string        // a transaction that is not known
	offline      string        // a charger that is not connected
}

// Ask asks one question. That something is not known, or a charger not
// connected, is an answer like another.
func (c *Client) Ask(ctx context.Context, q Question) (r Reply, err error) {
	switch q.Kind {
	case AskChargers:
		list, answers, err := c.Chargers(ctx)
		if err != nil {
			return r, err
		}
		for _, ch := range list {
			r.IDs = append(r.IDs, ch.ID)
		}
		r.chargers = list
		for i, a := range answers {
			if i > 0 {
				r.Body = append(r.Body, '\n')
			}
			r.Body, r.Date = append(r.Body, a.Body...), a.Date
		}
		return r, nil
	case AskCharger:
		ch, a, err := c.Charger(ctx, q.ID)
		r.Body, r.Date = a.Body, a.Date
		switch {
		case errors.Is(err, ErrUnknown):
			r.gone = q.ID
		case errors.Is(err, ErrOffline):
			r.offline = q.ID
		case err != nil:
			return Reply{}, err
		default:
			r.detail = &ch
		}
		return r, nil
	case AskTransaction:
		t, a, err := c.Transaction(ctx, q.ID)
		r.Body, r.Date = a.Body, a.Date
		switch {
		case errors.Is(err, ErrUnknown):
			r.lost = q.ID
		case errors.Is(err, ErrOffline): // whose it is is not said
		case err != nil:
			return Reply{}, err
		default:
			r.transactions = []Transaction{t}
		}
		return r, nil
	case AskTransactions:
		list, a, err := c.Transactions(ctx, q.ID)
		r.Body, r.Date = a.Body, a.Date
		switch {
		case errors.Is(err, ErrOffline):
			r.offline = q.ID
		case errors.Is(err, ErrUnknown): // of what, is not said
		case err != nil:
			return Reply{}, err
		default:
			r.transactions = newest(list)
		}
		return r, nil
	}
	return r, errors.New("capacitor: nobody knows the question " + q.Kind)
}

// newest are the transactions that run, and the last of each connector.
func newest(list []Transaction) (some []Transaction) {
	slices.SortStableFunc(list, func(a, b Transaction) int { return b.Start.Compare(a.Start) })
	seen := map[int]bool{}
	for _, t := range list {
		n := 0
		if t.Connector != nil {
			n = *t.Connector
		}
		if t.Running() || !seen[n] {
			some = append(some, t)
		}
		seen[n] = true
	}
	return some
}

// Events is what a reply says that is worth keeping.
func (r Reply) Events(seen time.Time) []event.Event { return r.events(seen, false) }

// Live is the same with what is true of this moment only: when a charger that
// is connected was last heard.
func (r Reply) Live(seen time.Time) []event.Event { return r.events(seen, true) }

func (r Reply) events(seen time.Time, live bool) (events []event.Event) {
	for _, ch := range r.chargers {
		events = append(events, ch.event("charger/", seen, live))
	}
	if r.detail != nil {
		events = append(events, r.detail.events(seen, live)...)
	}
	for _, t := range r.transactions {
		events = append(events, t.Event(seen))
	}
	switch {
	case r.gone != "":
		events = append(events, Gone(r.gone, seen))
	case r.lost != "":
		events = append(events, Lost(r.lost, seen))
	case r.offline != "":
		events = append(events, Unreachable(r.offline, seen))
	}
	// A webhook is older or newer than an answer by the vendor's clock.
	if behind := seen.Sub(r.Date); behind > 0 && behind < ahead {
		for i, e := range events {
			if e.At.Equal(seen) {
				events[i].At = r.Date
			}
		}
	}
	return events
}
