package web

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// span is a Span as a line of text says it.
type span struct {
	ID           int // its place in the list
	Source       string
	Look         string // the class of its colour
	Title        string
	Start, End   *instant // End is nil where it is not known
	Lasted       string
	Running      bool
	Teller, Tip  string
	Delay        string // how late it was heard of, one sentence or empty
	begin, until time.Time
	of           string // as in Source.Name
	certain      bool   // its end is no plan
}

// Day is the day on which it began.
func (s span) Day() string { return s.Start.t.Format(dayForm) }

const dayForm = "2006-01-02"

// looks are the sources that have a colour of their own.
var looks = []string{"equiwatt", "ecomon", "openvolt", "capacitor", "powerresponse"}

func look(source string) string {
	if slices.Contains(looks, source) {
		return "of-" + source
	}
	return "of-other"
}

// span returns nil for what cannot be drawn: it has no beginning, or ends before it.
func (c clock) span(s Span, titles map[string]string) *span {
	if s.Start.IsZero() || !s.End.IsZero() && s.End.Before(s.Start) {
		return nil
	}
	m := &span{
		of: s.Source, Source: cmp.Or(titles[s.Source], printable(s.Source)), Look: look(s.Source),
		Title: printable(s.Title), Start: c.at(s.Start), End: c.at(s.End), Running: s.Running,
		Teller: printable(s.Teller), Tip: printable(s.Tip), Delay: delay(s), begin: s.Start, until: s.End, certain: s.Kind == Alert,
	}
	switch {
	case s.Running:
		m.until = c.now
		m.Lasted = about(max(0, c.now.Sub(s.Start))) + " so far"
	case s.End.IsZero():
		m.until = s.Start
	default:
		m.Lasted = about(s.End.Sub(s.Start))
	}
	return m
}

// delay tells how long after its beginning a span was first heard of.
func delay(s Span) string {
	d := s.Heard.Sub(s.Start)
	switch {
	case s.Heard.IsZero():
		return ""
	case d <= -time.Second:
		return "Announced " + about(-d) + " before."
	case d < time.Second:
		return "Heard at once."
	}
	return "First heard " + about(d) + " after it began."
}

// sorted are the spans that can be drawn, by their beginnings.
func (c clock) sorted(spans []Span, titles map[string]string) []*span {
	list := make([]*span, 0, len(spans))
	for _, s := range spans {
		if m := c.span(s, titles); m != nil {
			list = append(list, m)
		}
	}
	slices.SortStableFunc(list, func(a, b *span) int { return a.begin.Compare(b.begin) })
	return list
}

// newest are the spans that began last, the newest first.
func (c clock) newest(list []*span, n int) []span {
	var out []span
	for i := len(list) - 1; i >= 0 && len(out) < n; i-- {
		if !list[i].begin.After(c.now) {
			out = append(out, *list[i])
		}
	}
	return out
}

// When is its beginning and its end, the end's day only where it is another.
func (s span) When() string {
	text := s.Start.t.Format("Mon 2 Jan 15:04") + s.Start.zone()
	switch {
	case s.End == nil && s.Running:
		return text + " – now"
	case s.End == nil:
		return text + " – ?"
	case s.Running && !s.certain:
		return text + " – planned " + s.End.t.Format("15:04") + s.End.zone()
	case s.End.t.Format(dayForm) != s.Day():
		return text + " – " + s.End.t.Format("Mon 2 Jan 15:04") + s.End.zone()
	}
	return text + " – " + s.End.t.Format("15:04") + s.End.zone()
}

// Planned reports whether its end is a plan.
func (s span) Planned() bool { return s.Running && s.End != nil && !s.certain }

// Words is all there is to say of it.
func (s span) Words() string {
	parts := []string{s.Title, s.When()}
	for _, p := range []string{s.Lasted, s.Teller, s.Delay, s.Tip} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	return strings.Join(parts, "\n")
}
