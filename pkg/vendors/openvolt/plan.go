package openvolt

import "time"

// Question is what the API is asked next: for a meter's half hours that start
// in [From, To), whole days of UTC, or without a meter for the list of meters.
type Question struct {
	Meter    string
	From, To time.Time
}

// Known is what decides what to ask next.
type Known struct {
	Listed time.Time // the newest good list of meters; zero: none since this process began
	Spoken time.Time // when something was said that may change the list; zero: never
	Meters []Past
}

// Past is what was asked and is known of a meter.
type Past struct {
	ID   string
	End  time.Time           // of the newest half hour that is known; zero: none is
	Days []Day               // those that were asked before, by date
	Told map[int64]time.Time // of a day, by its DayNumber: when it was last said that there is something new

	Fresh     time.Time // when it was last said that there is something new, but not of when
	Refused   int       // how many answers in a row refused this meter alone
	RefusedAt time.Time // … the newest; what is told later is a reason to try again
	Failed    bool      // the newest answer made no sense: others come first
}

// Day is what is known of one day of UTC.
type Day struct {
	Date  time.Time // its midnight
	Known int       // half hours, of 48
	Vain  int       // how often it was asked and stayed as incomplete as it was
	Asked time.Time // the last time
}

// DayNumber counts the days of UTC.
func DayNumber(t time.Time) int64 { return t.Unix() / 86400 }

const (
	day = 24 * time.Hour
	// recent days are asked every day, whatever is known of them: a webhook may
	// get lost, and values are corrected in the first days.
	recent = 3
	// settle is how long a burst of webhooks is waited for, so that it becomes
	// few questions.
	settle = 3 * time.Second
	// slack is how much too early something is asked along with something else.
	slack = 10 * time.Minute
	// wrong is how far in the future something may have been asked; if it was
	// later, the clock was wrong.
	wrong = time.Hour
)

// History is how long ago the first half hours are that a meter is asked for:
// the vendor fetches thirteen months of a new meter. Oldest is a month more,
// for what the vendor itself speaks of.
func History(now time.Time) time.Time { return Midnight(now.AddDate(0, -13, 0)) }

// Oldest is how long ago anything is of interest.
func Oldest(now time.Time) time.Time { return Midnight(now.AddDate(0, -14, 0)) }

// pauses are how long something that is missing is left alone after it was
// asked for in vain so many times.
var pauses = [...]time.Duration{time.Hour, 6 * time.Hour, day, 3 * day, 7 * day}

func pause(vain int) time.Duration { return pauses[min(max(vain, 1), len(pauses))-1] }

// Next decides what to ask, and when; a zero time is never, as far as is known.
// The newest days of all meters come first, and back-fills go backwards. One
// question is for 31 days at most.
func Next(k Known, now time.Time) (Question, time.Time) {
	q, at := Question{}, now
	if !k.Listed.IsZero() && !k.Listed.After(now.Add(wrong)) {
		at = k.Listed.Add(day)
		if k.Spoken.After(k.Listed) && k.Spoken.Before(at) {
			at = k.Spoken
		}
	}
	if !at.After(now) {
		return q, now
	}
	failed := false
	for _, p := range k.Meters {
		next, due := p.next(now)
		first := at.After(now) || failed && !p.Failed || failed == p.Failed && next.To.After(q.To)
		switch {
		case due.IsZero():
		case due.After(now) && due.Before(at), !due.After(now) && first:
			q, at, failed = next, due, p.Failed
		}
	}
	return q, at
}

// next decides what to ask of one meter, and when.
func (p Past) next(now time.Time) (q Question, at time.Time) {
	today, first := Midnight(now), Oldest(now)
	n := int(today.Sub(first)/day) + 1
	due := make([]time.Time, n) // of each day; zero: never
	known := p.days(first, n, now)
	for i, d := range known {
		due[i] = p.due(d, known[n-1-recent].Asked, now)
		at = sooner(at, due[i])
	}
	if at.IsZero() {
		return q, at
	}
	if at.Before(now) {
		at = now
	}
	for i := n - 1; i >= 0; i-- {
		if due[i].IsZero() || due[i].After(at.Add(slack)) {
			continue
		}
		d := first.Add(time.Duration(i) * day)
		if q.Meter == "" {
			q = Question{Meter: p.ID, To: d.Add(day)}
		} else if q.To.Sub(d) > Most {
			break
		}
		q.From = d
	}
	return q, at
}

// days are the n days from first on.
func (p Past) days(first time.Time, n int, now time.Time) []Day {
	list := make([]Day, n)
	for i := range list {
		list[i].Date = first.Add(time.Duration(i) * day)
	}
	for _, d := range p.Days {
		i := int(d.Date.Sub(first) / day)
		if i < 0 || i >= n || d.Date.Before(first) {
			continue
		}
		if d.Asked.After(now.Add(wrong)) {
			d.Asked = time.Time{}
		}
		list[i] = d
	}
	return list
}

// due is when a day is to be asked; zero: never, as far as is known. Polled is
// when the recent days were last asked.
func (p Past) due(d Day, polled, now time.Time) (at time.Time) {
	today := Midnight(now)
	age := int(today.Sub(d.Date) / day)
	told := p.Told[DayNumber(d.Date)]
	if told.After(now.Add(wrong)) { // by a clock that was wrong
		told = time.Time{}
	}
	poll := now
	if !polled.IsZero() {
		poll = polled.Add(day)
		if p.Fresh.After(polled) {
			poll = sooner(poll, p.Fresh.Add(settle))
		}
	}
	late := !d.Date.Before(Midnight(p.End.Add(-1))) // nothing newer is known
	switch {
	case age <= recent:
		at = poll
		if !late && d.Known < 48 && !d.Asked.IsZero() {
			at = sooner(at, d.Asked.Add(pause(d.Vain)))
		}
	case d.Known == 48:
	case d.Asked.IsZero() && !d.Date.Before(History(now)):
		at = now
	case d.Asked.IsZero():
	case late && age <= int(Most/day) && !p.End.IsZero():
		at = d.Asked.Add(day)
	default:
		at = d.Asked.Add(pause(d.Vain))
	}
	if told.After(d.Asked) {
		at = sooner(at, told.Add(settle))
	}
	return p.allowed(at, told)
}

// allowed puts off what is asked of a meter that is refused.
func (p Past) allowed(at, told time.Time) time.Time {
	if at.IsZero() || p.Refused == 0 || told.After(p.RefusedAt) || p.Fresh.After(p.RefusedAt) {
		return at
	}
	if again := p.RefusedAt.Add(pause(p.Refused)); again.After(at) {
		return again
	}
	return at
}

// sooner is the first of two instants, of which zero is never.
func sooner(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
