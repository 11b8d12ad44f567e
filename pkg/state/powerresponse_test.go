package state

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// tenant plays what a PowerResponse tenant hears into a Fold, and says what is
// due as a publisher that is heard at once, unless it is deaf.
type tenant struct {
	fold   *Fold
	events []event.Event
	marks  map[string]Said
	said   []string
	deaf   bool
	last   time.Time // when it heard something last
}

func responseRules() Rules {
	return Rules{Zone: time.UTC, Since: at(-m), PowerResponse: &PowerResponseRules{Interval: 15 * m}}
}

func newTenant() *tenant {
	h := &tenant{fold: New(responseRules(), 0), marks: map[string]Said{}}
	h.fold.Loaded()
	return h
}

func (h *tenant) hear(es ...event.Event) *tenant {
	for _, e := range es {
		e.Seq, e.Source = int64(len(h.events)+1), "powerresponse"
		h.events = append(h.events, e)
		for now := h.last; now.Before(e.Seen) && !now.IsZero(); now = now.Add(m) {
			h.say(now) // the publisher comes by whenever something changes
		}
		h.last = e.Seen
		h.fold.Apply(e)
		h.say(e.Seen)
	}
	return h
}

func (h *tenant) say(now time.Time) *tenant {
	for _, m := range h.fold.View(now).Due() {
		if !h.deaf {
			h.said = append(h.said, m.Type)
			h.fold.Mark(m.ID, AtRest)
			h.marks[m.ID] = AtRest
		}
	}
	return h
}

// restart is a new process that finds the journal, with nothing kept of how
// far it was said, and what the broker is known to have.
func (h *tenant) restart(now time.Time) *tenant {
	h.fold = New(responseRules(), 0)
	for _, e := range h.events {
		h.fold.Apply(e)
	}
	for _, id := range h.fold.Open() {
		h.fold.Mark(id, h.marks[id])
	}
	h.fold.Loaded()
	return h.say(now)
}

func (h *tenant) state(now time.Time) *Response {
	return h.fold.View(now).Source("powerresponse").Devices.At(0).State.(*Response)
}

// expect compares what is shown: "ON"/"OFF"/"null", then the minutes of what
// runs, of what is next and of what was last, and of all that was said.
func (h *tenant) expect(t *testing.T, now time.Duration, want string, said ...string) *tenant {
	t.Helper()
	h.say(at(now))
	v := h.state(at(now))
	got := "null"
	if v.Active != nil {
		got = map[bool]string{true: "ON", false: "OFF"}[*v.Active]
	}
	for _, d := range []struct {
		name string
		*Dispatch
	}{{"", v.Running}, {" next", v.Next}, {" last", v.Last}} {
		if d.Dispatch != nil {
			got += fmt.Sprintf("%s %s–%s", d.name, minutes(d.Start), minutes(d.End))
		}
	}
	if got != want {
		t.Errorf("after %v: %q, want %q", now, got, want)
	}
	if !slices.Equal(h.said, said) {
		t.Errorf("after %v: said %v, want %v", now, h.said, said)
	}
	return h
}

func responseID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

// never is the end that nobody named.
const never = time.Duration(-1)

// shows is what the API shows of an event, its times in minutes after noon.
func shows(seen time.Duration, n int, start, end time.Duration, status string) event.Event {
	e := event.Event{
		Key: "event/" + responseID(n), By: event.API, At: at(start), Seen: at(seen), Window: &event.Window{Start: at(start), Direction: "powerDOWN"},
		Data: json.RawMessage(`{"name":"Evening","status":"` + status + `"}`),
	}
	if end != never {
		e.Window.End = at(end)
	}
	return e
}

func withdrawn(seen time.Duration, n int, word string) event.Event {
	return event.Event{Key: "event/" + responseID(n), By: event.API, At: at(seen), Seen: at(seen), Status: &event.Status{State: word}}
}

func hinted(seen time.Duration, n int) event.Event {
	return event.Event{
		Key: fmt.Sprint("hook/", n, seen), By: event.Webhook, At: at(seen), Seen: at(seen), Notice: &event.Notice{Code: "EXAMPLE"},
		Data: json.RawMessage(`{"eventType":"EXAMPLE","eventUUID":"` + responseID(n) + `"}`),
	}
}

func answers(seen time.Duration, reason string) event.Event {
	e := event.Event{Subject: event.Link, Key: event.Link, By: event.Self, At: at(seen), Seen: at(seen), Status: &event.Status{State: "ok"}}
	if reason != "" {
		e.Status = &event.Status{State: "error", Detail: reason}
	}
	return e
}

