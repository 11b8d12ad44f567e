package app

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

const (
	// pastDays is how long what happened is remembered for the timeline.
	pastDays = 45
	// A source of a thousand chargers is no household's: its newest are enough.
	mostSpans = 4000
)

// past is what happened lately, for the timeline alone: it decides nothing.
// Equiwatt's equivents are not in it, for the state judges those.
type past struct {
	spans map[string]*web.Span
}

// apply takes the next event, in the journal's order.
func (p *past) apply(e event.Event) {
	if p.spans == nil {
		p.spans = map[string]*web.Span{}
	}
	switch {
	case e.Source == "powerresponse" && strings.HasPrefix(e.Key, "event/"):
		p.dispatch(e)
	case e.Source == "capacitor" && e.Session != nil:
		p.charge(e)
	case e.Source == "ecomon" && e.Notice != nil && state.Warns(e.Notice.Code) && e.Subject != "":
		p.alert(e)
	}
	if len(p.spans) > mostSpans {
		p.prune()
	}
}

// span returns the one of that key, which may be a new one.
func (p *past) span(key string, e event.Event, title, kind string) *web.Span {
	s := p.spans[key]
	if s == nil {
		s = &web.Span{Source: e.Source, Title: title, Kind: kind, Heard: e.Seen}
		p.spans[key] = s
	}
	s.Teller = teller(e)
	return s
}

func teller(e event.Event) string {
	if e.By == event.Webhook {
		return "Told by a webhook."
	}
	return "Told by the vendor's cloud."
}

// dispatch is an event of PowerResponse, which may be moved and cancelled.
func (p *past) dispatch(e event.Event) {
	key := e.Source + "/" + e.Key
	if e.Window == nil {
		if s := p.spans[key]; s != nil && e.Status != nil {
			if e.Seen.Before(s.Start) {
				delete(p.spans, key)
			} else if s.End.IsZero() || e.Seen.Before(s.End) {
				s.End, s.Tip = e.Seen, "It was cancelled."
			}
		}
		return
	}
	var told struct{ Name string }
	_ = json.Unmarshal(e.Data, &told) // without a name it is what it is
	if told.Name == "" {
		told.Name = "Dispatch event"
	}
	s := p.span(key, e, told.Name, web.Window)
	s.Start, s.End, s.Tip = e.Window.Start, e.Window.End, wish(e.Window.Direction)
}

// charge is a transaction of Capacitor, told in parts and by both ways.
func (p *past) charge(e event.Event) {
	var told struct {
		TransactionID, ChargeBoxID string
		ConnectorID                *int
	}
	if json.Unmarshal(e.Data, &told) != nil || told.TransactionID == "" {
		return
	}
	title := "Charge"
	if told.ChargeBoxID != "" {
		title += " at " + told.ChargeBoxID
		if told.ConnectorID != nil && *told.ConnectorID > 0 {
			title += ", connector " + strconv.Itoa(*told.ConnectorID)
		}
	}
	s := p.span(e.Source+"/"+told.TransactionID, e, title, web.Session)
	if len(title) > len(s.Title) {
		s.Title = title
	}
	if !e.Session.Start.IsZero() {
		s.Start = e.Session.Start
	}
	if !e.Session.End.IsZero() {
		s.End = e.Session.End
	}
	s.Running = s.End.IsZero()
	if wh := e.Session.WattHours; wh != nil {
		s.Tip = strconv.FormatFloat(*wh/1000, 'f', 1, 64) + " kWh."
	}
}

// alert is a clock hour of Ecomon's in which a limit was in danger.
func (p *past) alert(e event.Event) {
	hour := e.At.Truncate(time.Hour)
	s := p.span("ecomon/"+e.Subject+"/"+hour.Format(time.RFC3339), e, "Limit warning of "+e.Subject, web.Alert)
	if s.Start.IsZero() {
		s.Start, s.End = e.At, hour.Add(time.Hour)
	}
}

// prune forgets the oldest fifth.
func (p *past) prune() {
	starts := make([]time.Time, 0, len(p.spans))
	for _, s := range p.spans {
		starts = append(starts, s.Start)
	}
	slices.SortFunc(starts, time.Time.Compare)
	oldest := starts[len(starts)/5]
	for key, s := range p.spans {
		if !s.Start.After(oldest) {
			delete(p.spans, key)
		}
	}
}

// between returns what touches a span of time, and forgets what is too old.
func (p *past) between(from, to, now time.Time) []web.Span {
	var list []web.Span
	for key, s := range p.spans {
		switch {
		case s.Start.Before(now.AddDate(0, 0, -pastDays)) && !s.Running:
			delete(p.spans, key)
		case s.Start.Before(to) && (s.Running || !s.End.Before(from)):
			shown := *s
			if s.Kind != web.Session {
				shown.Running = !now.Before(s.Start) && now.Before(s.End)
			}
			list = append(list, shown)
		}
	}
	return list
}

// wish is what a direction asks for, one sentence; empty: nobody said.
func wish(direction string) string {
	switch direction {
	case "":
		return ""
	case "powerDOWN":
		return "The wish is to use less."
	case "powerUP":
		return "The wish is to use more."
	}
	return "Its direction is " + direction + "."
}

// spans are what the timeline shows.
func (a *App) spans(_ context.Context, from, to time.Time) []web.Span {
	equivents, list := a.house.lately(from, to)
	for _, e := range equivents {
		if !e.Start.Before(to) || !e.Running && e.End.Before(from) && e.Start.Before(from) {
			continue
		}
		s := web.Span{Source: "equiwatt", Title: "Equivent", Kind: web.Window, Start: e.Start, End: e.End, Running: e.Running, Heard: e.Heard, Tip: wish(e.Direction), Teller: "Told by Equiwatt's cloud."}
		switch {
		case e.Source == "webhook" && e.Confirmed:
			s.Teller = "Told by a webhook, and Equiwatt's cloud shows it too."
		case e.Source == "webhook":
			s.Teller = "Told by a webhook; Equiwatt's cloud has not confirmed it."
		}
		list = append(list, s)
	}
	return list
}
