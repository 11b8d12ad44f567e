package state

import (
	"encoding/json"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// noon is the instant that all tests count from, in minutes or by a duration.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func at(d time.Duration) time.Time { return noon.Add(d) }

const m = time.Minute

// told builds a Fold and plays events into it as the publisher does: after
// each, what is due is said.
type told struct {
	t    *testing.T
	fold *Fold
	seq  int64
	said []string
}

func listen(t *testing.T, r EquiwattRules) *told {
	if r.MaxDuration == 0 {
		r.MaxDuration = 4 * time.Hour
	}
	if r.PollInterval == 0 {
		r.PollInterval = m
	}
	f := New(Rules{Zone: time.UTC, Since: at(-m), Equiwatt: &r}, 0)
	f.Loaded()
	return &told{t: t, fold: f}
}

func confirming(t *testing.T) *told { return listen(t, EquiwattRules{Token: true}) }
func believing(t *testing.T) *told  { return listen(t, EquiwattRules{Believe: true}) }

func (h *told) hear(e event.Event) *told {
	h.seq++
	e.Seq, e.Source = h.seq, "equiwatt"
	h.fold.Apply(e)
	h.say(e.Seen)
	return h
}

// say says what is due at now, as a publisher that is heard at once.
func (h *told) say(now time.Time) *told {
	for _, m := range h.fold.View(now).Due() {
		h.said = append(h.said, m.Type)
		h.fold.Mark(m.ID, AtRest)
	}
	return h
}

// poll is a good answer at seen: the entries that differ from the last one,
// then the answer as a whole.
func (h *told) poll(seen time.Duration, entries ...event.Window) *told {
	for _, w := range entries {
		h.hear(api(seen, w))
	}
	return h.hear(event.Event{Subject: event.Link, Key: event.Link, By: event.Self, At: at(seen), Seen: at(seen), Status: &event.Status{State: "ok"}})
}

func (h *told) bad(seen time.Duration, why string) *told {
	return h.hear(event.Event{Subject: event.Link, Key: event.Link, By: event.Self, At: at(seen), Seen: at(seen), Status: &event.Status{State: "error", Detail: why}})
}

func api(seen time.Duration, w event.Window) event.Event {
	return event.Event{Key: "api/" + strconv.FormatInt(w.Start.Unix(), 10), By: event.API, At: w.Start, Seen: at(seen), Window: &w}
}

func running(start time.Duration) event.Window { return event.Window{Start: at(start), Running: true} }
func until(start, end time.Duration) event.Window {
	return event.Window{Start: at(start), End: at(end), Running: true}
}
func over(start, end time.Duration) event.Window { return event.Window{Start: at(start), End: at(end)} }
func vanished(start time.Duration) event.Window  { return event.Window{Start: at(start)} }

func (h *told) hook(seen time.Duration, w event.Window) *told {
	return h.hear(event.Event{Key: fmt.Sprint("hook/", h.seq), By: event.Webhook, At: at(seen), Seen: at(seen), Window: &w})
}

func (h *told) started(seen time.Duration) *told { return h.hook(seen, event.Window{Running: true}) }
func (h *told) ended(seen time.Duration) *told   { return h.hook(seen, event.Window{}) }

func (h *told) rehearse(seen, length time.Duration) *told {
	return h.hear(event.Event{Key: fmt.Sprint("rehearsal/", h.seq), By: event.Rehearsal, At: at(seen), Seen: at(seen), Window: &event.Window{Start: at(seen), End: at(seen + length)}})
}

// expect compares what is shown at an instant: "ON"/"OFF"/"null", the minutes
// of start and end of the running one, those of the last one.
func (h *told) expect(now time.Duration, want string) *told {
	h.t.Helper()
	h.say(at(now))
	if got := show(h.fold.View(at(now))); got != want {
		h.t.Errorf("at %s: got %q, want %q", now, got, want)
	}
	return h
}

func show(v View) string {
	q := v.Equiwatt
	s := "null"
	if q.Active != nil {
		s = map[bool]string{true: "ON", false: "OFF"}[*q.Active]
	}
	if r := q.Running; r != nil {
		s += fmt.Sprintf(" %s %s–%s", r.Source, minutes(r.Start), minutes(r.End))
	}
	if l := q.Last; l != nil {
		s += fmt.Sprintf(" last %s–%s", minutes(l.Start), minutes(l.End))
	}
	return s
}

func minutes(t time.Time) string {
	if t.IsZero() {
		return "?"
	}
	return strconv.FormatFloat(t.Sub(noon).Minutes(), 'f', -1, 64)
}

func (h *told) saying(want ...string) *told {
	h.t.Helper()
	if d := cmp.Diff(want, h.said); d != "" {
		h.t.Errorf("said (-want +got):\n%s", d)
	}
	return h
}

func TestNothingIsKnownBeforeTheFirstAnswer(t *testing.T) {
	h := confirming(t).expect(0, "null")
	if q := h.fold.View(noon).Equiwatt; q.Month != nil || q.Cloud != nil {
		t.Errorf("month %v, cloud %v before any answer", q.Month, q.Cloud)
	}
	h.started(0).expect(1, "null") // a webhook alone proves nothing
	h.poll(2).expect(2, "OFF").saying()
}

func TestPollSeesTheWholeEquivent(t *testing.T) {
	confirming(t).poll(-m).
		poll(2*m, until(m, 31*m)).expect(2*m, "ON api 1–31").saying("started").
		poll(31*m, over(m, 31*m)).expect(31*m, "OFF last 1–31").saying("started", "ended")
}

func TestHistoryFiresNothing(t *testing.T) {
	confirming(t).poll(0, over(-300*m, -240*m), over(-100*m, -40*m)).expect(0, "OFF last -100–-40").saying()
}

func TestAnOldNullEndIsStale(t *testing.T) {
	confirming(t).poll(0, vanished(-60*m), over(-30*m, -10*m)).expect(0, "OFF last -30–-10").saying()
}

func TestANullEndIsClosedAfterTheLimit(t *testing.T) {
	confirming(t).poll(m, running(0)).expect(239*m, "ON api 0–?").
		expect(240*m, "null last 0–240"). // nobody answered for hours
		saying("started", "ended")
}

func TestAPlanIsTrustedForTwoMinutesMore(t *testing.T) {
	confirming(t).poll(m, until(0, 30*m)).
		poll(30*m).expect(31*m+59*time.Second, "ON api 0–30").saying("started").
		expect(32*m, "OFF last 0–30").saying("started", "ended").
		poll(33*m, until(0, 45*m)).expect(34*m, "ON api 0–45"). // the end moved
		poll(45*m, over(0, 44*m)).expect(45*m, "OFF last 0–44").saying("started", "ended")
}

func TestAPlanIsBoundedByTheLimit(t *testing.T) {
	confirming(t).poll(m, event.Window{Start: at(0), End: noon.AddDate(70, 0, 0), Running: true}).poll(238*m).poll(241*m).
		expect(241*m, "OFF last 0–240").saying("started", "ended")
}

func TestAStartInTheFutureWaits(t *testing.T) {
	h := confirming(t).poll(0, until(10*m, 40*m)).expect(0, "OFF").saying()
	if next := h.fold.View(noon).Next; !next.Equal(at(8 * m)) {
		t.Errorf("next change at %s, want minute 8", minutes(next))
	}
	h.expect(8*m, "ON api 10–40").saying("started")
}

func TestVanishing(t *testing.T) {
	h := confirming(t).poll(m, running(0)).poll(2*m, vanished(0)).expect(2*m, "ON api 0–?").saying("started")
	if !h.fold.View(at(2 * m)).Equiwatt.Pivotal {
		t.Error("the next answer decides, and nobody is told")
	}
	h.poll(3*m).expect(3*m, "OFF last 0–2").saying("started", "ended")

	confirming(t).poll(m, running(0)).poll(2*m, vanished(0)).poll(3*m, running(0)).expect(3*m, "ON api 0–?").saying("started")

	confirming(t).poll(m, running(0)).ended(110*time.Second).poll(2*m, vanished(0)).
		expect(2*m, "OFF last 0–2").saying("started", "ended")
}

func TestANewerStartEndsAnOlderOne(t *testing.T) {
	confirming(t).poll(m, running(0)).poll(20*m, vanished(0), running(19*m)).
		expect(20*m, "ON api 19–? last 0–19").saying("started", "ended", "started")
}

func TestWhatTheAPIShowsRunsWhateverElseItLists(t *testing.T) {
	confirming(t).poll(11*m, running(0), vanished(10*m)).expect(20*m, "ON api 0–?").saying("started")
	confirming(t).poll(21*m, until(0, 60*m), over(10*m, 20*m)).expect(30*m, "ON api 0–60 last 10–20").saying("started")
}

func TestTakenBack(t *testing.T) {
	confirming(t).poll(m, running(0)).poll(10*m, over(0, 9*m)).expect(10*m, "OFF last 0–9").
		poll(11*m, running(0)).expect(11*m, "ON api 0–?").
		poll(20*m, over(0, 19*m)).expect(20*m, "OFF last 0–19").saying("started", "ended")
}

func TestOutageKeepsWhatRunsAndForgetsWhatDoesNot(t *testing.T) {
	confirming(t).poll(0).bad(m, "down").expect(9*m, "OFF").expect(10*m, "null").poll(11*m).expect(11*m, "OFF")
	confirming(t).poll(0, until(-m, 29*m)).bad(m, "down").expect(20*m, "ON api -1–29").
		expect(31*m, "null last -1–29").saying("started", "ended")
}

func TestCloud(t *testing.T) {
	h := confirming(t).bad(0, "no such host")
	if q := h.fold.View(noon).Equiwatt; q.Cloud == nil || *q.Cloud || q.CloudError != "no such host" {
		t.Errorf("never a good answer: cloud %v, error %q", q.Cloud, q.CloudError)
	}
	h.poll(m).bad(2*m, "busy")
	if q := h.fold.View(at(3 * m)).Equiwatt; q.Cloud == nil || !*q.Cloud || q.CloudError != "busy" {
		t.Errorf("a bad answer after a good one: cloud %v, error %q", q.Cloud, q.CloudError)
	}
	if q := h.fold.View(at(12 * m)).Equiwatt; *q.Cloud {
		t.Error("cloud is still on when the last good answer is stale")
	}
}

func TestADemoTriggerIsUnconfirmed(t *testing.T) {
	h := confirming(t).poll(-m).started(0).started(5*time.Second).poll(time.Second).poll(11*time.Second).expect(m, "OFF")
	q := h.fold.View(at(m)).Equiwatt
	if !q.Urgent || !q.Pending.Equal(noon) {
		t.Errorf("urgent %v, pending since %v", q.Urgent, q.Pending)
	}
	h.poll(119*time.Second).saying().expect(2*m, "OFF").saying("unconfirmed")
	if h.fold.View(at(2*m + 6*time.Second)).Equiwatt.Urgent {
		t.Error("still urgent after two minutes")
	}
	h.expect(3*m, "OFF").saying("unconfirmed")
	h.poll(4*m, running(3*m)).saying("unconfirmed", "started") // it was real, and late
}

func TestAConfirmedWebhookIsNotUnconfirmed(t *testing.T) {
	confirming(t).poll(-m).started(0).poll(20*time.Second, running(-time.Minute)).
		expect(3*m, "ON api -1–?").started(4*m).poll(4*m+time.Second).expect(10*m, "ON api -1–?").saying("started")
}

func TestALateWebhookOfAFinishedEquiventSaysNothing(t *testing.T) {
	confirming(t).poll(0, over(-40*m, -10*m)).hook(m, event.Window{Start: at(-40 * m), Running: true}).
		poll(2*m).expect(10*m, "OFF last -40–-10").saying()
}

func TestAnEndIsBelievedWhenTheCloudIsSilent(t *testing.T) {
	h := confirming(t).poll(m, running(0)).ended(10*m).bad(10*m+time.Second, "down").expect(10*m+19*time.Second, "ON api 0–?")
	h.expect(10*m+20*time.Second, "OFF last 0–10").saying("started", "ended")
	h.poll(11*m).expect(11*m, "ON api 0–?").saying("started", "ended")
}

func TestAnEndIsNotBelievedWhenTheCloudKnowsBetter(t *testing.T) {
	confirming(t).poll(m, running(0)).ended(10*m).poll(10*m+5*time.Second).
		expect(10*m+20*time.Second, "ON api 0–?").bad(11*m, "down").expect(15*m, "ON api 0–?").saying("started")
	// the end of another one
	confirming(t).poll(m, running(0)).hook(10*m, over(-60*m, -30*m)).expect(11*m, "ON api 0–?").saying("started")
}

func TestBelieving(t *testing.T) {
	believing(t).expect(0, "null").started(0).expect(0, "ON webhook 0–?").started(m).started(2*m).
		ended(30*m).ended(31*m).expect(31*m, "OFF last 0–30").saying("started", "ended")
	believing(t).started(0).expect(239*m, "ON webhook 0–?").expect(240*m, "OFF last 0–240").saying("started", "ended")
	believing(t).ended(0).expect(0, "OFF").saying()
}

func TestBelievingTimesInTheBody(t *testing.T) {
	believing(t).hook(m, until(0, 30*m)).expect(m, "ON webhook 0–30").expect(32*m, "OFF last 0–30").saying("started", "ended")
	believing(t).hook(m, until(0, 30*m)).hook(30*m, over(0, 29*m)).expect(30*m, "OFF last 0–29").
		hook(31*m, until(0, 30*m)).expect(31*m, "OFF last 0–29").saying("started", "ended") // replayed
	believing(t).hook(0, running(-300*m)).expect(0, "ON webhook 0–?") // too old to be true
	believing(t).hook(0, running(3*m)).expect(0, "ON webhook 0–?")    // too far ahead
	believing(t).hook(0, until(0, 241*m)).expect(0, "ON webhook 0–?") // too long
	believing(t).hook(30*m, over(0, 29*m)).hook(31*m, running(0)).expect(31*m, "OFF last 0–29").saying()
	believing(t).hook(30*m, event.Window{End: at(29 * m)}).hook(31*m, running(0)).expect(31*m, "OFF last 0–29").saying()
	believing(t).hook(0, running(0)).hook(40*m, running(40*m)).hook(41*m, over(0, 30*m)).expect(41*m, "ON webhook 40–? last 0–30")
}

func TestAnEndThatIsNotAfterItsStart(t *testing.T) {
	believing(t).hook(0, running(0)).hook(5*m, over(0, 0)).expect(5*m, "OFF last 0–5").saying("started", "ended")
	believing(t).hook(0, running(0)).hook(5*m, event.Window{End: at(0)}).expect(5*m, "OFF last 0–5").saying("started", "ended")
	believing(t).hook(0, running(0)).hook(5*m, event.Window{End: at(-m)}).expect(5*m, "ON webhook 0–?").saying("started")
	confirming(t).poll(m, running(0)).hook(10*m, over(0, 0)).bad(10*m+time.Second, "down").expect(10*m+30*time.Second, "OFF last 0–10").saying("started", "ended")
}

// Two clocks differ a little; an end keeps the vendor's time all the same.
func TestAnEndIsWhenTheVendorSays(t *testing.T) {
	h := confirming(t).poll(m, running(0))
	e := api(10*m, over(0, 10*m+time.Second))
	e.Source = "equiwatt"
	h.fold.Apply(e)
	due := h.fold.View(at(10 * m)).Due()
	if len(due) != 1 || !due[0].Occurred.Equal(at(10*m+time.Second)) {
		t.Errorf("due: %+v", due)
	}
}

func TestBelievingAndAskingForTheHistory(t *testing.T) {
	h := listen(t, EquiwattRules{Token: true, Believe: true}).poll(-m, over(-200*m, -140*m)).expect(0, "null last -200–-140")
	h.poll(0, running(-m)).expect(0, "null last -200–-140").saying()
	h.started(m).expect(m, "ON webhook 1–? last -200–-140")
	if !h.fold.View(at(m)).Equiwatt.Running.Confirmed {
		t.Error("the API shows it, and it is not confirmed")
	}
	h.ended(30*m).expect(30*m, "OFF last 1–30")
	h.poll(31*m, over(-m, 29*m)).expect(31*m, "OFF last -1–29").saying("started", "ended")
	if n := *h.fold.View(at(31 * m)).Equiwatt.Month; n != 2 {
		t.Errorf("%d equivents this month, want 2", n)
	}
}

func TestRehearsal(t *testing.T) {
	h := confirming(t).poll(0).rehearse(m, 5*m).expect(m, "ON rehearsal 1–6").expect(6*m, "OFF").
		saying("rehearsal_started", "rehearsal_ended")
	if n := *h.fold.View(at(6 * m)).Equiwatt.Month; n != 0 {
		t.Errorf("a rehearsal was counted: %d", n)
	}
	confirming(t).poll(0).rehearse(m, 5*m).rehearse(3*m, 10*m).expect(12*m, "ON rehearsal 1–13").rehearse(12*m, 0).
		poll(12*m).expect(12*m, "OFF").saying("rehearsal_started", "rehearsal_ended")
	confirming(t).poll(0).rehearse(m, 5*m).poll(3*m, running(2*m)).expect(3*m, "ON api 2–?").
		poll(7*m).expect(7*m, "ON api 2–?").saying("rehearsal_started", "started", "rehearsal_ended")
}

func TestMonth(t *testing.T) {
	zone, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	f := New(Rules{Zone: zone, Since: noon, Equiwatt: &EquiwattRules{Token: true, MaxDuration: time.Hour, PollInterval: m}}, 0)
	first := time.Date(2026, 4, 1, 0, 0, 0, 0, zone) // 23:00 UTC on 31 March
	for i, start := range []time.Time{first.Add(-time.Second), first, first.Add(time.Hour)} {
		f.Apply(event.Event{Seq: int64(i), Source: "equiwatt", Key: fmt.Sprint("api/", i), By: event.API, At: start, Seen: first, Window: &event.Window{Start: start, End: start.Add(m)}})
	}
	f.Loaded()
	if n := *f.View(first.Add(2 * time.Hour)).Equiwatt.Month; n != 2 {
		t.Errorf("%d in April, want 2", n)
	}
	v := f.View(first.Add(-time.Minute))
	if n := *v.Equiwatt.Month; n != 1 {
		t.Errorf("%d in March, want 1", n)
	}
	if !v.Next.Equal(first) {
		t.Errorf("the month changes at %s, want %s", v.Next, first)
	}
}

func TestAWholeEquiventWhileAwaySaysNothing(t *testing.T) {
	h := confirming(t)
	h.fold.Apply(event.Event{Seq: 1, Source: "equiwatt", Key: "api/0", By: event.API, At: noon, Seen: at(m), Window: &event.Window{Start: noon, Running: true}})
	h.fold.Apply(event.Event{Seq: 2, Source: "equiwatt", Key: "api/0", By: event.API, At: noon, Seen: at(30 * m), Window: &event.Window{Start: noon, End: at(29 * m)}})
	h.expect(31*m, "OFF last 0–29").saying()
}

func TestAnEndIsSaidHoweverLateIfItsStartWas(t *testing.T) {
	events := []event.Event{api(m, running(0)), api(30*m, over(0, 29*m))}
	f := New(Rules{Zone: time.UTC, Since: at(48 * time.Hour), Equiwatt: &EquiwattRules{Token: true, MaxDuration: time.Hour, PollInterval: m}}, 0)
	for i, e := range events {
		e.Seq, e.Source = int64(i+1), "equiwatt"
		f.Apply(e)
	}
	for _, id := range f.Open() {
		if id == "equiwatt-"+strconv.FormatInt(noon.Unix(), 10)+"-started" {
			f.Mark(id, AtRest)
		}
	}
	f.Loaded()
	due := f.View(at(48 * time.Hour)).Due()
	if len(due) != 1 || due[0].Type != "ended" || !due[0].Occurred.Equal(at(29*m)) {
		t.Errorf("due %+v, want the end", due)
	}
}

func TestWhatIsOnItsWayIsNotDue(t *testing.T) {
	h := confirming(t)
	h.fold.Apply(event.Event{Seq: 1, Source: "equiwatt", Key: "api/0", By: event.API, At: noon, Seen: noon, Window: &event.Window{Start: noon, Running: true}})
	id := h.fold.View(at(m)).Due()[0].ID
	for _, c := range []struct {
		said    Said
		due     int
		settled bool
	}{{Sent, 0, false}, {Doubtful, 1, false}, {Sent, 0, false}, {AtRest, 0, true}, {Doubtful, 0, true}} {
		h.fold.Mark(id, c.said)
		if v := h.fold.View(at(m)); len(v.Due()) != c.due || v.Settled() != c.settled {
			t.Errorf("marked %d: %d due, settled %v", c.said, len(v.Due()), v.Settled())
		}
	}
}

func TestARestartDoubtsNothingGood(t *testing.T) {
	r := EquiwattRules{Token: true, MaxDuration: time.Hour, PollInterval: m}
	f := New(Rules{Zone: time.UTC, Since: at(3 * time.Hour), Equiwatt: &r}, 0)
	f.Apply(event.Event{Source: "equiwatt", Subject: event.Link, By: event.Self, Seen: noon, Status: &event.Status{State: "ok"}})
	f.Loaded()
	if got := show(f.View(at(3 * time.Hour))); got != "OFF" {
		t.Errorf("right after a restart: %s", got)
	}
	if got := show(f.View(at(3*time.Hour + 10*m))); got != "null" {
		t.Errorf("ten minutes later: %s", got)
	}
}

func TestClockStep(t *testing.T) {
	day := 24 * time.Hour
	for _, by := range []time.Duration{day, -day} {
		data, _ := json.Marshal(Step{By: by})
		h := believing(t).started(0).rehearse(m, 5*m)
		h.hear(event.Event{Subject: event.Clock, Key: event.Clock, By: event.Self, At: at(by + 2*m), Seen: at(by + 2*m), Status: &event.Status{State: "stepped"}, Data: data})
		h.say(at(by+3*m)).saying("started", "rehearsal_started")
		h.hook(by+30*m, event.Window{})
		h.say(at(by+30*m)).saying("started", "rehearsal_started", "rehearsal_ended", "ended")
		if l := h.fold.View(at(by + 30*m)).Equiwatt.Last; l.Duration() != 30*m {
			t.Errorf("stepped by %s: it lasted %s, want 30m", by, l.Duration())
		}
	}
}

func TestAJumpOfNowIsJudgedAnew(t *testing.T) {
	h := confirming(t).poll(m, until(0, 30*m)).expect(m, "ON api 0–30")
	if got := show(h.fold.View(at(24 * time.Hour))); got != "null last 0–30" {
		t.Errorf("a day ahead: %s", got)
	}
	h.expect(2*m, "ON api 0–30").saying("started") // and back again
}
