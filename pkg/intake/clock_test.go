package intake

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const day = 24 * time.Hour

// machine is a computer whose clock can be set.
type machine struct {
	Clock
	wall    time.Time
	elapsed time.Duration
	steps   []time.Duration
}

var noon = time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)

// newMachine returns one whose clock is off by so much at noon.
func newMachine(off time.Duration) *machine {
	c := &machine{wall: noon.Add(off)}
	c.Wall = func() time.Time { return c.wall }
	c.Elapsed = func() time.Duration { return c.elapsed }
	c.Stepped = func(by time.Duration) { c.steps = append(c.steps, by) }
	c.Now()
	return c
}

func (c *machine) pass(d time.Duration)  { c.wall, c.elapsed = c.wall.Add(d), c.elapsed+d }
func (c *machine) set(d time.Duration)   { c.wall = c.wall.Add(d) }
func (c *machine) sleep(d time.Duration) { c.wall = c.wall.Add(d) }

// vendor lets a vendor tell the time as it is, or as far off as it believes.
func (c *machine) vendor(off time.Duration) { c.Heard("a", noon.Add(c.elapsed+off)) }

// other is another vendor.
func (c *machine) other(off time.Duration) { c.Heard("b", noon.Add(c.elapsed+off)) }

func TestClock(t *testing.T) {
	for _, tt := range []struct {
		name  string
		off   time.Duration // of the machine at noon
		do    func(c *machine)
		steps []time.Duration
		now   time.Duration // since noon
		skew  time.Duration
	}{
		{name: "right", do: func(c *machine) { c.pass(time.Hour) }, now: time.Hour},
		{name: "right, and told so", do: func(c *machine) { c.pass(time.Hour); c.vendor(0) }, now: time.Hour},
		{name: "a little off", off: 59 * time.Second, do: func(c *machine) { c.vendor(0) }, now: 59 * time.Second},
		{name: "set a little", do: func(c *machine) { c.vendor(0); c.set(-time.Minute) }, now: -time.Minute},
		{name: "vendor without a date", do: func(c *machine) { c.Heard("a", time.Time{}); c.set(day) }, steps: []time.Duration{day}, now: day},

		{name: "behind what is past", off: -day, do: func(c *machine) { c.NotBefore(noon); c.pass(time.Hour) }, now: time.Hour, skew: -day},
		{name: "not behind what is past", do: func(c *machine) { c.NotBefore(noon.Add(-day)); c.NotBefore(noon.Add(time.Minute)) }},
		{name: "behind, and set right", off: -day, do: func(c *machine) { c.NotBefore(noon.Add(-2 * time.Hour)); c.set(day) }, steps: []time.Duration{2 * time.Hour}},
		{name: "behind, and set less wrong", off: -day, do: func(c *machine) { c.NotBefore(noon); c.set(time.Hour) }, skew: -23 * time.Hour},
		{name: "behind, and set more wrong", off: -day, do: func(c *machine) { c.NotBefore(noon); c.set(-time.Hour) }, skew: -25 * time.Hour},
		{name: "behind, then a vendor", off: -day, do: func(c *machine) { c.NotBefore(noon.Add(-2 * time.Hour)); c.vendor(0) }, steps: []time.Duration{2 * time.Hour}, skew: -day},
		{name: "a vendor knows better than the past", do: func(c *machine) { c.vendor(0); c.NotBefore(noon.Add(day)) }},

		{name: "set right before a vendor was heard", off: -day, do: func(c *machine) { c.set(day) }, steps: []time.Duration{day}},
		{name: "set wrong before a vendor was heard", do: func(c *machine) { c.set(-day) }, steps: []time.Duration{-day}, now: -day},
		{name: "set right, then a vendor", off: -day, do: func(c *machine) { c.set(day); c.Now(); c.vendor(0) }, steps: []time.Duration{day}},
		{name: "set right while a vendor tells", off: -day, do: func(c *machine) { c.set(day); c.vendor(0) }, steps: []time.Duration{day}},
		{name: "set wrong while a vendor tells", do: func(c *machine) { c.set(day); c.vendor(0) }, skew: day},

		{name: "wrong, and a vendor tells", off: -day, do: func(c *machine) { c.vendor(0) }, steps: []time.Duration{day}, skew: -day},
		{name: "it tells again", off: -day, do: func(c *machine) { c.vendor(0); c.pass(time.Hour); c.vendor(0) }, steps: []time.Duration{day}, now: time.Hour, skew: -day},
		{name: "half a day off", off: 12 * time.Hour, do: func(c *machine) { c.vendor(0) }, steps: []time.Duration{-12 * time.Hour}, skew: 12 * time.Hour},
		{name: "a vendor half a day off", do: func(c *machine) { c.vendor(12 * time.Hour) }, steps: []time.Duration{12 * time.Hour}, now: 12 * time.Hour, skew: -12 * time.Hour},
		{name: "and right again", do: func(c *machine) { c.vendor(12 * time.Hour); c.vendor(0) }, steps: []time.Duration{12 * time.Hour, -12 * time.Hour}},

		{name: "set a day forward after a vendor", do: func(c *machine) { c.vendor(0); c.set(day) }, skew: day},
		{name: "set a day back after a vendor", do: func(c *machine) { c.vendor(0); c.set(-day) }, skew: -day},
		{name: "and confirmed", do: func(c *machine) { c.vendor(0); c.set(-day); c.pass(time.Minute); c.vendor(0) }, now: time.Minute, skew: -day},
		{name: "and back", do: func(c *machine) { c.vendor(0); c.set(day); c.Now(); c.set(-day) }},
		{name: "wrong, told, then set right", off: -day, do: func(c *machine) { c.vendor(0); c.pass(time.Hour); c.set(day) }, steps: []time.Duration{day}, now: time.Hour},
		{name: "wrong, told, then set about right", off: -day, do: func(c *machine) { c.vendor(0); c.set(day - 30*time.Second) }, steps: []time.Duration{day}, now: -30 * time.Second},
		{name: "wrong, told, then set more wrong", off: -day, do: func(c *machine) { c.vendor(0); c.set(-day); c.vendor(0) }, steps: []time.Duration{day}, skew: -2 * day},

		{name: "asleep for three hours", do: func(c *machine) { c.vendor(0); c.sleep(3 * time.Hour) }, skew: 3 * time.Hour},
		{name: "and a vendor tells", do: func(c *machine) { c.vendor(0); c.sleep(3 * time.Hour); c.vendor(3 * time.Hour) }, now: 3 * time.Hour},
		{name: "another vendor is wrong", do: func(c *machine) { c.vendor(0); c.other(-3650 * day); c.other(-3650 * day) }},
		{name: "it comes first", do: func(c *machine) { c.other(-day); c.vendor(0); c.other(-day) }, steps: []time.Duration{-day, day}},
		{name: "nobody else for long", do: func(c *machine) { c.vendor(0); c.pass(2 * time.Hour); c.other(day) }, steps: []time.Duration{day}, now: day + 2*time.Hour, skew: -day},
		{name: "two vendors know better", off: -day, do: func(c *machine) { c.vendor(0); c.other(0); c.vendor(0) }, steps: []time.Duration{day}, skew: -day},
		{name: "a third is wrong", off: -day, do: func(c *machine) { c.vendor(0); c.other(7 * day) }, steps: []time.Duration{day}, skew: -day},
		{name: "set wrong, told by two", do: func(c *machine) { c.vendor(0); c.other(0); c.set(day); c.other(0); c.vendor(0) }, skew: day},
		{name: "asleep, told by two", do: func(c *machine) {
			c.vendor(0)
			c.other(0)
			c.sleep(3 * time.Hour)
			c.other(3 * time.Hour)
			c.vendor(3 * time.Hour)
		}, now: 3 * time.Hour},
		{name: "one who was wrong is no witness", do: func(c *machine) { c.other(-day); c.vendor(0); c.vendor(7 * day) }, steps: []time.Duration{-day, day, 7 * day}, now: 7 * day, skew: -7 * day},
		{name: "asleep with a wrong clock, told by two", off: -day, do: func(c *machine) { c.vendor(0); c.other(0); c.sleep(3 * time.Hour); c.vendor(3 * time.Hour) }, steps: []time.Duration{day}, now: 3 * time.Hour, skew: -day},
		{name: "asleep with a wrong clock", off: -day, do: func(c *machine) { c.vendor(0); c.sleep(3 * time.Hour); c.vendor(3 * time.Hour) }, steps: []time.Duration{day}, now: 3 * time.Hour, skew: -day},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := newMachine(tt.off)
			tt.do(c)
			for range 3 { // looking changes nothing
				if got := c.Now().Sub(noon); got != tt.now || c.Now().Location() != time.UTC {
					t.Errorf("it is %s after noon, want %s", got, tt.now)
				}
				if got := c.Skew(); got != tt.skew {
					t.Errorf("the machine is ahead by %s, want %s", got, tt.skew)
				}
			}
			if diff := cmp.Diff(tt.steps, c.steps); diff != "" {
				t.Errorf("steps told: %s, want %s", c.steps, tt.steps)
			}
		})
	}
}

