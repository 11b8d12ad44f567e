package app

import (
	"cmp"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// house holds what is true. Events reach it from the journal, one by one and
// in order; only what the journal could not or need not keep comes directly.
type house struct {
	journal *journal.Journal
	clock   *intake.Clock

	rehearsed func(key string, at time.Time) // hears of a rehearsal that was applied; nil: nobody does

	mu    sync.Mutex
	fold  *state.Fold
	past  past
	queue []event.Event // read from the journal, not yet applied
	told  []event.Event // not in the journal
	seq   int64         // of the newest event applied
	saved int64         // the position that is kept
	first int64         // the newest event before this process began
}

// batch is how many events are read from the journal at a time.
const batch = 512

// position is kept when this many events came after the last one kept, so
// that a start has few events to doubt.
const positionEvery = 256

// open folds the journal's past. asked are the sources whose API is asked.
func (h *house) open(rules state.Rules, asked []string) error {
	text, _ := h.journal.Setting("position")
	h.saved, _ = strconv.ParseInt(text, 10, 64)
	h.fold = state.New(rules, h.saved)
	ahead, _ := h.journal.Setting(clockKey)
	h.clock.Resume(ahead)
	for _, source := range asked {
		good, _ := h.journal.Setting(lastGood(source))
		if t, err := time.Parse(time.RFC3339, good); err == nil {
			h.fold.Apply(linkGood(source, t))
			h.clock.NotBefore(t)
		}
	}
	for {
		events, err := h.journal.Events(h.seq, batch)
		if err != nil || len(events) == 0 {
			h.remember()
			return err
		}
		for _, e := range events {
			h.fold.Apply(e)
			h.past.apply(e)
			h.seq = e.Seq
			if e.By == event.API {
				h.clock.NotBefore(e.Seen) // by the vendor's clock
			}
		}
	}
}

// remember tells the fold what became of the moments it cannot know of.
func (h *house) remember() {
	for _, id := range h.fold.Open() {
		switch said, _ := h.journal.Moment(id); said {
		case journal.Sent:
			h.fold.Mark(id, state.Doubtful)
		case journal.AtRest:
			h.fold.Mark(id, state.AtRest)
		}
	}
	h.fold.Loaded()
	for _, e := range h.told { // what sources knew before anybody asks
		h.fold.Apply(e)
	}
	h.told = nil
	h.first = h.seq
}

// subject returns where a device stands in topics: plain, or with a hash
// behind where another owns that. Who owns a name owns it for ever. An empty
// plain is the id made safe.
func (h *house) subject(source, id, plain string) string {
	plain = cmp.Or(plain, homeassistant.Slug(id))
	for _, name := range []string{plain, homeassistant.Hashed(plain, id)} {
		key := "subject." + source + "." + name
		owner, taken := h.journal.Setting(key)
		if !taken {
			h.journal.SetSoon(key, id)
		}
		if !taken || owner == id {
			return name
		}
	}
	return homeassistant.Hashed(plain, id) // two ids with one hash: not in this world
}

// step applies the next event and returns what is true now, and whether there
// are more events. The publisher calls it, and nobody else: between two events
// it says what became true.
func (h *house) step() (state.View, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		h.queue, _ = h.journal.Events(h.seq, batch) // its trouble is in Problem
	}
	switch {
	case len(h.queue) > 0:
		h.apply(h.queue[0])
		h.past.apply(h.queue[0])
		h.seq = h.queue[0].Seq
		h.queue = h.queue[1:]
	case len(h.told) > 0:
		h.apply(h.told[0])
		h.told = h.told[1:]
	}
	h.fold.SetSkew(h.clock.Skew())
	return h.fold.View(h.clock.Now()), len(h.queue) > 0 || len(h.told) > 0
}

func (h *house) apply(e event.Event) {
	h.fold.Apply(e)
	if e.By == event.Rehearsal && h.rehearsed != nil {
		h.rehearsed(e.Key, h.clock.Now())
	}
}

// tell takes an event that the journal does not keep.
func (h *house) tell(events ...event.Event) {
	h.mu.Lock()
	h.told = append(h.told, events...)
	h.mu.Unlock()
}

// view returns what is true now, of the events applied so far.
func (h *house) view() state.View {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.fold.View(h.clock.Now())
}

// lately returns the equivents so far, the newest first, for there are a few a
// month; and what else touches a span of time.
func (h *house) lately(from, to time.Time) ([]state.Equivent, []web.Span) {
	h.mu.Lock()
	defer h.mu.Unlock()
	now := h.clock.Now()
	return h.fold.History(now, 1000), h.past.between(from, to, now)
}

func (h *house) mark(id string, s state.Said, at time.Time) {
	h.mu.Lock()
	h.fold.Mark(id, s)
	seq := h.seq
	h.mu.Unlock()
	switch s {
	case state.Sent:
		h.journal.MarkMoments(journal.Sent, at, seq, id)
	case state.AtRest:
		h.journal.MarkMoments(journal.AtRest, at, seq, id)
	}
}

// settled returns the position up to which nothing is left to say, if it is
// time to keep it.
func (h *house) settled(v state.View, least int64) (position int64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if !v.Settled() || h.seq-h.saved < least {
		return 0, false
	}
	h.saved = h.seq
	return h.seq, true
}

// lastGood is the setting that keeps when a source's API last gave a good answer.
func lastGood(source string) string { return source + ".last_good" }

// linkGood says that a source's API gave a good answer at t.
func linkGood(source string, t time.Time) event.Event {
	e := link(source, t, event.Status{State: "ok"})
	e.Data = encode(map[string]any{"good": t.Format(time.RFC3339)}) // each one is news
	return e
}

func linkBad(source string, t time.Time, err error) event.Event {
	s := event.Status{State: "error", Detail: err.Error()}
	if r := (*event.Refusal)(nil); errors.As(err, &r) && r.Unauthorized {
		s.State = "refused"
	}
	return link(source, t, s)
}

func link(source string, t time.Time, s event.Status) event.Event {
	return event.Event{Source: source, Subject: event.Link, Key: event.Link, By: event.Self, At: t, Seen: t, Status: &s}
}

func encode(v any) []byte {
	b, _ := json.Marshal(v) // only what cannot fail comes here
	return b
}
