package homeassistant

import (
	"testing"
	"time"
)

// noon is when each of these stories begins.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func after(d time.Duration) time.Time { return noon.Add(d) }

func opens(t *testing.T, g *gate, d time.Duration, want bool) {
	t.Helper()
	if got := g.open(after(d)); got != want {
		t.Errorf("after %v open is %v, want %v", d, got, want)
	}
}

// answer carries out the answer to a birth, and returns when it was due.
func answer(t *testing.T, g *gate) time.Duration {
	t.Helper()
	if g.answerAt.IsZero() {
		t.Fatal("no answer is due")
	}
	at := g.answerAt
	g.answered(at)
	return at.Sub(noon)
}

func TestMomentsDoNotWaitWhereNoBirthWasEverHeard(t *testing.T) {
	g := gate{wait: true}
	g.connected(noon)
	opens(t, &g, 0, true)
}

func TestMomentsWaitForTheFirstBirthOfAConnection(t *testing.T) {
	g := gate{wait: true, known: true}
	g.connected(noon)
	opens(t, &g, 0, false)
	opens(t, &g, 30*time.Second-1, false)
	if next := g.next(); next.After(after(30 * time.Second)) {
		t.Errorf("looks again at %v, too late", next)
	}
	opens(t, &g, 30*time.Second, true)
	opens(t, &g, time.Hour, true)

	g = gate{wait: true, known: true}
	g.connected(noon)
	g.birth(after(3 * time.Second))
	opens(t, &g, 3*time.Second, false)
	if at := answer(t, &g); at < 4*time.Second || at > 8*time.Second {
		t.Errorf("a birth after 3 s is answered after %v", at)
	}
	opens(t, &g, 8*time.Second, true)
	g.birth(after(time.Minute))
	opens(t, &g, time.Minute, false) // the states first
	answer(t, &g)
	opens(t, &g, 65*time.Second, true)
}

func TestALateBirthDoesNotMakeMomentsWaitLongerThanHalfAMinute(t *testing.T) {
	for range 50 {
		g := gate{wait: true, known: true}
		g.connected(noon)
		g.birth(after(30*time.Second - time.Millisecond))
		if at := answer(t, &g); at > 30*time.Second {
			t.Fatalf("waits %v", at)
		}
		opens(t, &g, 30*time.Second, true)
	}
}

func TestABirthIsAnsweredOnceWithinFiveSeconds(t *testing.T) {
	for range 100 {
		g := gate{wait: true}
		g.connected(noon)
		g.birth(after(time.Minute))
		due := g.answerAt
		if d := due.Sub(after(time.Minute)); d < time.Second || d > 4*time.Second {
			t.Fatalf("answers after %v", d)
		}
		g.birth(after(time.Minute + time.Second/2))
		if g.answerAt != due {
			t.Fatal("a repeated birth puts the answer off")
		}
		answer(t, &g)
		if !g.answerAt.IsZero() {
			t.Fatal("answers twice")
		}
		g.birth(after(2 * time.Minute))
		if g.answerAt.IsZero() {
			t.Fatal("the next birth is not answered")
		}
	}
}

func TestAnswersDiffer(t *testing.T) {
	seen := map[time.Time]bool{}
	for range 20 {
		g := gate{}
		g.birth(noon)
		seen[g.answerAt] = true
	}
	if len(seen) < 2 {
		t.Error("every instance answers in the same instant")
	}
}

func TestMomentsWaitWhileHomeAssistantIsAway(t *testing.T) {
	for _, known := range []bool{true, false} {
		g := gate{wait: true, known: known}
		g.connected(noon)
		opens(t, &g, time.Minute, true)
		g.goodbye(after(2 * time.Minute))
		opens(t, &g, 2*time.Minute, false)
		opens(t, &g, time.Hour, false)
		g.birth(after(time.Hour))
		opens(t, &g, time.Hour, false)
		answer(t, &g)
		opens(t, &g, time.Hour+5*time.Second, true)
		if g.missing {
			t.Error("missing, though it came")
		}
	}
}

