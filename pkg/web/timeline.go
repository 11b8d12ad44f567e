package web

import (
	"html/template"
	"sort"
	"strconv"
	"strings"
	"time"
)

const (
	shownDays = 40
	// A day with more entries of one source is drawn as what they cover together.
	mostBars = 12
)

// laneHeight is how many pixels a day has from midnight to midnight: the fewer
// lanes, the more.
func laneHeight(lanes int) float64 {
	switch lanes {
	case 0, 1:
		return 132
	case 2:
		return 96
	}
	return 72
}

// midnight begins a day: 0 is today, -1 yesterday.
func (c clock) midnight(offset int) time.Time {
	y, m, d := c.now.Date()
	return time.Date(y, m, d+offset, 0, 0, 0, 0, c.now.Location())
}

// days is the span of the last n days, today included.
func (c clock) days(n int) (from, to time.Time) { return c.midnight(1 - n), c.midnight(1) }

// drawn is an SVG in the making. Lengths along its width are in percent, so
// that nothing is scaled; no style stands in it, for our policy allows none.
type drawn struct{ strings.Builder }

func (d *drawn) put(parts ...any) {
	for _, p := range parts {
		switch v := p.(type) {
		case string:
			d.WriteString(v)
		case int:
			d.WriteString(strconv.Itoa(v))
		case float64:
			d.WriteString(strconv.FormatFloat(v, 'f', 2, 64))
		}
	}
}

// text puts a text of somebody else's.
func (d *drawn) text(s string) { template.HTMLEscape(&d.Builder, []byte(s)) }

// column is a day.
type column struct{ from, to time.Time }

// timeline draws the last days, one lane a source: the day stands across, its
// hours downwards. A day with 23 or 25 hours is as high as any other.
func (c clock) timeline(list []*span, sources []Source) template.HTML {
	lanes := map[string][]*span{}
	for _, sp := range list {
		lanes[sp.of] = append(lanes[sp.of], sp)
	}
	columns := c.columns()
	height := laneHeight(len(lanes))
	var d, grid drawn
	grid.grid(columns, height)
	var quiet []string
	for _, s := range sources {
		if len(lanes[s.Name]) > 0 {
			d.lane(s, columns, lanes[s.Name], height, grid.String())
		} else if s.On && !s.Still {
			quiet = append(quiet, printable(s.Title))
		}
	}
	if d.Len() > 0 {
		d.axis(columns)
	}
	if len(quiet) > 0 {
		d.put(`<p class="foot">Nothing happened at `)
		d.text(strings.Join(quiet, ", "))
		d.put(`, as far as is known.</p>`)
	}
	return template.HTML(d.String())
}

// columns are the days that are shown.
func (c clock) columns() []column {
	list := make([]column, shownDays)
	for i := range list {
		list[i] = column{from: c.midnight(i - shownDays + 1), to: c.midnight(i - shownDays + 2)}
	}
	return list
}

// lane draws the spans of one source, which come in the order of their beginnings.
func (d *drawn) lane(s Source, columns []column, spans []*span, height float64, grid string) {
	days := make([][]*span, len(columns))
	n := 0
	for _, sp := range spans {
		seen := false
		first := sort.Search(len(columns), func(i int) bool { return columns[i].to.After(sp.begin) })
		for i := first; i < len(columns) && sp.touches(columns[i].from, columns[i].to); i++ {
			days[i] = append(days[i], sp)
			seen = true
		}
		if seen {
			n++
		}
	}
	title := printable(s.Title)
	d.put(`<div class="lane `, look(s.Name), `"><h3>`)
	d.text(title)
	d.put(` <small>`, entries(n), `</small></h3>`)
	d.put(`<svg class="hours" width="24" height="`, height, `" aria-hidden="true">`)
	for _, hour := range []int{0, 6, 12, 18, 24} {
		d.put(`<text x="18" y="`, 4+float64(hour)*height/24, `">`, hour, `</text>`)
	}
	d.put(`</svg><svg class="plot" width="100%" height="`, height, `" role="group" aria-label="`)
	d.text(title + ", " + entries(n) + " in " + strconv.Itoa(shownDays) + " days")
	d.put(`">`, grid)
	for i, spans := range days {
		if len(spans) > 0 {
			d.column(i, columns[i], spans, height)
		}
	}
	d.put(`</svg></div>`)
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return strconv.Itoa(n) + " entries"
}