func TestDispatchByTheClock(t *testing.T) {
	h := newTenant()
	h.expect(t, 0, "null")
	h.hear(answers(0, "")).expect(t, m, "null") // the key is right; whether anything runs nobody said
	h.hear(hinted(m, 1)).expect(t, m, "null", "notice")
	h.hear(shows(2*m, 1, 30*m, 60*m, "SCHEDULED")).expect(t, 2*m, "OFF next 30–60", "notice", "announced")
	if v := h.fold.View(at(2 * m)); !v.Next.Equal(at(30 * m)) {
		t.Errorf("it changes at %v", v.Next)
	}
	h.expect(t, 30*m, "ON 30–60", "notice", "announced", "started")
	if d := h.state(at(40 * m)).Running; d.Status != "SCHEDULED" || d.Name != "Evening" || d.Direction != "powerDOWN" || d.UUID != responseID(1) {
		t.Errorf("%+v", d)
	}
	h.expect(t, 60*m, "OFF last 30–60", "notice", "announced", "started", "ended")
	h.hear(shows(61*m, 1, 30*m, 60*m, "COMPLETED")).expect(t, 70*m, "OFF last 30–60", "notice", "announced", "started", "ended")
}

func TestDispatchInOtherWays(t *testing.T) {
	for name, c := range map[string]struct {
		events []event.Event
		at     time.Duration
		want   string
		said   []string
	}{
		"heard while it runs":     {[]event.Event{shows(40*m, 1, 30*m, 60*m, "")}, 70 * m, "OFF last 30–60", []string{"started", "ended"}},
		"heard when it is over":   {[]event.Event{shows(70*m, 1, 30*m, 60*m, "")}, 70 * m, "OFF last 30–60", nil},
		"without an end":          {[]event.Event{shows(0, 1, 30*m, never, ""), answers(25*time.Hour, "")}, 25 * time.Hour, "OFF last 30–1470", []string{"announced", "started", "ended"}},
		"without times":           {[]event.Event{hinted(0, 1), {Key: "event/" + responseID(1), By: event.API, At: at(0), Seen: at(0), Window: &event.Window{}}}, m, "OFF", []string{"notice"}},
		"cancelled before":        {[]event.Event{shows(0, 1, 30*m, 60*m, ""), withdrawn(10*m, 1, "CANCELLED")}, 70 * m, "OFF", []string{"announced", "cancelled"}},
		"cancelled while it runs": {[]event.Event{shows(0, 1, 30*m, 60*m, ""), withdrawn(40*m, 1, "CANCELLED")}, 70 * m, "OFF last 30–40", []string{"announced", "started", "ended", "cancelled"}},
		"gone when it is over":    {[]event.Event{shows(0, 1, 30*m, 60*m, ""), withdrawn(61*m, 1, "gone")}, 70 * m, "OFF last 30–60", []string{"announced", "started", "ended"}},
		"gone twice":              {[]event.Event{shows(0, 1, 30*m, 60*m, ""), withdrawn(10*m, 1, "gone"), withdrawn(20*m, 1, "CANCELLED")}, 21 * m, "OFF", []string{"announced", "cancelled"}},
		"never there":             {[]event.Event{hinted(0, 1), withdrawn(0, 1, "gone")}, m, "OFF", []string{"notice"}},
		"cancelled, then not": {[]event.Event{shows(0, 1, 30*m, 60*m, ""), withdrawn(10*m, 1, "CANCELLED"), shows(20*m, 1, 30*m, 60*m, "")}, 70 * m, "OFF last 30–60",
			[]string{"announced", "cancelled", "started", "ended"}},
		"moved before it began":   {[]event.Event{shows(0, 1, 30*m, 60*m, ""), shows(10*m, 1, 40*m, 50*m, "")}, 70 * m, "OFF last 40–50", []string{"announced", "started", "ended"}},
		"moved away while it ran": {[]event.Event{shows(0, 1, 30*m, 60*m, ""), shows(31*m, 1, 90*m, 120*m, "")}, 95 * m, "ON 90–120", []string{"announced", "started"}},
		"longer while it ran":     {[]event.Event{shows(0, 1, 30*m, 60*m, ""), shows(31*m, 1, 30*m, 90*m, "")}, 89 * m, "ON 30–90", []string{"announced", "started"}},
		"shorter while it ran":    {[]event.Event{shows(0, 1, 30*m, 60*m, ""), shows(45*m, 1, 30*m, 40*m, "")}, 46 * m, "OFF last 30–40", []string{"announced", "started", "ended"}},
		"longer when it was over": {[]event.Event{shows(0, 1, 30*m, 60*m, ""), shows(61*m, 1, 30*m, 90*m, "")}, 95 * m, "OFF last 30–90", []string{"announced", "started", "ended"}},
		"two at once":             {[]event.Event{shows(0, 1, 30*m, 60*m, ""), shows(0, 2, 40*m, 50*m, "")}, 45 * m, "ON 40–50", []string{"announced", "announced", "started", "started"}},
		"… and the first goes on": {[]event.Event{shows(0, 1, 30*m, 60*m, ""), shows(0, 2, 40*m, 50*m, "")}, 55 * m, "ON 30–60 last 40–50", []string{"announced", "announced", "started", "started", "ended"}},
		"one after the other":     {[]event.Event{shows(0, 2, 60*m, 90*m, ""), shows(0, 1, 30*m, 60*m, "")}, 20 * m, "OFF next 30–60", []string{"announced", "announced"}},
		"told anew":               {[]event.Event{{Key: "hook/x", By: event.Webhook, At: at(0), Seen: at(0), Quiet: true, Notice: &event.Notice{Code: "x"}}}, m, "null", nil},
		"stale":                   {[]event.Event{answers(0, ""), shows(0, 1, 30*m, 60*m, ""), answers(20*m, "no")}, 80 * m, "null last 30–60", []string{"announced", "started", "ended"}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newTenant()
			for _, e := range c.events {
				h.hear(e)
			}
			for now := h.last; now.Before(at(c.at)); now = now.Add(m) {
				h.say(now)
			}
			h.expect(t, c.at, c.want, c.said...)
		})
	}
}

