package app

import (
	"context"
	"errors"
	"slices"
	"strconv"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// Replay decodes deliveries anew, the oldest first, and stores what is new in
// them: each as a delivery of its own that names the one it came from. What a
// later delivery said of the same stands. Of those that are gone by now, and of
// replays themselves, there is nothing to decode.
//
// It is safe to end ctx in the middle, and to do it again.
func (a *App) Replay(ctx context.Context, r web.Replay) (web.Replayed, error) {
	var done web.Replayed
	if !a.replaying.TryLock() {
		return done, errors.New("deliveries are being decoded anew already: wait until that is done")
	}
	defer a.replaying.Unlock()
	ids, err := a.chosen(ctx, r)
	if err != nil {
		return done, err
	}
	for _, id := range ids {
		d, _, err := a.journal.Delivery(ctx, id)
		if errors.Is(err, journal.ErrNoDelivery) {
			done.Left++
			continue
		}
		if err == nil {
			err = a.replay(ctx, d, r.Fire, &done)
		}
		if err != nil {
			return done, err
		}
	}
	a.log.Info().Str("source", "app").Int("deliveries", done.Decoded).Int("news", done.News).Bool("fire", r.Fire).Msg("deliveries were decoded anew")
	return done, nil
}

// chosen are the ids of the deliveries to be decoded, the oldest first.
func (a *App) chosen(ctx context.Context, r web.Replay) ([]int64, error) {
	ids := slices.Clone(r.IDs)
	if len(ids) == 0 && r.Since.IsZero() {
		return nil, errors.New("say which deliveries, or since when")
	}
	for q := (journal.Query{Since: r.Since, Limit: 1000}); len(r.IDs) == 0; {
		found, err := a.journal.Deliveries(ctx, q)
		if err != nil {
			return nil, err
		}
		for _, d := range found {
			ids = append(ids, d.ID)
			q.Before = d.ID
		}
		if len(found) < q.Limit {
			break
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// replay decodes one delivery anew. To fire, it is taken as if it came now;
// but what has an identity of its own and was said is not said twice.
func (a *App) replay(ctx context.Context, d event.Delivery, fire bool, done *web.Replayed) error {
	decode := a.decoder(d)
	if decode == nil {
		done.Left++
		return nil
	}
	now := a.clock.Now()
	if fire {
		d.Received = now
	}
	events := decode(d)
	for i := range events {
		e := &events[i]
		if !fire {
			e.Quiet, e.Again = true, now
		} else if e.Notice != nil {
			e.Key += "/again/" + strconv.FormatInt(now.UnixNano(), 10)
		}
	}
	d.Replays, d.Received, d.Via, d.Verdict = d.ID, now, event.ViaReplay, ""
	if unread(events) {
		d.Verdict = event.Unread
	}
	stored, err := a.append(ctx, d, events)
	switch {
	case err != nil && ctx.Err() == nil && !errors.Is(err, journal.ErrNotStored):
		done.Left++ // its events cannot be kept at all
		return nil
	case err != nil:
		return err
	}
	done.Decoded++
	done.News += len(stored.Events)
	done.Same += len(events) - len(stored.Events)
	return nil
}

// decoder returns what decodes a delivery; nil: nothing does.
func (a *App) decoder(d event.Delivery) func(event.Delivery) []event.Event {
	for _, s := range a.sources {
		switch {
		case s.name != d.Source:
		case d.Via == event.ViaHTTP, d.Via == event.ViaMQTT:
			return s.hooks.Decode
		case d.Via == event.ViaPoll && s.poll != nil:
			return s.poll.reread
		}
	}
	return nil
}
