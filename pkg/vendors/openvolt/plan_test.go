package openvolt

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var start = time.Date(2024, 5, 2, 9, 10, 0, 0, time.UTC)

// world is a vendor with meters, and whoever asks it as the plan says.
type world struct {
	known Known
	now   time.Time
	// has is how many half hours of a day the vendor has; nil: all that are over.
	has map[string]func(d time.Time) int

	asked []string // "list" or "meter first last", each with its time since start
	calls []Question
}

func newWorld(ids ...string) *world {
	w := &world{now: start, has: map[string]func(time.Time) int{}}
	w.known.Listed = start
	for _, id := range ids {
		w.known.Meters = append(w.known.Meters, Past{ID: id, Told: map[int64]time.Time{}})
	}
	return w
}

func (w *world) meter(id string) *Past {
	for i := range w.known.Meters {
		if w.known.Meters[i].ID == id {
			return &w.known.Meters[i]
		}
	}
	return nil
}

// yesterday is a vendor who has everything until the last midnight.
func (w *world) yesterday(d time.Time) int {
	if d.Before(Midnight(w.now)) {
		return 48
	}
	return 0
}

// run does what the plan says until that long after the start.
func (w *world) run(t interface{ Fatalf(string, ...any) }, until time.Duration) {
	for range 5000 {
		q, at := Next(w.known, w.now)
		if at.IsZero() || at.After(start.Add(until)) {
			w.now = start.Add(until)
			return
		}
		if at.Before(w.now) {
			t.Fatalf("asked in the past: %v", at)
		}
		w.now = at.Add(time.Second)
		w.ask(t, q)
	}
	t.Fatalf("it never rests: %q", w.asked[len(w.asked)-5:])
}

func (w *world) ask(t interface{ Fatalf(string, ...any) }, q Question) {
	since := w.now.Sub(start).Round(time.Minute)
	w.calls = append(w.calls, q)
	if q.Meter == "" {
		w.known.Listed = w.now
		w.asked = append(w.asked, fmt.Sprint(since, " list"))
		return
	}
	if q.To.Sub(q.From) > Most || !q.From.Before(q.To) || q.From.Before(Oldest(w.now)) || q.To.After(Midnight(w.now).Add(day)) {
		t.Fatalf("at %v: %+v", w.now, q)
	}
	w.asked = append(w.asked, fmt.Sprint(since, " ", q.Meter, q.From.Format(" 01-02"), q.To.Add(-1).Format(" 01-02")))
	m := w.meter(q.Meter)
	if m.Refused > 0 {
		m.Refused, m.RefusedAt = m.Refused+1, w.now
		return
	}
	has := w.has[q.Meter]
	if has == nil {
		has = w.yesterday
	}
	for d := q.From; d.Before(q.To); d = d.Add(day) {
		m.store(d, has(d), w.now)
	}
}

// store keeps an answer as the journal does.
func (p *Past) store(date time.Time, n int, now time.Time) {
	i, there := slices.BinarySearchFunc(p.Days, date, func(d Day, t time.Time) int { return d.Date.Compare(t) })
	if !there {
		p.Days = slices.Insert(p.Days, i, Day{Date: date})
	}
	d := &p.Days[i]
	d.Vain++
	if n > d.Known {
		d.Known, d.Vain = n, 1
	}
	if d.Known == 48 {
		d.Vain = 0
	}
	d.Asked = now
	if end := date.Add(time.Duration(n) * HalfHour); n > 0 && end.After(p.End) {
		p.End = end
	}
}

func (w *world) saw(t *testing.T, what string, want ...string) {
	t.Helper()
	if !slices.Equal(w.asked, want) {
		t.Errorf("%s: asked\n%q, want\n%q", what, w.asked, want)
	}
	w.asked = nil
}

func TestTheListComesFirst(t *testing.T) {
	w := newWorld("a")
	w.known.Listed = time.Time{}
	if q, at := Next(w.known, start); q != (Question{}) || !at.Equal(start) {
		t.Error(q, at)
	}
	w.known.Listed = start.Add(-time.Hour)
	w.known.Spoken = start.Add(-time.Minute)
	if q, at := Next(w.known, start); q != (Question{}) || !at.Equal(start) {
		t.Error(q, at)
	}
	if q, at := Next(Known{Listed: start, Spoken: start}, start); q != (Question{}) || !at.Equal(start.Add(day)) {
		t.Error(q, at)
	}
}

