package journal

import (
	"sort"
	"sync"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Bounds of the tail: whoever follows the journal is seldom a thousand events
// behind, and memory is short.
const (
	tailEvents = 1024
	tailBytes  = 512 << 10
)

// tail holds the newest events, so that following the journal does not touch
// the disk.
type tail struct {
	mu     sync.RWMutex
	events []event.Event
	bytes  int
	after  int64 // every event above this is in the tail
}

// start empties the tail: what comes from now on is above after.
func (t *tail) start(after int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events, t.bytes, t.after = nil, 0, after
}

func (t *tail) add(events []event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.events = append(t.events, events...)
	for _, e := range events {
		t.bytes += weight(e)
	}
	drop := 0
	for ; len(t.events)-drop > tailEvents || t.bytes > tailBytes; drop++ {
		t.after = t.events[drop].Seq
		t.bytes -= weight(t.events[drop])
	}
	clear(t.events[:drop])
	t.events = t.events[drop:]
}

// since returns what came after a position, and whether the tail reaches back
// that far.
func (t *tail) since(after int64, limit int) ([]event.Event, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if after < t.after {
		return nil, false
	}
	i := sort.Search(len(t.events), func(i int) bool { return t.events[i].Seq > after })
	n := min(limit, len(t.events)-i)
	return append([]event.Event(nil), t.events[i:i+n]...), true
}

// weight is about what an event takes in memory.
func weight(e event.Event) int {
	const fixed = 320 // the struct, its shape and the headers of its strings
	return fixed + len(e.Subject) + len(e.Key) + len(e.Data)
}
