package app

import (
	"context"
	"errors"
	"maps"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// shownLast is how many deliveries the first page shows.
const shownLast = 8

// newWeb makes the page.
func (a *App) newWeb() *web.Server {
	return &web.Server{
		Page: a.page, Spans: a.spans, Command: a.command, Records: a.records(), Checks: a.checks,
		Allowed: a.host.Allowed, Healthy: a.healthy, Metrics: a.writeMetrics, Log: a.logger("web"),
	}
}

// page gathers what the first page shows.
func (a *App) page(ctx context.Context) web.Page {
	v := a.house.view()
	p := web.Page{
		View: v, Version: a.host.Version, Zone: a.zone(), Broker: a.publisher.Trouble(), Problems: a.problems(v),
		PublicURL: a.config.PublicURL != "", Refused: a.refusals(), Rotation: a.rotation(), Rehearsal: a.rehearsal(v), Away: a.publisher.Away(),
	}
	for _, s := range a.table {
		p.Sources = append(p.Sources, a.shown(s, v))
		if !s.on {
			continue
		}
		path := a.hookURL(s)
		if len(s.hooks.Kinds) == 0 {
			p.Hooks = append(p.Hooks, web.Hook{Title: s.title, URL: path, Hint: s.byHand, Template: s.template})
		}
		for _, kind := range s.hooks.Kinds {
			p.Hooks = append(p.Hooks, web.Hook{Title: s.title + ", " + kind, URL: path + "/" + kind, Hint: s.byHand, Template: s.template})
		}
	}
	p.Deliveries, _ = a.journal.Deliveries(ctx, journal.Query{Limit: shownLast}) // its trouble is among the problems
	a.doubt(p.Deliveries)
	if len(a.sources) == 0 {
		p.Steps = append(p.Steps, firstSource)
	}
	if a.config.MQTT.URL == "" && p.Broker != "" {
		step := "Set MQTT_URL to your MQTT broker, e.g. mqtt://192.168.1.10:1883."
		if a.host.Broker != nil {
			step = "Install and start the Mosquitto broker app, or set the option mqtt: url (MQTT_URL) to a broker of your own."
		}
		p.Steps = append(p.Steps, step)
	}
	return p
}

func (a *App) refusals() map[string]int {
	a.counts.mu.Lock()
	defer a.counts.mu.Unlock()
	return maps.Clone(a.counts.by)
}

// shown is a source as the page shows it.
func (a *App) shown(s source, v state.View) web.Source {
	w := web.Source{Name: s.name, Title: s.title, On: s.on, Missing: s.missing, Still: s.name == "openvolt"}
	if !s.on {
		return w
	}
	l := v.Link(s.name)
	w.LastPoll, w.LastHook, w.Actions = l.LastGood, a.lastHook(s.name), a.actions(s)
	if s.poll != nil {
		w.NextPoll = s.poll.poller.Next()
		s.poll.mu.Lock()
		w.Since = s.poll.since
		s.poll.mu.Unlock()
	}
	switch proof, _ := a.signed(s); {
	case l.Error != "":
		w.Health, w.Reason = web.Broken, l.Error
	case proof.State == web.Failed: // what it says does not get in, however well it answers
		w.Health, w.Reason, w.Since = web.Broken, joined(proof.Reason, proof.Remedy), time.Time{}
	case l.Up != nil && !*l.Up:
		w.Health, w.Reason = web.Overdue, s.title+" has not answered for too long."
	case l.Up != nil:
		w.Health = web.Fresh
	case s.poll == nil && w.LastHook.IsZero():
		w.Reason = "No webhook has come yet, and nobody can be asked."
	case s.poll == nil:
		w.Health, w.Reason = web.Quiet, "Webhooks alone are believed: nobody can be asked whether one was missed."
	}
	return w
}

// lastHook returns when a source's last webhook came; zero: none that is kept.
func (a *App) lastHook(source string) time.Time {
	if at, ok := a.heard.Load(source); ok {
		return at.(time.Time)
	}
	var last time.Time
	for _, via := range []string{event.ViaHTTP, event.ViaMQTT} {
		deliveries, _ := a.journal.Deliveries(context.Background(), journal.Query{Source: source, Via: via, Limit: 1}) // none: not known
		for _, d := range deliveries {
			a.outside(d)
			if d.Received.After(last) {
				last = d.Received
			}
		}
	}
	a.heard.LoadOrStore(source, last)
	return last
}

// command carries out what a button on the page asks for.
func (a *App) command(ctx context.Context, c web.Command) ([]string, error) {
	switch c.Name {
	case "rotate":
		return a.RotateToken(ctx)
	case "leave":
		return a.depart(ctx)
	case "return":
		a.publisher.Return()
		return []string{"Everything is published again."}, nil
	case "check", "register", "remove", "test":
		what, name, settings, err := understood(append([]string{c.Name, c.Source}, strings.Fields(c.Payload)...))
		if err != nil {
			return nil, err
		}
		return a.Hooks(ctx, what, name, settings)
	case "enrol":
		until, err := a.Enrol()
		if err != nil {
			return nil, err
		}
		return []string{"PowerResponse's next challenge is answered until " + until.In(a.zone()).Format("15:04") + "."}, nil
	}
	if c.Name == "rehearse" {
		return nil, a.Rehearse(ctx, c.Source, "", minutesOf(c.Payload))
	}
	for _, s := range a.sources {
		switch {
		case s.name != c.Source:
		case c.Name == "refresh" && s.poll == nil:
			return nil, errors.New("without a token there is nobody to ask")
		case c.Name == "refresh":
			s.poll.poller.AskNow()
			return nil, nil
		case s.command != nil:
			s.command(ctx, a, s, "", c.Name, c.Payload)
			return nil, nil
		}
	}
	return nil, errors.New("that source is not on")
}

// actions are the buttons of a source that is on.
func (a *App) actions(s source) (list []web.Action) {
	if s.poll != nil {
		list = append(list, web.Action{Label: "Ask now", Tip: "Asks " + s.title + "'s cloud, within its limits", Name: "refresh"})
	}
	if s.stage != nil && s.name != "equiwatt" { // whose rehearsal is on the page itself
		list = append(list, web.Action{Label: "Rehearse", Tip: "Pretends for five minutes, marked, and calls nobody at " + s.title, Name: "rehearse", Payload: "5"})
	}
	if s.name == "powerresponse" {
		list = append(list, web.Action{Label: "Answer the challenge", Tip: "Answers PowerResponse's challenge within the next ten minutes", Name: "enrol", Hook: true})
	}
	r := s.registrar
	if r == nil || a.config.PublicURL == "" {
		return list
	}
	for _, does := range []struct {
		errand errand
		action web.Action
	}{
		{r.check, web.Action{Label: "Check", Tip: "Sees whether ours is registered at " + s.title + " as it should be", Name: "check", Hook: true}},
		{r.register, web.Action{Label: "Register or repair", Tip: "Registers our webhook at " + s.title + ", once, and mends what is there", Name: "register", Takes: settingsOf(r), Hook: true}},
		{r.test, web.Action{Label: "Test", Tip: "Makes " + s.title + " send a test webhook, and waits for it", Name: "test", Hook: true}},
		{r.remove, web.Action{Label: "Remove", Tip: "Take our webhook away at " + s.title + "?", Name: "remove", Hook: true, Danger: true}},
	} {
		if does.errand != nil {
			list = append(list, does.action)
		}
	}
	return list
}

// settingsOf shows how the settings that register takes are written.
func settingsOf(r *registrar) string {
	var list []string
	for _, key := range r.takes {
		list = append(list, key+"=…")
	}
	return strings.Join(list, " ")
}
