package capacitor

import (
	"testing"
	"time"
)

var (
	midnight = time.Date(2026, 2, 7, 0, 0, 0, 0, time.UTC)
	morning  = midnight.Add(-24 * time.Hour)
)

func TestNext(t *testing.T) {
	free, starter := Quota{50, 50, midnight}, Quota{1000, 1000, midnight}
	noon := midnight.Add(-12 * time.Hour)
	doubt := func(since time.Time, routine bool) Doubt {
		return Doubt{Question: Question{AskTransaction, "7"}, Since: since, Routine: routine}
	}
	for name, c := range map[string]struct {
		known Known
		last  time.Time
		kind  string
		in    time.Duration // from noon
	}{
		"at the start":                         {Known{}, time.Time{}, AskChargers, 0},
		"at the start, what is in doubt waits": {Known{Quota: free, Doubt: doubt(morning, false)}, time.Time{}, AskChargers, 0},

		"free, slowly":            {Known{Quota: Quota{50, 40, midnight}, Listed: noon, Hooked: true}, noon, AskChargers, 30 * time.Minute},
		"free, nearly all left":   {Known{Quota: free, Listed: noon, Hooked: true}, noon, AskChargers, 30 * time.Minute},
		"free, half is used":      {Known{Quota: Quota{50, 22, midnight}, Listed: noon, Hooked: true}, noon, AskChargers, time.Hour},
		"free, the reserve":       {Known{Quota: Quota{50, 10, midnight}, Listed: noon, Doubt: doubt(noon, false)}, noon, AskChargers, 12 * time.Hour},
		"not told, as if free":    {Known{Listed: noon, Hooked: true}, noon, AskChargers, 36 * time.Minute},
		"yesterday's reserve":     {Known{Quota: Quota{50, 0, noon}, Listed: noon, Hooked: true}, noon, AskChargers, 36 * time.Minute},
		"starter, often":          {Known{Quota: starter, Listed: noon, Hooked: true}, noon, AskChargers, 2 * time.Minute},
		"starter, little is left": {Known{Quota: Quota{1000, 82, midnight}, Listed: noon, Hooked: true}, noon, AskChargers, 10 * time.Minute},
		"no hooks, nothing known": {Known{Quota: free, Listed: noon}, noon, AskChargers, 30 * time.Minute},
		"no hooks":                {Known{Quota: free, Listed: noon, Chargers: 1}, noon, AskChargers, 3 * time.Hour},

		"many pages":              {Known{Quota: Quota{1000, 505, midnight}, Listed: noon, Hooked: true, Chargers: 1000}, noon, AskChargers, 12 * time.Hour * 20 / 495},
		"many pages, little left": {Known{Quota: Quota{1000, 29, midnight}, Listed: noon, Hooked: true, Chargers: 1000}, noon, AskChargers, 12 * time.Hour},

		"in doubt":                   {Known{Quota: starter, Listed: noon, Hooked: true, Doubt: doubt(noon.Add(-time.Hour), false)}, noon, AskTransaction, 2 * time.Second},
		"in doubt, little is left":   {Known{Quota: Quota{1000, 100, midnight}, Listed: noon, Hooked: true, Doubt: doubt(noon.Add(-time.Hour), false)}, noon, AskTransaction, 2 * time.Minute},
		"in doubt later":             {Known{Quota: starter, Listed: noon, Hooked: true, Doubt: doubt(noon.Add(time.Minute), false)}, noon, AskTransaction, time.Minute},
		"in doubt after the list":    {Known{Quota: starter, Listed: noon, Hooked: true, Doubt: doubt(noon.Add(time.Hour), false)}, noon, AskChargers, 2 * time.Minute},
		"in doubt, much is left":     {Known{Quota: Quota{1e6, 1e6, midnight}, Listed: noon, Hooked: true, Doubt: doubt(noon, false)}, noon, AskTransaction, 2 * time.Second},
		"free, in doubt":             {Known{Quota: Quota{50, 40, midnight}, Listed: noon, Hooked: true, Doubt: doubt(noon, false)}, noon, AskTransaction, 2 * time.Second},
		"free, in doubt, half used":  {Known{Quota: Quota{50, 22, midnight}, Listed: noon, Hooked: true, Doubt: doubt(noon, false)}, noon, AskTransaction, 15 * time.Minute},
		"a free day has begun":       {Known{Quota: Quota{50, 49, noon.Add(24 * time.Hour)}, Listed: noon, Doubt: doubt(noon, false)}, noon, AskTransaction, 2 * time.Second},
		"free, a matter of course":   {Known{Quota: Quota{50, 40, midnight}, Listed: noon, Chargers: 1, Doubt: doubt(noon, true)}, noon, AskTransaction, 30 * time.Minute},
		"the list does not starve":   {Known{Quota: starter, Listed: noon.Add(-time.Hour), Hooked: true, Doubt: doubt(noon.Add(time.Minute), false)}, noon, AskChargers, 2 * time.Second},
		"after a bad answer":         {Known{Quota: starter, Hooked: true, Failed: true}, noon, AskChargers, 2 * time.Minute},
		"doubt goes before the list": {Known{Quota: starter, Listed: noon.Add(-2 * time.Minute), Hooked: true, Doubt: doubt(noon, false)}, noon.Add(-time.Minute), AskTransaction, 0},
	} {
		q, at := Next(c.known, c.last, noon)
		if q.Kind != c.kind || at.Sub(noon).Truncate(time.Second) != c.in.Truncate(time.Second) {
			t.Errorf("%s: asks %q in %v, want %q in %v", name, q.Kind, at.Sub(noon), c.kind, c.in)
		}
	}
	if _, at := Next(Known{Quota: Quota{5, 5, noon}, Listed: noon}, noon, noon); !at.IsZero() {
		t.Errorf("a quota below the reserve is the household's, asks at %v", at)
	}
}

// TestADay plays days of calls: never is the reserve touched by the plan,
// however much is in doubt and however long the list is, and the whole day
// something is asked.
func TestADay(t *testing.T) {
	for _, limit := range []int{50, 100, 1000, 10_000} {
		for _, chargers := range []int{1, limit} {
			for name, doubtful := range map[string]bool{"calm": false, "nothing but doubts": true} {
				k := Known{Quota: Quota{limit, limit, midnight}, Hooked: true, Chargers: chargers}
				last, now, calls, pause := time.Time{}, morning, 0, time.Duration(0)
				for {
					if doubtful {
						k.Doubt = Doubt{Question: Question{AskCharger, "A"}, Since: now}
					}
					q, at := Next(k, last, now)
					if !at.Before(midnight) {
						break
					}
					if at.Before(now) {
						at = now
					}
					cost := 1
					if q.Kind == AskChargers {
						k.Listed, cost = at, min((chargers+page-1)/page, pages)
					}
					pause = max(pause, at.Sub(now))
					last, now = at, at
					calls += cost
					k.Quota.Remaining -= cost
				}
				if k.Quota.Remaining < reserve || calls < 24*2-10-2 || pause > 4*time.Hour {
					t.Errorf("%d a day, %d chargers, %s: %d calls, %d left, once %v apart", limit, chargers, name, calls, k.Quota.Remaining, pause)
				}
			}
		}
	}
}
