package equiwatt

import (
	"slices"
	"strconv"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Source is the name of this vendor in events, topics and paths.
const Source = "equiwatt"

// ahead is how far in the future a start may be and still be the newest: an
// absurd one must not hide the equivent that runs.
const ahead = 7 * 24 * time.Hour

// Events tells what a successful answer says: one event for each entry, and
// one for each window of known that it no longer shows. Known are the windows
// that the API showed as running when it last answered. They come ordered by
// start, and each start once.
func Events(r *Reply, known []event.Event, seen time.Time) []event.Event {
	windows := map[int64]event.Window{}
	newest := int64(0)
	now := r.Date
	if now.IsZero() {
		now = seen
	}
	for _, e := range r.Previous {
		at := e.Start.Unix()
		if e.Start.Before(now.Add(ahead)) {
			newest = max(newest, at)
		}
		if w, twice := windows[at]; !twice || w.End.IsZero() && !e.End.IsZero() {
			windows[at] = event.Window{Start: e.Start, End: e.End}
		}
	}
	if c := r.Current; c != nil {
		w := event.Window{Start: c.Start, End: c.End, Running: true}
		if w.End.IsZero() {
			w.End = windows[c.Start.Unix()].End
		}
		windows[c.Start.Unix()] = w
	} else if w, ok := windows[newest]; ok && w.End.IsZero() && open(r.Previous, newest) {
		w.Running = true
		windows[newest] = w
	}
	events := make([]event.Event, 0, len(windows)+len(known))
	for at, w := range windows {
		events = append(events, entryEvent(at, w, seen))
	}
	for _, k := range known {
		if k.Window == nil {
			continue
		}
		at := k.Window.Start.Unix()
		if _, shown := windows[at]; !shown {
			windows[at] = event.Window{}
			events = append(events, entryEvent(at, event.Window{Start: time.Unix(at, 0).UTC()}, seen))
		}
	}
	slices.SortFunc(events, func(a, b event.Event) int { return a.At.Compare(b.At) })
	return events
}

// open reports whether no entry of that start was given an end, not even one
// that is not a time.
func open(list []Entry, start int64) bool {
	return !slices.ContainsFunc(list, func(e Entry) bool { return e.Start.Unix() == start && e.NoTime })
}

func entryEvent(at int64, w event.Window, seen time.Time) event.Event {
	return event.Event{
		Source: Source, Key: "api/" + strconv.FormatInt(at, 10), By: event.API,
		At: w.Start, Seen: seen, Window: &w,
	}
}
