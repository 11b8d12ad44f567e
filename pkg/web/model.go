package web

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// model is a Page in the words and times in which it is shown.
type model struct {
	Version  string
	Now      *instant
	Zone     string
	Commands bool
	Notice   string

	Broker   string
	Problems []string
	Steps    []string

	Headline string
	Tone     string // "run", "rehearse", "idle", "unknown" or "off"
	Equiwatt *equivents

	Sources    []source
	Off        string // the titles of the sources that are not set up
	Deliveries deliveries
	Refused    []refusal
	Hooks      []Hook
	PublicURL  bool
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
}

type equivent struct {
	Start, End, Heard *instant
	Planned           bool
	Overrun           bool // the planned end is past
	Late              bool // first heard more than a minute after the start
	Elapsed           string
	Lasted            string
	Done, Whole       int // seconds, for the bar; Whole is zero where the end is unknown
	Source            string
	Confirmed         bool
	Direction         string
}

type source struct {
	Title, Label, Tone, Reason   string
	On                           bool
	LastPoll, LastHook, NextPoll *instant
}

// newModel leaves the deliveries out where they are those that were seen.
func newModel(p Page, seen string) model {
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	c := clock{now: p.View.At.In(zone)}
	m := model{
		Version: printable(p.Version), Now: c.at(p.View.At), Zone: c.zoneName(),
		Broker: printable(p.Broker), Problems: sentences(p.Problems), Steps: sentences(p.Steps),
		Equiwatt: c.equivents(p), Deliveries: c.deliveries(p, seen), Refused: refusals(p),
		Hooks: p.Hooks, PublicURL: p.PublicURL,
	}
	if skew := p.View.Skew; skew != 0 {
		m.Problems = append(m.Problems, skewed(skew))
	}
	var off []string
	for _, s := range p.Sources {
		if !s.On && s.Missing == "" {
			off = append(off, printable(s.Title))
			continue
		}
		m.Sources = append(m.Sources, c.source(s))
	}
	m.Off = strings.Join(off, ", ")
	m.Headline, m.Tone = headline(p)
	return m
}

func skewed(skew time.Duration) string {
	way := "ahead of"
	if skew < 0 {
		skew, way = -skew, "behind"
	}
	return "This machine's clock is " + about(skew) + " " + way + " the vendors' clocks, by which times are judged until it is set right."
}

// headline answers the first question in one line, and how it looks.
func headline(p Page) (words, tone string) {
	e := p.View.Equiwatt
	on := slices.ContainsFunc(p.Sources, func(s Source) bool { return s.On })
	switch {
	case e == nil && !on:
		return "Nothing is set up yet", "off"
	case e == nil:
		return "Equiwatt is off", "off"
	case e.Running != nil && e.Running.Source == "rehearsal":
		return "A rehearsal is running", "rehearse"
	case e.Running != nil || e.Active != nil && *e.Active:
		return "An equivent is running", "run"
	case e.Active == nil:
		return "It is not known whether an equivent is running", "unknown"
	}
	return "Nothing is running", "idle"
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
	m := &equivent{
		Start: c.at(e.Start), End: c.at(e.End), Heard: c.at(e.Heard), Planned: e.Planned,
		Late:   e.Heard.Sub(e.Start) > time.Minute,
		Source: e.Source, Confirmed: e.Confirmed, Direction: printable(e.Direction),
		Elapsed: about(max(0, c.now.Sub(e.Start))), Lasted: exactly(e.Duration()),
	}
	if whole := e.Duration(); whole > 0 {
		m.Overrun = !c.now.Before(e.End)
		m.Whole = int(whole / time.Second)
		m.Done = int(min(max(0, c.now.Sub(e.Start)), whole) / time.Second)
	}
	return m
}

var healths = map[string]struct{ label, tone string }{
	Fresh:   {"fresh", "good"},
	Quiet:   {"quiet, as expected", "good"},
	Overdue: {"overdue", "warn"},
	Broken:  {"broken", "bad"},
	"":      {"not heard of yet", "calm"},
}

func (c clock) source(s Source) source {
	m := source{
		Title: printable(s.Title), On: s.On, Reason: printable(s.Reason),
		LastPoll: c.at(s.LastPoll), LastHook: c.at(s.LastHook), NextPoll: c.at(s.NextPoll),
	}
	if !s.On {
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

func sentences(texts []string) []string {
	out := make([]string, 0, len(texts)+1)
	for _, t := range texts {
		out = append(out, printable(t))
	}
	return out
}
