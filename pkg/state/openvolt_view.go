package state

import (
	"maps"
	"time"
)

func (q *meters) view(now time.Time) (Source, time.Time) {
	s := Source{Name: "openvolt"}
	var next time.Time
	s.Due, s.Flying, next = q.moments.due(now)
	for _, t := range q.moments.list {
		// What is being gathered has to be there after a restart, too.
		s.Flying = s.Flying || t.said == Unsaid && now.Before(t.from)
	}
	if q.rules.Asks {
		s.Asks = q.wanted()
		var change time.Time
		s.Link, change = q.reached(now)
		next = earliest(next, change)
	}
	next = earliest(next, q.show(now))
	s.Devices = q.devices
	return s, next
}

// reached is how the API is: there are few calls where all is well, and many
// where it is not.
func (q *meters) reached(now time.Time) (l Link, next time.Time) {
	const patience = 10 * time.Minute
	l, next = q.link.view(now)
	if q.link.bad {
		down, up := q.since.at.Add(patience), false
		if now.Before(down) && !q.link.refused {
			return l, earliest(next, down)
		}
		l.Up = &up
	}
	return l, next
}

// show makes the devices of those meters that changed, and returns when one
// changes by itself: its age is of whole hours.
func (q *meters) show(now time.Time) (next time.Time) {
	for i, m := range q.all {
		hours := int64(max(now.Sub(m.end), 0) / time.Hour)
		if !m.end.IsZero() {
			next = earliest(next, m.end.Add(time.Duration(hours+1)*time.Hour))
		}
		if m.shown != nil && !m.changed && (hours == m.hours || m.end.IsZero()) {
			continue
		}
		v, d := m.known, m.device
		if !m.end.IsZero() {
			age := hours * int64(time.Hour/time.Second)
			v.Age = &age
		}
		d.State = &v
		m.shown, m.hours, m.changed = &d, hours, false
		q.devices = q.devices.With(i+1, m.shown)
	}
	return next
}

// wanted is what decides the next question, made anew where it changed.
func (q *meters) wanted() *OpenvoltAsks {
	if q.asks != nil {
		return q.asks
	}
	q.asks = &OpenvoltAsks{Spoken: q.spoken.at}
	for _, m := range q.all {
		if m.asks == nil {
			m.asks = &MeterAsks{ID: m.device.ID, End: m.end, Fresh: q.fresh.at, Told: make(map[int64]time.Time, len(m.told))}
			for d, t := range m.told {
				m.asks.Told[d] = t.at
			}
		}
		q.asks.Meters = append(q.asks.Meters, m.asks)
	}
	return q.asks
}

func (q *meters) open() []string { return q.moments.open() }

func (q *meters) mark(id string, s Said) { q.moments.mark(id, s) }

func (q *meters) prune(now time.Time) {
	q.moments.prune(now)
	maps.DeleteFunc(q.heard, func(_ string, at time.Time) bool { return now.Sub(at) > forgotten })
	maps.DeleteFunc(q.bursts, func(_ string, b *gathering) bool { return now.After(b.due.Add(2 * apart)) })
}

// step dates anew what our own clock dated since it was wrong; the half hours
// are the vendor's.
func (q *meters) step(s Step, live bool) {
	q.asks = nil
	for _, t := range []*stamp{&q.spoken, &q.strange, &q.fresh, &q.since} {
		t.step(s)
	}
	for _, m := range q.all {
		m.asks = nil
		for d, t := range m.told {
			t.step(s)
			m.told[d] = t
		}
	}
	for _, b := range q.bursts {
		if b.seq > s.Since {
			move(s.By, &b.due)
			if t := q.moments.by[b.id]; t != nil {
				move(s.By, &t.Occurred, &t.from, &t.until)
			}
		}
	}
	if live {
		q.link.step(s.By)
	}
}
