package web

import (
	"cmp"
	"context"
	"html/template"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// overview is the first page, in the words and times in which it is shown.
type overview struct {
	*frame

	Problems []string
	Steps    []string

	Headline string
	Tone     string // "run", "rehearse", "idle", "unknown" or "off"
	Equiwatt *equivents
	Going    []going // what else goes on
	More     int     // … and is not named

	Rehearsal *rehearsal
	Timeline  template.HTML
	Newest    []span
	Sources   []source
	Setup     *standing // nil: nobody looks
	Off       string    // the titles of the sources that are not set up
	Latest    []row
	Refused   []refusal
	hooks
}

// overview makes the first page.
func (s *Server) overview(ctx context.Context, p Page, q url.Values) sheet {
	f := s.newFrame(p, q)
	f.Here = "overview"
	m := &overview{
		frame: f, Problems: problems(p), Steps: sentences(p.Steps), Equiwatt: f.clock.equivents(p),
		Rehearsal: f.clock.rehearsal(p.Rehearsal), Setup: s.standing(ctx), Refused: refusals(p), hooks: f.clock.hooks(p),
	}
	going := f.clock.around(p)
	m.Headline, m.Tone = going.headline(p)
	m.Going, m.More = going.list, going.more()
	if m.Equiwatt != nil {
		m.Equiwatt.Other = len(m.Going) > 0
	}
	f.Title = m.Headline
	var off []string
	for _, src := range p.Sources {
		if !src.On && src.Missing == "" {
			off = append(off, printable(src.Title))
			continue
		}
		m.Sources = append(m.Sources, f.clock.source(src, p))
	}
	m.Off = strings.Join(off, ", ")
	titles := titles(p)
	for _, d := range p.Deliveries {
		m.Latest = append(m.Latest, f.clock.row(d, titles))
	}
	if s.Spans != nil {
		from, to := f.clock.days(shownDays)
		list := f.clock.sorted(s.Spans(ctx, from, to), titles)
		m.Timeline = f.clock.timeline(list, p.Sources)
		m.Newest = f.clock.newest(list, 4)
	}
	return sheet{
		file: "overview.html", model: m, frame: f, live: url.Values{"of": {"overview"}},
		parts: []string{"broker", "alerts", "steps", "now", "last", "rehearsal", "timeline", "sources", "latest", "refused", "hooks"},
	}
}

func problems(p Page) []string {
	list := sentences(p.Problems)
	if skew := p.View.Skew; skew != 0 {
		list = append(list, skewed(skew))
	}
	return list
}

func skewed(skew time.Duration) string {
	way := "ahead of"
	if skew < 0 {
		skew, way = -skew, "behind"
	}
	return "This machine's clock is " + about(skew) + " " + way + " the vendors' clocks, by which times are judged until it is set right."
}

type equivents struct {
	Running   *equivent
	Last      *equivent
	Rehearsal bool
	Month     string // how many there were, one sentence; empty: not known

	Known      bool   // whether one runs is known
	Expected   bool   // the silence is as expected
	Reason     string // why it is not, one sentence
	Asks       bool   // the cloud is asked, so that it can be asked now
	CloudError string
	LastPoll   *instant
	LastHook   *instant
	Pending    *instant
	Urgent     bool
	Other      bool // the headline is about something else
}

type equivent struct {
	Start, End, Heard *instant
	Planned           bool
	Overrun           bool // the planned end is past
	Late              bool // first heard more than a minute after the start
	Elapsed           string
	Lasted            string
	Done              int // percent, for the bar
	Whole             bool
	Source            string
	Confirmed         bool
	Direction         string
}

func (c clock) equivents(p Page) *equivents {
	e := p.View.Equiwatt
	if e == nil {
		return nil
	}
	m := &equivents{
		Running: c.equivent(e.Running), Last: c.equivent(e.Last), Rehearsal: e.Rehearsal, Month: month(e.Month),
		Known: e.Active != nil, CloudError: printable(e.CloudError),
		LastPoll: c.at(e.LastPoll), LastHook: c.at(e.LastHook), Pending: c.at(e.Pending), Urgent: e.Urgent,
		Asks: e.Cloud != nil || !e.LastPoll.IsZero(), Expected: e.CloudError == "" && e.Pending.IsZero(),
	}
	for _, s := range p.Sources {
		if s.Name != "equiwatt" {
			continue
		}
		m.Asks = m.Asks || !s.NextPoll.IsZero()
		if s.Health == Overdue || s.Health == Broken {
			m.Expected, m.Reason = false, printable(s.Reason)
		}
	}
	return m
}

func month(n *int) string {
	switch {
	case n == nil:
		return ""
	case *n == 0:
		return "No equivent so far this month."
	case *n == 1:
		return "One equivent so far this month."
	}
	return strconv.Itoa(*n) + " equivents so far this month."
}

func (c clock) equivent(e *state.Equivent) *equivent {
	if e == nil {
		return nil
	}
	elapsed, whole := max(0, c.now.Sub(e.Start)), e.Duration()
	m := &equivent{
		Start: c.at(e.Start), End: c.at(e.End), Heard: c.at(e.Heard), Planned: e.Planned,
		Late:   e.Heard.Sub(e.Start) > time.Minute,
		Source: e.Source, Confirmed: e.Confirmed, Direction: printable(e.Direction),
		Elapsed: about(elapsed), Lasted: exactly(whole), Whole: whole > 0,
	}
	if whole > 0 {
		m.Overrun = !c.now.Before(e.End)
		m.Done = int(min(elapsed, whole) * 100 / whole)
	}
	return m
}

type rehearsal struct {
	Source, Title string
	Began, End    *instant
	Running, Done bool
	Stages        []stage
}

type stage struct {
	Title, Note string
	Took        string // from the beginning on; empty: not yet
	Next        bool   // this is the one waited for, while the rehearsal runs
}

func (c clock) rehearsal(r *Rehearsal) *rehearsal {
	if r == nil {
		return nil
	}
	m := &rehearsal{Source: r.Source, Title: printable(r.Title), Began: c.at(r.Began), End: c.at(r.End), Running: r.Running, Done: true}
	for _, s := range r.Stages {
		st := stage{Title: printable(s.Title), Note: printable(s.Note)}
		if s.At.IsZero() {
			st.Next, m.Done = m.Done && r.Running, false
		} else {
			st.Took = precisely(s.At.Sub(r.Began))
		}
		m.Stages = append(m.Stages, st)
	}
	return m
}

type source struct {
	Name, Title, Label, Tone, Reason string
	On                               bool
	Since                            *instant
	LastPoll, LastHook, NextPoll     *instant
	Quota                            string
	Actions                          []action
	Hooks                            bool // some of them are about its webhook
}

// action is a button of a source.
type action struct {
	Action
	Source string
}

var healths = map[string]struct{ label, tone string }{
	Fresh:   {"fresh", "good"},
	Quiet:   {"quiet, as expected", "good"},
	Overdue: {"overdue", "warn"},
	Broken:  {"broken", "bad"},
	"":      {"not heard of yet", "calm"},
}

func (c clock) source(s Source, p Page) source {
	m := source{
		Name: s.Name, Title: printable(s.Title), On: s.On, Reason: printable(s.Reason), Since: c.at(s.Since), Quota: c.quota(p, s.Name),
		LastPoll: c.at(s.LastPoll), LastHook: c.at(s.LastHook), NextPoll: c.at(s.NextPoll),
	}
	for _, a := range s.Actions {
		m.Actions = append(m.Actions, action{a, s.Name})
		m.Hooks = m.Hooks || a.Hook
	}
	switch {
	case !s.On && s.Missing == "":
		m.Label, m.Tone, m.Reason = "off", "calm", ""
		return m
	case !s.On:
		m.Label, m.Tone, m.Reason = "half set up", "warn", printable(s.Missing)
		return m
	}
	health, ok := healths[s.Health]
	if !ok {
		health.label, health.tone = printable(s.Health), "calm"
	}
	m.Label, m.Tone = health.label, health.tone
	return m
}

// titles are the sources' names for people.
func titles(p Page) map[string]string {
	all := map[string]string{}
	for _, s := range p.Sources {
		all[s.Name] = printable(cmp.Or(s.Title, s.Name))
	}
	return all
}

func sentences(texts []string) []string {
	out := make([]string, 0, len(texts)+1)
	for _, t := range texts {
		out = append(out, printable(t))
	}
	return out
}

// hooks are the addresses that vendors post to.
type hooks struct {
	Hooks     []Hook
	PublicURL bool
	Rotation  *rotation
}

type rotation struct {
	Until, Last *instant
	Uses        []Use
}

func (c clock) hooks(p Page) hooks {
	h := hooks{Hooks: p.Hooks, PublicURL: p.PublicURL}
	if r := p.Rotation; r != nil {
		h.Rotation = &rotation{Until: c.at(r.Until), Last: c.at(r.Last)}
		for _, u := range r.Uses {
			h.Rotation.Uses = append(h.Rotation.Uses, Use{printable(u.Source), u.N})
		}
	}
	return h
}
