package journal

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

const day = 24 * time.Hour

// clock is a wall clock that a test moves.
type clock struct{ now atomic.Pointer[time.Time] }

func (c *clock) set(t time.Time) { c.now.Store(&t) }
func (c *clock) read() time.Time { return *c.now.Load() }

// at stores a delivery with one event at a time of the clock.
func at(t *testing.T, j *Journal, when time.Time, e event.Event) {
	t.Helper()
	d := delivery("x")
	d.Received, e.At, e.Seen = when, when, when
	mustAppend(t, j, d, e)
	j.MarkMoments(AtRest, when, 0, "moment "+e.Key)
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func status(key, state string) event.Event {
	return event.Event{Source: "capacitor", Key: key, By: event.API, Status: &event.Status{State: state}}
}

func sweepNow(t *testing.T, j *Journal) {
	t.Helper()
	if err := j.submit(t.Context(), &request{sweep: true, done: make(chan error, 1)}); err != nil {
		t.Fatal(err)
	}
}

// left is what a journal still holds: deliveries by id, events by key and
// state, moments.
func left(t *testing.T, j *Journal) (deliveries []int64, events []string, moments int64) {
	t.Helper()
	_ = j.Close()
	j = openWith(t, j.dir, Options{})
	list, err := j.Deliveries(t.Context(), Query{Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range list {
		deliveries = append(deliveries, d.ID)
	}
	for _, e := range allEvents(t, j) {
		name := e.Key
		if e.Status != nil {
			name += "=" + e.Status.State
		}
		events = append(events, name)
	}
	err = j.read(t.Context(), func(r *reader) (err error) {
		moments, err = r.db.number("SELECT count(*) FROM moments")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return deliveries, events, moments
}

func TestRetention(t *testing.T) {
	now := &clock{}
	now.set(noon)
	j := openWith(t, t.TempDir(), Options{Now: now.read, Retention: 100 * day})
	for _, s := range []struct {
		age time.Duration
		e   event.Event
	}{
		{300 * day, window("a", noon)},
		{299 * day, status("charger", "Available")},
		{298 * day, status("charger", "Charging")}, // still so: stays
		{297 * day, status("gone", "Available")},
		{101 * day, window("b", noon)},
		{99 * day, window("c", noon)},
		{98 * day, status("gone", "Faulted")},
		{97 * day, window("late", noon)},
		{0, window("d", noon)},
	} {
		at(t, j, noon.Add(-s.age), s.e)
	}
	sweepNow(t, j)
	deliveries, events, moments := left(t, j)
	if !cmp.Equal(deliveries, []int64{9, 8, 7, 6}) {
		t.Error("deliveries", deliveries)
	}
	if !cmp.Equal(events, []string{"charger=Charging", "c", "gone=Faulted", "late", "d"}) {
		t.Error("events", events)
	}
	if moments != 3 { // of c, late and d; those of the charger and of gone were first said long ago
		t.Error("moments", moments)
	}
}

// However short the retention, the state has its 40 days.
func TestRetentionKeepsFortyDaysOfEvents(t *testing.T) {
	j := openWith(t, t.TempDir(), Options{Retention: day})
	for i, age := range []time.Duration{50 * day, 39 * day, 2 * day, 0} {
		at(t, j, noon.Add(-age), window(fmt.Sprint(i), noon))
	}
	sweepNow(t, j)
	deliveries, events, moments := left(t, j)
	if !cmp.Equal(deliveries, []int64{4}) || !cmp.Equal(events, []string{"1", "2", "3"}) || moments != 3 {
		t.Error(deliveries, events, moments)
	}
}

// A clock that looks wrong deletes nothing, and a row that was written while it
// was wrong goes with its neighbours.
func TestRetentionAndWrongClocks(t *testing.T) {
	old := []time.Duration{300 * day, 200 * day, 0}
	for name, c := range map[string]struct {
		now    time.Time
		events []string
	}{
		"right":                 {noon, []string{"2"}},
		"before the newest":     {noon.Add(-time.Hour), []string{"0", "1", "2"}},
		"long after the newest": {noon.Add(101 * day), []string{"0", "1", "2"}},
		"not as long":           {noon.Add(99 * day), []string{"2"}},
		"1970":                  {time.Unix(0, 0), []string{"0", "1", "2"}},
	} {
		now := &clock{}
		now.set(c.now)
		j := openWith(t, t.TempDir(), Options{Now: now.read, Retention: 100 * day})
		for i, age := range old {
			at(t, j, noon.Add(-age), window(fmt.Sprint(i), noon))
		}
		sweepNow(t, j)
		if _, events, _ := left(t, j); !cmp.Equal(events, c.events) {
			t.Errorf("%s: %v", name, events)
		}
	}

	j := openWith(t, t.TempDir(), Options{Retention: 100 * day})
	for i, when := range []time.Time{
		noon.Add(-200 * day), noon.Add(50 * 365 * day), noon.Add(-150 * day), // the second one from a clock in the future
		noon.Add(-time.Hour), time.Unix(1, 0), time.Unix(2, 0), // the last two from one in the past
		noon,
	} {
		at(t, j, when, window(fmt.Sprint(i), noon))
	}
	sweepNow(t, j)
	deliveries, events, moments := left(t, j)
	if !cmp.Equal(deliveries, []int64{7, 6, 5, 4, 2}) || !cmp.Equal(events, []string{"1", "3", "4", "5", "6"}) || moments != 4 {
		t.Error(deliveries, events, moments)
	}
}

func TestRetentionInBatchesBetweenHooks(t *testing.T) {
	j := openWith(t, t.TempDir(), Options{Retention: 100 * day})
	var events []event.Event
	for i := range 5*sweepBatch + 7 {
		e := window(fmt.Sprint(i), noon)
		e.Seen = noon.Add(-200 * day)
		events = append(events, e)
	}
	mustAppend(t, j, event.Delivery{}, events...)
	mustAppend(t, j, delivery("x"), window("new", noon))
	c, err := connect(file(j), "?mode=rw")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := c.exec(sweeps[2].remove, int64(len(events)), noon.UnixNano(), int64(sweepBatch)); n != sweepBatch || err != nil {
		t.Errorf("%d rows in one transaction: %v", n, err)
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	swept := make(chan error, 1)
	j.requests <- &request{sweep: true, done: swept}
	mustAppend(t, j, delivery("x"), window("between", noon))
	select {
	case <-swept:
		t.Error("a hook waited for the whole of it")
	default:
	}
	if err := <-swept; err != nil {
		t.Fatal(err)
	}
	if _, events, _ := left(t, j); !cmp.Equal(events, []string{"new", "between"}) {
		t.Error(len(events), "left")
	}
}

// Ids and positions go on behind what was deleted.
func TestRetentionKeepsTheNewest(t *testing.T) {
	j := openWith(t, t.TempDir(), Options{Retention: 100 * day, Now: func() time.Time { return noon.Add(300 * day) }})
	at(t, j, noon, window("a", noon))
	at(t, j, noon.Add(250*day), window("b", noon))
	dir := j.dir
	_ = j.Close()
	for range 2 {
		j = openWith(t, dir, Options{Retention: time.Hour, Now: func() time.Time { return noon.Add(250 * day).Add(time.Minute) }})
		sweepNow(t, j)
		_ = j.Close()
	}
	j = openWith(t, dir, Options{})
	if s := mustAppend(t, j, delivery("x"), window("c", noon)); s.Delivery != 3 || s.Events[0].Seq != 3 {
		t.Errorf("%+v", s)
	}
}
