package state

import (
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// verdict is what holds of a window at an instant.
type verdict struct {
	running bool
	end     time.Time // of what is over; zero: unknown
	next    time.Time // when the verdict changes by itself; zero: never
}

// judge decides whether w runs at now. newer is the start of the next window
// after it, zero where there is none: it ends an older one at once, unless the
// API still shows that.
func (q *equivents) judge(w *window, newer, now time.Time) verdict {
	if w.over {
		return verdict{end: w.end}
	}
	if w.by == event.Rehearsal {
		if now.Before(w.end) {
			return verdict{running: true, next: w.end}
		}
		return verdict{end: w.end}
	}
	if begin := w.start.Add(-grace); now.Before(begin) {
		return verdict{next: begin}
	}
	limit := w.start.Add(q.rules.MaxDuration)
	end, closes := limit, limit
	if !w.end.IsZero() && w.end.Add(grace).Before(closes) {
		end, closes = w.end, w.end.Add(grace)
	}
	if !w.endHook.IsZero() && !w.answered && w.endHook.Add(silence).Before(closes) {
		end, closes = w.endAt, w.endHook.Add(silence)
	}
	if !newer.IsZero() && !w.showing && newer.Add(-grace).Before(closes) {
		closes = newer.Add(-grace)
		end = earliest(newer, end)
	}
	if now.Before(closes) {
		return verdict{running: true, next: closes}
	}
	return verdict{end: end}
}

// stale reports whether w is an entry of the API that never ran for us and was
// never ended: old data that says nothing of the others.
func (w *window) stale() bool { return w.over && w.end.IsZero() && !w.shown }

// after returns the start of the window that follows w.
func (q *equivents) after(w *window) time.Time {
	i := sort.Search(len(q.windows), func(i int) bool { return q.windows[i].start.After(w.start) })
	for ; i < len(q.windows); i++ {
		if !q.windows[i].stale() {
			return q.windows[i].start
		}
	}
	return time.Time{}
}

// running returns the equivent that runs at now; of several the newest.
func (q *equivents) running(now time.Time) *window {
	var found *window
	for _, w := range q.unfinished {
		if w.by != event.Rehearsal && (found == nil || w.start.After(found.start)) && q.judge(w, q.after(w), now).running {
			found = w
		}
	}
	return found
}

// prune stops watching what is over and has nothing more to say.
func (q *equivents) prune(now time.Time) {
	keep := q.unfinished[:0]
	for _, w := range q.unfinished {
		newer := q.after(w)
		over := w.over || w.by != event.Rehearsal && !newer.IsZero() && newer.Before(now) ||
			w.by == event.Rehearsal && w.end.Add(48*time.Hour).Before(now) ||
			w.start.Add(q.rules.MaxDuration+48*time.Hour).Before(now)
		if !over || w.started.told() && w.ended != AtRest {
			keep = append(keep, w)
		} else {
			delete(q.watched, w.id)
		}
	}
	clear(q.unfinished[len(keep):])
	q.unfinished = keep
	for len(q.starts) > 1 && q.starts[0].last.Add(2*remember).Before(now) {
		q.starts = q.starts[1:]
	}
}

func (q *equivents) open() (ids []string) {
	for _, w := range q.unfinished {
		ids = append(ids, w.id+"-started", w.id+"-ended")
	}
	for _, b := range q.starts {
		ids = append(ids, b.id)
	}
	return ids
}

func (q *equivents) mark(id string, s Said) {
	set := func(said *Said) {
		if said.open() || *said == Sent {
			*said = s
		}
	}
	if base, ok := strings.CutSuffix(id, "-started"); ok && q.watched[base] != nil {
		set(&q.watched[base].started)
	}
	if base, ok := strings.CutSuffix(id, "-ended"); ok && q.watched[base] != nil {
		set(&q.watched[base].ended)
	}
	for _, b := range q.starts {
		if b.id == id {
			set(&b.said)
		}
	}
}

// open reports whether a moment is still to be said: never sent, or nobody
// knows whether it arrived.
func (s Said) open() bool { return s == Unsaid || s == Doubtful }

// told reports whether somebody may have heard of a moment.
func (s Said) told() bool { return s != Unsaid && s != Hushed }

// moments returns what is to be said at now: ends before starts, then what
// the API never confirmed; and whether anything is on its way.
func (q *equivents) moments(now time.Time) (due []Moment, flying bool, next time.Time) {
	var starts []Moment
	for _, w := range q.unfinished {
		v := q.judge(w, q.after(w), now)
		next = earliest(next, v.next)
		flying = flying || w.started == Sent || w.ended == Sent
		switch {
		case v.running && w.started.open():
			starts = append(starts, q.moment(w, "started", w.start, w.end))
		case !v.running && v.next.IsZero() && w.started.told() && w.ended.open():
			at := v.end
			if at.IsZero() || at.After(now.Add(grace)) {
				at = now
			}
			due = append(due, q.moment(w, "ended", at, at))
		}
	}
	sortMoments(due)
	sortMoments(starts)
	due = append(due, starts...)
	for _, b := range q.starts {
		at := b.first.Add(patience)
		flying = flying || b.said == Sent
		switch {
		case b.agreed || !b.said.open() || now.After(b.first.Add(remember)):
		case now.Before(at):
			next = earliest(next, at)
		default:
			due = append(due, Moment{ID: b.id, Source: "equiwatt", Type: "unconfirmed", Occurred: b.first})
		}
	}
	return due, flying, next
}

func sortMoments(ms []Moment) {
	slices.SortStableFunc(ms, func(a, b Moment) int { return a.Occurred.Compare(b.Occurred) })
}

func (q *equivents) moment(w *window, kind string, at, end time.Time) Moment {
	m := Moment{ID: w.id + "-" + kind, Source: "equiwatt", Type: kind, Occurred: at, Opens: kind == "started", Closes: kind == "ended"}
	m.Fields = map[string]any{"start": w.start, "end": end, "source": string(w.by), "confirmed": q.confirmed(w), "direction": w.direction}
	if w.by == event.Rehearsal {
		m.Type = "rehearsal_" + kind
	} else if kind == "started" {
		m.Data = w.data
	}
	return m
}

func (q *equivents) confirmed(w *window) bool {
	return w.by == event.API || w.by == event.Webhook && match(q.api, w) != nil
}

// match returns the API's entry for a believed window: one that overlaps it,
// or begins within five minutes of it.
func match(api []*window, w *window) *window {
	for i := len(api) - 1; i >= 0; i-- {
		a := api[i]
		d := a.start.Sub(w.start)
		overlaps := !a.end.IsZero() && !w.end.IsZero() && a.start.Before(w.end) && w.start.Before(a.end) ||
			!a.end.IsZero() && !w.start.Before(a.start) && w.start.Before(a.end) ||
			!w.end.IsZero() && !a.start.Before(w.start) && a.start.Before(w.end)
		if overlaps || d.Abs() <= near {
			return a
		}
	}
	return nil
}

// known reports whether anything was ever said of equivents.
func (q *equivents) known() bool {
	if q.rules.Believe {
		return !q.lastHook.IsZero()
	}
	return !q.link.good.IsZero() || len(q.windows) > 0
}

func (q *equivents) view(now time.Time) (Source, time.Time) {
	l, next := q.link.view(now)
	v := &Equivents{Asked: q.rules.Token, LastPoll: q.link.good, LastHook: q.lastHook, Cloud: l.Up, CloudError: l.Error}
	s := Source{Name: "equiwatt", Devices: DevicesOf(&Device{Source: "equiwatt", State: v})}
	var change time.Time
	s.Due, s.Flying, change = q.moments(now)
	next = earliest(next, change)

	running := q.running(now)
	rehearsing := q.rehearsal != nil && now.Before(q.rehearsal.end)
	v.Rehearsal = rehearsing
	if rehearsing {
		s.Rehearsal = &Rehearsal{ID: q.rehearsal.id, Start: q.rehearsal.start, End: q.rehearsal.end}
	}
	active := running != nil || rehearsing
	if active || q.known() && (q.rules.Believe || !q.link.stale(now)) {
		v.Active = &active
	}
	switch {
	case running != nil:
		v.Running = q.equivent(running, verdict{running: true})
	case rehearsing:
		v.Running = q.equivent(q.rehearsal, verdict{running: true})
	}
	v.Last = q.last(now)
	if q.known() || !q.link.good.IsZero() {
		n := q.month(now)
		v.Month = &n
		y, m, _ := now.In(q.zone).Date()
		next = earliest(next, time.Date(y, m+1, 1, 0, 0, 0, 0, q.zone))
	}
	known, change := q.asks(v, now)
	s.Link = Link{
		Error: l.Error, Up: l.Up, LastGood: l.LastGood,
		Urgent: v.Urgent, Pivotal: v.Pivotal, Known: known,
	}
	return s, earliest(next, change)
}

// asks fills in what the poll has to know, and returns the windows that the
// API last showed as running, and when any of that changes.
func (q *equivents) asks(v *Equivents, now time.Time) (known []event.Event, next time.Time) {
	if !q.rules.Token {
		return nil, next
	}
	list := q.unfinished
	if q.rules.Believe {
		list = q.api
	}
	for _, w := range list {
		if w.showing {
			known = append(known, event.Event{
				Source: "equiwatt", Key: "api/" + strconv.FormatInt(w.start.Unix(), 10), By: event.API, At: w.start, Seen: w.heard,
				Window: &event.Window{Start: w.start, End: w.end, Running: true},
			})
		}
		if !w.over && (!w.gone.IsZero() || !w.endHook.IsZero() && !w.answered) {
			v.Pivotal = true
		}
	}
	urge := func(b *burst) {
		if until := b.last.Add(patience); !b.first.IsZero() && !b.agreed {
			v.Pivotal = v.Pivotal || now.Before(b.first.Add(remember))
			if now.Before(until) {
				v.Urgent = true
				next = earliest(next, until)
			}
		}
	}
	urge(&q.ends)
	for _, b := range q.starts {
		urge(b)
		if !b.agreed && now.Before(b.first.Add(remember)) {
			v.Pending = earliest(v.Pending, b.first)
		}
	}
	return known, next
}

// equivent is w as the outside sees it.
func (q *equivents) equivent(w *window, v verdict) *Equivent {
	e := &Equivent{
		Start: w.start, End: v.end, Source: string(w.by), Confirmed: q.confirmed(w), Direction: w.direction,
		Running: v.running, Heard: w.heard,
	}
	if v.running {
		e.End, e.Planned = w.end, !w.end.IsZero()
	} else if q.rules.Believe && w.by == event.Webhook {
		if a := match(q.api, w); a != nil && a.over && !a.end.IsZero() {
			e.Start, e.End = a.start, a.end
		}
	}
	return e
}
