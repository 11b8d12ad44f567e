package app

import (
	"context"
	"net/http"
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
		command: equiwattCommand, stage: func(v state.Source) *state.Device { return nil },
		byHand: "Equiwatt's webhooks are set up in its app: API Integration, Webhook, Add a URL.",
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

// equiwattCommand carries out "refresh"; others are unknown.
func equiwattCommand(ctx context.Context, a *App, s source, subject, command, payload string) {
	if subject == "" && command == "refresh" && s.poll != nil {
		s.poll.poller.AskNow()
	}
}
