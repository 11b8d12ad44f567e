package app

import (
	"context"
	"sync"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// steps are what the clock was set by and the journal does not say yet.
type steps struct {
	keeping sync.Mutex // held while they are stored, so that nothing newer is stored before them

	mu  sync.Mutex
	sum time.Duration
}

// stepped notes that the clock was set, so that what was dated by the wrong
// one is judged by the right one. It is called from inside a reading of the
// clock, so it does not wait, nor read the clock.
func (a *App) stepped(by time.Duration) {
	a.log.Warn().Str("source", "app").Dur("by", by).Msg("this machine's clock was wrong; times are judged anew")
	if a.house == nil {
		return
	}
	a.steps.mu.Lock()
	a.steps.sum += by
	a.steps.mu.Unlock()
	go a.keepSteps()
}

// keepClock keeps how far this machine's clock is ahead, where it is or was.
func (a *App) keepClock(ctx context.Context) {
	now := a.clock.Ahead()
	if was, _ := a.journal.Setting(clockKey); now != was {
		a.set(ctx, clockKey, now)
	}
}

const clockKey = "clock_ahead"

// keepSteps stores what the clock was set by.
func (a *App) keepSteps() {
	a.steps.keeping.Lock()
	defer a.steps.keeping.Unlock()
	a.steps.mu.Lock()
	by := a.steps.sum
	a.steps.sum = 0
	a.steps.mu.Unlock()
	if by == 0 {
		return
	}
	now := a.clock.Now()
	var events []event.Event
	for _, s := range a.sources {
		events = append(events, event.Event{
			Source: s.name, Subject: event.Clock, Key: event.Clock, By: event.Self, At: now, Seen: now,
			Status: &event.Status{State: "stepped"}, Data: encode(state.Step{By: by, Since: a.house.first}),
		})
	}
	if _, err := a.journal.Append(context.Background(), event.Delivery{}, events); err != nil {
		a.house.tell(events...)
		a.publisher.Wake()
	}
}

// append stores a delivery and its events, behind the step of the clock by
// which they may be dated: a step moves what comes before it.
func (a *App) append(ctx context.Context, d event.Delivery, events []event.Event) (journal.Stored, error) {
	a.keepSteps()
	return a.journal.Append(ctx, d, events)
}
