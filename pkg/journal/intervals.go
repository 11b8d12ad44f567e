package journal

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

const (
	halfHour   = 30 * time.Minute
	halvesADay = 48 // of UTC, always

	// keepIntervals: as long as a vendor fills holes in, however short the
	// retention is; what is deleted sooner would be asked for again.
	keepIntervals = 430 * 24 * time.Hour
)

// Interval is the energy of one half hour.
type Interval struct {
	Start     time.Time
	WattHours float64 // kept to the thousandth
}

// Series is what was asked of one series of half hours, and what the vendor
// has of it. A half hour that is not among the intervals is not known; it is
// never zero by that.
type Series struct {
	Source, Subject string
	From, To        time.Time  // what was asked, half open; whole days of UTC count as asked
	At              time.Time  // when
	Intervals       []Interval // a later value of one replaces the earlier
}

// StoreIntervals keeps an answer and returns how many half hours of it are new
// or have another value than before. It returns when they are on the disk; the
// error is as Append's. A month at a time is a good measure.
func (j *Journal) StoreIntervals(ctx context.Context, s Series) (int64, error) {
	rows := make([][2]int64, 0, len(s.Intervals))
	for _, i := range s.Intervals {
		if i.Start.Truncate(halfHour) != i.Start || math.IsNaN(i.WattHours) || math.Abs(i.WattHours) > 1e12 {
			return 0, errors.New("journal: an interval that is no half hour, or no number")
		}
		rows = append(rows, [2]int64{half(i.Start), int64(math.Round(i.WattHours * 1000))})
	}
	text, _ := json.Marshal(rows) // numbers only: cannot fail
	first, last := half(s.From.Add(24*time.Hour-1))/halvesADay, half(s.To)/halvesADay
	var changed int64
	r := &request{done: make(chan error, 1), write: func(c *conn) error {
		id, err := seriesID(c, s)
		if err != nil {
			return err
		}
		if changed, err = c.exec(storeIntervals, id, string(text)); err != nil {
			return err
		}
		_, err = c.exec(storeDays, id, first, last, nanos(s.At))
		return err
	}}
	if err := j.submit(ctx, r); err != nil {
		return 0, err // the writer may be at it still
	}
	return changed, nil
}

func half(t time.Time) int64 { return t.Unix() / int64(halfHour/time.Second) }

func fromHalf(n int64) time.Time { return time.Unix(n*int64(halfHour/time.Second), 0).UTC() }

func seriesID(c *conn, s Series) (int64, error) {
	_, err := c.exec("INSERT INTO series (source, subject) VALUES (?, ?) ON CONFLICT DO NOTHING", s.Source, s.Subject)
	if err != nil {
		return 0, err
	}
	return c.number("SELECT id FROM series WHERE source = ? AND subject = ?", s.Source, s.Subject)
}

const (
	storeIntervals = `INSERT INTO intervals (series, half, energy)
		SELECT ?1, value ->> 0, value ->> 1 FROM json_each(?2) WHERE true
		ON CONFLICT DO UPDATE SET energy = excluded.energy WHERE energy <> excluded.energy`

	// A day that stays incomplete counts how often it was asked in vain.
	storeDays = `INSERT INTO days (series, day, known, vain, asked)
		WITH RECURSIVE days (day) AS (SELECT ?2 WHERE ?2 < ?3 UNION ALL SELECT day + 1 FROM days WHERE day + 1 < ?3),
			counted AS (SELECT day, (SELECT count(*) FROM intervals WHERE series = ?1 AND half >= day * 48 AND half < day * 48 + 48) AS known FROM days)
		SELECT ?1, day, known, known < 48, ?4 FROM counted WHERE true
		ON CONFLICT DO UPDATE SET known = excluded.known, asked = excluded.asked,
			vain = CASE WHEN excluded.known = 48 THEN 0 WHEN excluded.known > known THEN 1 ELSE vain + 1 END`
)

// Day is what is known of one day of UTC.
type Day struct {
	Date  time.Time // its midnight
	Known int       // half hours, 48 at most
	Vain  int       // how often it was asked and was left incomplete since it last grew
	Asked time.Time // when it was last asked
}

// Days returns the days of a series from a time on that were ever asked, by
// date. There are some hundred at most where since is a year ago.
func (j *Journal) Days(ctx context.Context, source, subject string, since time.Time) (list []Day, err error) {
	err = j.series(ctx, source, subject, func(r *reader, id int64) error {
		return r.db.each("SELECT day, known, vain, asked FROM days WHERE series = ? AND day >= ? ORDER BY day", func(row []driver.Value) {
			n := numbers(row)
			list = append(list, Day{fromHalf(n[0] * halvesADay), int(n[1]), int(n[2]), time.Unix(0, n[3]).UTC()})
		}, id, half(since)/halvesADay)
	})
	return list, err
}

