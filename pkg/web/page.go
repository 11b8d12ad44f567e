package web

import (
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// Page is what the first page shows, gathered by the caller for one request.
// No text in it may hold a secret, but for the URLs of Hooks.
type Page struct {
	View    state.View     // View.At is the page's now; zero: the time of the request
	Version string         //
	Zone    *time.Location // the household's; nil: UTC

	Broker   string   // empty: connected; else one sentence: what is wrong and what to do
	Away     bool     // the household took us off the broker; the command "return" ends that
	Problems []string // one sentence each, the most important first
	Steps    []string // what to do first, one sentence each; empty once something is set up

	Sources    []Source         // in the order in which they are shown
	Hooks      []Hook           //
	PublicURL  bool             // false: the hooks' URLs are paths alone
	Rotation   *Rotation        // nil: the hook token was not changed lately
	Rehearsal  *Rehearsal       // nil: none runs, nor ran lately
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
	Still   bool   // it measures all the time: nothing of it ever begins or ends

	Health string    // one of the healths above; empty: not known yet
	Reason string    // one sentence, or empty
	Since  time.Time // since when it is so; zero: not known

	LastPoll time.Time // the last good answer; zero: none ever
	LastHook time.Time // zero: none ever
	NextPoll time.Time // zero: is not polled

	Actions []Action // its buttons
}

// Action is a button: what Server.Command is told when it is pressed.
type Action struct {
	Label   string // e.g. "Ask now"
	Tip     string // what it does, one sentence
	Name    string // e.g. "refresh"
	Payload string //
	Takes   string // what may be written instead of Payload, e.g. "limit=…"; empty: nothing
	Danger  bool   // it takes something away, so it is asked about first
	Hook    bool   // it is about the vendor's webhook, so it is folded away with the others
}

// Hook is an address that a vendor is to post to.
type Hook struct {
	Title    string // e.g. "Equiwatt, equivent started"
	URL      string // the public URL and the path, or the path alone
	Hint     string // where it goes, one sentence or empty
	Template string // a body to paste where the vendor lets one be written; empty: there is none
}

// Kinds of a Span.
const (
	Window  = "window"  // the household was asked to shift its use
	Session = "session" // something charged, or was used
	Alert   = "alert"   // a limit was in danger
)

// Span is something that lasted, as the timeline shows it.
type Span struct {
	Source string // as in Source.Name
	Title  string // e.g. "Equivent", a charger's name
	Kind   string // one of the kinds above

	Start   time.Time
	End     time.Time // zero: not known
	Running bool      // it is not over: End is a plan
	Heard   time.Time // when we first heard of it; zero: not known
	Teller  string    // how we know, one sentence
	Tip     string    // what else there is to say, one sentence or empty
}

// Command is what a button asks for.
type Command struct {
	Source  string // empty: none in particular
	Name    string // "refresh", "rehearse", "check", "rotate", or that of an Action
	Payload string
}
