package app

import (
	"context"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/equiwatt"
)

func (c Config) equiwatt() source {
	on, missing := c.Equiwatt.On()
	s := source{
		name: "equiwatt", title: "Equiwatt", on: on, missing: missing,
		hooks:   intake.Source{Name: "equiwatt", Kinds: []string{"started", "ended"}, Limit: 64 << 10, Decode: equiwatt.Decode},
		command: equiwattCommand,
		byHand:  "Equiwatt's webhooks are set up in its app: API Integration, Webhook, Add a URL. The page shows both URLs.",
		// What is empty is not said. The names of the variables are shown in the vendor's app only.
		template: "{\n  \"event_started\": \"\",\n  \"event_finished\": \"\",\n  \"duration\": \"\",\n  \"direction\": \"\"\n}",
	}
	if c.Equiwatt.Token == "" {
		return s
	}
	client := equiwatt.Client{URL: c.Equiwatt.URL, Token: c.Equiwatt.Token, HTTP: &http.Client{}}
	s.poll = &polled{
		interval: max(c.Equiwatt.PollInterval, 10*time.Second),
		asap:     !c.Equiwatt.Believe(),
		limit:    intake.Limit{Gap: 1100 * time.Millisecond, Span: 61 * time.Second, Most: 10},
		ask: func(ctx context.Context, a *App, wait func(context.Context) error) (event.Answer, error) {
			client := client
			client.Wait, client.Now, client.Agent = wait, a.clock.Now, a.agent()
			return client.Poll(ctx, a.house.view().Link("equiwatt").Known)
		},
		reread: equiwatt.Reread,
	}
	return s
}

// equiwattRules are what the state has to know; nil: the source is off.
func (c Config) equiwattRules() *state.EquiwattRules {
	if on, _ := c.Equiwatt.On(); !on {
		return nil
	}
	return &state.EquiwattRules{
		Token: c.Equiwatt.Token != "", Believe: c.Equiwatt.Believe(),
		MaxDuration: c.Equiwatt.MaxDuration, PollInterval: max(c.Equiwatt.PollInterval, 10*time.Second),
	}
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
