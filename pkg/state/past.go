package state

import "time"

// walk calls f with what happened up to now, newest first, until it returns
// false: what was believed, and what only the API knows.
func (q *equivents) walk(now time.Time, f func(*window, verdict) bool) {
	var newer time.Time
	i, j := len(q.windows)-1, len(q.api)-1
	for i >= 0 || j >= 0 {
		if j >= 0 && (i < 0 || q.api[j].start.After(q.windows[i].start)) {
			a := q.api[j]
			j--
			if q.believed(a) || a.start.After(now.Add(grace)) {
				continue
			}
			if !f(a, verdict{end: a.end}) {
				return
			}
			continue
		}
		w := q.windows[i]
		i--
		v := q.judge(w, newer, now)
		if !w.stale() {
			newer = w.start
		}
		if !w.start.After(now.Add(grace)) && !f(w, v) {
			return
		}
	}
}

// believed reports whether an entry of the API is one of the believed windows.
func (q *equivents) believed(a *window) bool {
	for i := len(q.windows) - 1; i >= 0; i-- {
		w := q.windows[i]
		if match([]*window{a}, w) != nil {
			return true
		}
		if w.start.Add(q.rules.MaxDuration + near).Before(a.start) {
			break
		}
	}
	return false
}

func (q *equivents) last(now time.Time) (found *Equivent) {
	q.walk(now, func(w *window, v verdict) bool {
		if !v.running && !v.end.IsZero() {
			found = q.equivent(w, v)
		}
		return found == nil
	})
	return found
}

func (q *equivents) past(now time.Time, n int) (list []Equivent) {
	q.walk(now, func(w *window, v verdict) bool {
		list = append(list, *q.equivent(w, v))
		return len(list) < n
	})
	return list
}

// month counts the starts in the calendar month of now.
func (q *equivents) month(now time.Time) int {
	y, m, _ := now.In(q.zone).Date()
	first := time.Date(y, m, 1, 0, 0, 0, 0, q.zone)
	end := earliest(first.AddDate(0, 1, 0), now.Add(grace))
	n := 0
	if len(q.api) == 0 { // without the API's history a count is a difference of places
		return q.before(end) - q.before(first)
	}
	q.walk(now, func(w *window, _ verdict) bool {
		if w.start.Before(first) {
			return false
		}
		if w.start.Before(end) {
			n++
		}
		return true
	})
	return n
}

func (q *equivents) before(t time.Time) int {
	lo, hi := 0, len(q.windows)
	for lo < hi {
		mid := (lo + hi) / 2
		if q.windows[mid].start.Before(t) {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}
