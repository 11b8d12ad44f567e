package homeassistant

import (
	"math/rand/v2"
	"time"
)

const (
	// firstBirth is how long moments wait after a connect: Home Assistant finds
	// a lost broker after 10 s and speaks its birth 5 s later.
	firstBirth = 30 * time.Second
	// away is how long they wait for a Home Assistant that said goodbye.
	away = time.Hour
	// repeatAfter is when documents are said once more, because two of them back
	// to back can lose entities while Home Assistant loads a platform.
	repeatAfter = 5 * time.Second
)

// gate holds moments back while Home Assistant does not listen: what is sent
// then is lost for it. Zero instants are never.
type gate struct {
	wait     bool // MOMENTS_WAIT
	known    bool // a birth was ever heard
	shutTill time.Time
	gone     bool      // it said goodbye, and was not heard of since
	missing  bool      // … for longer than moments wait
	answerAt time.Time // when the birth is answered
	repeatAt time.Time
}

func (g *gate) connected(now time.Time) {
	g.answerAt, g.repeatAt = time.Time{}, now.Add(repeatAfter)
	if till := now.Add(firstBirth); g.wait && g.known && g.shutTill.Before(till) {
		g.shutTill = till
	}
}

// birth is Home Assistant saying that it is there. Many programs answer it, so
// each waits a little while of its own.
func (g *gate) birth(now time.Time) {
	g.gone, g.missing = false, false
	if g.answerAt.IsZero() {
		g.answerAt = soonest(now.Add(time.Second+rand.N(2*time.Second)), g.shutTill)
	}
	g.known = true
}

func (g *gate) goodbye(now time.Time) {
	g.gone, g.missing, g.answerAt = true, false, time.Time{}
	if g.wait {
		g.shutTill = now.Add(away)
	}
}

// life is a sign that somebody listens although no birth was heard.
func (g *gate) life() {
	if g.gone {
		g.gone, g.missing, g.shutTill = false, false, time.Time{}
	}
}

// answered ends the wait.
func (g *gate) answered(now time.Time) {
	g.answerAt, g.shutTill = time.Time{}, time.Time{}
	g.repeatAt = now.Add(repeatAfter)
}

// open reports whether moments may go out.
func (g *gate) open(now time.Time) bool {
	if !g.shutTill.IsZero() && !now.Before(g.shutTill) {
		g.shutTill, g.missing = time.Time{}, g.gone
	}
	return g.shutTill.IsZero() && (!g.wait || g.answerAt.IsZero())
}

// next is when the gate has something to do.
func (g *gate) next() time.Time {
	return soonest(g.shutTill, g.answerAt, g.repeatAt)
}

// soonest returns the first of some instants, of which zero is never.
func soonest(ts ...time.Time) (at time.Time) {
	for _, t := range ts {
		if at.IsZero() || !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	return at
}
