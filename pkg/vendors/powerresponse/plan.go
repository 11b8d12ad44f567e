package powerresponse

import (
	"time"
)

const (
	// ahead is how long before its start an event is read once more, so that
	// one that was moved or cancelled is known in time.
	ahead = 2 * time.Minute
	// hourly is how often what is not over is read again, and how long the key
	// goes without being tried.
	hourly = time.Hour
	// soonest and slowest bound the pause after a call that failed, which
	// doubles.
	soonest = time.Minute
	slowest = 10 * time.Minute
	// Watched is how long an event is read again of which no end is known, and
	// how long after its end one that was not read since.
	Watched = 24 * time.Hour
)

// Known is what decides when an event is read. That of the empty UUID stands
// for Check, which tries the key.
type Known struct {
	UUID  string
	Start time.Time // as last told; zero: not said
	End   time.Time // as last told; zero: not said
	Void  bool      // it was cancelled, or is gone
	Told  time.Time // a webhook named it last
	Read  time.Time // the API answered last; zero: not since we run

	Tried  time.Time // it gave no good answer last; zero: it did
	Failed int       // how often in a row
}

// Next returns the one to ask for next, and when; ok is false where nothing is
// left to ask. Of several that are due it is the one that waits longest, and
// Check goes first where nothing was ever answered: a wrong address must not
// make events look gone.
func Next(all []Known, now time.Time) (next Known, at time.Time, ok bool) {
	for _, k := range all {
		due := k.due(now)
		if k.UUID == "" && k.Read.IsZero() {
			return k, due, true
		}
		if !due.IsZero() && (!ok || due.Before(at)) {
			next, at, ok = k, due, true
		}
	}
	return next, at, ok
}

// due is when k is asked for; zero: never again.
func (k Known) due(now time.Time) time.Time {
	at := k.wanted(now)
	if at.IsZero() || k.Tried.IsZero() || k.Told.After(k.Tried) {
		return at
	}
	pause := min(soonest<<min(max(k.Failed-1, 0), 10), slowest)
	if retry := k.Tried.Add(pause); retry.After(at) {
		return retry
	}
	return at
}

// wanted is due as if nothing had failed.
func (k Known) wanted(now time.Time) time.Time {
	switch {
	case k.UUID == "" && k.Read.IsZero():
		return now
	case k.UUID == "":
		return k.Read.Add(hourly)
	case k.Read.IsZero():
		if now.After(k.over().Add(Watched)) {
			return time.Time{}
		}
		return now
	case k.Told.After(k.Read):
		return k.Told
	case !k.Read.Before(k.over()):
		return time.Time{}
	}
	at := k.Read.Add(k.pause())
	for _, mark := range []time.Time{k.Start.Add(-ahead), k.Start, k.over()} {
		if !k.Void && !mark.IsZero() && mark.After(k.Read) && mark.Before(at) {
			at = mark
		}
	}
	return at
}

// over is from when on nothing is expected of it.
func (k Known) over() time.Time {
	if !k.End.IsZero() {
		return k.End
	}
	from := k.Told
	if k.Start.After(from) {
		from = k.Start
	}
	return from.Add(Watched)
}

// pause is how long an answer is good for: an hour, or where it told no times,
// as for an event that its webhook was too early for, as long as that was known.
func (k Known) pause() time.Duration {
	if !k.Void && !k.Start.IsZero() {
		return hourly
	}
	return min(max(k.Read.Sub(k.Told), soonest), hourly)
}
