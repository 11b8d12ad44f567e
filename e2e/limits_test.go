package e2e

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// TestLimitsOverRestarts: whoever restarts it again and again, the vendor is called no more than it allows, and is called again
// when that is over.
func TestLimitsOverRestarts(t *testing.T) {
	t.Parallel()
	for name, stop := range map[string]func(*testing.T, *rig){
		"SIGTERM": func(t *testing.T, r *rig) { must(t, r.app.Stop()) },
		"kill -9": func(_ *testing.T, r *rig) { r.app.Kill() },
		"both": func(t *testing.T, r *rig) {
			if r.app.PID()%2 == 0 {
				must(t, r.app.Stop())
			}
			r.app.Kill()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openRig(t, confirming())
			r.triggers("")
			for n := range 20 {
				must(t, r.app.Start(limit(t, soon)))
				r.post(t, simulator.Started, "") // a reason to ask at once
				if n == 0 {
					until(t, soon, "a call", func() bool { return len(r.cloud.Calls()) > 0 })
				}
				stop(t, r)
			}
			r.within(t)
			quick := len(r.cloud.Calls())
			r.start(t)
			until(t, 5*time.Minute, "four more calls", func() bool { return len(r.cloud.Calls()) >= quick+4 })
			r.within(t)
			for _, c := range r.cloud.Calls() {
				if c.Status != http.StatusOK && c.Status != 0 {
					t.Errorf("a call was answered with %d", c.Status)
				}
			}
			t.Logf("%d calls in 20 runs", quick)
		})
	}
}

// TestSilenceOverRestarts: a vendor that asks for silence gets it, whoever asks for more, and whatever is restarted.
func TestSilenceOverRestarts(t *testing.T) {
	t.Parallel()
	// What the vendor says, and when that is over for a call of a time.
	type asked func(now time.Time) (after string, over func(call time.Time) time.Time)
	for name, said := range map[string]asked{
		"seconds": func(time.Time) (string, func(time.Time) time.Time) {
			return "20", func(call time.Time) time.Time { return call.Add(20 * time.Second) }
		},
		"a date": func(now time.Time) (string, func(time.Time) time.Time) {
			date := now.Add(25 * time.Second).Truncate(time.Second)
			return date.UTC().Format(http.TimeFormat), func(time.Time) time.Time { return date }
		},
		"not said": func(time.Time) (string, func(time.Time) time.Time) {
			return "", func(call time.Time) time.Time { return call.Add(time.Minute) }
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openRig(t, confirming())
			r.triggers("")
			after, over := said(time.Now())
			r.cloud.Break(simulator.TooMany(after).For(1))
			r.start(t)
			s := r.becomes(t, 0, func(s equivents) bool { return s.CloudError != nil })
			if !isNull(s) || s.Cloud == nil || *s.Cloud != "OFF" {
				t.Errorf("%+v", s)
			}
			r.cloud.Start(time.Now())
			r.command(t, "refresh", "PRESS")
			deliver(simulator.InOrder)(t, r)
			r.app.Kill()
			r.start(t)
			r.command(t, "refresh", "PRESS")
			must(t, r.app.Stop())
			r.start(t)
			r.command(t, "refresh", "PRESS")
			m, err := r.air.Next(limit(t, 3*time.Minute), 0, observer.On(eventTopic))
			must(t, err)
			if m := parse[moment](t, m); m.Type != "started" {
				t.Errorf("%+v", m)
			}
			calls := r.cloud.Calls()
			if early := over(calls[0].At).Sub(calls[1].At); early > 0 {
				t.Errorf("called %v before the silence was over", early)
			}
			r.within(t)
		})
	}
}

// TestTheCloudFails in every way it can: what is known stays, the reason is one sentence, and it recovers by itself.
func TestTheCloudFails(t *testing.T) {
	t.Parallel()
	const secret = apiToken
	echo := `{"success":false,"msg":"bad token Bearer ` + secret + `","data":null}`
	for name, f := range map[string]simulator.Fault{
		"500":       simulator.Status(http.StatusInternalServerError),
		"401":       simulator.Status(http.StatusUnauthorized),
		"403":       simulator.Status(http.StatusForbidden),
		"failure":   simulator.Failure("maintenance"),
		"echo":      simulator.Raw(http.StatusOK, nil, echo),
		"web page":  simulator.WebPage(),
		"redirect":  simulator.Redirect("http://example.org/"),
		"truncated": simulator.Truncated(),
		"huge":      simulator.Huge(),
		"cut off":   simulator.CutOff(),
		"hung up":   simulator.HangUp(),
		"slow":      simulator.Slow(),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := openRig(t, confirming())
			r.start(t)
			r.becomes(t, 0, isOff)
			begin(few)(t, r, time.Time{})
			r.says(t, 0, "started")
			mark := r.mark(t)
			r.cloud.Break(f)
			s := r.becomes(t, mark, func(s equivents) bool { return s.CloudError != nil })
			if n := len([]rune(*s.CloudError)); n < 10 || n > 200 || strings.Contains(*s.CloudError, "\n") {
				t.Errorf("not one clear sentence: %q", *s.CloudError)
			}
			if !strings.Contains(r.page(t), "Equiwatt") || s.Cloud == nil || *s.Cloud != "ON" {
				t.Errorf("not stale yet: %+v", s)
			}
			r.cloud.Mend()
			r.cloud.Release()
			r.becomes(t, r.mark(t), func(s equivents) bool { return s.CloudError == nil })
			for _, m := range observer.Pick(r.air.Since(mark), observer.On(stateTopic)) {
				if !isOn(parse[equivents](t, m)) {
					t.Errorf("what ran is gone: %s", m.Payload)
				}
			}
			r.only(t, 0, "started")
			r.tellsNo(t, secret)
			r.within(t)
			t.Log(*s.CloudError)
		})
	}
}
