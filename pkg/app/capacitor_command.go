package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/capacitor"
)

// command carries out "start" and "stop" of a connector; others are unknown.
// Whatever is in its way is said in one line, and shown.
func (g *garage) command(ctx context.Context, a *App, s source, subject, command, _ string) {
	if command != "start" && command != "stop" {
		return
	}
	view := a.house.view()
	var connector *state.Connector
	for _, d := range view.Source(capacitor.Source).Devices.All() {
		if c, ok := d.State.(*state.Connector); ok && d.Subject == subject {
			connector = c
		}
	}
	if connector == nil {
		g.log().Warn().Str("subject", subject).Msg(command + " is a command to a connector, and this is none")
		return
	}
	if connector.Rehearsal && !connector.Running { // no call is made of a play
		if command == "stop" {
			_ = a.Rehearse(ctx, s.name, "", 0) // it is on, and it rehearses
		}
		return
	}
	go func() { // calls take long, and other commands are not to wait for them
		text := fmt.Sprintf("%s/%d", connector.Charger, connector.ID)
		now := a.clock.Now()
		_, _ = a.append(ctx, event.Delivery{Received: now, Source: capacitor.Source, Kind: command, Via: event.ViaCommand, Body: []byte(text)}, nil)
		accepted, err := g.carryOut(ctx, s, command, *connector)
		if err != nil {
			problem := fmt.Sprintf("Connector %d of %s: %s was not carried out: %s", connector.ID, connector.Charger, command, sentence(strings.TrimPrefix(err.Error(), "capacitor: ")))
			g.log().Warn().Msg(problem)
			g.tell(g.note("command", map[string]string{"problem": problem}))
			return
		}
		g.log().Info().Msg(command + " was accepted by " + text)
		g.tell(g.note("command", accepted))
		s.poll.poller.Look()
	}()
}

// stageConnector is the connector on which a charge is rehearsed: a free one,
// else one where nothing is charged.
func stageConnector(v state.Source) (on *state.Device) {
	for _, d := range v.Devices.All() {
		c, ok := d.State.(*state.Connector)
		switch {
		case !ok || c.Running || c.Charging != nil && *c.Charging:
		case c.Status == "Available":
			return d
		case on == nil:
			on = d
		}
	}
	return on
}

// carryOut makes the calls of a command, which may use what is kept of the
// quota for the household.
func (g *garage) carryOut(ctx context.Context, s source, command string, c state.Connector) (accepted map[string]string, err error) {
	if s.poll == nil {
		return nil, errors.New("it needs CAPACITOR_API_KEY, the key from Capacitor's portal")
	}
	if command == "start" && c.Status != "Preparing" {
		is := c.Status
		if is == "" {
			is = "not known"
		}
		return nil, fmt.Errorf("a charge starts only where a cable is plugged and no charge runs (Preparing), and it is %s", is)
	}
	if q := g.known().Quota; q.Limit > 0 && q.Remaining == 0 && g.app.clock.Now().Before(q.Reset) {
		return nil, fmt.Errorf("the day's calls are used up, until %s", q.Reset.In(g.app.zone()).Format("15:04"))
	}
	err = s.beside(ctx, func(wait func(context.Context) error) error {
		client := g.running(wait)
		if command == "start" {
			accepted = map[string]string{"kind": "start", "id": c.Charger}
			return client.Start(ctx, c.Charger, c.ID)
		}
		number, err := g.runningAt(ctx, client, c)
		if err != nil {
			return err
		}
		accepted = map[string]string{"kind": "stop", "id": number}
		return client.Stop(ctx, number)
	})
	if errors.Is(err, capacitor.ErrOffline) {
		off := capacitor.Unreachable(c.Charger, g.app.clock.Now())
		if _, stored := g.app.append(ctx, event.Delivery{}, []event.Event{off}); stored != nil {
			g.tell(off)
		}
	}
	return accepted, err
}

// runningAt is the number of the transaction that runs at a connector. Where
// none is known the API is asked.
func (g *garage) runningAt(ctx context.Context, client *capacitor.Client, c state.Connector) (number string, err error) {
	if c.Running && c.SessionID != "" {
		return c.SessionID, nil
	}
	list, _, err := client.Transactions(ctx, c.Charger)
	if err != nil {
		return "", err
	}
	now := g.app.clock.Now()
	for _, t := range list {
		if t.Running() && (t.Connector == nil || *t.Connector == c.ID) {
			if e := t.Event(now); t.Connector != nil {
				if _, stored := g.app.append(ctx, event.Delivery{}, []event.Event{e}); stored != nil {
					g.tell(e)
				}
			}
			return t.ID, nil
		}
	}
	return "", errors.New("nothing is charged there")
}
