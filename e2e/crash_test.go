package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	crashes   = 50
	crowd     = 4 // connections that post
	calm      = 5 // in each such round all that was said comes to rest before the power goes again
	longestUp = 500 * time.Millisecond
)

// crash is a life of power cuts. Each round tells one start or end many times over, until the power goes.
type crash struct {
	*rig
	ledger *ledger

	acked  int             // deliveries acknowledged
	read   int64           // the last delivery read from the journal
	rested map[string]bool // moments at rest when the power went: never to be said again
	heard  map[string][]observer.Message
	seen   int // how much of the record is in heard
	again  int // how often one was said again
}

// TestCrash: whatever was acknowledged is in the journal, no moment is lost, and none that was at rest is said again.
func TestCrash(t *testing.T) {
	t.Parallel()
	c := &crash{rig: openRig(t, believing()), rested: map[string]bool{}, heard: map[string][]observer.Message{}}
	c.start(t)
	c.ledger = openLedger(t, c.rig)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	began := time.Now()
	var want []string
	begun := began.Add(-time.Hour).Truncate(time.Second)
	for n := range crashes {
		kind := simulator.Ended
		if n%2 == 0 {
			kind, begun = simulator.Started, begun.Add(time.Second)
		}
		want = append(want, fmt.Sprintf("equiwatt-%d-%s", begun.Unix(), kind))
		c.round(t, kind, begun, sooner(random))
		if n%calm == 0 {
			c.settle(t)
		}
		if t.Failed() {
			t.Fatalf("in round %d of seed %d", n, seed)
		}
	}
	c.settle(t)
	must(t, c.app.Restart(limit(t, soon)))
	c.listen(t)
	for _, id := range want {
		if len(c.heard[id]) == 0 || !c.over(t, id) {
			t.Errorf("%s was said %d times, and is not at rest", id, len(c.heard[id]))
		}
		delete(c.heard, id)
	}
	for id := range c.heard {
		t.Errorf("nobody told of %s", id)
	}
	t.Logf("%d power cuts in %v: %d webhooks acknowledged and found, %d moments said, %d times one again that was in flight",
		crashes, time.Since(began).Round(time.Second), c.acked, len(want), c.again)
}

// sooner is when the power goes: often right at the first webhooks and moments, where most happens.
func sooner(random *rand.Rand) time.Duration {
	f := random.Float64()
	return time.Duration(f * f * f * float64(longestUp))
}

// round tells a start or an end until the power goes after that long, and sees that it comes through.
func (c *crash) round(t *testing.T, kind string, begun time.Time, up time.Duration) {
	t.Helper()
	stop := c.post(t, kind, begun)
	<-time.After(up)
	c.app.Kill()
	acked := stop()
	c.listen(t)
	for id := range c.heard {
		c.rested[id] = c.rested[id] || c.over(t, id)
	}
	c.find(t, acked)
	mark := c.mark(t)
	c.start(t)
	if len(acked) > 0 {
		states := observer.Pick(c.air.Since(mark), observer.On(stateTopic))
		if len(states) == 0 || isOn(parse[equivents](t, states[0])) != (kind == simulator.Started) {
			t.Errorf("%s was acknowledged, and after it: %v", kind, states)
		}
	} else {
		c.rig.post(t, kind, body(begun, "again"))
	}
	id := fmt.Sprintf("equiwatt-%d-%s", begun.Unix(), kind)
	_, err := c.air.Next(limit(t, soon), 0, whole(eventTopic, func(m moment) bool { return m.ID == id }))
	if err != nil {
		t.Errorf("%s is lost: %.200s", id, err)
	}
}

// settle sees that everything said comes to rest while nothing more happens.
func (c *crash) settle(t *testing.T) {
	t.Helper()
	c.listen(t)
	for id := range c.heard {
		until(t, soon, "at rest: "+id, func() bool { return c.over(t, id) })
	}
	c.listen(t) // a second telling may have been on its way to us
	for id := range c.heard {
		c.rested[id] = true
	}
}

// over reports whether a moment must not be said again: it is at rest, or it is a start whose end is. Where the power goes while
// a start is on its way and its end comes first after that, nobody may say that it begins.
func (c *crash) over(t *testing.T, id string) bool {
	t.Helper()
	base, start := strings.CutSuffix(id, "-"+simulator.Started)
	return c.ledger.atRest(t, id) || start && c.ledger.atRest(t, base+"-"+simulator.Ended)
}

func body(begun time.Time, n string) string {
	return fmt.Sprintf(`{"start_time":%d,"n":"%s"}`, begun.Unix(), n)
}

// post tells it from several connections at once. The returned function waits until all of them are broken and returns what was
// acknowledged.
func (c *crash) post(t *testing.T, kind string, begun time.Time) (stop func() []string) {
	var (
		mu    sync.Mutex
		acked []string
		all   sync.WaitGroup
	)
	ctx, cancel := context.WithCancel(limit(t, soon))
	for n := range crowd {
		all.Go(func() {
			client := &http.Client{Transport: &http.Transport{}}
			defer client.CloseIdleConnections()
			for i := 0; ; i++ {
				text := body(begun, fmt.Sprintf("%s %d of %d", kind, i, n))
				q, err := http.NewRequestWithContext(ctx, http.MethodPost, c.app.Hooks+hookPath(kind), strings.NewReader(text))
				if err != nil {
					t.Error(err)
					return
				}
				a, err := client.Do(q)
				if err != nil {
					return
				}
				a.Body.Close()
				if a.StatusCode != http.StatusOK {
					t.Errorf("%s: %s", kind, a.Status)
					return
				}
				mu.Lock()
				acked = append(acked, text)
				mu.Unlock()
			}
		})
	}
	return func() []string {
		// Whoever had not sent anything yet finds nobody there; the others are cut off.
		all.Wait()
		cancel()
		return acked
	}
}

// find fails unless everything acknowledged is in the journal.
func (c *crash) find(t *testing.T, acked []string) {
	t.Helper()
	there := map[string]bool{}
	c.read = c.ledger.deliveries(t, c.read, func(_, _, _, body string) { there[body] = true })
	for _, text := range acked {
		if !there[text] {
			t.Errorf("acknowledged, and not in the journal: %s", text)
		}
	}
	c.acked += len(acked)
}

// listen takes note of the moments said since it was last called.
func (c *crash) listen(t *testing.T) {
	t.Helper()
	mark := c.mark(t)
	for _, m := range observer.Pick(c.air.Since(c.seen)[:mark-c.seen], observer.On(eventTopic)) {
		e := parse[moment](t, m)
		said := c.heard[e.ID]
		switch {
		case c.rested[e.ID]:
			t.Errorf("said again although it was at rest: %s", m.Payload)
		case len(said) > 0: // in flight when the power went
			c.again++
		}
		if len(said) > 0 {
			if first := parse[moment](t, said[0]); first.Type != e.Type || !first.Occurred.Equal(e.Occurred) {
				t.Errorf("two moments with one id: %s and %s", said[0].Payload, m.Payload)
			}
		}
		c.heard[e.ID] = append(said, m)
	}
	c.seen = mark
}
