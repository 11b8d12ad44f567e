package state

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// volts plays Openvolt's events into a Fold; unless it is deaf, what is due is
// said.
type volts struct {
	t    *testing.T
	fold *Fold
	seq  int64
	deaf bool
	said []string
	past []event.Event
}

func voltRules(asks bool) Rules {
	return Rules{
		Zone: time.UTC, Since: noon, Openvolt: &OpenvoltRules{Asks: asks},
		Subject: func(_, id, _ string) string { return strings.ToLower(id) },
	}
}

func voltsOf(t *testing.T, asks bool) *volts {
	h := &volts{t: t, fold: New(voltRules(asks), 0)}
	h.fold.Loaded()
	return h
}

func (h *volts) hear(e event.Event) *volts {
	h.seq++
	e.Seq, e.Source = h.seq, "openvolt"
	h.past = append(h.past, e)
	h.fold.Apply(e)
	return h.say(e.Seen)
}

// say says what is due at now.
func (h *volts) say(now time.Time) *volts {
	for _, m := range h.fold.View(now).Due() {
		if h.deaf {
			continue
		}
		text := fmt.Sprint(m.Subject, " ", m.Type, " ", now.Sub(noon))
		if n, ok := m.Fields["deliveries"]; ok {
			start, end := m.Fields["start"].(time.Time), m.Fields["end"].(time.Time)
			text = fmt.Sprint(text, " ", n, start.Format(" 01-02 15:04"), end.Format(" 01-02 15:04"))
		}
		h.said = append(h.said, strings.TrimSpace(text))
		h.fold.Mark(m.ID, AtRest)
	}
	return h
}

// wait says what becomes due until then.
func (h *volts) wait(until time.Duration) *volts {
	now := at(until)
	for next := h.fold.View(at(0)).Next; !next.IsZero() && next.Before(now); next = h.fold.View(next).Next {
		h.say(next)
	}
	return h.say(now)
}

func (h *volts) saying(want ...string) *volts {
	h.t.Helper()
	if !slices.Equal(h.said, want) {
		h.t.Errorf("said\n%q, want\n%q", h.said, want)
	}
	h.said = nil
	return h
}

// listed is the API's word that a meter is ours.
func (h *volts) listed(seen time.Duration, id, status string) *volts {
	return h.hear(event.Event{Subject: id, Key: "status/" + id, By: event.API, At: at(seen), Seen: at(seen), Status: &event.Status{State: status}})
}

func (h *volts) summary(seen time.Duration, id string, end time.Time, day string, wh float64, gaps int) *volts {
	e := event.Event{Subject: id, Key: "meter/" + id, By: event.API, At: at(seen), Seen: at(seen), Session: &event.Session{}}
	if !end.IsZero() {
		e.Session.Start, e.Session.End = end.AddDate(0, -1, 0), end
	}
	if day != "" {
		e.Session.WattHours = &wh
	}
	e.Data, _ = json.Marshal(map[string]any{"last_day": day, "gaps": gaps})
	return h.hear(e)
}

func (h *volts) notice(seen time.Duration, subject, code string, ranges ...span) *volts {
	e := event.Event{Subject: subject, By: event.Webhook, At: at(seen), Seen: at(seen), Notice: &event.Notice{Code: code}}
	e.Key = fmt.Sprint("delivery/", h.seq)
	e.Data, _ = json.Marshal(map[string]any{"delivery_id": "x", "ranges": ranges})
	return h.hear(e)
}

// data is a webhook of new data of days of a meter, counted from noon's.
func (h *volts) data(seen time.Duration, id string, first, last int) *volts {
	return h.notice(seen, id, voltData, daysOf(id, first, last))
}

func daysOf(id string, first, last int) span {
	midnight := noon.Truncate(24 * time.Hour)
	return span{id, midnight.AddDate(0, 0, first).Add(30 * time.Minute), midnight.AddDate(0, 0, last+1)}
}

