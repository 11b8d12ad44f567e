package state

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// ecomon plays alerts into a Fold; unless it is deaf, what is due is said.
type ecomon struct {
	fold *Fold
	seq  int64
	deaf bool
	said []string

	clock time.Duration
}

func ecomonRules() Rules {
	return Rules{
		Zone: time.UTC, Since: noon, Ecomon: true,
		Subject: func(_, id, _ string) string { return strings.ToLower(id) },
	}
}

func readersOf() *ecomon {
	h := &ecomon{fold: New(ecomonRules(), 0)}
	h.fold.Loaded()
	return h
}

const (
	half  = "HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING"
	often = "ESTIMATED_HOURLY_ACTIVE_ENERGY_LIMIT_WARNING"
)

// used is what the alert at half the hour tells.
func used(limit, consumption float64) string {
	return fmt.Sprintf(`{"configuredLimitInWatts":%v,"consumptionThisFarInTheCurrentHourInWatts":%v}`, limit, consumption)
}

func alertAt(seen time.Duration, device, code, data string) event.Event {
	e := event.Event{Source: "ecomon", Subject: device, By: event.Webhook, At: at(seen), Seen: at(seen), Notice: &event.Notice{Code: code}}
	e.Key = fmt.Sprint(device, code, seen, data)
	if data != "" {
		e.Data = json.RawMessage(data)
	}
	return e
}

func (h *ecomon) hear(es ...event.Event) *ecomon {
	for _, e := range es {
		h.seq++
		e.Seq = h.seq
		h.fold.Apply(e)
		h.say(e.Seen)
	}
	return h
}

func (h *ecomon) say(now time.Time) *ecomon {
	for _, m := range h.fold.View(now).Due() {
		if !h.deaf {
			h.said = append(h.said, strings.TrimPrefix(m.Subject+" "+m.Type, " "))
			h.fold.Mark(m.ID, AtRest)
		}
	}
	return h
}

func (h *ecomon) saying(t *testing.T, want ...string) *ecomon {
	t.Helper()
	if d := cmp.Diff(want, h.said); d != "" {
		t.Errorf("said (-want +got):\n%s", d)
	}
	h.said = nil
	return h
}

// expect compares what is shown of the n-th reader at an instant: warning,
// limit, consumption, projection, remaining, minutes of the last alert.
func (h *ecomon) expect(t *testing.T, n int, now time.Duration, want string) *ecomon {
	t.Helper()
	h.say(at(now))
	if got := showReader(h.fold.View(at(now)), n); got != want {
		t.Errorf("at %s: %s, want %s", now, got, want)
	}
	return h
}

func showReader(v View, n int) string {
	number := func(f *float64) any {
		if f == nil {
			return "-"
		}
		return *f
	}
	r := v.Source("ecomon").Devices.At(n + 1).State.(*Reader)
	return strings.TrimSpace(fmt.Sprintln(r.Warning, number(r.Limit), number(r.Consumption), number(r.Projection), number(r.Remaining), minutes(r.LastAlert)))
}

func TestAnAlertHoldsUntilTheFullHour(t *testing.T) {
	h := readersOf()
	if v := h.fold.View(at(0)); v.Source("ecomon").Devices.Len() != 1 || v.Source("ecomon").Devices.At(0).Subject != "" {
		t.Errorf("%+v", v.Source("ecomon").Devices)
	}
	h.hear(alertAt(30*m, "Device_1", half, used(5000, 3000))).expect(t, 0, 30*m, "true 5000 3000 6000 2000 30")
	if v := h.fold.View(at(31 * m)); !v.Next.Equal(at(60 * m)) {
		t.Errorf("next is %v", v.Next)
	}
	h.expect(t, 0, 60*m-1, "true 5000 3000 6000 2000 30").saying(t, "device_1 limit_warning")
	h.expect(t, 0, 60*m, "false 5000 - - - 30").saying(t, "device_1 cleared")
	if v := h.fold.View(at(60 * m)); !v.Next.IsZero() || !v.Settled() {
		t.Errorf("%+v", v)
	}
	h.hear(alertAt(90*m, "Device_1", half, used(4000, 3000))).expect(t, 0, 90*m, "true 4000 3000 6000 1000 90")
	h.expect(t, 0, 3*time.Hour, "false 4000 - - - 90").saying(t, "device_1 limit_warning", "device_1 cleared")
}