func TestASignOfLifeEndsTheWait(t *testing.T) {
	g := gate{wait: true, known: true}
	g.connected(noon)
	g.life()
	opens(t, &g, time.Second, false) // of the first half minute only a birth does
	g.goodbye(after(time.Minute))
	g.life()
	opens(t, &g, time.Minute, true)
}

func TestHomeAssistantIsMissingAfterAnHour(t *testing.T) {
	g := gate{wait: true, known: true}
	g.connected(noon)
	opens(t, &g, time.Minute, true)
	g.goodbye(after(time.Minute))
	opens(t, &g, 61*time.Minute-1, false)
	if g.missing {
		t.Error("missing too early")
	}
	if next := g.next(); next.After(after(61 * time.Minute)) {
		t.Errorf("looks again at %v, too late", next)
	}
	opens(t, &g, 61*time.Minute, true)
	if !g.missing {
		t.Error("not missing")
	}
	for name, back := range map[string]func(*gate){
		"birth": func(g *gate) { g.birth(after(2 * time.Hour)) }, "command": func(g *gate) { g.life() },
	} {
		h := g
		if back(&h); h.missing || h.gone {
			t.Errorf("still missing after a %s", name)
		}
	}
	g.goodbye(after(2 * time.Hour))
	opens(t, &g, 2*time.Hour, false)
}

// A goodbye holds over a new connection of ours: who is away is not back
// because the broker is.
func TestAGoodbyeOutlivesAConnection(t *testing.T) {
	g := gate{wait: true, known: true}
	g.connected(noon)
	g.goodbye(after(time.Minute))
	g.connected(after(2 * time.Minute))
	opens(t, &g, 10*time.Minute, false)
	opens(t, &g, 61*time.Minute, true)
	if !g.missing {
		t.Error("not missing")
	}
	g.connected(after(2 * time.Hour))
	opens(t, &g, 2*time.Hour+29*time.Second, false)
	opens(t, &g, 2*time.Hour+30*time.Second, true)
	if !g.missing {
		t.Error("not missing any more")
	}
}

func TestNothingWaitsWhereTheHouseholdSaysSo(t *testing.T) {
	g := gate{known: true}
	g.connected(noon)
	opens(t, &g, 0, true)
	g.birth(after(time.Second))
	opens(t, &g, time.Second, true)
	if at := answer(t, &g); at > 6*time.Second {
		t.Errorf("the birth is answered after %v", at)
	}
	g.goodbye(after(time.Minute))
	opens(t, &g, time.Minute, true)
}

func TestAGoodbyeTakesTheBirthBack(t *testing.T) {
	g := gate{wait: true}
	g.connected(noon)
	g.birth(after(time.Second))
	g.goodbye(after(1500 * time.Millisecond))
	if !g.answerAt.IsZero() {
		t.Error("answers one who left")
	}
	opens(t, &g, 10*time.Second, false)
}

func TestDocumentsAreRepeated(t *testing.T) {
	g := gate{}
	g.connected(noon)
	if d := g.repeatAt.Sub(noon); d < 2*time.Second || d > 10*time.Second {
		t.Errorf("after a connect: %v", d)
	}
	g.birth(after(time.Minute))
	at := answer(t, &g)
	if d := g.repeatAt.Sub(after(at)); d < 2*time.Second || d > 10*time.Second {
		t.Errorf("after a birth: %v", d)
	}
}

func TestNextIsTheSoonest(t *testing.T) {
	if got := (&gate{}).next(); !got.IsZero() {
		t.Errorf("a gate with nothing to do looks again at %v", got)
	}
	for _, g := range []gate{
		{answerAt: noon}, {repeatAt: noon}, {shutTill: noon},
		{answerAt: after(1), repeatAt: noon, shutTill: after(2)}, {answerAt: noon, shutTill: after(2)},
	} {
		if got := g.next(); got != noon {
			t.Errorf("%+v: %v", g, got)
		}
	}
}