func (h *volts) asks(now time.Duration) *OpenvoltAsks {
	asks, _ := h.fold.View(at(now)).Source("openvolt").Asks.(*OpenvoltAsks)
	return asks
}

func (h *volts) meter(now time.Duration, n int) (string, Meter) {
	h.t.Helper()
	d := h.fold.View(at(now)).Source("openvolt").Devices.At(n)
	m, ok := d.State.(*Meter)
	if !ok {
		h.t.Fatalf("%+v", d)
	}
	return d.Subject, *m
}

func TestAMeterKnowsWhatItsSummarySays(t *testing.T) {
	h := voltsOf(t, true).listed(0, "A1", "active")
	subject, m := h.meter(0, 1)
	if subject != "a1" || m != (Meter{Status: "active"}) {
		t.Errorf("%s %+v", subject, m)
	}
	end := noon.Add(-36 * time.Hour)
	h.summary(time.Minute, "A1", end, "2026-03-08", 12345, 7)
	_, m = h.meter(time.Minute, 1)
	if m.Newest != end.Add(-30*time.Minute) || m.LastDay != "2026-03-08" || *m.LastDayEnergy != 12.345 || *m.Gaps != 7 || *m.Age != 36*3600 || m.Status != "active" {
		t.Errorf("%+v", m)
	}
	h.summary(2*time.Minute, "A1", end, "", 0, 0).listed(3*time.Minute, "A1", "")
	if _, m = h.meter(3*time.Minute, 1); m.LastDay != "" || m.LastDayEnergy != nil || *m.Gaps != 0 || m.Status != "" {
		t.Errorf("%+v", m)
	}
}

// The age is of whole hours, and a device is another one only where it changed.
func TestAgeIsRefreshedHourly(t *testing.T) {
	h := voltsOf(t, true).listed(0, "a", "active").listed(0, "b", "active")
	h.summary(0, "a", at(-90*time.Minute), "", 0, 0)
	v := h.fold.View(at(0))
	if !v.Next.Equal(at(30 * time.Minute)) {
		t.Error(v.Next)
	}
	before := v.Source("openvolt").Devices.List()
	same := h.fold.View(at(29 * time.Minute)).Source("openvolt").Devices.List()
	later := h.fold.View(at(30 * time.Minute)).Source("openvolt").Devices.List()
	if same[1] != before[1] || later[1] == before[1] || later[0] != before[0] || later[2] != before[2] || *later[1].State.(*Meter).Age != 7200 {
		t.Errorf("%v %v %v", before, same, later)
	}
	if *before[1].State.(*Meter).Age != 3600 {
		t.Error("a device changed")
	}
}

func TestWhoIsTold(t *testing.T) {
	day := "03-09 00:30 03-10 00:00"
	voltsOf(t, true).listed(0, "a", "active").
		data(0, "a", -1, -1).data(0, "stranger", -1, -1).notice(0, "", voltData, daysOf("a", -1, -1), daysOf("b", -1, -1)).
		notice(time.Second, "", "api_keys.rotated").notice(time.Second, "", "new.type").notice(time.Second, "", event.Undecodable).wait(time.Minute).
		saying("api_keys_rotated 1s", "notice 1s", "notice 1s", "a meter_data_received 2s 1 "+day, "meter_data_received 2s 2 "+day)
	voltsOf(t, false).data(0, "a", -1, -1).wait(time.Minute).saying("a meter_data_received 2s 1 " + day)
}

// A burst of thirteen months is one event; what follows within a minute is one
// more.
func TestABurstIsSaidOnce(t *testing.T) {
	h := voltsOf(t, true).listed(0, "a", "active")
	for month := range 13 {
		h.data(time.Duration(month)*150*time.Millisecond, "a", -30*(month+1), -30*month-1)
	}
	h.wait(1900 * time.Millisecond).saying().wait(6 * time.Second).saying("a meter_data_received 2s 13 02-13 00:30 03-10 00:00")
	h.data(20*time.Second, "a", -1, -1).data(50*time.Second, "a", -2, -2).wait(2 * time.Minute).saying("a meter_data_received 1m2s 2 03-08 00:30 03-10 00:00")
	h.data(10*time.Minute, "a", -1, -1).wait(11 * time.Minute).saying("a meter_data_received 10m2s 1 03-09 00:30 03-10 00:00")
}