func TestWhatAlertsTell(t *testing.T) {
	for name, c := range map[string]struct{ code, data, want string }{
		"the one at half":     {half, used(1000, 501), "true 1000 501 1002 499 30"},
		"zero is a number":    {half, used(0, 0), "true 0 0 0 0 30"},
		"more than the limit": {half, used(1000, 1200), "true 1000 1200 2400 -200 30"},
		"texts":               {half, `{"configuredLimitInWatts":"1000","consumptionThisFarInTheCurrentHourInWatts":"800.5"}`, "true 1000 800.5 1601 199.5 30"},
		"the other one":       {often, `{"configuredLimitInWattHours":5000}`, "true 5000 - - - 30"},
		"… which tells more":  {often, `{"configuredLimitInWattHours":5000,"consumptionThisFarInTheCurrentHourInWattHours":4000}`, "true 5000 4000 - 1000 30"},
		"named another way":   {often, `{"limitInWattHours":5000}`, "true 5000 - - - 30"},
		"one of its family":   {"ESTIMATED_HOURLY_SOMETHING_NEW", `{}`, "true - - - - 30"},
		"the sustainable one": {"SUSTAINABLE_CONSUMPTION_ALERT", `{"alertSettingId":"alert_12345"}`, "true - - - - 30"},
		"nothing at all":      {half, "", "true - - - - 30"},
		"nonsense":            {half, `{"configuredLimitInWatts":-1,"consumptionThisFarInTheCurrentHourInWatts":1e12}`, "true - - - - 30"},
		"more nonsense":       {half, `{"configuredLimitInWatts":"NaN","consumptionThisFarInTheCurrentHourInWatts":{"x":1}}`, "true - - - - 30"},
		"an unknown one":      {"PRICE_WARNING", used(1000, 501), "false - - - - 30"},
		"an unreadable one":   {event.Undecodable, used(1000, 501), "false - - - - 30"},
	} {
		h := readersOf().hear(alertAt(30*m, "a", c.code, c.data))
		t.Run(name, func(t *testing.T) { h.expect(t, 0, 30*m, c.want) })
		want := "a limit_warning"
		if strings.HasPrefix(c.want, "false") {
			want = "a notice"
		}
		h.saying(t, want)
	}
}

func TestAlertsOfOneHourAddUp(t *testing.T) {
	h := readersOf().hear(alertAt(10*m, "a", often, `{"configuredLimitInWattHours":5000}`)).expect(t, 0, 10*m, "true 5000 - - - 10")
	h.hear(alertAt(30*m, "a", half, used(4000, 1500))).expect(t, 0, 30*m, "true 4000 1500 3000 2500 30")
	h.hear(alertAt(40*m, "a", often, `{"configuredLimitInWattHours":5000}`)).expect(t, 0, 40*m, "true 5000 1500 3000 3500 40")
	h.hear(alertAt(45*m, "a", often, `{"consumptionThisFarInTheCurrentHourInWattHours":3500}`)).expect(t, 0, 45*m, "true 5000 3500 - 1500 45")
	h.hear(alertAt(50*m, "a", "PRICE_WARNING", `{"configuredLimitInWatts":1}`)).expect(t, 0, 50*m, "true 5000 3500 - 1500 50")
	h.expect(t, 0, 60*m, "false 5000 - - - 50")
	h.saying(t, "a limit_warning", "a limit_warning", "a limit_warning", "a limit_warning", "a notice", "a cleared")
	// What the last hour used says nothing of this one.
	h.hear(alertAt(70*m, "a", often, "")).expect(t, 0, 70*m, "true 5000 - - - 70")
}

func TestMomentsOfEcomon(t *testing.T) {
	h := readersOf()
	h.deaf = true
	h.hear(alertAt(30*m, "Device_1", half, used(5000, 3000)))
	h.hear(alertAt(31*m, "Device_1", "PRICE_WARNING", `{"price":1}`), alertAt(32*m, "", ecomonTest, ""), alertAt(33*m, "", half, ""))
	due := h.fold.View(at(33 * m)).Due()
	got := fmt.Sprint(len(due))
	for _, x := range due {
		got += fmt.Sprintf("; %s %q %s %v", x.Source, x.Subject, x.Type, x.Fields["kind"])
	}
	want := "4; ecomon \"device_1\" limit_warning " + half + "; ecomon \"device_1\" notice PRICE_WARNING; ecomon \"\" test webhook:test; ecomon \"\" notice " + half
	if got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	w := due[0]
	for key, want := range map[string]float64{"limit": 5000, "consumption": 3000, "projection": 6000, "remaining": 2000} {
		if v, _ := w.Fields[key].(*float64); v == nil || *v != want {
			t.Errorf("%s is %v, want %v", key, v, want)
		}
	}
	if !w.Occurred.Equal(at(30*m)) || string(w.Data) != used(5000, 3000) {
		t.Errorf("%+v", w)
	}
	// A warning is worth saying in its hour, the rest for an hour.
	for now, want := range map[time.Duration]int{60*m - 1: 4, 60 * m: 3, 91 * m: 2, 92 * m: 1, 93 * m: 0} {
		if n := len(h.fold.View(at(now)).Due()); n != want {
			t.Errorf("at %s: %d are due, want %d", now, n, want)
		}
	}
	h.deaf = false
	h.say(at(5 * time.Hour)).saying(t) // no warning was said, so none is cleared
}