// series calls f with the number of a series; not where it has none.
func (j *Journal) series(ctx context.Context, source, subject string, f func(r *reader, id int64) error) error {
	return j.read(ctx, func(r *reader) error {
		id, err := r.db.number("SELECT id FROM series WHERE source = ? AND subject = ?", source, subject)
		if err != nil || id == 0 {
			return err
		}
		return f(r, id)
	})
}

func numbers(row []driver.Value) []int64 {
	list := make([]int64, len(row))
	for i, v := range row {
		list[i], _ = v.(int64)
	}
	return list
}

// Extent is what is known of a series as a whole.
type Extent struct {
	First, End time.Time // of what is known, half open; zero: nothing is
	Gaps       int       // half hours missing between

	LastDay   time.Time // the beginning of the last complete day of a zone; zero: none
	WattHours float64   // … and its energy
}

// Extent returns what is known of a series. A day of the zone is complete where
// each of its half hours is known: 48, and 46 or 50 where the clock changes.
func (j *Journal) Extent(ctx context.Context, source, subject string, zone *time.Location) (e Extent, err error) {
	err = j.series(ctx, source, subject, func(r *reader, id int64) error {
		var n []int64
		err := r.db.each("SELECT min(half), max(half), count(*) FROM intervals WHERE series = ?", func(row []driver.Value) { n = numbers(row) }, id)
		if err != nil || n[2] == 0 {
			return err
		}
		e.First, e.End, e.Gaps = fromHalf(n[0]), fromHalf(n[1]+1), int(n[1]+1-n[0]-n[2])
		return e.findLastDay(r, id, zone)
	})
	return e, err
}

// findLastDay looks from the newest day backwards.
func (e *Extent) findLastDay(r *reader, id int64, zone *time.Location) error {
	s, err := r.db.prepare("SELECT count(*), sum(energy) FROM intervals WHERE series = ? AND half >= ? AND half < ?")
	if err != nil {
		return err
	}
	defer s.close()
	y, m, d := e.End.Add(-1).In(zone).Date()
	for ; e.LastDay.IsZero(); d-- {
		start, end := time.Date(y, m, d, 0, 0, 0, 0, zone), time.Date(y, m, d+1, 0, 0, 0, 0, zone)
		if !end.After(e.First) {
			return nil
		}
		from, to := half(start.Add(halfHour-1)), half(end.Add(halfHour-1)) // in some zones a day begins within a half hour
		err := s.each(context.Background(), func(row []driver.Value) bool {
			if n := numbers(row); n[0] == to-from {
				e.LastDay, e.WattHours = start, float64(n[1])/1000
			}
			return true
		}, id, from, to)
		if err != nil {
			return err
		}
	}
	return nil
}

// Hour is the energy of one clock hour of UTC, as far as it is known.
type Hour struct {
	Start     time.Time
	WattHours float64
	Whole     bool // both half hours are known
}

// Hours calls f with each hour of which something is known in [from, to), by
// time, until f returns false. They are read as they are called with.
func (j *Journal) Hours(ctx context.Context, source, subject string, from, to time.Time, f func(Hour) bool) error {
	return j.series(ctx, source, subject, func(r *reader, id int64) error {
		s, err := r.db.prepare(`SELECT half / 2, sum(energy), count(*) FROM intervals WHERE series = ? AND half >= ? AND half < ?
			GROUP BY half / 2 ORDER BY half / 2`)
		if err != nil {
			return err
		}
		defer s.close()
		return s.each(ctx, func(row []driver.Value) bool {
			n := numbers(row)
			return f(Hour{fromHalf(2 * n[0]), float64(n[1]) / 1000, n[2] == 2})
		}, id, half(from.Add(halfHour-1)), half(to.Add(halfHour-1)))
	})
}

// ForgetIntervals deletes every series of a source.
func (j *Journal) ForgetIntervals(ctx context.Context, source string) error {
	const batch = 10_000 // some ten milliseconds in which a webhook waits
	for {
		var left int64
		err := j.submit(ctx, &request{done: make(chan error, 1), write: func(c *conn) (err error) {
			id, err := c.number("SELECT min(id) FROM series WHERE source = ?", source)
			if left = id; err != nil || id == 0 {
				return err
			}
			n, err := c.exec("DELETE FROM intervals WHERE series = ?1 AND half IN (SELECT half FROM intervals WHERE series = ?1 LIMIT ?2)", id, int64(batch))
			if err != nil || n == batch {
				return err
			}
			for _, query := range []string{"DELETE FROM days WHERE series = ?", "DELETE FROM series WHERE id = ?"} {
				if _, err := c.exec(query, id); err != nil {
					return err
				}
			}
			return nil
		}})
		if err != nil {
			return fmt.Errorf("journal: forget intervals: %w", err)
		}
		if left == 0 {
			return nil
		}
	}
}
