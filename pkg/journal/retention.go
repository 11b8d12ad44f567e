package journal

import "time"

const (
	sweepAfter = time.Minute // after the start, when the first work is done
	sweepEvery = 24 * time.Hour
	sweepAgain = time.Hour // where it could not be done

	// sweepBatch rows a transaction: a hook never waits for more than one of these.
	sweepBatch = 100

	// keepEvents: a state is made of the events of the last weeks, however
	// short the retention is.
	keepEvents = 40 * 24 * time.Hour
)

// Only rows before the first one that is not too old are deleted: a row among
// new ones whose time is long past was written while the clock was wrong. The
// newest row stays in any case: the next one counts from it.
// A moment goes with the events that were stored before it, whatever the clock
// said.
var sweeps = []struct {
	boundary, remove string
	least            time.Duration // what is younger stays, however short the retention is
}{
	{
		`SELECT coalesce((SELECT id FROM deliveries WHERE received BETWEEN ? AND ? ORDER BY id LIMIT 1),
			(SELECT max(id) FROM deliveries), 0)`,
		"DELETE FROM deliveries WHERE id IN (SELECT id FROM deliveries WHERE id < ?1 AND received < ?2 ORDER BY id LIMIT ?3)",
		0,
	},
	{
		"SELECT " + oldestNewEvent,
		"DELETE FROM moments WHERE id IN (SELECT id FROM moments WHERE seq < ?1 LIMIT ?3)",
		keepEvents,
	},
	{
		"SELECT " + oldestNewEvent,
		`DELETE FROM events WHERE seq IN (SELECT seq FROM events old WHERE seq < ?1 AND seen < ?2
			AND NOT (shape = 'status' AND NOT EXISTS (
				SELECT 1 FROM events new WHERE new.source = old.source AND new.key = old.key AND new.seq > old.seq))
			ORDER BY seq LIMIT ?3)`,
		keepEvents,
	},
	{
		oldHalf,
		`DELETE FROM intervals WHERE (series, half) IN (SELECT series, half FROM intervals
			WHERE series IN (SELECT id FROM series) AND half < ?1 LIMIT ?3)`,
		keepIntervals,
	},
	{
		oldHalf,
		"DELETE FROM days WHERE (series, day) IN (SELECT series, day FROM days WHERE day < ?1 / 48 LIMIT ?3)",
		keepIntervals,
	},
	{
		"SELECT coalesce((SELECT min(id) FROM deliveries), 0)",
		"DELETE FROM spoken WHERE id IN (SELECT id FROM spoken WHERE id < ?1 ORDER BY id LIMIT ?3)",
		0,
	},
}

const oldestNewEvent = `coalesce((SELECT seq FROM events WHERE seen BETWEEN ? AND ? ORDER BY seq LIMIT 1),
	(SELECT max(seq) FROM events), 0)`

// oldHalf: an interval is as old as the half hour that it speaks of.
const oldHalf = "SELECT ?1 / 1800000000000"

// sweep is a walk through everything that is too old.
type sweep struct {
	step     int
	boundary int64 // rows from here on stay
	found    bool  // the boundary of this step
	now      time.Time
	removed  int64
	waiting  []*request
}

// startSweep returns when to do it again.
func (w *writer) startSweep(r *request) time.Duration {
	if w.sweep != nil {
		if r != nil {
			w.sweep.waiting = append(w.sweep.waiting, r)
		}
		return sweepEvery
	}
	now := w.j.now()
	ok, err := w.maySweep(now)
	if !ok || err != nil {
		if r != nil {
			r.done <- err
		}
		return sweepAgain
	}
	w.sweep = &sweep{now: now}
	if r != nil {
		w.sweep.waiting = append(w.sweep.waiting, r)
	}
	return sweepEvery
}

// maySweep is false where the clock looks wrong: before the newest row, or so
// long after it that everything would go at once.
func (w *writer) maySweep(now time.Time) (bool, error) {
	if w.j.retention <= 0 || w.db == nil || w.cause != nil {
		return false, nil
	}
	newest := time.Time{}
	for _, query := range []string{
		"SELECT received FROM deliveries ORDER BY id DESC LIMIT 1",
		"SELECT seen FROM events ORDER BY seq DESC LIMIT 1",
	} {
		n, err := w.db.number(query)
		if err != nil {
			return false, err
		}
		if t := time.Unix(0, n); n != 0 && t.After(newest) {
			newest = t
		}
	}
	return !newest.IsZero() && !now.Before(newest) && now.Sub(newest) <= w.j.retention, nil
}

// cutoff is before when rows of a step are too old.
func (w *writer) cutoff(s *sweep) int64 {
	return s.now.Add(-max(w.j.retention, sweeps[s.step].least)).UnixNano()
}

// sweepSome deletes a few rows.
func (w *writer) sweepSome() {
	s := w.sweep
	n, err := w.sweepRows(s)
	s.removed += n
	if err == nil && n < sweepBatch {
		s.step, s.found = s.step+1, false
	}
	if err != nil || s.step == len(sweeps) {
		w.endSweep(err)
	}
	if err == nil {
		err = w.checkpoint(false)
	}
	if err = w.mend(err); err != nil {
		w.fail(err)
	}
}

func (w *writer) sweepRows(s *sweep) (n int64, err error) {
	if w.db == nil {
		return 0, w.cause
	}
	step, old := sweeps[s.step], w.cutoff(s)
	if !s.found {
		if s.boundary, err = w.db.number(step.boundary, old, s.now.UnixNano()); err != nil {
			return 0, err
		}
		s.found = true
	}
	if n, err = w.db.exec(step.remove, s.boundary, old, int64(sweepBatch)); n > 0 {
		w.j.thinned.Add(1)
	}
	return n, err
}

func (w *writer) endSweep(err error) {
	if w.sweep == nil {
		return
	}
	if w.sweep.removed > 0 {
		w.j.log.Info().Int64("rows", w.sweep.removed).Msg("deleted what is older than the retention")
	}
	for _, r := range w.sweep.waiting {
		r.done <- err
	}
	w.sweep = nil
}
