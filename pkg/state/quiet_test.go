package state

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// again tells what a webhook of seen says, decoded anew at now.
func (h *told) again(now, seen time.Duration, w event.Window) *told {
	h.hear(event.Event{Key: "hook/again", By: event.Webhook, At: at(seen), Seen: at(seen), Window: &w, Quiet: true, Again: at(now)})
	return h.say(at(now))
}

func TestWhatIsDecodedAnewIsKnownAndNotSaid(t *testing.T) {
	believing(t).again(30*m, 10*m, event.Window{Start: at(10 * m), Running: true}).
		expect(30*m, "ON webhook 10–?").
		ended(40*m).
		expect(40*m, "OFF last 10–40").
		saying()
	confirming(t).poll(0).poll(29*m).again(30*m, 10*m, event.Window{Running: true}).expect(30*m, "OFF").saying()
}

func TestWhatIsDecodedAnewAndYetToComeIsSaid(t *testing.T) {
	h := newTenant()
	h.hear(event.Event{
		Key: "event/u", By: event.API, At: at(60 * m), Seen: at(0), Window: &event.Window{Start: at(60 * m), End: at(90 * m)},
		Quiet: true, Again: at(10 * m),
	})
	h.say(at(10 * m)).say(at(61 * m)).say(at(91 * m))
	if got := strings.Join(h.said, " "); got != "started ended" {
		t.Error(got)
	}
	h = newTenant()
	h.hear(event.Event{
		Key: "event/u", By: event.API, At: at(0), Seen: at(0), Window: &event.Window{Start: at(0), End: at(90 * m)},
		Quiet: true, Again: at(10 * m),
	})
	h.say(at(10 * m)).say(at(91 * m))
	if got := strings.Join(h.said, " "); got != "" {
		t.Error("one that runs already:", got)
	}
}

func TestWhatWasSaidIsEndedWhoeverTellsIt(t *testing.T) {
	believing(t).started(0).again(30*m, 20*m, event.Window{End: at(20 * m)}).
		expect(30*m, "OFF last 0–20").
		saying("started", "ended")
}

func TestARestartDoesNotSayWhatWasHushed(t *testing.T) {
	var events []event.Event
	quiet := event.Event{Source: "equiwatt", Key: "k", By: event.Webhook, At: noon, Seen: noon, Window: &event.Window{Running: true}, Quiet: true, Again: at(5 * m)}
	for i := range 3 {
		e := quiet
		e.Seq = int64(i + 1)
		events = append(events, e)
	}
	f := New(Rules{Zone: time.UTC, Since: at(6 * m), Equiwatt: &EquiwattRules{Believe: true, MaxDuration: 4 * time.Hour}}, 0)
	for _, e := range events {
		f.Apply(e)
	}
	f.Loaded()
	v := f.View(at(7 * m))
	if v.Equiwatt.Running == nil || len(v.Due()) != 0 || !v.Settled() {
		t.Errorf("%+v, due %v", v.Equiwatt.Running, v.Due())
	}
	f.Apply(event.Event{Seq: 4, Source: "equiwatt", Key: "end", By: event.Webhook, At: at(8 * m), Seen: at(8 * m), Window: &event.Window{}})
	if due := f.View(at(8 * m)).Due(); len(due) != 0 {
		t.Error(due)
	}
}

// A decoder that finds the times in what came before corrects them.
func TestABetterDecoderCorrectsTheTimes(t *testing.T) {
	h := believing(t).started(10*m).ended(40*m).expect(41*m, "OFF last 10–40").
		again(50*m, 10*m, event.Window{Start: at(8 * m), Running: true, Direction: "powerUP"}).
		again(50*m, 40*m, event.Window{End: at(38 * m)}).
		expect(50*m, "OFF last 8–38").
		saying("started", "ended")
	if d := h.fold.View(at(50 * m)).Equiwatt.Last.Direction; d != "powerUP" {
		t.Error(d)
	}
	h.again(51*m, 10*m, event.Window{Start: at(-time.Hour * 24 * 365), Running: true}).expect(51*m, "OFF last 8–38")
}

func TestHushedMomentsAreNeverSaidNorTheirEnds(t *testing.T) {
	var ms moments
	ms.say(true, Moment{ID: "on", Opens: true}, at(0), at(5*m))
	ms.mark("on", Hushed)
	ms.mark("on", Doubtful)
	ms.end("on", Moment{ID: "off"}, at(10*m))
	wantDue(t, &ms, at(m))
	wantDue(t, &ms, at(10*m))
	ms.prune(at(10*m + 2*forgotten))
	if left := strings.Join(ms.open(), " "); left != "" {
		t.Error("still kept:", left)
	}
	if diff := cmp.Diff([]bool{false, true, true, true, false}, []bool{Unsaid.told(), Sent.told(), Doubtful.told(), AtRest.told(), Hushed.told()}); diff != "" {
		t.Error(diff)
	}
}