func TestDispatchesSayWhatHappened(t *testing.T) {
	h := newTenant()
	h.deaf = true
	h.hear(hinted(0, 1), shows(m, 1, 30*m, 60*m, "SCHEDULED"))
	due := h.fold.View(at(2 * m)).Due()
	if len(due) != 2 || due[0].Fields["kind"] != "EXAMPLE" || !due[1].Occurred.Equal(at(m)) || due[1].Fields["start"] != at(30*m) || due[1].ID != "powerresponse-"+responseID(1)+"-announced" {
		t.Errorf("%+v", due)
	}
	if late := h.fold.View(at(31 * m)).Due(); len(late) != 2 || late[1].Type != "started" || !late[1].Occurred.Equal(at(30*m)) || !strings.Contains(string(late[1].Data), "Evening") {
		t.Errorf("an announcement is not said of what has begun: %+v", late)
	}
	if late := h.fold.View(at(61 * m)).Due(); len(late) != 0 {
		t.Errorf("what nobody heard begin does not end, and a notice is old after an hour: %+v", late)
	}
}

func TestResponseLink(t *testing.T) {
	h := newTenant()
	h.hear(answers(0, "the key is refused"))
	if v := h.state(at(m)); v.Cloud == nil || *v.Cloud || v.CloudError != "the key is refused" {
		t.Errorf("never a good answer: %+v", v)
	}
	h.hear(answers(m, ""))
	for after, up := range map[time.Duration]bool{2 * m: true, 75 * m: true, 76 * m: false} {
		if v := h.state(at(after)); *v.Cloud != up || v.CloudError != "" {
			t.Errorf("after %v: %+v", after, v)
		}
	}
	h.hear(hinted(5*m, 1))
	if l := h.fold.View(at(6 * m)).Link("powerresponse"); !l.LastGood.Equal(at(m)) {
		t.Errorf("%+v", l)
	}
}

func TestEnrolling(t *testing.T) {
	h := newTenant()
	open := event.Event{Subject: Enrol, Key: Enrol, By: event.Self, At: at(0), Seen: at(0), Window: &event.Window{Start: at(0), End: at(10 * m)}}
	h.hear(open)
	if v := h.fold.View(at(m)); !h.state(at(m)).Enrolling || !v.Next.Equal(at(10*m)) || h.state(at(10*m)).Enrolling {
		t.Errorf("the window does not close by itself: next %v", v.Next)
	}
	open.Window = &event.Window{End: at(2 * m)}
	if h.hear(open); h.state(at(2 * m)).Enrolling {
		t.Error("the window is not closed")
	}
}