// A vendor's Date is cut to seconds and comes late by as much as the way takes.
func TestClockDoesNotFlutter(t *testing.T) {
	for _, edge := range []time.Duration{-credible, credible} {
		c := newMachine(edge)
		for i := range 200 {
			c.pass(time.Minute)
			c.vendor(time.Duration(i%5-2) * time.Second)
		}
		if len(c.steps) > 1 {
			t.Errorf("%s off: %d steps were told, want one at most: %s", edge, len(c.steps), c.steps)
		}
	}
}

func TestClockOnceAnchoredNeverJumps(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		durations := func(most time.Duration) *rapid.Generator[time.Duration] {
			return rapid.OneOf(rapid.SampledFrom([]time.Duration{0, credible - 1, credible, credible + 1, day}), rapid.Custom(func(rt *rapid.T) time.Duration {
				return time.Duration(rapid.Int64Range(0, int64(most)).Draw(rt, "duration"))
			}))
		}
		c := newMachine(durations(400*day).Draw(rt, "off"))
		c.vendor(0)
		told := len(c.steps)
		before := c.Now()
		for range rapid.IntRange(1, 60).Draw(rt, "readings") {
			passed := durations(day).Draw(rt, "passed")
			c.pass(passed)
			jump := durations(400*day).Draw(rt, "jump")
			if rapid.Bool().Draw(rt, "back") {
				jump = -jump
			}
			c.set(jump)
			now := c.Now()
			if off := now.Sub(before) - passed; off.Abs() > credible {
				rt.Fatalf("the wall clock was set by %s in %s, and the time jumped by %s", jump, passed, off)
			}
			before = now
		}
		if len(c.steps) != told {
			rt.Fatalf("a step was told though none was: %s", c.steps[told:])
		}
		c.vendor(0)
		if off := c.Now().Sub(noon.Add(c.elapsed)); off.Abs() > credible {
			rt.Fatalf("%s off after a vendor was heard", off)
		}
	})
}

