package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

// TestClockIsADayOff: what the vendor says is judged by the vendor's clock, and it is said that this machine's is wrong.
func TestClockIsADayOff(t *testing.T) {
	t.Parallel()
	for name, skew := range map[string]time.Duration{"behind": 24 * time.Hour, "ahead": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openRig(t, confirming())
			r.skew = skew
			r.cloud.Skew(skew)
			there := func() time.Time { return time.Now().Add(skew) }
			r.start(t)
			s := r.becomes(t, 0, isOff)
			if off := s.LastPoll.Sub(there()).Abs(); off > time.Minute {
				t.Errorf("the answer came at %v", s.LastPoll)
			}
			m, err := r.air.Next(limit(t, soon), 0, whole(bridgeTopic, func(b bridge) bool { return b.ClockAhead != 0 }))
			must(t, err)
			if b := parse[bridge](t, m); (time.Duration(b.ClockAhead)*time.Second + skew).Abs() > slow*time.Second {
				t.Errorf("%s", m.Payload)
			}
			if page := strings.ToLower(r.page(t)); !strings.Contains(page, "clock") {
				t.Error("the page says nothing of the clock")
			}
			begun := there().Add(-few).Truncate(time.Second)
			r.cloud.Start(begun)
			e := r.says(t, 0, "started")
			if !e.Occurred.Equal(begun) || *e.Late || *e.Seconds > 60 {
				t.Errorf("begun at %v: %+v", begun, e)
			}
			r.kill(t)
			mark := r.mark(t)
			r.start(t)
			r.polled(t)
			over := there().Truncate(time.Second)
			r.cloud.End(over)
			e = r.says(t, 0, "ended")
			if !e.Occurred.Equal(over) || *e.Late || *e.Seconds > 60 {
				t.Errorf("over at %v, %d s late: %+v", over, *e.Seconds, e)
			}
			r.only(t, 0, "started", "ended")
			for _, m := range observer.Pick(r.air.Since(mark), observer.On(stateTopic)) {
				if s := parse[equivents](t, m); !isOn(s) && s.LastEnd == nil {
					t.Errorf("after a restart: %s", m.Payload)
				}
			}
			r.within(t)
		})
	}
}