// TestClearedIfWarned: over every absence of the broker, of us, or of both.
func TestClearedIfWarned(t *testing.T) {
	warning := alertAt(30*m, "a", half, used(5000, 3000))
	h := readersOf().hear(warning).saying(t, "a limit_warning")
	h.deaf = true
	h.say(at(60 * m)).say(at(50 * time.Hour))
	h.hear(alertAt(80*time.Hour+30*m, "b", half, "")) // prunes
	h.deaf = false
	h.say(at(80*time.Hour+31*m)).saying(t, "a cleared", "b limit_warning")

	for said, want := range map[Said][]string{Unsaid: nil, Doubtful: {"a cleared"}, AtRest: {"a cleared"}} {
		f := New(ecomonRules(), 1)
		warning.Seq = 1
		f.Apply(warning)
		if ids := f.Open(); len(ids) != 2 {
			t.Errorf("open are %v", ids)
		}
		f.Mark("ecomon-"+warning.Key, said)
		f.Loaded()
		again := &ecomon{fold: f, seq: 1}
		again.say(at(90*m)).saying(t, want...)
		again.hear(alertAt(95*m, "a", half, "")).saying(t, "a limit_warning").say(at(3*time.Hour)).saying(t, "a cleared")
	}
}

// TestRestartInTheHour: another alert of the hour after a restart is said, and
// the hour is cleared once.
func TestRestartInTheHour(t *testing.T) {
	warning := alertAt(30*m, "a", half, used(5000, 3000))
	warning.Seq = 1
	f := New(ecomonRules(), 0)
	f.Apply(warning)
	f.Mark("ecomon-"+warning.Key, AtRest)
	f.Loaded()
	h := &ecomon{fold: f, seq: 1}
	h.expect(t, 0, 35*m, "true 5000 3000 6000 2000 30").saying(t)
	h.hear(alertAt(40*m, "a", often, "")).saying(t, "a limit_warning")
	h.say(at(60*m)).say(at(61*m)).saying(t, "a cleared")
}

// TestReadAnewSaysNothing: a better reading of the past corrects what is shown
// where it is the newest.
func TestReadAnewSaysNothing(t *testing.T) {
	quiet := func(seen time.Duration, code, data string) event.Event {
		e := alertAt(seen, "a", code, data)
		e.Quiet = true
		return e
	}
	h := readersOf().hear(quiet(m, half, "")).expect(t, 0, 2*m, "true - - - - 1").saying(t)
	if v := h.fold.View(at(2 * m)); !v.Next.Equal(at(60 * m)) {
		t.Errorf("next is %v", v.Next)
	}
	h.expect(t, 0, 60*m, "false - - - - 1").saying(t)
	h = readersOf().hear(quiet(-3*time.Hour, half, used(9000, 1)), quiet(-2*time.Hour, "PRICE_WARNING", ""))
	h.expect(t, 0, 0, "false 9000 - - - -120").saying(t)
	h.hear(alertAt(30*m, "a", half, used(5000, 3000)), quiet(20*m, half, used(1, 1)), quiet(-24*time.Hour, half, ""))
	h.expect(t, 0, 35*m, "true 5000 3000 6000 2000 30")
	h.hear(quiet(30*m, half, used(5000, 3100))).expect(t, 0, 35*m, "true 5000 3100 6200 1900 30")
	h.say(at(60*m)).saying(t, "a limit_warning", "a cleared")
}