// Whoever is restarted in the middle of a burst says it once, and keeps no
// position before it is said.
func TestARestartInABurst(t *testing.T) {
	for name, said := range map[string]Said{"unsaid": Unsaid, "at rest": AtRest, "doubtful": Doubtful} {
		h := voltsOf(t, true).listed(0, "a", "active").data(0, "a", -3, -3).data(time.Second, "a", -2, -2)
		if h.fold.View(at(time.Second)).Settled() {
			t.Error(name, "settled while something is gathered")
		}
		again := voltsOf(t, true)
		again.fold = New(voltRules(true), 0)
		for _, e := range h.past {
			again.fold.Apply(e)
		}
		ids := again.fold.Open()
		if len(ids) != 1 {
			t.Fatal(name, ids)
		}
		again.fold.Mark(ids[0], said)
		again.fold.Loaded()
		again.wait(time.Minute)
		if want := map[Said]int{Unsaid: 1, Doubtful: 1}[said]; len(again.said) != want {
			t.Errorf("%s: %q", name, again.said)
		}
	}
	settled := voltsOf(t, true).listed(0, "a", "active").data(0, "a", -3, -3)
	settled.wait(time.Minute)
	old := voltsOf(t, true)
	old.fold = New(voltRules(true), settled.seq)
	for _, e := range settled.past {
		old.fold.Apply(e)
	}
	old.fold.Loaded()
	old.data(4*time.Second, "a", -2, -2).wait(5 * time.Minute).saying("a meter_data_received 1m2s 1 03-08 00:30 03-09 00:00")
}

func TestNoticesAreSaidForAnHour(t *testing.T) {
	h := voltsOf(t, true)
	h.deaf = true
	h.notice(0, "", "meter.created")
	h.deaf = false
	h.say(at(time.Hour)).saying().say(at(59*time.Minute + 59*time.Second)).saying("meter_created 59m59s")
}

// A delivery that comes again is not said again, though something in it differs:
// its id tells.
func TestADeliveryThatComesAgain(t *testing.T) {
	h := voltsOf(t, true).listed(0, "a", "active").notice(0, "", "meter.created").data(time.Second, "a", -1, -1).wait(time.Minute)
	h.saying("meter_created 0s", "a meter_data_received 3s 1 03-09 00:30 03-10 00:00")
	for _, first := range h.past {
		if first.By == event.Webhook {
			first.Seen, first.At, first.Data = at(time.Hour), at(time.Hour), json.RawMessage(`{"delivery_id":"x","ranges":[{"meter_id":"a","start":"2026-03-01T00:00:00Z","end":"2026-03-02T00:00:00Z"}]}`)
			h.hear(first)
		}
	}
	h.wait(2 * time.Hour).saying()
	if days := h.asks(2 * time.Hour).told("a"); !slices.Contains(days, -9) {
		t.Errorf("what it tells is not asked for: %v", days)
	}
	h.notice(3*time.Hour, "", "meter.created").wait(4 * time.Hour).saying("meter_created 3h0m0s")
}

func TestTheVendorsFieldsAreHandedOn(t *testing.T) {
	h := voltsOf(t, true)
	h.deaf = true
	h.hear(event.Event{Key: "k", By: event.Webhook, At: noon, Seen: noon, Notice: &event.Notice{Code: "meter.created"}, Data: json.RawMessage(`{"delivery_id":"x","told":{"event_id":"meter.created"}}`)})
	h.hear(event.Event{Key: "l", By: event.Webhook, At: noon, Seen: noon, Notice: &event.Notice{Code: event.Undecodable}})
	if due := h.fold.View(noon).Due(); len(due) != 2 || string(due[0].Data) != `{"event_id":"meter.created"}` || due[1].Data != nil {
		t.Errorf("%+v", due)
	}
}

