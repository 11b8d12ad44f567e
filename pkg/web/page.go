package web

import (
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// Page is everything that the page shows, gathered by the caller for one
// request. No text in it may hold a secret, but for the URLs of Hooks.
type Page struct {
	View    state.View     // View.At is the page's now; zero: the time of the request
	Version string         //
	Zone    *time.Location // the household's; nil: UTC

	Broker   string   // empty: connected; else one sentence: what is wrong and what to do
	Problems []string // one sentence each, the most important first
	Steps    []string // what to do first, one sentence each; empty once something is set up

	Sources    []Source         // in the order in which they are shown
	Hooks      []Hook           //
	PublicURL  bool             // false: the hooks' URLs are paths alone
	Deliveries []event.Delivery // newest first; the caller limits their number
	Refused    map[string]int   // what was refused and not kept, counted by "source/verdict"
}

// Healths of a source.
const (
	Fresh   = "fresh"   // heard of as often as expected
	Quiet   = "quiet"   // silent, and that is as expected
	Overdue = "overdue" // silent for longer than expected
	Broken  = "broken"  // refused or failed, and Reason says why
)

// Source is one vendor as the page shows it.
type Source struct {
	Name    string // as in event.Event.Source
	Title   string // for people
	On      bool   //
	Missing string // half configured: one sentence that names what is missing; else empty

	Health string // one of the healths above; empty: not known yet
	Reason string // one sentence, or empty

	LastPoll time.Time // the last good answer; zero: none ever
	LastHook time.Time // zero: none ever
	NextPoll time.Time // zero: is not polled
}

// Hook is an address that a vendor is to post to.
type Hook struct {
	Title string // e.g. "Equiwatt, equivent started"
	URL   string // the public URL and the path, or the path alone
}
