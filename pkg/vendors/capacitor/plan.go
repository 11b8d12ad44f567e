package capacitor

import "time"

// Question is one thing that the API can be asked.
type Question struct {
	Kind string `json:"kind"`
	ID   string `json:"id,omitempty"` // of the charger or the transaction
}

// Kinds of questions.
const (
	AskChargers     = "chargers"     // which chargers there are, and which are connected
	AskCharger      = "charger"      // how one charger and its connectors are
	AskTransaction  = "transaction"  // what became of one transaction
	AskTransactions = "transactions" // which transaction runs at a charger
)

// Known is what decides what to ask next.
type Known struct {
	Quota    Quota     // zero: not told yet
	Listed   time.Time // when the chargers were last asked for; zero: not since this process began, or the way to the API broke
	Hooked   bool      // webhooks were ever received
	Chargers int       // how many are known
	Failed   bool      // the newest call was answered badly

	Doubt Doubt
}

// Doubt is what is most wanted to be known, if anything.
type Doubt struct {
	Question Question
	Since    time.Time // from when on it is worth a call; zero: there is no doubt
	Routine  bool      // nothing is wrong, it is only long ago
}

const (
	// reserve is how many of the day's calls are kept for the household's
	// commands.
	reserve = 10
	// small is the largest quota of the free tier: the vendor's pages say 50,
	// and 100 in one place.
	small = 100
	// rare and often are the shortest times between two calls of the slow timer.
	rare  = 30 * time.Minute
	often = 2 * time.Minute
	// hasty is the shortest time between two calls that settle doubts.
	hasty = 2 * time.Second
)

// Next decides what to ask, and when: the newest call was at last. A zero time
// is never, as far as is known now.
//
// What is left of the day's quota is spread over the rest of the day. A doubt is
// asked about at once while there is more left than the day's rest needs, and
// else four times as often, which slows down as the quota dwindles and never
// uses it up.
func Next(k Known, last, now time.Time) (Question, time.Time) {
	left, until := k.Quota.left(now)
	calls := min(max(1, (k.Chargers+page-1)/page), pages) // that the list takes
	if left < reserve+calls {
		if k.Quota.Reset.After(now) {
			return Question{Kind: AskChargers}, k.Quota.Reset
		}
		return Question{}, time.Time{}
	}
	share := until.Sub(now) / time.Duration(left-reserve)
	pace := max(share, often)
	if k.Quota.Limit <= small {
		pace = max(share, rare)
	}
	list, every := k.Listed, max(pace, share*time.Duration(calls))
	if !k.Hooked && k.Chargers > 0 { // the list says nothing of connectors, so the chargers themselves are asked
		every = max(pace*time.Duration(k.Chargers+1), 3*time.Hour)
	}
	q, at := Question{Kind: AskChargers}, now
	if !list.IsZero() {
		at = later(list.Add(every), last.Add(hasty))
	}
	if d := k.Doubt; !d.Since.IsZero() && !list.IsZero() {
		gap := max(share/4, hasty)
		switch {
		case d.Routine:
			gap = pace
		case k.Quota.ahead(left, until.Sub(now)):
			gap = hasty
		}
		if soon := later(d.Since, last.Add(gap)); !soon.After(at) {
			q, at = d.Question, soon
		}
	}
	if k.Failed { // it costs a call each time
		at = later(at, last.Add(pace))
	}
	return q, at
}

// left is how many calls there are until when. Before the vendor told, and
// where he does not, the free tier is assumed.
func (q Quota) left(now time.Time) (calls int, until time.Time) {
	switch {
	case q.Limit == 0:
		return 50, now.Add(24 * time.Hour)
	case now.Before(q.Reset):
		return q.Remaining, q.Reset
	}
	return q.Limit, now.Add(24 * time.Hour)
}

// ahead reports whether more is left than the rest of the day needs, or a tenth
// of the day's calls less.
func (q Quota) ahead(left int, rest time.Duration) bool {
	limit := max(q.Limit, left)
	needed := float64(limit-reserve) * rest.Hours() / 24
	return float64(left-reserve) >= needed-float64(limit)/10
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
