package state

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// world is some equivents that happened one after the other.
type world []event.Window

func drawWorld(t *rapid.T) (w world, end time.Duration) {
	for range rapid.IntRange(1, 4).Draw(t, "equivents") {
		end += time.Duration(rapid.IntRange(10, 200).Draw(t, "pause")) * m
		start := end
		end += time.Duration(rapid.IntRange(2, 90).Draw(t, "length")) * m
		w = append(w, over(start, end))
	}
	return w, end
}

// answer is what the API tells at an instant.
func (w world) answer(now time.Time) (list []event.Window) {
	for _, e := range w {
		if e.Start.After(now) {
			break
		}
		if e.End.After(now) {
			e.End, e.Running = time.Time{}, true
		}
		list = append(list, e)
	}
	return list
}

// play lets a Fold hear everything in the order in which it reaches it, and
// returns what is shown in the end, and how often each moment was said.
func play(rules EquiwattRules, heard []event.Event, end time.Time) (string, map[string]int) {
	rules.MaxDuration, rules.PollInterval = max(rules.MaxDuration, 4*time.Hour), m
	f := New(Rules{Zone: time.UTC, Since: noon, Equiwatt: &rules}, 0)
	f.Loaded()
	said := map[string]int{}
	say := func(now time.Time) {
		for _, m := range f.View(now).Due() {
			said[m.ID]++
			f.Mark(m.ID, AtRest)
		}
	}
	for i, e := range heard {
		e.Seq, e.Source = int64(i+1), "equiwatt"
		f.Apply(e)
		say(e.Seen)
	}
	say(end)
	return show(f.View(end)), said
}

func linkAt(seen time.Time) event.Event {
	return event.Event{Subject: event.Link, Key: event.Link, By: event.Self, Seen: seen, Status: &event.Status{State: "ok"}}
}

// TestPollsAloneTellTheSame: whatever webhooks come, doubled, late, in any
// order or not at all, and whichever polls are lost but for the last two, the
// end is the same as with every poll and no webhook, and nothing is said twice.
func TestPollsAloneTellTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, length := drawWorld(t)
		end := at(length + 30*m)
		var all, some []event.Event
		for now := at(0); !now.After(end); now = now.Add(m) {
			keep := rapid.IntRange(0, 3).Draw(t, "kept") > 0 || now.After(end.Add(-3*m))
			for _, e := range append(apiEvents(w.answer(now), now), linkAt(now)) {
				all = append(all, e)
				if keep {
					some = append(some, e)
				}
			}
		}
		for i, e := range w {
			for j := range rapid.IntRange(0, 3).Draw(t, "hooks") {
				late := time.Duration(rapid.IntRange(0, 40).Draw(t, "late")) * m
				start := rapid.Bool().Draw(t, "start")
				seen := earliest(at(length+20*m), map[bool]time.Time{true: e.Start, false: e.End}[start].Add(late))
				some = append(some, event.Event{Key: fmt.Sprint("hook/", i, j), By: event.Webhook, At: seen, Seen: seen, Window: &event.Window{Running: start}})
			}
		}
		slices.SortStableFunc(some, func(a, b event.Event) int { return a.Seen.Compare(b.Seen) })
		want, _ := play(EquiwattRules{Token: true}, all, end)
		got, said := play(EquiwattRules{Token: true}, some, end)
		if got != want {
			t.Errorf("with webhooks and lost polls %q, else %q", got, want)
		}
		oncePaired(t, said)
	})
}

func apiEvents(list []event.Window, seen time.Time) (events []event.Event) {
	for _, w := range list {
		events = append(events, event.Event{Key: fmt.Sprint("api/", w.Start.Unix()), By: event.API, At: w.Start, Seen: seen, Window: &w})
	}
	return events
}

// TestWebhooksInAnyOrderTellTheSame: believed webhooks that name their times
// end in the same history in any order, however often each comes.
func TestWebhooksInAnyOrderTellTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, length := drawWorld(t)
		arrival := at(length + m)
		var once []event.Event
		for i, e := range w {
			once = append(once,
				event.Event{Key: fmt.Sprint("hook/started/", i), By: event.Webhook, At: e.Start, Seen: arrival, Window: &event.Window{Start: e.Start, End: e.End, Running: true}},
				event.Event{Key: fmt.Sprint("hook/ended/", i), By: event.Webhook, At: e.End, Seen: arrival, Window: &event.Window{Start: e.Start, End: e.End}})
		}
		rules, end := EquiwattRules{Believe: true, MaxDuration: 48 * time.Hour}, arrival.Add(10*m)
		want, _ := play(rules, once, end)
		repeated := append(slices.Clone(once), once[:rapid.IntRange(0, len(once)).Draw(t, "again")]...)
		got, said := play(rules, rapid.Permutation(repeated).Draw(t, "order"), end)
		if got != want {
			t.Errorf("in another order %q, else %q", got, want)
		}
		oncePaired(t, said)
	})
}

// oncePaired: every moment once, and an end if and only if its start.
func oncePaired(t *rapid.T, said map[string]int) {
	for id, n := range said {
		if n != 1 {
			t.Errorf("%s was said %d times", id, n)
		}
		if base, ok := strings.CutSuffix(id, "-started"); ok && said[base+"-ended"] != 1 {
			t.Errorf("%s was said, its end was not", id)
		}
		if base, ok := strings.CutSuffix(id, "-ended"); ok && said[base+"-started"] != 1 {
			t.Errorf("%s was said, its start was not", id)
		}
	}
}

// TestLoadingIsTheSameAsHearing: a Fold that was loaded in two parts shows what
// one that heard everything live shows.
func TestLoadingIsTheSameAsHearing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w, length := drawWorld(t)
		end := at(length + 30*m)
		var all []event.Event
		for now := at(0); !now.After(end); now = now.Add(m) {
			all = append(all, append(apiEvents(w.answer(now), now), linkAt(now))...)
		}
		want, said := play(EquiwattRules{Token: true}, all, end)
		rules := EquiwattRules{Token: true, MaxDuration: 4 * time.Hour, PollInterval: m}
		f := New(Rules{Zone: time.UTC, Since: end, Equiwatt: &rules}, int64(rapid.IntRange(0, len(all)).Draw(t, "position")))
		for i, e := range all {
			e.Seq, e.Source = int64(i+1), "equiwatt"
			f.Apply(e)
		}
		for _, id := range f.Open() {
			if said[id] > 0 {
				f.Mark(id, AtRest)
			}
		}
		f.Loaded()
		if got := show(f.View(end)); got != want {
			t.Errorf("loaded %q, heard %q", got, want)
		}
		if due := f.View(end).Due(); len(due) > 0 {
			t.Errorf("said again after loading: %+v", due)
		}
	})
}