// A new meter is filled for thirteen months, the newest days of all first.
func TestBackfill(t *testing.T) {
	w := newWorld("a", "b")
	w.run(t, 10*time.Minute)
	var covered time.Duration
	for _, q := range w.calls {
		covered += q.To.Sub(q.From)
	}
	if span := Midnight(start).Add(day).Sub(History(start)); covered != 2*span || len(w.calls) != 2*13 && len(w.calls) != 2*14 {
		t.Errorf("%d calls for %v, want %v", len(w.calls), covered, 2*span)
	}
	w.asked = w.asked[:3]
	w.saw(t, "the first", "0s a 04-02 05-02", "0s b 04-02 05-02", "0s a 03-02 04-01")
}

func TestEveryDay(t *testing.T) {
	w := newWorld("a")
	w.run(t, time.Hour)
	w.asked = nil
	w.run(t, 3*day+time.Hour)
	w.saw(t, "three days", "24h0m0s list", "24h0m0s a 04-30 05-03", "48h0m0s list", "48h0m0s a 05-01 05-04", "72h0m0s list", "72h0m0s a 05-02 05-05")
}

// tell is a webhook for the days of a meter from one to another, both included.
func (w *world) tell(id string, from, to int) {
	for d := from; d <= to; d++ {
		w.meter(id).Told[DayNumber(w.now)+int64(d)] = w.now
	}
}

// A burst of thirteen months is asked for once, in few questions.
func TestBurst(t *testing.T) {
	w := newWorld("a")
	w.run(t, time.Hour)
	w.asked, w.calls = nil, nil
	for month := range 13 {
		w.tell("a", -30*(month+1), -30*month)
		w.now = w.now.Add(100 * time.Millisecond)
	}
	w.run(t, 2*time.Hour)
	if len(w.calls) != 13 {
		t.Errorf("%q", w.asked)
	}
	w.asked = nil
	w.tell("a", -400, -399)
	w.tell("a", -2, -1)
	w.tell("a", -3000, -2000)
	w.tell("a", 1, 10)
	w.run(t, 3*time.Hour)
	w.saw(t, "two short ones", "2h0m0s a 04-30 05-01", "2h0m0s a 03-29 03-30")
}

// What is missing is asked for again after growing pauses, until it is there.
func TestGaps(t *testing.T) {
	w := newWorld("a")
	hole := Midnight(start).Add(-40 * day)
	w.has["a"] = func(d time.Time) int {
		if d.Equal(hole) && w.now.Before(start.Add(30*day)) {
			return 47
		}
		return w.yesterday(d)
	}
	w.run(t, 40*day)
	var at []string
	for i, q := range w.calls {
		if q.Meter != "" && !q.From.After(hole) && q.To.After(hole) {
			var since time.Duration
			_, _ = fmt.Sscan(w.asked[i], &since)
			at = append(at, w.asked[i])
		}
	}
	want := []string{
		"0s a 03-02 04-01", "1h0m0s a 03-23 03-23", "7h0m0s a 03-23 03-23", "31h0m0s a 03-23 03-23", "103h0m0s a 03-23 03-23",
		"271h0m0s a 03-23 03-23", "439h0m0s a 03-23 03-23", "607h0m0s a 03-23 03-23", "775h0m0s a 03-23 03-23",
	}
	if !slices.Equal(at, want) {
		t.Errorf("asked %q", at)
	}
}

// Data that are weeks late are found without a webhook.
func TestLateData(t *testing.T) {
	w := newWorld("a")
	stop := Midnight(start).Add(-10 * day)
	w.has["a"] = func(d time.Time) int {
		if d.Before(stop) || w.now.After(start.Add(5*day)) {
			return w.yesterday(d)
		}
		return 0
	}
	w.run(t, time.Hour)
	w.asked = nil
	w.run(t, 25*time.Hour)
	w.saw(t, "the next day", "24h0m0s list", "24h0m0s a 04-22 05-03")
	w.run(t, 7*day)
	if end := w.meter("a").End; end.Before(start.Add(5 * day)) {
		t.Errorf("known until %v", end)
	}
	for _, d := range w.meter("a").Days {
		if d.Known != 48 && d.Date.Before(start.Add(4*day)) {
			t.Errorf("%+v", d)
		}
	}
}