func TestAClockThatWasWrong(t *testing.T) {
	for _, by := range []time.Duration{-48 * time.Hour, 48*time.Hour + 45*m, -20 * m} {
		data, _ := json.Marshal(Step{By: by})
		step := event.Event{
			Source: "ecomon", Subject: event.Clock, Key: event.Clock, By: event.Self, At: at(by + 31*m), Seen: at(by + 31*m),
			Status: &event.Status{State: "stepped"}, Data: data,
		}
		h := readersOf().hear(alertAt(30*m, "a", half, used(5000, 3000)), step)
		end := hourEnd(at(30*m + by)).Sub(noon)
		h.expect(t, 0, end-1, "true 5000 3000 6000 2000 "+minutes(at(30*m+by))).saying(t, "a limit_warning")
		h.say(at(end)).saying(t, "a cleared")

		h = readersOf()
		h.deaf = true
		h.hear(alertAt(30*m, "a", half, used(5000, 3000)), step)
		for now, want := range map[time.Duration]int{end - 1: 1, end: 0} {
			if n := len(h.fold.View(at(now)).Due()); n != want {
				t.Errorf("stepped by %s, at %s: %d are due, want %d", by, now, n, want)
			}
		}
	}
	// Before it is set, what comes is believed all the same.
	h := readersOf().hear(alertAt(30*m, "a", half, used(5000, 3000)), alertAt(-24*time.Hour, "a", half, used(4000, 1)))
	h.expect(t, 0, -24*time.Hour, "true 4000 1 2 3999 -1440").saying(t, "a limit_warning", "a limit_warning")
}

func TestOnlyWhatChangedIsANewDevice(t *testing.T) {
	h := readersOf().hear(alertAt(30*m, "a", half, used(5000, 3000)), alertAt(31*m, "b", half, used(5000, 3000)))
	before := h.fold.View(at(32 * m)).Source("ecomon").Devices.List()
	list := h.fold.View(at(32 * m)).Source("ecomon").Devices
	h.hear(alertAt(33*m, "b", half, used(5000, 3500)))
	after := h.fold.View(at(33 * m)).Source("ecomon").Devices.List()
	if after[0] != before[0] || after[1] != before[1] || after[2] == before[2] || !slices.Equal(before, list.List()) {
		t.Errorf("%v became %v", before, after)
	}
	if got := h.fold.View(at(34 * m)).Source("ecomon").Devices.List(); !slices.Equal(got, after) {
		t.Error("something was made anew though nothing changed")
	}
	if got := h.fold.View(at(60 * m)).Source("ecomon").Devices.List(); got[0] != after[0] || got[1] == after[1] || got[2] == after[2] {
		t.Error("the full hour changes both readers, and nothing else")
	}
	if got := showReader(h.fold.View(at(40*m)), 0); got != "true 5000 3000 6000 2000 30" {
		t.Errorf("back again: %s", got)
	}
}

// TestHoursOfAlerts: whatever comes and whenever we or the broker are away,
// each hour with a warning that was said is cleared once, and no other is.
func TestHoursOfAlerts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := readersOf()
		warned, cleared := map[string]bool{}, map[string]int{}
		note := func() {
			for _, m := range h.fold.View(at(h.clock)).Due() {
				hour := m.Subject + m.Occurred.Add(-1).Truncate(time.Hour).String()
				if m.Type == "cleared" {
					cleared[hour]++
				} else if m.Type == "limit_warning" {
					warned[m.Subject+m.Occurred.Truncate(time.Hour).String()] = true
				}
				h.fold.Mark(m.ID, AtRest)
			}
		}
		now := 0 * m
		for range rapid.IntRange(1, 30).Draw(t, "alerts") {
			now += time.Duration(rapid.IntRange(1, 50).Draw(t, "pause")) * m
			e := alertAt(now, rapid.SampledFrom([]string{"a", "b"}).Draw(t, "device"), rapid.SampledFrom([]string{half, often, "X"}).Draw(t, "code"), "")
			h.seq++
			e.Seq = h.seq
			h.fold.Apply(e)
			h.clock = now
			if rapid.Bool().Draw(t, "broker") {
				note()
			}
		}
		h.clock = now + 2*time.Hour
		note()
		for hour, n := range cleared {
			if n != 1 || !warned[hour] {
				t.Fatalf("%s was cleared %d times, warned %v", hour, n, warned[hour])
			}
		}
		if len(cleared) != len(warned) {
			t.Fatalf("warned %v, cleared %v", warned, cleared)
		}
	})
}

// BenchmarkReaders is one alert and the view behind it, beside many readers
// that have warned in the same hour.
func BenchmarkReaders(b *testing.B) {
	for _, n := range []int{1, 1000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			h := readersOf()
			for i := range n {
				h.hear(alertAt(time.Duration(i)*time.Millisecond, fmt.Sprint("d", i), half, used(5000, 3000)))
			}
			e := alertAt(30*m, "d0", often, used(5000, 3000))
			for i := 0; b.Loop(); i++ {
				e.Key, e.Seq = fmt.Sprint(i), int64(n+i)
				h.fold.Apply(e)
				for _, m := range h.fold.View(e.Seen).Due() {
					h.fold.Mark(m.ID, AtRest)
				}
			}
		})
	}
}
