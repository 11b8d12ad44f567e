package app

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/equiwatt"
)

// source is one vendor: whether the household has set it up, how its webhooks
// are received, how its API is asked, and what it can be told.
type source struct {
	name, title string
	on          bool
	missing     string // which variable a half configured source lacks, one sentence
	hooks       intake.Source
	poll        *polled
	command     func(ctx context.Context, a *App, s source, subject, command, payload string)
}

// polled is a vendor whose API is asked.
type polled struct {
	interval time.Duration
	asap     bool // a webhook is a reason to ask
	limit    intake.Limit
	// ask makes the calls, each after wait; known is what the API last showed
	// as running.
	ask func(ctx context.Context, a *App, known []event.Event, wait func(context.Context) error) (event.Answer, error)

	poller *intake.Poller
	urgent atomic.Bool // a webhook waits for the API to agree

	mu   sync.Mutex // guards what follows
	bad  string     // why the newest answer was bad; empty: it was good
	said bool       // an answer came in this run
	beat time.Time  // when the last good answer was kept
}

// sources is the table of vendors, one row each.
func (c Config) sources() []source {
	return []source{
		c.equiwatt(),
	}
}

func (c Config) equiwatt() source {
	on, missing := c.Equiwatt.On()
	s := source{
		name: "equiwatt", title: "Equiwatt", on: on, missing: missing,
		hooks:   intake.Source{Name: "equiwatt", Kinds: []string{"started", "ended"}, Limit: 64 << 10, Decode: equiwatt.Decode},
		command: equiwattCommand,
	}
	if c.Equiwatt.Token == "" {
		return s
	}
	client := equiwatt.Client{URL: c.Equiwatt.URL, Token: c.Equiwatt.Token, HTTP: &http.Client{}}
	s.poll = &polled{
		interval: max(c.Equiwatt.PollInterval, 10*time.Second),
		asap:     !c.Equiwatt.Believe(),
		limit:    intake.Limit{Gap: 1100 * time.Millisecond, Span: 61 * time.Second, Most: 10},
		ask: func(ctx context.Context, a *App, known []event.Event, wait func(context.Context) error) (event.Answer, error) {
			client := client
			client.Wait, client.Now, client.Agent = wait, a.clock.Now, "grid2mqtt/"+a.host.Version
			return client.Poll(ctx, known)
		},
	}
	return s
}

// rules are what the state has to know of the household's choices.
func (c Config) rules(since time.Time) state.Rules {
	r := state.Rules{Zone: c.zone, Since: since}
	if on, _ := c.Equiwatt.On(); on {
		r.Equiwatt = &state.EquiwattRules{
			Token: c.Equiwatt.Token != "", Believe: c.Equiwatt.Believe(),
			MaxDuration: c.Equiwatt.MaxDuration, PollInterval: max(c.Equiwatt.PollInterval, 10*time.Second),
		}
	}
	return r
}

// equiwattCommand carries out "refresh" and "rehearse"; others are unknown.
func equiwattCommand(ctx context.Context, a *App, s source, subject, command, payload string) {
	switch {
	case subject != "":
	case command == "refresh":
		if s.poll != nil {
			s.poll.poller.AskNow()
		}
	case command == "rehearse":
		minutes, err := strconv.Atoi(strings.TrimSpace(payload))
		if err != nil || minutes < 0 || minutes > 240 {
			minutes = 5
		}
		a.rehearse(ctx, minutes)
	}
}

// rehearse begins a rehearsal, sets the length of the running one anew, or with
// zero minutes ends it.
func (a *App) rehearse(ctx context.Context, minutes int) {
	now := a.clock.Now()
	e := event.Event{
		Source: "equiwatt", Key: "rehearsal/" + strconv.FormatInt(now.UnixNano(), 10), By: event.Rehearsal, At: now, Seen: now,
		Window: &event.Window{Start: now, End: now.Add(time.Duration(minutes) * time.Minute), Running: minutes > 0},
	}
	d := event.Delivery{Received: now, Source: "equiwatt", Kind: "rehearse", Via: event.ViaCommand, Body: []byte(strconv.Itoa(minutes))}
	if _, err := a.append(ctx, d, []event.Event{e}); err != nil {
		a.house.tell(e) // a rehearsal is worth having without a disk, too
		a.publisher.Wake()
	}
}
