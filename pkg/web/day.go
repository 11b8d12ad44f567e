package web

import (
	"context"
	"html/template"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// day is what happened on one day.
type day struct {
	*frame
	Date, Long string
	Note       string // that it has not 24 hours; else empty
	Prev, Next string // empty: there is none
	Chart      template.HTML
	Spans      []span
}

// day makes the page of the day that was asked for, of today where none was.
func (s *Server) day(ctx context.Context, p Page, q url.Values) sheet {
	f := s.newFrame(p, q)
	f.Here = "overview"
	from := f.clock.midnight(0)
	if on := q.Get("on"); on != "" {
		asked, err := time.ParseInLocation(dayForm, on, f.clock.now.Location())
		if err != nil || asked.After(f.clock.midnight(366)) || asked.Year() < 2000 {
			return s.puzzled(f, "That day is not known here.")
		}
		from = asked
	}
	y, month, d := from.Date()
	to := time.Date(y, month, d+1, 0, 0, 0, 0, from.Location())
	m := &day{
		frame: f, Date: from.Format(dayForm), Long: from.Format("Monday 2 January 2006"), Note: unusual(to.Sub(from)),
		Prev: time.Date(y, month, d-1, 12, 0, 0, 0, from.Location()).Format(dayForm),
	}
	if to.Before(f.clock.midnight(2)) {
		m.Next = to.Format(dayForm)
	}
	f.Title = m.Long
	if s.Spans != nil {
		for _, sp := range f.clock.sorted(s.Spans(ctx, from, to), titles(p)) {
			if sp.touches(from, to) {
				sp.ID = len(m.Spans) + 1
				sp.Start.on = from
				if sp.End != nil {
					sp.End.on = from
				}
				m.Spans = append(m.Spans, *sp)
			}
		}
	}
	m.Chart = f.clock.hours(bySource(m.Spans, p.Sources), column{from, to})
	return sheet{file: "day.html", model: m, frame: f, live: url.Values{"of": {"day"}, "on": {m.Date}}, parts: []string{"broker", "dayview"}}
}

// puzzled answers what makes no sense.
func (s *Server) puzzled(f *frame, sentence string) sheet {
	f.Title = "That was not understood"
	return sheet{file: "answer.html", status: http.StatusBadRequest, frame: f, model: answer{frame: f, Said: []string{sentence}}}
}

func unusual(d time.Duration) string {
	switch {
	case d < 24*time.Hour:
		return "The clocks go forward on this day: it has " + hours(d) + "."
	case d > 24*time.Hour:
		return "The clocks go back on this day: it has " + hours(d) + "."
	}
	return ""
}

const (
	rowHeight = 22.0
	mostRows  = 40 // more at once are drawn over each other
)

// bySource are the spans of one source after those of another.
func bySource(spans []span, sources []Source) (groups [][]span) {
	of := map[string][]span{}
	for _, s := range spans {
		of[s.of] = append(of[s.of], s)
	}
	for _, src := range sources {
		if len(of[src.Name]) > 0 {
			groups = append(groups, of[src.Name])
			delete(of, src.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		groups = append(groups, of[name])
	}
	return groups
}

// hours draws a day from midnight to midnight, its spans below each other
// where they overlap or are of another source.
func (c clock) hours(groups [][]span, day column) template.HTML {
	var rows [][]span
	n := 0
	for _, g := range groups {
		rows = append(rows, stack(g)...)
		n += len(g)
	}
	height := rowHeight*float64(max(1, len(rows))) + 24
	var d drawn
	d.put(`<svg class="plot hours-of-day" width="100%" height="`, height, `" role="group" aria-label="`, entries(n), `">`)
	c.ticks(&d, day, height-18)
	if !c.now.Before(day.from) && c.now.Before(day.to) {
		x := day.part(c.now.Truncate(time.Minute)) * 100
		d.put(`<line class="now" x1="`, x, `%" x2="`, x, `%" y1="0" y2="`, height-18, `"><title>now</title></line>`)
	}
	for y, row := range rows {
		for _, s := range row {
			from, to := day.part(s.begin)*100, day.part(s.until)*100
			width := max(0.6, to-from)
			from = min(from, 100-width)
			class := "bar " + s.Look
			if s.Running {
				class += " running"
				if s.End != nil && s.End.t.After(s.until) {
					d.put(`<rect class="plan `, s.Look, `" x="`, to, `%" y="`, rowHeight*float64(y)+4, `" width="`, day.part(s.End.t)*100-to, `%" height="`, rowHeight-6, `" rx="4"/>`)
				}
			} else if s.End == nil {
				class += " open"
			}
			d.put(`<a href="#entry-`, s.ID, `" tabindex="-1" aria-hidden="true"><rect class="`, class, `" x="`, from, `%" y="`, rowHeight*float64(y)+4, `" width="`, width, `%" height="`, rowHeight-6, `" rx="4"><title>`)
			d.text(s.Words())
			d.put(`</title></rect></a>`)
		}
	}
	d.put(`</svg>`)
	return template.HTML(d.String())
}

// stack gives each span the first row in which it overlaps nothing.
func stack(spans []span) (rows [][]span) {
	var free []time.Time
next:
	for _, s := range spans {
		for i, at := range free {
			if !s.begin.Before(at) || i == mostRows-1 {
				rows[i], free[i] = append(rows[i], s), s.until.Add(10*time.Minute)
				continue next
			}
		}
		rows, free = append(rows, []span{s}), append(free, s.until.Add(10*time.Minute))
	}
	return rows
}

// ticks names the hours as a clock on the wall shows them, so that one is left
// out or there twice when the clocks change.
func (c clock) ticks(d *drawn, day column, bottom float64) {
	_, before := day.from.Zone()
	for t, i := day.from, 0; !t.After(day.to); t, i = t.Add(time.Hour), i+1 {
		x := day.part(t) * 100
		d.put(`<line x1="`, x, `%" x2="`, x, `%" y1="0" y2="`, bottom, `"/>`)
		name, class := strconv.Itoa(t.Hour()), "minor"
		if t.Hour()%6 == 0 {
			class = "major"
		}
		if _, offset := t.Zone(); offset != before && t.Before(day.to) {
			before = offset
			name, class = t.Format("15 MST"), "major change"
		}
		if t.Equal(day.to) {
			name, class = "24", "major end"
		} else if i == 0 {
			class = "major start"
		}
		d.put(`<text class="`, class, `" x="`, x, `%" y="`, bottom+15, `">`, name, `</text>`)
	}
}
