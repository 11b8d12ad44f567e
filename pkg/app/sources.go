package app

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// source is one vendor: whether the household has set it up, how its webhooks
// are received, how its API is asked, and what it can be told.
type source struct {
	name, title string
	on          bool
	missing     string        // which variable a half configured source lacks, one sentence
	warning     string        // what is wrong with it while it is on, one sentence
	warns       func() string // … or one that comes and goes; nil: none does
	hooks       intake.Source
	poll        *polled
	command     func(ctx context.Context, a *App, s source, subject, command, payload string)
	registrar   *registrar   // nil: the vendor lets nobody manage webhooks but by hand
	byHand      string       // how that is done, one sentence
	template    string       // a body to paste where the vendor lets one be written; empty: nowhere
	open        func(a *App) // called before anything of it is; nil: nothing is to be done
	// stage chooses the device on which a rehearsal is played; nil: the source
	// itself. A nil func: there is nothing to rehearse.
	stage func(v state.Source) *state.Device
	// signature says how far a signature is known, as a web.Step does; nil: as
	// far as Verify takes what comes, and without Verify there is none.
	signature func(a *App) (state, reason, remedy string)
}

// polled is a vendor whose API is asked.
type polled struct {
	interval time.Duration
	slowest  time.Duration // longest rest after bad answers; zero: a minute
	asap     bool          // a webhook is a reason to ask
	// told takes what a webhook said, stored or not, before the API is asked;
	// nil: the state tells enough of it.
	told  func(a *App, events []event.Event)
	limit intake.Limit
	// next is when there is something to ask, which last is the newest call;
	// zero: nothing is known to ask. Nil: every interval.
	next func(a *App, last time.Time) time.Time
	// ask makes the calls of one question, each after wait.
	ask func(ctx context.Context, a *App, wait func(context.Context) error) (event.Answer, error)
	// reread decodes anew an answer that was kept. Nil: that cannot be done.
	reread func(d event.Delivery) []event.Event

	once   sync.Once     // makes turn
	turn   chan struct{} // held by who calls the API
	poller *intake.Poller
	urgent atomic.Bool // a webhook waits for the API to agree
	asks   any         // what the plan was last made of; the publisher's loop owns it

	mu      sync.Mutex    // guards what follows
	bad     string        // why the newest answer was bad; empty: it was good
	since   time.Time     // … since when answers are bad
	refusal event.Refusal // the newest bad answer of the vendor or the network
	said    bool          // an answer came in this run
	beat    time.Time     // when the last good answer was kept
}

// sources is the table of vendors, one row each.
func (c Config) sources() []source {
	return []source{
		c.equiwatt(),
		c.ecomon(),
		c.openvolt(),
		c.powerresponse(),
		c.capacitor(),
	}
}

// rules are what the state has to know of the household's choices.
func (c Config) rules(since time.Time) state.Rules {
	return state.Rules{
		Zone: c.zone, Since: since,
		Equiwatt: c.equiwattRules(), Ecomon: c.ecomon().on, Openvolt: c.openvoltRules(),
		PowerResponse: c.responseRules(),
		Capacitor:     c.capacitorRules(),
	}
}