func TestRefused(t *testing.T) {
	w := newWorld("a", "b")
	w.run(t, time.Hour)
	w.asked = nil
	w.meter("a").Refused, w.meter("a").RefusedAt = 1, w.now
	w.run(t, 3*day-time.Hour)
	w.saw(t, "a meter that is refused",
		"24h0m0s list", "24h0m0s a 04-30 05-03", "24h0m0s b 04-30 05-03", "30h0m0s a 04-30 05-03", "48h0m0s list", "48h0m0s b 05-01 05-04", "54h0m0s a 05-01 05-04")
	w.tell("a", -1, -1)
	w.run(t, 3*day-30*time.Minute)
	w.saw(t, "after a word", "71h0m0s a 05-04 05-04")
}

// Of a meter whose answers make no sense the others hear nothing.
func TestFailed(t *testing.T) {
	for _, bad := range []string{"a", "b"} {
		w := newWorld("a", "b")
		w.meter(bad).Failed = true
		for range 20 {
			if q, _ := Next(w.known, w.now); q.Meter != bad {
				w.ask(t, q)
			}
		}
		if q, at := Next(w.known, w.now); len(w.calls) < 13 || q.Meter != bad || !at.Equal(w.now) {
			t.Errorf("%s: %d calls, then %+v", bad, len(w.calls), q)
		}
	}
}

func TestFreshAsksTheRecentDays(t *testing.T) {
	w := newWorld("a")
	w.run(t, time.Hour)
	w.asked = nil
	w.meter("a").Fresh = w.now
	w.run(t, 2*time.Hour)
	w.saw(t, "at once", "1h0m0s a 04-29 05-02")
}

// What a clock that was wrong has dated puts nothing off, and is not asked again
// and again.
func TestAClockThatWasWrong(t *testing.T) {
	w := newWorld("a")
	w.now = start.Add(365 * day)
	w.known.Listed = w.now
	w.tell("a", -370, -367)
	for i := range 14 {
		w.meter("a").store(Midnight(start).Add(-time.Duration(i)*day), 48, w.now)
	}
	w.now = start
	w.run(t, time.Hour)
	if len(w.calls) < 14 || len(w.calls) > 16 {
		t.Errorf("%q", w.asked)
	}
	w.asked = nil
	w.run(t, 25*time.Hour)
	w.saw(t, "a day", "24h0m0s list", "24h0m0s a 04-30 05-03")
}

// Whatever is missing and whatever is told, each word is followed by an answer
// that is newer, and there are few questions.
func TestPlan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld("a", "b")
		holes := map[int64]bool{}
		for range rapid.IntRange(0, 5).Draw(t, "holes") {
			holes[DayNumber(start)-int64(rapid.IntRange(-5, 420).Draw(t, "day"))] = true
		}
		w.has["a"] = func(d time.Time) int {
			if holes[DayNumber(d)] {
				return 20
			}
			return w.yesterday(d)
		}
		w.run(t, time.Minute)
		words := rapid.IntRange(0, 8).Draw(t, "words")
		before := len(w.calls)
		for range words {
			from := -rapid.IntRange(-3, 500).Draw(t, "from")
			w.tell("a", from, from+rapid.IntRange(0, 60).Draw(t, "length"))
			w.run(t, w.now.Sub(start)+time.Duration(rapid.Int64Range(0, int64(day)).Draw(t, "later")))
		}
		w.run(t, w.now.Sub(start)+time.Minute)
		days := int(w.now.Sub(start)/day) + 1
		if most := words*4 + days*(3+2*len(holes)) + 10; len(w.calls)-before > most {
			t.Fatalf("%d questions, want %d at most: %q", len(w.calls)-before, most, w.asked[before:])
		}
		asked := map[int64]time.Time{}
		for _, d := range w.meter("a").Days {
			asked[DayNumber(d.Date)] = d.Asked
		}
		for n, told := range w.meter("a").Told {
			if n <= DayNumber(told) && n >= DayNumber(Oldest(w.now)) && !asked[n].After(told) {
				t.Fatalf("day %d was told at %v and asked at %v", n, told, asked[n])
			}
		}
	})
}
