package journal

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// A delivery that is decoded anew tells what is new in it, unless a later one
// had something to say of the same.
func TestReplay(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	end := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Minute) }
	mustAppend(t, j, delivery("1"), window("a", end(1)), window("b", end(1)))
	mustAppend(t, j, delivery("2"), window("b", end(2)))
	mustAppend(t, j, event.Delivery{}, window("self", end(1)))
	replay := func(of int64, events ...event.Event) Stored {
		t.Helper()
		d := delivery("again")
		d.Via, d.Replays = event.ViaReplay, of
		for i := range events {
			events[i].Quiet, events[i].Again = true, noon
		}
		return mustAppend(t, j, d, events...)
	}
	for _, step := range []struct {
		name    string
		of      int64
		events  []event.Event
		fresh   []string
		verdict string
	}{
		{"says the same", 1, []event.Event{window("a", end(1)), window("b", end(1))}, nil, event.Duplicate},
		{"better, but another said more", 1, []event.Event{window("b", end(3))}, nil, event.Duplicate},
		{"better", 1, []event.Event{window("a", end(4)), window("b", end(4))}, []string{"a"}, event.Accepted},
		{"better once more", 1, []event.Event{window("a", end(5))}, []string{"a"}, event.Accepted},
		{"the same again", 1, []event.Event{window("a", end(5))}, nil, event.Duplicate},
		{"the newest may", 2, []event.Event{window("b", end(6))}, []string{"b"}, event.Accepted},
		{"nobody delivered it", 2, []event.Event{window("self", end(6))}, []string{"self"}, event.Accepted},
		{"was not seen before", 1, []event.Event{window("c", end(1))}, []string{"c"}, event.Accepted},
	} {
		s := replay(step.of, step.events...)
		var fresh []string
		for _, e := range s.Events {
			fresh = append(fresh, e.Key)
		}
		if !cmp.Equal(fresh, step.fresh) || s.Verdict != step.verdict || (s.Delivery == 0) != (len(fresh) == 0) {
			t.Errorf("%s: %q, %s, delivery %d", step.name, fresh, s.Verdict, s.Delivery)
		}
	}
	last := mustAppend(t, j, delivery("3"), window("c", end(9)))
	if s := replay(1, window("c", end(2))); len(s.Events) != 0 {
		t.Error("an older word stands above a newer one")
	}
	_ = j.Close()
	j = openAt(t, dir)
	list, err := j.Deliveries(t.Context(), Query{Via: event.ViaReplay})
	if err != nil || len(list) != 5 || list[0].Replays != 1 || list[1].Replays != 2 || list[0].News != 1 {
		t.Errorf("%+v %v", list, err)
	}
	for _, e := range allEvents(t, j) {
		if quiet := e.Seq > 4 && e.Seq != last.Events[0].Seq; e.Quiet != quiet || e.Again.Equal(noon) != quiet {
			t.Errorf("%+v", e)
		}
	}
}

// A file of the first release is brought up to date.
func TestTheFirstFile(t *testing.T) {
	dir := t.TempDir()
	c, err := openFile(dir+"/journal.db", migrations()[:1])
	if err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"INSERT INTO deliveries VALUES (1, 5, 'equiwatt', 'started', 'http', 'accepted', 1, 1, NULL, '', x'31')",
		`INSERT INTO events VALUES (1, 1, 'equiwatt', '', 'k', 'webhook', 5, 5, 'notice', '{"code":"x"}', NULL)`,
		"INSERT INTO moments VALUES ('m', 5, 2, 1)",
	} {
		if _, err := c.exec(q); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.close(); err != nil {
		t.Fatal(err)
	}
	j := openAt(t, dir)
	d, events, err := j.Delivery(t.Context(), 1)
	if err != nil || string(d.Body) != "1" || len(events) != 1 || events[0].Quiet {
		t.Errorf("%+v %+v %v", d, events, err)
	}
	if s, err := j.Moment("m"); s != AtRest || err != nil {
		t.Error(s, err)
	}
	said, err := j.Tellings(t.Context(), 1, 1)
	if err != nil || len(said[1]) != 1 || said[1][0].AtRest.IsZero() {
		t.Error(said, err)
	}
	if p := j.Problem(); p != "" {
		t.Error(p)
	}
}
