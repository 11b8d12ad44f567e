package app

import (
	"context"
	"errors"
	"maps"
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
		PublicURL: a.config.PublicURL != "", Refused: a.refusals(),
		Rotation: a.rotation(),
	}
	for _, s := range a.table {
		p.Sources = append(p.Sources, a.shown(s, v))
		if !s.on {
			continue
		}
		path := a.hookURL(s)
		if len(s.hooks.Kinds) == 0 {
			p.Hooks = append(p.Hooks, web.Hook{Title: s.title, URL: path})
		}
		for _, kind := range s.hooks.Kinds {
			p.Hooks = append(p.Hooks, web.Hook{Title: s.title + ", " + kind, URL: path + "/" + kind})
		}
	}
	p.Deliveries, _ = a.journal.Deliveries(ctx, journal.Query{Limit: shownLast}) // its trouble is among the problems
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
	w := web.Source{Name: s.name, Title: s.title, On: s.on, Missing: s.missing}
	if !s.on {
		return w
	}
	l := v.Link(s.name)
	w.LastPoll, w.LastHook = l.LastGood, a.lastHook(s.name)
	if s.poll != nil {
		w.NextPoll = s.poll.poller.Next()
	}
	switch {
	case l.Error != "":
		w.Health, w.Reason = web.Broken, l.Error
	case l.Up != nil && !*l.Up:
		w.Health, w.Reason = web.Overdue, s.title+" has not answered for too long."
	case l.Up != nil:
		w.Health = web.Fresh
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
	deliveries, _ := a.journal.Deliveries(context.Background(), journal.Query{Source: source, Limit: 50}) // none: not known
	for _, d := range deliveries {
		if d.Via == event.ViaHTTP || d.Via == event.ViaMQTT {
			last = d.Received
			a.outside(d)
			break
		}
	}
	a.heard.LoadOrStore(source, last)
	return last
}

// command carries out what a button on the page asks for.
func (a *App) command(ctx context.Context, c web.Command) ([]string, error) {
	if c.Source == "" && c.Name == "rotate" {
		return a.RotateToken(ctx)
	}
	for _, s := range a.sources {
		if s.name != c.Source || s.command == nil {
			continue
		}
		if c.Name == "refresh" && s.poll == nil {
			return nil, errors.New("without a token there is nobody to ask")
		}
		s.command(ctx, a, s, "", c.Name, c.Payload)
		return nil, nil
	}
	return nil, errors.New("that source is not on")
}

// spans are what the timeline shows.
func (a *App) spans(_ context.Context, from, to time.Time) []web.Span {
	var list []web.Span
	for _, e := range a.house.history() {
		if !e.Start.Before(to) || !e.Running && e.End.Before(from) && e.Start.Before(from) {
			continue
		}
		s := web.Span{Source: "equiwatt", Title: "Equivent", Kind: web.Window, Start: e.Start, End: e.End, Running: e.Running, Heard: e.Heard, Teller: "Told by Equiwatt's cloud."}
		switch {
		case e.Source == "webhook" && e.Confirmed:
			s.Teller = "Told by a webhook, and Equiwatt's cloud shows it too."
		case e.Source == "webhook":
			s.Teller = "Told by a webhook; Equiwatt's cloud has not confirmed it."
		}
		switch e.Direction {
		case "":
		case "powerDOWN":
			s.Tip = "The wish was to use less."
		case "powerUP":
			s.Tip = "The wish was to use more."
		default:
			s.Tip = "Its direction is " + e.Direction + "."
		}
		list = append(list, s)
	}
	return list
}