func TestResponseAsks(t *testing.T) {
	h := newTenant()
	asks := func() *ResponseAsks { return h.fold.View(at(0)).Source("powerresponse").Asks.(*ResponseAsks) }
	first := asks()
	h.hear(hinted(0, 2), hinted(0, 1), shows(m, 1, 30*m, 60*m, ""))
	then := asks()
	if first == then || len(*then) != 2 || (*then)[0] != (ResponseAsk{UUID: responseID(1), Start: at(30 * m), End: at(60 * m), Told: at(0)}) || (*then)[1].Told != at(0) {
		t.Errorf("%+v", then)
	}
	if h.hear(shows(2*m, 1, 30*m, 60*m, "OTHER"), answers(2*m, "")); asks() != then {
		t.Error("another plan for what changes none")
	}
	if h.hear(withdrawn(3*m, 1, "CANCELLED")); asks() == then || !(*asks())[0].Void {
		t.Errorf("%+v", asks())
	}
	h.hear(answers(100*time.Hour, ""))
	if got := *asks(); len(got) != 0 {
		t.Errorf("kept for ever: %+v", got)
	}
	h.hear(shows(101*time.Hour, 3, 100*time.Hour, 101*time.Hour, ""), answers(300*time.Hour, "")).expect(t, 300*time.Hour, "OFF last 6000–6060", "notice", "notice", "announced", "cancelled")
}

func TestResponseDevices(t *testing.T) {
	h := newTenant()
	h.hear(shows(0, 1, 30*m, 60*m, ""))
	device := func(now time.Duration) *Device { return h.fold.View(at(now)).Source("powerresponse").Devices.At(0) }
	before := device(m)
	if before != device(2*m) || before.Subject != "" || before.Source != "powerresponse" {
		t.Error("another device where nothing changed")
	}
	if before == device(31*m) {
		t.Error("the same device where something changed")
	}
}

// TestAClockThatWasWrong: times of the vendor stay, times of ours move.
func TestAResponseToAClockThatWasWrong(t *testing.T) {
	h := newTenant()
	h.hear(shows(0, 1, 30*m, 60*m, ""), hinted(m, 2))
	step := event.Event{Subject: event.Clock, Key: event.Clock, By: event.Self, At: at(m), Seen: at(m), Status: &event.Status{State: "stepped"}, Data: json.RawMessage(`{"by":600000000000,"since":1}`)}
	h.hear(step).expect(t, 20*m, "OFF next 30–60", "announced", "notice")
	asks := *h.fold.View(at(0)).Source("powerresponse").Asks.(*ResponseAsks)
	if !asks[0].Told.Equal(at(0)) || !asks[1].Told.Equal(at(11*m)) {
		t.Errorf("%+v", asks)
	}
}

// TestDispatchesOverRestarts: whatever is told, and whenever this program is
// away, every moment is said at most once, a start at most once, and an end if
// and only if its start was.
func TestDispatchesOverRestarts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := newTenant()
		now := time.Duration(0)
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			now += time.Duration(rapid.IntRange(1, 40).Draw(t, "pause")) * m
			n := rapid.IntRange(1, 2).Draw(t, "event")
			switch rapid.SampledFrom([]string{"show", "show", "cancel", "hint", "deaf", "restart"}).Draw(t, "step") {
			case "show":
				start := now + time.Duration(rapid.IntRange(-60, 60).Draw(t, "start"))*m
				h.hear(shows(now, n, start, start+time.Duration(rapid.IntRange(1, 60).Draw(t, "length"))*m, "S"))
			case "cancel":
				h.hear(withdrawn(now, n, "gone"))
			case "hint":
				h.hear(hinted(now, n))
			case "deaf":
				h.deaf = !h.deaf
			case "restart":
				h.restart(at(now))
			}
		}
		h.deaf = false
		for range 5 {
			now += 60 * m
			h.restart(at(now))
		}
		count := map[string]int{}
		for _, kind := range h.said {
			count[kind]++
		}
		if count["started"] != count["ended"] || count["started"] > 2 || count["announced"] > 2 || count["cancelled"] > 2 {
			t.Errorf("said %v", h.said)
		}
		if len(h.said) != len(h.marks) {
			t.Errorf("%d moments said %d times", len(h.marks), len(h.said))
		}
		if v := h.state(at(now)); v.Running != nil || v.Next != nil {
			t.Errorf("it is over: %+v", v)
		}
	})
}
