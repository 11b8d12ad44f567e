package web

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// drawnBars are the bars of a drawing: left, top, width and height, in percent
// and pixels, as they stand there.
func drawnBars(t *testing.T, svg string) (list [][4]float64) {
	t.Helper()
	for _, m := range regexp.MustCompile(`<rect class="bar[^"]*" x="([\d.-]+)%" y="([\d.-]+)" width="([\d.-]+)%" height="([\d.-]+)"`).FindAllStringSubmatch(svg, -1) {
		var b [4]float64
		for i := range b {
			v, err := strconv.ParseFloat(m[i+1], 64)
			if err != nil {
				t.Fatal(err)
			}
			b[i] = v
		}
		list = append(list, b)
	}
	return list
}

func lanes(t *testing.T, c clock, spans ...Span) string {
	t.Helper()
	sources := []Source{{Name: "equiwatt", Title: "Equiwatt", On: true}, {Name: "capacitor", Title: "Capacitor", On: true}}
	return string(c.timeline(c.sorted(spans, map[string]string{}), sources))
}

func TestTimelinePlacesWhatHappened(t *testing.T) {
	london := zone(t, "Europe/London")
	c := clock{now: noon.In(london)} // 21 November
	day := func(month time.Month, d, hour, minute int) time.Time {
		return time.Date(2026, month, d, hour, minute, 0, 0, london)
	}
	const column, h = 100. / shownDays, 132.
	left := func(daysAgo int) float64 { return float64(shownDays-1-daysAgo)*column + column*0.14 }
	tests := []struct {
		name string
		span Span
		want [][4]float64
	}{
		{"an hour today", Span{Start: day(11, 21, 6, 0), End: day(11, 21, 7, 0)}, [][4]float64{{left(0), h / 4, 1.8, h / 24}}},
		{"a minute is still seen", Span{Start: day(11, 21, 6, 0), End: day(11, 21, 6, 1)}, [][4]float64{{left(0), h / 4, 1.8, 3}}},
		{"over midnight", Span{Start: day(11, 19, 22, 0), End: day(11, 20, 2, 0)}, [][4]float64{{left(2), h * 22 / 24, 1.8, h / 12}, {left(1), 0, 1.8, h / 12}}},
		{"up to midnight", Span{Start: day(11, 19, 22, 0), End: day(11, 20, 0, 0)}, [][4]float64{{left(2), h * 22 / 24, 1.8, h / 12}}},
		{"a moment before midnight", Span{Start: day(11, 19, 23, 59)}, [][4]float64{{left(2), h - 3, 1.8, 3}}},
		{"it runs", Span{Start: day(11, 21, 12, 0), End: day(11, 21, 23, 0), Running: true}, [][4]float64{{left(0), h / 2, 1.8, h * (2 + 23./60 + 40./3600) / 24}}},
		{"the second 01:30 of a day of 25 hours", Span{Start: day(10, 25, 0, 30).Add(2 * time.Hour), End: day(10, 25, 3, 0)}, [][4]float64{{left(27), h * 2.5 / 25, 1.8, h * 1.5 / 25}}},
		{"the first day", Span{Start: day(10, 13, 0, 0), End: day(10, 13, 1, 0)}, [][4]float64{{left(39), 0, 1.8, h / 24}}},
		{"before the first day", Span{Start: day(10, 12, 1, 0), End: day(10, 12, 2, 0)}, nil},
		{"into the first day", Span{Start: day(10, 12, 1, 0), End: day(10, 13, 12, 0)}, [][4]float64{{left(39), 0, 1.8, h / 2}}},
		{"it ends before it begins", Span{Start: day(11, 21, 6, 0), End: day(11, 21, 5, 0)}, nil},
	}
	for _, tt := range tests {
		tt.span.Source, tt.span.Title = "equiwatt", "Equivent"
		got := drawnBars(t, lanes(t, c, tt.span))
		same := len(got) == len(tt.want)
		for i := range got {
			for k := range got[i] {
				same = same && math.Abs(got[i][k]-tt.want[i][k]) < 0.011
			}
		}
		if !same {
			t.Errorf("%s: drawn at %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestTimelineOfNothingOneAndMany(t *testing.T) {
	c := clock{now: noon.In(zone(t, "Europe/London"))}
	if svg := lanes(t, c); strings.Contains(svg, "<svg") || !strings.Contains(svg, "Nothing happened at Equiwatt, Capacitor") {
		t.Errorf("of nothing: %s", svg)
	}
	one := lanes(t, c, Span{Source: "equiwatt", Title: "Equivent", Start: ago(time.Hour), End: noon})
	if strings.Count(one, `class="lane of-`) != 1 || !strings.Contains(one, "1 entry in 40 days") || !strings.Contains(one, "Nothing happened at Capacitor") || !strings.Contains(one, "today</text>") {
		t.Errorf("of one: %s", one)
	}
	var many []Span
	for i := range 500 {
		many = append(many, Span{Source: "capacitor", Title: fmt.Sprint("Charge ", i), Start: ago(time.Duration(i%20) * 20 * time.Minute), End: ago(time.Duration(i%20)*20*time.Minute - time.Hour)})
	}
	svg := lanes(t, c, many...)
	if bars := drawnBars(t, svg); len(bars) > 2*mostBars || !strings.Contains(svg, "500 entries") || len(svg) > 20<<10 {
		t.Errorf("of 500: %d bars in %d bytes", len(bars), len(svg))
	}
	for _, b := range drawnBars(t, svg) {
		if b[0] < 0 || b[0]+b[2] > 100.01 || b[1] < 0 || b[1]+b[3] > 132.01 {
			t.Errorf("a bar leaves the drawing: %v", b)
		}
	}
}

// The hours of a day are those of a clock on the wall.
func TestHoursOfTheDay(t *testing.T) {
	london := zone(t, "Europe/London")
	for day, want := range map[string]string{
		"2026-11-20": "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24",
		"2026-10-25": "0 1 01 GMT 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24",
		"2026-03-29": "0 02 BST 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24",
	} {
		s := whole(t)
		p := calm(t)
		p.Zone = london
		page := draw(t, s, "/day?on="+day)
		var got []string
		for _, m := range regexp.MustCompile(`<text [^>]*>([^<]*)</text>`).FindAllStringSubmatch(page, -1) {
			got = append(got, m[1])
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", day, got, want)
		}
	}
}

func TestADayOfMany(t *testing.T) {
	s := whole(t)
	var many []Span
	for i := range 500 {
		many = append(many, Span{Source: "capacitor", Title: fmt.Sprint("Charge ", i), Start: ago(time.Duration(i) * time.Minute), End: ago(time.Duration(i)*time.Minute - 5*time.Hour)})
	}
	s.Spans = spans(many...)
	page := draw(t, s, "/day")
	if n := strings.Count(page, `<li id="entry-`); n < 450 {
		t.Errorf("%d are listed", n)
	}
	if m := regexp.MustCompile(`hours-of-day" width="100%" height="([\d.]+)"`).FindStringSubmatch(page); m == nil || len(m[1]) > len("1000.00") {
		t.Errorf("it is %v high", m)
	}
}

func TestDelays(t *testing.T) {
	for want, heard := range map[string]time.Duration{"Heard at once.": 900 * time.Millisecond, "First heard 12 s after it began.": 12 * time.Second, "Announced 2 h before.": -2 * time.Hour} {
		if got := delay(Span{Start: noon, Heard: noon.Add(heard)}); got != want {
			t.Errorf("%v: %q, want %q", heard, got, want)
		}
	}
	if got := delay(Span{Start: noon}); got != "" {
		t.Errorf("not known: %q", got)
	}
}
