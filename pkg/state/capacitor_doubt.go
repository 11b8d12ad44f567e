package state

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// CapacitorAsks is what decides what Capacitor's API is asked next. It is
// comparable, and another pointer where it differs.
type CapacitorAsks struct {
	Quota    CapacitorQuota
	Listed   time.Time // when all chargers were last asked for; zero: not since this process began, or the way to the API broke
	Hooked   bool      // a webhook ever came
	Chargers int       // how many are known

	// Kind and ID name what is most wanted to be known, in the words of
	// pkg/vendors/capacitor, and Since from when on; zero: nothing. Routine:
	// nothing is wrong with it, it was only long ago.
	Kind, ID string
	Since    time.Time
	Routine  bool
}

// CapacitorQuota is what is left of the day's calls; zero: not told.
type CapacitorQuota struct {
	Limit     int       `json:"limit"`
	Remaining int       `json:"remaining"`
	Reset     time.Time `json:"reset"`
}

const (
	// settle is how long a lost webhook may be on its way.
	settle = time.Minute
	// quiet is how long a charge may be silent, of which updates come.
	quiet = 30 * time.Minute
	// hookedFor is how long what webhooks told of a charger is good.
	hookedFor = 6 * time.Hour
	// retry is when a question is asked again that settled nothing; each time
	// it is twice as long, at most mostRetry.
	retry     = 5 * time.Minute
	mostRetry = 6 * time.Hour
	// enough is how often the numbers of a charge are asked for in vain.
	enough = 3
)

