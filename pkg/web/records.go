package web

import (
	"context"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Records is what can be looked up of the past, and done with it. A function
// that is nil: there is nothing of the kind. Errors are one sentence for people.
type Records struct {
	// List returns 50 deliveries at most, newest first, their bodies cut.
	List func(ctx context.Context, f Filter) (List, error)
	// Counts tells how many deliveries are kept, by source and verdict.
	Counts func(ctx context.Context) ([]Count, error)
	// Open returns one delivery and all that came of it.
	Open func(ctx context.Context, id int64) (Opened, error)
	// Sample is a delivery as text that may be shown to strangers: its shape is
	// kept, what may be personal or secret in it is not.
	Sample func(ctx context.Context, id int64) (string, error)
	// Replay decodes deliveries anew.
	Replay func(ctx context.Context, r Replay) (Replayed, error)

	// Lines returns the newest lines of the log, newest first: those of a level
	// ("trace" to "error") or worse.
	Lines func(level string) []Line
	// Bundle makes the zip file for those who help.
	Bundle func(ctx context.Context) ([]byte, error)
}

// Filter selects deliveries; what is empty or zero selects all.
type Filter struct {
	Source, Verdict string
	Via             string    // one of event.ViaHTTP …
	Since, Until    time.Time // half open, by when they were received
	Text            string    // in the body, the kind or the source, in large or small letters

	Before int64 // only older ones than this id
	After  int64 // the next newer ones than this id
}

// List is one page of deliveries.
type List struct {
	Deliveries   []event.Delivery
	Newer, Older bool // there are more before the first, behind the last
}

// Count is how many deliveries of a source had a verdict.
type Count struct {
	Source, Verdict string
	N               int
}

// Opened is a delivery and what came of it. In its body and its query what is
// personal by the name of its field cannot be read.
type Opened struct {
	event.Delivery
	Events []event.Event
	// Said is what was said while an event was the newest, by its Seq.
	Said map[int64][]event.Telling
	// Replayable: its source can decode it anew.
	Replayable bool
}

// Replay asks for deliveries to be decoded anew: those named, or all since.
type Replay struct {
	IDs   []int64
	Since time.Time
	// Fire: as if they came now. Else they change what is known, and nothing is
	// said because of them.
	Fire bool
}

// Replayed is what became of it.
type Replayed struct {
	Decoded int // deliveries
	Left    int // deliveries of sources that are off, or that cannot be decoded anew
	News    int // events that say something new
	Same    int // events that say what is known, or of which a later delivery said more
}

// Line is one line of the log.
type Line struct {
	At     time.Time
	Level  string // "trace" to "error"
	Source string
	Text   string
}
