package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/google/go-cmp/cmp"
)

var midnight = noon.Add(-12 * time.Hour)

// halves are n half hours from a time on, each of 100 Wh.
func halves(from time.Time, n int) (list []Interval) {
	for i := range n {
		list = append(list, Interval{from.Add(time.Duration(i) * halfHour), 100})
	}
	return list
}

func meter(from, to time.Time, list ...Interval) Series {
	return Series{Source: "openvolt", Subject: "m", From: from, To: to, At: noon, Intervals: list}
}

func mustStore(t *testing.T, j *Journal, s Series) int64 {
	t.Helper()
	n, err := j.StoreIntervals(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func extent(t *testing.T, j *Journal, zone string) Extent {
	t.Helper()
	z, err := time.LoadLocation(zone)
	if err != nil {
		t.Fatal(err)
	}
	e, err := j.Extent(t.Context(), "openvolt", "m", z)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func hours(t *testing.T, j *Journal, from, to time.Time) (list []string) {
	t.Helper()
	err := j.Hours(t.Context(), "openvolt", "m", from, to, func(h Hour) bool {
		list = append(list, fmt.Sprint(h.Start.Format("15:04 "), h.WattHours, h.Whole))
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// A late correction replaces, what is told again changes nothing, and what is
// missing is no zero.
func TestIntervals(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	first := []Interval{{midnight, 100.1}, {midnight.Add(halfHour), 200.2}, {midnight.Add(3 * halfHour), 0}}
	if n := mustStore(t, j, meter(midnight, noon, first...)); n != 3 {
		t.Error(n, "new")
	}
	if n := mustStore(t, j, meter(midnight, noon, first...)); n != 0 {
		t.Error(n, "new when told again")
	}
	if n := mustStore(t, j, meter(midnight, noon, Interval{midnight, 100.2}, Interval{midnight.Add(-halfHour), 0.0005})); n != 2 {
		t.Error(n, "changed")
	}
	other := meter(midnight, noon, halves(midnight, 24)...)
	other.Subject = "other"
	mustStore(t, j, other)
	_ = j.Close()
	j = openAt(t, dir)
	want := []string{"23:00 0.001 false", "00:00 300.4 true", "01:00 0 false"}
	if diff := cmp.Diff(want, hours(t, j, midnight.Add(-time.Hour), noon)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(want[1:2], hours(t, j, midnight, midnight.Add(time.Hour))); diff != "" {
		t.Error(diff)
	}
	e := extent(t, j, "UTC")
	if !e.First.Equal(midnight.Add(-halfHour)) || !e.End.Equal(midnight.Add(4*halfHour)) || e.Gaps != 1 || !e.LastDay.IsZero() {
		t.Errorf("%+v", e)
	}
	if n := j.Last(); n != 0 {
		t.Error(n, "events")
	}
}

func TestIntervalsThatCannotBe(t *testing.T) {
	j := openAt(t, t.TempDir())
	for _, i := range []Interval{{midnight.Add(time.Minute), 1}, {midnight, 1e300}, {midnight, -1e13}} {
		if _, err := j.StoreIntervals(t.Context(), meter(midnight, noon, i)); err == nil {
			t.Error(i, "is taken")
		}
	}
	_ = j.Close()
	if _, err := j.StoreIntervals(t.Context(), meter(midnight, noon)); !errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
}

// A day of the household has 48 half hours, and on the days of the clock 46
// and 50; in Nepal it begins within one.
func TestLastDay(t *testing.T) {
	for _, c := range []struct {
		zone, name string
		from       time.Time
		n          int
		want       string
		kWh        float64
	}{
		{"Europe/London", "an ordinary day", time.Date(2026, 1, 14, 0, 0, 0, 0, time.UTC), 48, "2026-01-14", 4.8},
		{"Europe/London", "one is missing", time.Date(2026, 1, 14, 0, 30, 0, 0, time.UTC), 47, "", 0},
		{"Europe/London", "spring", time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), 46, "2026-03-29", 4.6},
		{"Europe/London", "spring, short", time.Date(2026, 3, 29, 0, 0, 0, 0, time.UTC), 45, "", 0},
		{"Europe/London", "autumn", time.Date(2026, 10, 24, 23, 0, 0, 0, time.UTC), 50, "2026-10-25", 5},
		{"Europe/London", "autumn, short", time.Date(2026, 10, 24, 23, 0, 0, 0, time.UTC), 48, "", 0},
		{"Asia/Kathmandu", "a quarter past", time.Date(2026, 1, 13, 18, 30, 0, 0, time.UTC), 48, "2026-01-14", 4.8},
		{"UTC", "a week and a bit", time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC), 7*48 + 30, "2026-01-08", 4.8},
	} {
		j := openAt(t, t.TempDir())
		mustStore(t, j, meter(c.from, noon, halves(c.from, c.n)...))
		e, got := extent(t, j, c.zone), ""
		if !e.LastDay.IsZero() {
			got = e.LastDay.Format(time.DateOnly)
		}
		if got != c.want || e.WattHours != c.kWh*1000 || e.Gaps != 0 {
			t.Errorf("%s, %s: %+v", c.zone, c.name, e)
		}
	}
}

// The last complete day may be long before the newest half hour.
func TestLastDayBeforeAGap(t *testing.T) {
	j := openAt(t, t.TempDir())
	mustStore(t, j, meter(midnight, noon, halves(midnight, 48)...))
	for d := 1; d < 60; d++ {
		mustStore(t, j, meter(midnight, noon, halves(midnight.Add(time.Duration(d)*day), 47)...))
	}
	if e := extent(t, j, "UTC"); !e.LastDay.Equal(midnight) || e.Gaps != 58 {
		t.Errorf("%+v", e)
	}
}

func TestDays(t *testing.T) {
	j := openAt(t, t.TempDir())
	ask := func(at time.Time, from, to time.Time, list ...Interval) {
		t.Helper()
		s := meter(from, to, list...)
		s.At = at
		mustStore(t, j, s)
	}
	check := func(want ...Day) {
		t.Helper()
		got, err := j.Days(t.Context(), "openvolt", "m", midnight)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}
	next := midnight.Add(day)
	check()
	ask(noon, midnight.Add(-day), next.Add(day), halves(midnight, 48)...)
	check(Day{midnight, 48, 0, noon}, Day{next, 0, 1, noon})
	ask(noon.Add(1), midnight, next.Add(day))
	check(Day{midnight, 48, 0, noon.Add(1)}, Day{next, 0, 2, noon.Add(1)})
	ask(noon.Add(2), next, next.Add(day), halves(next, 7)...)
	check(Day{midnight, 48, 0, noon.Add(1)}, Day{next, 7, 1, noon.Add(2)})
	ask(noon.Add(3), next, next.Add(day), Interval{next, 5})
	check(Day{midnight, 48, 0, noon.Add(1)}, Day{next, 7, 2, noon.Add(3)})
	ask(noon.Add(4), next.Add(halfHour), next.Add(day), halves(next, 48)...) // not the whole day
	ask(noon.Add(5), next, next.Add(day-halfHour))
	check(Day{midnight, 48, 0, noon.Add(1)}, Day{next, 7, 2, noon.Add(3)})
	ask(noon.Add(6), next, next.Add(day))
	check(Day{midnight, 48, 0, noon.Add(1)}, Day{next, 48, 0, noon.Add(6)})
}

// What is deleted is as old as what it speaks of, and 14 months at least.
func TestRetentionOfIntervals(t *testing.T) {
	j := openWith(t, t.TempDir(), Options{Retention: 100 * day})
	for age := range 3 {
		from := midnight.Add(-time.Duration(429+age) * day)
		mustStore(t, j, meter(from, from.Add(day), halves(from, 48)...))
	}
	at(t, j, noon, window("a", noon))
	sweepNow(t, j)
	kept := midnight.Add(-429 * day)
	if e := extent(t, j, "UTC"); e.First.Before(kept.Add(-day)) || !e.First.Before(kept) || !e.End.Equal(kept.Add(day)) || e.Gaps != 0 {
		t.Errorf("%+v", e)
	}
	if days, err := j.Days(t.Context(), "openvolt", "m", midnight.Add(-500*day)); err != nil || len(days) != 2 {
		t.Error(days, err)
	}
}

func TestForgetIntervals(t *testing.T) {
	j := openAt(t, t.TempDir())
	for _, subject := range []string{"m", "n"} {
		for month := range 8 {
			from := midnight.Add(time.Duration(month) * 31 * day)
			s := meter(from, from.Add(31*day), halves(from, 31*48)...)
			s.Subject = subject
			mustStore(t, j, s)
		}
	}
	kept := meter(midnight, noon, halves(midnight, 3)...)
	kept.Source = "another"
	mustStore(t, j, kept)
	if err := j.ForgetIntervals(t.Context(), "openvolt"); err != nil {
		t.Fatal(err)
	}
	err := j.read(t.Context(), func(r *reader) error {
		for table, want := range map[string]int64{"series": 1, "intervals": 3, "days": 0} {
			if n, err := r.db.number("SELECT count(*) FROM " + table); err != nil || n != want {
				t.Error(table, n, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// A file of the first version gets the tables; one whose intervals are damaged
// is set aside, and they are asked for again.
func TestIntervalsOfOtherFiles(t *testing.T) {
	dir := t.TempDir()
	old, err := openFile(filepath.Join(dir, "journal.db"), migrations()[:1])
	if err != nil {
		t.Fatal(err)
	}
	_, err = old.exec("INSERT INTO events VALUES (1, NULL, 'equiwatt', '', 'a', 'api', 1, 1, 'window', '{}', NULL)")
	if err != nil {
		t.Fatal(err)
	}
	_ = old.close()
	j := openAt(t, dir)
	mustStore(t, j, meter(midnight, noon, halves(midnight, 24)...))
	if e := extent(t, j, "UTC"); e.Gaps != 0 || !e.End.Equal(noon) || len(allEvents(t, j)) != 1 || j.Problem() != "" {
		t.Errorf("%+v %q", e, j.Problem())
	}
	for i := range 30 { // more than any cache holds
		from := midnight.Add(-time.Duration(i+1) * 31 * day)
		mustStore(t, j, meter(from, from.Add(31*day), halves(from, 31*48)...))
	}
	if err := j.Set(t.Context(), "token", "mine"); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	alter(t, file(j), "PRAGMA wal_checkpoint(TRUNCATE)")
	info, err := os.Stat(file(j))
	if err != nil {
		t.Fatal(err)
	}
	overwrite(t, file(j), info.Size()/2, info.Size())
	j = openAt(t, dir)
	_, _ = j.Extent(t.Context(), "openvolt", "m", time.UTC) // finds it
	if err := eventually("set aside", func() bool { return strings.Contains(j.Problem(), "set aside") }); err != nil {
		t.Fatal(err)
	}
	if e := extent(t, j, "UTC"); e != (Extent{}) {
		t.Errorf("%+v", e)
	}
	if token, _ := j.Setting("token"); token != "mine" {
		t.Error(token)
	}
	if n := mustStore(t, j, meter(midnight, noon, halves(midnight, 24)...)); n != 24 {
		t.Error(n)
	}
}

// BenchmarkIntervals stores thirteen months of ten meters as they are asked
// for, and then the same again with a few corrections.
func BenchmarkIntervals(b *testing.B) {
	from := midnight.Add(-403 * day)
	rows := 0
	for b.Loop() {
		j := openBench(b, b.TempDir())
		rows = 0
		for round := range 2 {
			for m := range 10 {
				for chunk := range 13 {
					start := from.Add(time.Duration(chunk) * 31 * day)
					list := halves(start, 31*48)
					list[7].WattHours += float64(round)
					s := meter(start, start.Add(31*day), list...)
					s.Subject = fmt.Sprint(m)
					if _, err := j.StoreIntervals(b.Context(), s); err != nil {
						b.Fatal(err)
					}
					rows += len(list)
				}
			}
		}
		for m := range 10 {
			if e, err := j.Extent(b.Context(), "openvolt", fmt.Sprint(m), time.UTC); err != nil || e.Gaps != 0 {
				b.Fatal(e, err)
			}
		}
		b.StopTimer()
		_ = j.Close()
		b.StartTimer()
	}
	b.ReportMetric(float64(rows), "rows")
	if text, err := os.ReadFile("/proc/self/status"); err == nil {
		_, peak, _ := strings.Cut(string(text), "VmHWM:")
		var kB float64
		_, _ = fmt.Sscan(peak, &kB)
		b.ReportMetric(kB/1024, "MiB-peak")
	}
}