// touches reports whether a span is to be seen between two instants.
func (s span) touches(from, to time.Time) bool {
	return s.begin.Before(to) && (s.until.After(from) || !s.begin.Before(from))
}

const dayWidth = 100.0 / shownDays

// grid shades the weekends and today, and rules the hours.
func (d *drawn) grid(columns []column, height float64) {
	for i, col := range columns {
		day := col.from
		switch {
		case i == shownDays-1:
			d.put(`<rect class="today" x="`, float64(i)*dayWidth, `%" y="0" width="`, dayWidth, `%" height="100%"/>`)
		case day.Weekday() == time.Saturday:
			d.put(`<rect class="weekend" x="`, float64(i)*dayWidth, `%" y="0" width="`, dayWidth*float64(min(2, shownDays-1-i)), `%" height="100%"/>`)
		case day.Weekday() == time.Sunday && i == 0:
			d.put(`<rect class="weekend" x="0%" y="0" width="`, dayWidth, `%" height="100%"/>`)
		}
	}
	for _, hour := range []float64{0, 6, 12, 18, 24} {
		d.put(`<line x1="0" x2="100%" y1="`, hour*height/24, `" y2="`, hour*height/24, `"/>`)
	}
}

// column draws one day, which leads to its own page.
func (d *drawn) column(i int, col column, bars []*span, height float64) {
	x := float64(i) * dayWidth
	d.put(`<a href="day?on=`, col.from.Format(dayForm), `">`)
	d.put(`<rect class="day" x="`, x, `%" y="0" width="`, dayWidth, `%" height="100%"><title>`, col.from.Format("Monday 2 January"), `: `, entries(len(bars)), `</title></rect>`)
	if len(bars) > mostBars {
		bars = joined(bars)
	}
	for _, s := range bars {
		from, to := col.part(s.begin), col.part(s.until)
		high := max(3, (to-from)*height)
		top := min(from*height, height-high)
		class := "bar"
		if s.Running {
			class = "bar running"
		} else if s.End == nil {
			class = "bar open"
		}
		d.put(`<rect class="`, class, `" x="`, x+dayWidth*0.14, `%" y="`, top, `" width="`, dayWidth*0.72, `%" height="`, high, `" rx="2"><title>`)
		d.text(s.Words())
		d.put(`</title></rect>`)
	}
	d.put(`</a>`)
}

// part is how much of the day is over at an instant, from 0 to 1.
func (col column) part(t time.Time) float64 {
	return min(1, max(0, float64(t.Sub(col.from))/float64(col.to.Sub(col.from))))
}

// joined joins spans that overlap; they come in the order of their beginnings.
func joined(spans []*span) []*span {
	var out []*span
	count := 0
	for _, s := range spans {
		if n := len(out); n > 0 && !s.begin.After(out[n-1].until) {
			count++
			last := out[n-1]
			if s.until.After(last.until) {
				last.until, last.End = s.until, s.End
			}
			last.Running = last.Running || s.Running
			last.Title, last.Lasted, last.Teller, last.Delay, last.Tip = entries(count), "", "", "", ""
			continue
		}
		count = 1
		copied := *s
		out = append(out, &copied)
	}
	return out
}

// axis names the days below all lanes: the Mondays, and today.
func (d *drawn) axis(columns []column) {
	d.put(`<div class="lane axis" aria-hidden="true"><svg class="plot" width="100%" height="18">`)
	for i, col := range columns[:shownDays-3] {
		if col.from.Weekday() == time.Monday {
			class := ""
			if i > shownDays-8 {
				class = ` class="minor"` // too close to today on a phone
			}
			d.put(`<text`, class, ` x="`, float64(i)*dayWidth, `%" y="13">`, col.from.Format("2 Jan"), `</text>`)
		}
	}
	d.put(`<text class="end" x="100%" y="13">today</text></svg></div>`)
}