// told are the days of a meter of which there is a word, counted from noon's.
func (a *OpenvoltAsks) told(id string) (days []int64) {
	for _, m := range a.Meters {
		if m.ID == id {
			for d := range m.Told {
				days = append(days, d-dayOf(noon))
			}
		}
	}
	slices.Sort(days)
	return days
}

func TestWhatIsWorthAsking(t *testing.T) {
	h := voltsOf(t, true).listed(0, "a", "active").summary(0, "a", noon.Add(-time.Hour), "", 0, 0)
	asks := h.asks(0)
	if len(asks.Meters) != 1 || !asks.Spoken.IsZero() || len(asks.told("a")) != 0 || !asks.Meters[0].End.Equal(noon.Add(-time.Hour)) || h.asks(time.Hour) != asks {
		t.Errorf("%+v", asks)
	}
	h.data(time.Minute, "a", -3, -2)
	if got := h.asks(time.Minute); got == asks || !slices.Equal(got.told("a"), []int64{-3, -2, -1}) || len(asks.told("a")) != 0 {
		t.Errorf("%v", got.told("a"))
	}
	h.data(2*time.Minute, "a", -1000, -900).data(2*time.Minute, "a", 1, 5000)
	if got := h.asks(2 * time.Minute).told("a"); !slices.Equal(got, []int64{-3, -2, -1}) {
		t.Errorf("silly ranges: %v", got)
	}
	h.data(3*time.Minute, "a", -1000, 1000)
	if got := h.asks(3 * time.Minute).told("a"); len(got) < 420 || len(got) > 430 || got[len(got)-1] != 0 {
		t.Errorf("%d days from %d", len(got), got[0])
	}
	if got := h.asks(3 * time.Minute); !got.Spoken.IsZero() || !got.Meters[0].Fresh.IsZero() {
		t.Errorf("%+v", got)
	}
	h.notice(4*time.Minute, "", voltData)
	if got := h.asks(4 * time.Minute); !got.Spoken.IsZero() || !got.Meters[0].Fresh.Equal(at(4*time.Minute)) {
		t.Errorf("without a range: %+v", got)
	}
}

func TestWhatChangesTheList(t *testing.T) {
	for _, code := range []string{"meter.created", "customer.created", "hosted_consent.approved", "hosted_consent.revoked", "api_keys.rotated", "user.created"} {
		h := voltsOf(t, true).listed(0, "a", "active").notice(time.Minute, "", code)
		asks := h.asks(time.Minute)
		if !asks.Spoken.Equal(at(time.Minute)) || asks.Meters[0].Fresh.IsZero() != (code != voltApproved) {
			t.Errorf("%s: %+v", code, asks)
		}
	}
	h := voltsOf(t, true).notice(0, "", "another.type")
	if !h.asks(0).Spoken.IsZero() {
		t.Error("an unknown type is a reason")
	}
	for i := range 100 { // somebody who guesses
		h.data(time.Duration(i)*time.Minute, fmt.Sprint(i), -1, -1)
	}
	if asks := h.asks(100 * time.Minute); !asks.Spoken.Equal(at(time.Hour)) || len(asks.Meters) != 0 {
		t.Errorf("%+v", asks)
	}
}

func TestWishes(t *testing.T) {
	wish := func(seen time.Duration, code string, ranges ...span) event.Event {
		e := event.Event{Key: fmt.Sprint(code, seen), By: event.Self, At: at(seen), Seen: at(seen), Notice: &event.Notice{Code: code}}
		e.Data, _ = json.Marshal(map[string]any{"ranges": ranges})
		return e
	}
	h := voltsOf(t, true).listed(0, "a", "active").hear(wish(time.Minute, "refetch", daysOf("a", -9, -9), daysOf("stranger", -9, -9)))
	if asks := h.asks(time.Minute); !slices.Equal(asks.told("a"), []int64{-9, -8}) || !asks.Spoken.IsZero() {
		t.Errorf("%+v", asks)
	}
	h.hear(wish(2*time.Minute, "refresh"))
	if asks := h.asks(2 * time.Minute); !asks.Spoken.Equal(at(2*time.Minute)) || !asks.Meters[0].Fresh.Equal(at(2*time.Minute)) {
		t.Errorf("%+v", asks)
	}
	h.wait(time.Hour).saying()
}