func TestClockOverARestart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		off   time.Duration // of the machine
		heard bool          // a vendor told the first process the time
		since time.Duration // by how much it is set between the two
		want  time.Duration // how far off the second one is before a vendor is heard
		steps []time.Duration
	}{
		{name: "right", heard: true},
		{name: "ahead as before", off: day, heard: true},
		{name: "behind as before", off: -day, heard: true, want: -day, steps: []time.Duration{day}},
		{name: "ahead, and nobody told", off: day, want: day, steps: []time.Duration{-day}},
		{name: "ahead, and set right", off: day, heard: true, since: -day},
		{name: "behind, and set right", off: -day, heard: true, since: day},
	} {
		t.Run(tt.name, func(t *testing.T) {
			first := newMachine(tt.off)
			if tt.heard {
				first.vendor(0)
			}
			c := newMachine(tt.off + tt.since)
			c.pass(time.Hour)
			c.Resume(first.Ahead())
			if got := c.Now().Sub(noon.Add(c.elapsed)); got != tt.want {
				t.Errorf("%s off, want %s", got, tt.want)
			}
			c.vendor(0)
			if got := c.Now().Sub(noon.Add(c.elapsed)); got != 0 {
				t.Errorf("%s off although a vendor was heard", got)
			}
			if diff := cmp.Diff(tt.steps, c.steps); diff != "" {
				t.Errorf("told %s, want %s", c.steps, tt.steps)
			}
		})
	}
	c := newMachine(0)
	for _, text := range []string{"", "x", "1", "1 x", "99999999999999999999 1"} {
		c.Resume(text)
	}
	if got := c.Now(); !got.Equal(noon) {
		t.Errorf("nonsense is resumed: %s", got)
	}
}

// Whatever happens, the steps told are how the time has moved beside what passed.
func TestClockTellsEveryStep(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newMachine(0)
		for range rapid.IntRange(1, 40).Draw(rt, "readings") {
			before, told := c.Now(), len(c.steps)
			slept := c.offset != c.sure // as far as anybody can know
			by := time.Duration(rapid.SampledFrom([]int{-1440, -62, -2, 2, 62, 1440}).Draw(rt, "minutes")) * time.Minute
			hear := rapid.Bool().Draw(rt, "hear")
			if hear {
				c.Heard("a", before.Add(by))
			} else {
				c.set(by)
			}
			moved, steps := c.Now().Sub(before), c.steps[told:]
			quiet := len(steps) == 0 && (moved == 0 || hear && slept)
			if !quiet && (len(steps) != 1 || steps[0] != moved) {
				rt.Fatalf("the time moved by %s, and %s was told", moved, steps)
			}
		}
	})
}

func TestClockTellsOneStepOnceToMany(t *testing.T) {
	c := newMachine(-day)
	var mu sync.Mutex
	read := func(f func()) {
		mu.Lock()
		defer mu.Unlock()
		f()
	}
	wall, told := c.wall, make(chan time.Duration, 100)
	c.Wall = func() (now time.Time) {
		read(func() { now = wall })
		return now
	}
	c.Stepped = func(by time.Duration) { told <- by }
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for range 500 {
				c.Now()
				c.Skew()
			}
		})
	}
	read(func() { wall = wall.Add(day) })
	readers.Wait()
	c.Now()
	c.Heard("a", noon)
	if n := len(told); n != 1 {
		t.Fatalf("told %d times, want once", n)
	}
	if by := <-told; by != day {
		t.Errorf("told %s, want a day", by)
	}
}

func TestClockOfThisMachine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c Clock
		before := c.Now()
		pass(time.Hour)
		if now := c.Now(); !now.Equal(time.Now()) || now.Sub(before) != time.Hour || now.Location() != time.UTC {
			t.Errorf("%s an hour after %s", now, before)
		}
		c.Heard("a", time.Now().Add(-day))
		if got := c.Skew(); got != day {
			t.Errorf("ahead by %s, want a day", got)
		}
		pass(time.Hour)
		if now := c.Now(); !now.Equal(time.Now().Add(-day)) {
			t.Errorf("%s, want a day before this machine's %s", now, time.Now())
		}
	})
}
