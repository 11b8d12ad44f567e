package state

import (
	"slices"
	"time"
)

// forgotten is how long after it was worth saying a moment is kept for the one
// that ends it.
const forgotten = 48 * time.Hour

// moments are what a source has to say, or may have to end.
type moments struct {
	list   []*telling // in the order in which they came; what is at rest is not in it
	by     map[string]*telling
	pruned time.Time
}

// telling is a moment and what became of it.
type telling struct {
	Moment
	from, until time.Time // when it is worth saying; zero until: for ever
	opener      *telling  // it is said if and only if this one was
	said        Said
	ended       bool // the one that ends it is at rest
}

// say adds a moment that is worth saying in [from, until); a zero until is
// never. What is no news is only kept where it opens what is yet to end. A
// moment that is there already stays as it is.
func (m *moments) say(news bool, x Moment, from, until time.Time) {
	if !news && !x.Opens {
		return
	}
	m.add(&telling{Moment: x, from: from, until: until})
}

// end adds the moment that ends another: from then on it is said if and only
// if that one was, however late.
func (m *moments) end(opener string, x Moment, from time.Time) {
	if o := m.by[opener]; o != nil {
		x.Closes = true
		m.add(&telling{Moment: x, from: from, opener: o})
	}
}

func (m *moments) add(t *telling) {
	if m.by[t.ID] != nil {
		return
	}
	if m.by == nil {
		m.by = map[string]*telling{}
	}
	m.by[t.ID] = t
	m.list = append(m.list, t)
}

// withdraw drops a moment that is no longer true, unless it may have been said.
func (m *moments) withdraw(id string) {
	if t := m.by[id]; t != nil && !t.said.told() {
		m.drop(id)
	}
}

// drop forgets a moment, and the one that ends it.
func (m *moments) drop(id string) {
	m.forget(func(t *telling) bool { return t.ID == id || t.opener != nil && t.opener.ID == id })
}

func (m *moments) forget(gone func(*telling) bool) {
	m.list = slices.DeleteFunc(m.list, gone)
	for id, t := range m.by {
		if gone(t) {
			delete(m.by, id)
		}
	}
}

// due returns what is to be said at now in the order of its happening, whether
// anything is on its way, and when that changes by itself.
func (m *moments) due(now time.Time) (list []Moment, flying bool, next time.Time) {
	for _, t := range m.list {
		flying = flying || t.said == Sent
		switch {
		case !t.said.open() || t.opener != nil && !t.opener.said.told():
		case now.Before(t.from):
			next = earliest(next, t.from)
		case t.until.IsZero():
			list = append(list, t.Moment)
		case now.Before(t.until):
			next = earliest(next, t.until)
			list = append(list, t.Moment)
		}
	}
	sortMoments(list)
	return list, flying, next
}

func (m *moments) open() (ids []string) {
	for _, t := range m.list {
		ids = append(ids, t.ID)
	}
	return ids
}

func (m *moments) mark(id string, s Said) {
	t := m.by[id]
	if t == nil || t.said == AtRest || t.said == Hushed {
		return
	}
	t.said = s
	if t.opener != nil && s == AtRest {
		t.opener.ended = true
	}
	if s == AtRest || s == Hushed {
		t.Fields, t.Data = nil, nil // it is not said again
		m.list = slices.DeleteFunc(m.list, func(o *telling) bool { return o == t })
	}
}

// prune forgets what is not worth keeping; looking once a minute will do.
func (m *moments) prune(now time.Time) {
	if now.Sub(m.pruned).Abs() < time.Minute {
		return
	}
	m.pruned = now
	m.forget(func(t *telling) bool { return !t.worth(now) })
}

// worth reports whether a moment may still have to be said, or ended.
func (t *telling) worth(now time.Time) bool {
	switch {
	case t.said == Sent:
		return true
	case t.Opens:
		return !t.ended && (t.until.IsZero() || t.said.told() || now.Before(t.until.Add(forgotten)))
	case t.opener != nil:
		return t.said != AtRest && (t.opener.said.told() || now.Before(t.from.Add(forgotten)))
	}
	return t.said.open() && (t.until.IsZero() || now.Before(t.until))
}
