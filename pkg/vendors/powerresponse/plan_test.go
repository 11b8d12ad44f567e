package powerresponse

import (
	"testing"
	"time"
)

var noon = time.Date(2025, 1, 15, 12, 0, 0, 0, time.UTC)

// clockwork asks whatever Next says, when it says, and returns after how many
// minutes each event was asked for.
func clockwork(all []Known, end time.Time, ask func(k *Known, now time.Time) (good bool)) map[string][]float64 {
	asked := map[string][]float64{}
	now := noon
	for range 500 {
		k, at, ok := Next(all, now)
		if !ok || at.After(end) {
			break
		}
		if at.After(now) {
			now = at
		}
		asked[k.UUID] = append(asked[k.UUID], now.Sub(noon).Minutes())
		for i := range all {
			if all[i].UUID != k.UUID {
				continue
			}
			if ask(&all[i], now) {
				all[i].Read, all[i].Tried, all[i].Failed = now, time.Time{}, 0
			} else {
				all[i].Tried, all[i].Failed = now, all[i].Failed+1
			}
		}
		now = now.Add(time.Second)
	}
	return asked
}

func good(*Known, time.Time) bool { return true }

func askedAt(t *testing.T, name string, got []float64, want ...float64) {
	t.Helper()
	ok := len(got) == len(want)
	for i := range min(len(got), len(want)) {
		ok = ok && got[i]-want[i] < 0.2 && want[i]-got[i] < 0.2
	}
	if !ok {
		t.Errorf("%s: asked after minutes %.1f, want %.1f", name, got, want)
	}
}

func in(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }

func TestWhenAnEventIsRead(t *testing.T) {
	for name, c := range map[string]struct {
		k    Known
		want []float64
	}{
		"hourly, before its start, at both ends": {Known{Start: in(150), End: in(240), Told: noon}, []float64{0, 60, 120, 148, 150, 210, 240}},
		"a start that is near":                   {Known{Start: in(1), End: in(31), Told: noon}, []float64{0, 1, 31}},
		"one that runs":                          {Known{Start: in(-30), End: in(90), Told: in(-60)}, []float64{0, 60, 90}},
		"over, and not read since":               {Known{Start: in(-120), End: in(-60), Told: in(-600)}, []float64{0}},
		"over long ago":                          {Known{Start: in(-3000), End: in(-1600), Told: in(-4000)}, nil},
		"no times yet: soon, then ever slower":   {Known{Told: noon}, []float64{0, 1, 2, 4, 8, 16, 32, 64, 124, 184, 244}},
		"cancelled":                              {Known{Start: in(60), End: in(90), Told: in(-600), Void: true}, []float64{0, 60, 120}},
		"without an end, until a day is over":    {Known{Start: in(-1300), Told: in(-2000)}, []float64{0, 60, 120, 140}},
	} {
		c.k.UUID = first
		got := clockwork([]Known{c.k}, in(270), good)
		askedAt(t, name, got[first], c.want...)
	}
}

func TestTheKeyIsTriedFirstAndHourly(t *testing.T) {
	up := false
	asked := clockwork([]Known{{UUID: first, Start: in(10), End: in(20), Told: in(-600)}, {}}, in(200), func(k *Known, now time.Time) bool {
		if k.UUID == "" {
			up = now.After(in(6))
			return up
		}
		if !up {
			t.Error("an event was read before the key was tried")
		}
		return true
	})
	askedAt(t, "the key", asked[""], 0, 1, 3, 7, 67, 127, 187)
	askedAt(t, "the event", asked[first], 7, 8, 10, 20)
}

// TestOneBadEventHoldsUpNoOther: its pause grows, the others' turn comes.
func TestOneBadEventHoldsUpNoOther(t *testing.T) {
	const other = "00000000-0000-4000-8000-000000000002"
	asked := clockwork([]Known{{UUID: first, Told: in(-1)}, {UUID: other, Start: in(30), End: in(40), Told: noon}}, in(42), func(k *Known, _ time.Time) bool {
		return k.UUID != first
	})
	askedAt(t, "bad", asked[first], 0, 1, 3, 7, 15, 25, 35)
	askedAt(t, "good", asked[other], 0, 28, 30, 40)
}

// TestAWebhookIsAnsweredAtOnce, whatever was read or tried before.
func TestAWebhookIsAnsweredAtOnce(t *testing.T) {
	for name, k := range map[string]Known{
		"read":   {Start: in(60), End: in(90), Told: noon, Read: in(-1)},
		"failed": {Start: in(60), End: in(90), Told: noon, Tried: in(-1), Failed: 9},
		"over":   {Start: in(-60), End: in(-30), Told: noon, Read: in(-1)},
		"gone":   {Void: true, Told: noon, Read: in(-1)},
	} {
		k.UUID = first
		if got, at, ok := Next([]Known{k}, noon); !ok || at.After(noon) || got.UUID != first {
			t.Errorf("%s: %v %v", name, at, ok)
		}
	}
	if _, at, ok := Next(nil, noon); ok {
		t.Errorf("nothing to ask, but at %v", at)
	}
}