func TestWithoutAKeyNobodyIsAsked(t *testing.T) {
	h := voltsOf(t, false)
	for i := range 2 * named {
		h.data(0, fmt.Sprint(i), -1, -1)
	}
	s := h.fold.View(at(0)).Source("openvolt")
	if s.Asks != nil || s.Link.Up != nil || s.Devices.Len() != named+1 {
		t.Errorf("%d devices, %+v", s.Devices.Len(), s.Link)
	}
}

func (h *volts) answer(seen time.Duration, state, why string) *volts {
	return h.hear(event.Event{Subject: event.Link, Key: event.Link, By: event.Self, At: at(seen), Seen: at(seen), Status: &event.Status{State: state, Detail: why}})
}

// A day without a call is no outage, and ten minutes of bad answers are; a key
// that is refused is at once.
func TestHowTheAPIIs(t *testing.T) {
	up := func(h *volts, now time.Duration, want string) {
		t.Helper()
		l := h.fold.View(at(now)).Link("openvolt")
		got := "unknown"
		if l.Up != nil {
			got = fmt.Sprint(*l.Up)
		}
		if got += " " + l.Error; strings.TrimSpace(got) != want {
			t.Errorf("at %v: %s, want %s", now, got, want)
		}
	}
	h := voltsOf(t, true)
	up(h, 0, "unknown")
	h.answer(0, "ok", "")
	up(h, 25*time.Hour, "true")
	up(h, 31*time.Hour, "false")
	h.answer(25*time.Hour, "error", "Broken.").answer(25*time.Hour+5*time.Minute, "error", "Otherwise.")
	up(h, 25*time.Hour+9*time.Minute, "true Otherwise.")
	if next := h.fold.View(at(25*time.Hour + 9*time.Minute)).Next; !next.Equal(at(25*time.Hour + 10*time.Minute)) {
		t.Error(next)
	}
	up(h, 25*time.Hour+10*time.Minute, "false Otherwise.")
	h.answer(26*time.Hour, "ok", "")
	up(h, 26*time.Hour, "true")
	h.answer(27*time.Hour, "refused", "No.")
	up(h, 27*time.Hour, "false No.")
}

func TestAClockOfOpenvoltThatWasWrong(t *testing.T) {
	h := voltsOf(t, true).listed(0, "a", "active").data(0, "a", -1, -1)
	since := h.seq - 1
	data, _ := json.Marshal(Step{By: time.Hour, Since: since})
	h.hear(event.Event{Subject: event.Clock, Key: event.Clock, By: event.Self, At: at(time.Hour), Seen: at(time.Hour), Status: &event.Status{State: "stepped"}, Data: data})
	h.wait(time.Hour + time.Minute).saying("a meter_data_received 1h0m2s 1 03-09 00:30 03-10 00:00")
	if told := h.asks(time.Hour).Meters[0].Told[dayOf(noon)-1]; !told.Equal(at(time.Hour)) {
		t.Error(told)
	}
}

// What is decoded anew says nothing.
func TestOpenvoltReadAnewSaysNothing(t *testing.T) {
	h := voltsOf(t, true).listed(0, "a", "active")
	for _, code := range []string{voltData, "meter.created", event.Undecodable} {
		h.hear(event.Event{Key: code, Subject: "a", By: event.Webhook, At: at(0), Seen: at(0), Notice: &event.Notice{Code: code}, Quiet: true})
	}
	h.wait(time.Hour).saying()
}
