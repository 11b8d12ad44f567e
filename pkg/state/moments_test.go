package state

import (
	"slices"
	"testing"
	"time"
)

// dues lists the ids of what is to be said.
func dues(m *moments, now time.Time) (ids []string) {
	list, _, _ := m.due(now)
	for _, x := range list {
		ids = append(ids, x.ID)
	}
	return ids
}

func wantDue(t *testing.T, ms *moments, now time.Time, want ...string) {
	t.Helper()
	if got := dues(ms, now); !slices.Equal(got, want) {
		t.Errorf("at %v: %v, want %v", now.Sub(noon), got, want)
	}
}

func TestMomentsAreSaidWhileTheyAreWorthIt(t *testing.T) {
	var ms moments
	ms.say(true, Moment{ID: "a", Occurred: at(m)}, at(m), at(10*m))
	ms.say(true, Moment{ID: "b", Occurred: at(0)}, at(0), time.Time{})
	ms.say(true, Moment{ID: "b", Type: "again"}, at(0), time.Time{})
	ms.say(false, Moment{ID: "old"}, at(0), at(10*m))
	wantDue(t, &ms, at(-m))
	wantDue(t, &ms, at(m), "b", "a")
	if _, _, next := ms.due(at(0)); !next.Equal(at(m)) {
		t.Errorf("next is %v", next)
	}
	ms.mark("b", Sent)
	if _, flying, next := ms.due(at(m)); !flying || !next.Equal(at(10*m)) {
		t.Errorf("flying %v, next %v", flying, next)
	}
	wantDue(t, &ms, at(m), "a")
	ms.mark("b", Doubtful)
	wantDue(t, &ms, at(m), "b", "a")
	ms.mark("b", AtRest)
	ms.mark("b", Doubtful)
	wantDue(t, &ms, at(10*m))
	ms.prune(at(10 * m))
	if len(ms.list) != 0 || len(ms.by) != 0 {
		t.Errorf("%d are kept", len(ms.list))
	}
}

func TestMomentsThatEndOthers(t *testing.T) {
	play := func(opened Said) *moments {
		var ms moments
		ms.say(false, Moment{ID: "on", Opens: true}, at(0), at(5*m))
		ms.end("on", Moment{ID: "off", Occurred: at(10 * m)}, at(10*m))
		ms.mark("on", opened)
		return &ms
	}
	heard, unheard := play(AtRest), play(Unsaid)
	for _, now := range []time.Time{at(10 * m), at(72 * time.Hour)} {
		heard.prune(now)
		wantDue(t, heard, now, "off")
		unheard.prune(now)
		wantDue(t, unheard, now)
	}
	heard.mark("off", AtRest)
	heard.prune(at(73 * time.Hour))
	if len(heard.list)+len(unheard.list) != 0 {
		t.Errorf("%d and %d are kept", len(heard.list), len(unheard.list))
	}
	wantDue(t, play(Doubtful), at(9*m))
	wantDue(t, play(Doubtful), at(10*m), "off")
	var ms moments
	ms.end("nobody", Moment{ID: "off"}, at(0))
	wantDue(t, &ms, at(m))
}

func TestMomentsAreWithdrawn(t *testing.T) {
	var ms moments
	ms.say(true, Moment{ID: "said", Opens: true}, at(0), time.Time{})
	ms.say(true, Moment{ID: "unsaid", Opens: true}, at(0), time.Time{})
	ms.end("unsaid", Moment{ID: "off"}, at(0))
	ms.mark("said", Sent)
	ms.withdraw("said")
	ms.withdraw("unsaid")
	ms.withdraw("unknown")
	ms.mark("unsaid", AtRest)
	if got := ms.open(); !slices.Equal(got, []string{"said"}) {
		t.Errorf("%v", got)
	}
	ms.mark("said", Doubtful)
	wantDue(t, &ms, at(0), "said")
}