func after(asked time.Time, tries int) time.Time {
	if tries == 0 {
		return time.Time{}
	}
	return asked.Add(min(retry<<min(tries-1, 10), mostRetry))
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// doubt decides when a charger is worth a question, and which one.
func (q *chargers) doubt(b *box) {
	if !q.rules.Asks {
		return
	}
	at, kind, routine := q.doubtAt(b)
	if b.asks != kind {
		b.asks, b.tries = kind, 0
	}
	b.routine = routine
	if !at.IsZero() {
		at = latest(at, after(b.asked, b.tries))
	}
	q.doubts.set(&b.doubt, at)
}

func (q *chargers) doubtAt(b *box) (at time.Time, kind string, routine bool) {
	online := b.state.Online != nil && *b.state.Online
	fresh := latest(b.status, b.readAt)
	switch {
	case b.unclear != "":
		return b.vague, b.unclear, false
	case len(b.sockets) == 0 && b.readAt.IsZero():
		return latest(b.known, b.since), "charger", false
	case !online:
		return time.Time{}, "", false
	}
	for _, n := range b.sockets {
		if (n.status == "Charging" || n.status == "SuspendedEV" || n.status == "SuspendedEVSE") && (n.charge == nil || n.charge.over && n.charge.end.Before(n.at)) {
			return n.at.Add(settle), "transactions", false
		}
	}
	if fresh.Before(b.since) {
		return b.since.Add(2 * settle), "charger", false
	}
	if b.readAt.Before(q.blind) {
		return q.blind, "charger", false
	}
	if q.hooked {
		return fresh.Add(hookedFor), "charger", true
	}
	return fresh.Add(silent), "charger", true
}

// wonder decides when a charge is worth a question.
func (q *chargers) wonder(x *charge) {
	if x == nil || !q.rules.Asks {
		return
	}
	q.doubts.set(&x.doubt, q.wonderAt(x))
}

func (q *chargers) wonderAt(x *charge) time.Time {
	again := after(x.asked, x.tries)
	switch {
	case x.lost:
		return time.Time{}
	case x.over && (x.measured() || x.tries >= enough):
		return time.Time{}
	case x.over:
		return latest(x.news.Add(settle), again)
	}
	x.hint = x.ended
	if n := x.socket; n != nil {
		ended := n.status != "" && !slices.Contains([]string{"Charging", "SuspendedEV", "SuspendedEVSE"}, n.status)
		switch {
		case n.charge != nil && n.charge != x:
			x.hint = n.charge.began()
		case ended && n.at.After(x.began()):
			x.hint = n.at
		}
	}
	if x.box.booted.After(x.began()) {
		x.hint = latest(x.hint, x.box.booted.Add(settle))
	}
	switch {
	case !x.hint.IsZero():
		return latest(x.hint.Add(settle), again)
	case latest(x.news, x.asked).Before(q.blind):
		return latest(q.blind, again)
	case q.hooked && (x.best == nil || x.start.IsZero() || x.socket == nil): // its start was lost, or says too little
		return latest(x.heard.Add(settle), x.asked.Add(quiet))
	case q.hooked:
		return latest(x.news.Add(quiet), again)
	}
	return latest(latest(x.news, x.asked).Add(silent), again)
}

// noted takes what the app notes of a question: what is left of the quota, and
// that it was asked.
func (q *chargers) noted(e event.Event) {
	var n struct {
		CapacitorQuota
		Kind    string   `json:"kind"`
		ID      string   `json:"id"`
		Failed  bool     `json:"failed"`
		IDs     []string `json:"ids"`
		Problem string   `json:"problem"`
	}
	if json.Unmarshal(e.Data, &n) != nil {
		return
	}
	switch e.Notice.Code {
	case "quota":
		q.quota = n.CapacitorQuota
		q.own.Quota, q.own.Limit, q.own.Reset = &n.Remaining, &n.Limit, n.Reset
		q.touch(&account{q})
	case "command":
		q.own.Problem = n.Problem
		q.touch(&account{q})
		q.commanded(n.Kind, n.ID, e.Seen)
	case "asked":
		q.wasAsked(n.Kind, n.ID, n.Failed, n.IDs, e.Seen)
	}
}

// commanded notes a command that a charger has accepted: webhooks will tell
// what came of it, or else the API is asked.
func (q *chargers) commanded(kind, id string, at time.Time) {
	switch kind {
	case "start":
		b := q.box(id)
		b.unclear, b.vague = "transactions", at.Add(settle/2)
		q.doubt(b)
	case "stop":
		q.numbered(id, func(x *charge) { x.ended, x.tries = at, 0 })
	}
}

func (q *chargers) wasAsked(kind, id string, failed bool, ids []string, at time.Time) {
	switch kind {
	case "chargers":
		if failed {
			return
		}
		if q.listed.IsZero() {
			q.missed(at)
		}
		q.listed = at
		there := make(map[string]bool, len(ids))
		for _, id := range ids {
			there[id] = true
		}
		for id, b := range q.boxes {
			if !there[id] && (b.state.Online != nil || b.shown) && !b.known.IsZero() {
				q.unknown(b)
				q.doubt(b)
			}
		}
	case "charger", "transactions":
		if b := q.boxes[id]; b != nil {
			b.asked, b.unclear = at, ""
			b.tries++
			if kind == "charger" && !failed {
				b.readAt, b.tries = at, 0
			}
			q.doubt(b)
		}
	case "transaction":
		q.numbered(id, func(x *charge) { x.asked, x.tries = at, x.tries+1 })
	}
}

// missed: until now nobody listened, or not all the time.
func (q *chargers) missed(now time.Time) {
	q.blind = now
	for _, b := range q.boxes {
		q.doubt(b)
	}
	for _, x := range q.charges {
		q.wonder(x)
	}
}

// numbered notes something of every charge of a number.
func (q *chargers) numbered(id string, note func(*charge)) {
	for _, x := range q.charges {
		if x.id == id {
			note(x)
			q.wonder(x)
		}
	}
}

// asked is what decides what to ask, the same pointer while it is the same.
func (q *chargers) asked() any {
	if !q.rules.Asks {
		return nil
	}
	a := CapacitorAsks{Quota: q.quota, Listed: q.listed, Hooked: q.hooked, Chargers: len(q.boxes)}
	if t := q.doubts.first(); t != nil {
		a.Since = t.at
		switch of := t.of.(type) {
		case *box:
			a.Kind, a.ID, a.Routine = of.asks, of.id, of.routine
		case *charge:
			a.Kind, a.ID, a.Routine = "transaction", of.id, !of.over && of.hint.IsZero() && !q.hooked
		}
	}
	if a != *q.asks {
		q.asks = &a
	}
	return q.asks
}
