package state

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// rehearses is a household's command to a source, of so many minutes.
func rehearses(source, subject string, seen, length time.Duration) event.Event {
	return event.Event{
		Source: source, Subject: subject, Key: "rehearsal/" + seen.String(), By: event.Rehearsal, At: at(seen), Seen: at(seen),
		Window: &event.Window{Start: at(seen), End: at(seen + length), Running: length > 0},
	}
}

// plays compares the rehearsal that a source shows: where, and until which minute.
func plays(t *testing.T, v View, source, want string) {
	t.Helper()
	got := ""
	if r := v.Source(source).Rehearsal; r != nil {
		got = strings.TrimSpace(r.Subject + " " + minutes(r.End))
	}
	if got != want {
		t.Errorf("%s rehearses %q, want %q", source, got, want)
	}
}

func TestARehearsedAlert(t *testing.T) {
	h := readersOf()
	h.hear(alertAt(30*m, "A", half, used(4000, 3000)), alertAt(31*m, "B", half, used(6000, 1)))
	h.expect(t, 0, 60*m, "false 4000 - - - 30").saying(t, "a limit_warning", "b limit_warning", "a cleared", "b cleared")

	h.hear(rehearses("ecomon", "A", 70*m, 5*m))
	plays(t, h.fold.View(at(70*m)), "ecomon", "a 75")
	h.expect(t, 0, 70*m, "true 4000 3600 - 400 30").expect(t, 1, 70*m, "false 6000 - - - 31").saying(t, "a limit_warning")
	if v := h.fold.View(at(71 * m)); !v.Next.Equal(at(75 * m)) {
		t.Errorf("next is %v", v.Next)
	}
	h.hear(rehearses("ecomon", "B", 72*m, 10*m)) // goes on where it runs
	plays(t, h.fold.View(at(72*m)), "ecomon", "a 82")
	h.expect(t, 0, 81*m, "true 4000 3600 - 400 30").saying(t)
	h.expect(t, 0, 82*m, "false 4000 - - - 30").saying(t, "a cleared")
	plays(t, h.fold.View(at(82*m)), "ecomon", "")

	h.hear(rehearses("ecomon", "B", 90*m, 5*m)).expect(t, 1, 90*m, "true 6000 5400 - 600 31").saying(t, "b limit_warning")
	h.hear(rehearses("ecomon", "", 91*m, 0)).expect(t, 1, 91*m, "false 6000 - - - 31").saying(t, "b cleared")
	h.hear(rehearses("ecomon", "", 92*m, 0)).saying(t)
}

func TestTheMomentsOfARehearsalSayThatTheyAreOne(t *testing.T) {
	for source, f := range map[string]*Fold{"ecomon": New(ecomonRules(), 0), "capacitor": New(capacitorRules(), 0)} {
		f.Loaded()
		e := rehearses(source, "", 0, m)
		e.Seq = 1
		f.Apply(e)
		for _, now := range []time.Duration{0, m} {
			due := f.View(at(now)).Due()
			if len(due) != 1 || due[0].Fields["rehearsal"] != true || due[0].Subject != "" || !strings.HasPrefix(due[0].ID, source+"-rehearsal-") {
				t.Fatalf("%s at %v: %+v", source, now, due)
			}
			f.Mark(due[0].ID, AtRest)
		}
		if v := f.View(at(2 * m)); !v.Settled() || v.Source(source).Rehearsal != nil {
			t.Errorf("%s: %+v", source, v.Source(source))
		}
	}
}

func TestARealAlertEndsItsRehearsal(t *testing.T) {
	h := readersOf()
	h.hear(alertAt(1*m, "A", often, used(4000, 3000))).expect(t, 0, 60*m, "false 4000 - - - 1").saying(t, "a limit_warning", "a cleared")
	h.hear(rehearses("ecomon", "A", 61*m, 60*m)).saying(t, "a limit_warning")
	h.hear(alertAt(65*m, "A", often, used(4000, 1000))).expect(t, 0, 65*m, "true 4000 1000 - 3000 65").saying(t, "a cleared", "a limit_warning")
	plays(t, h.fold.View(at(65*m)), "ecomon", "")
	h.expect(t, 0, 120*m, "false 4000 - - - 65").saying(t, "a cleared")
}

// A rehearsal with nobody to say it to says neither; one whose start was said
// says its end after a restart, however late.
func TestARehearsalOverARestart(t *testing.T) {
	for _, said := range []Said{Unsaid, Sent, AtRest} {
		h := readersOf()
		h.deaf = true
		h.hear(alertAt(1*m, "A", often, ""), rehearses("ecomon", "A", 61*m, 5*m))
		again := New(ecomonRules(), 1)
		for i, e := range []event.Event{alertAt(1*m, "A", often, ""), rehearses("ecomon", "A", 61*m, 5*m)} {
			e.Seq = int64(i + 1)
			again.Apply(e)
		}
		opener := "ecomon-rehearsal-" + instant(at(61*m)) + "-started"
		if !slices.Contains(again.Open(), opener) {
			t.Fatalf("%v", again.Open())
		}
		if again.Mark(opener, said); said == Sent {
			again.Mark(opener, Doubtful)
		}
		again.Loaded()
		var types []string
		for _, moment := range again.View(at(24 * 60 * m)).Due() {
			types = append(types, moment.Type)
		}
		if want := map[Said]string{Unsaid: "", Sent: "cleared", AtRest: "cleared"}[said]; strings.Join(types, " ") != want {
			t.Errorf("%v: says %q, want %q", said, types, want)
		}
	}
}

func TestARehearsalMovesWithTheClock(t *testing.T) {
	for source, f := range map[string]*Fold{"ecomon": New(ecomonRules(), 0), "capacitor": New(capacitorRules(), 0)} {
		f.Loaded()
		e := rehearses(source, "", 0, 5*m)
		e.Seq = 1
		f.Apply(e)
		f.Mark(f.View(at(0)).Due()[0].ID, AtRest)
		data, _ := json.Marshal(Step{By: 60 * m})
		step := event.Event{Seq: 2, Source: source, Subject: event.Clock, Key: event.Clock, By: event.Self, At: at(60 * m), Seen: at(60 * m), Status: &event.Status{State: "stepped"}, Data: data}
		f.Apply(step)
		plays(t, f.View(at(61*m)), source, "65")
		if due := f.View(at(64 * m)).Due(); len(due) != 0 {
			t.Errorf("%s: %+v", source, due)
		}
		if due := f.View(at(65 * m)).Due(); len(due) != 1 || !due[0].Occurred.Equal(at(65*m)) {
			t.Errorf("%s: %+v", source, due)
		}
	}
}

func connectorOf(t *testing.T, v View, subject string) Connector {
	t.Helper()
	for _, d := range v.Source("capacitor").Devices.All() {
		if c, ok := d.State.(*Connector); ok && d.Subject == subject {
			return *c
		}
	}
	t.Fatalf("no connector %s", subject)
	return Connector{}
}

func TestARehearsedCharge(t *testing.T) {
	h := openGarage()
	h.hear(changes(1*m, "Available"))
	h.said = nil
	real := connectorOf(t, h.fold.View(at(2*m)), "a_1")
	before := h.fold.View(at(2 * m)).Source("capacitor").Devices.List()
	h.hear(rehearses("capacitor", "A/1", 2*m, 5*m))
	v := h.fold.View(at(3 * m))
	plays(t, v, "capacitor", "a_1 7")
	c := connectorOf(t, v, "a_1")
	if !c.Rehearsal || c.Status != "Charging" || !*c.Charging || !*c.Plugged || c.SessionID != "rehearsal" || !c.SessionStart.Equal(at(2*m)) || c.SessionEnergy != nil || c.Running {
		t.Errorf("%+v", c)
	}
	changed := 0
	for i, d := range v.Source("capacitor").Devices.All() {
		if d != before[i] {
			changed++
		}
	}
	if changed != 1 {
		t.Errorf("%d devices changed, want the connector alone", changed)
	}
	if !v.Next.Equal(at(7 * m)) {
		t.Errorf("next is %v", v.Next)
	}
	v = h.fold.View(at(7 * m))
	if got := connectorOf(t, v, "a_1"); got.Rehearsal || got.Status != real.Status || *got.Charging || got.SessionID != "" {
		t.Errorf("afterwards: %+v", got)
	}
	h.hear(changes(8*m, "Preparing"))
	if got := strings.Join(h.said, ", "); got != "transaction_started, transaction_stopped, connector_status_changed" {
		t.Errorf("said %s", got)
	}
}

func TestARealChargeEndsItsRehearsal(t *testing.T) {
	h := openGarage()
	h.hear(changes(1*m, "Available"), rehearses("capacitor", "A/1", 2*m, 60*m))
	h.said = nil
	h.hear(begins(5*m, "7", 1000), changes(5*m, "Charging"), measures(6*m, "7", 3000))
	c := connectorOf(t, h.fold.View(at(6*m)), "a_1")
	if c.Rehearsal || c.SessionID != "7" || *c.SessionEnergy != 2 || !c.Running {
		t.Errorf("%+v", c)
	}
	if got := strings.Join(h.said, ", "); !strings.HasPrefix(got, "transaction_stopped, transaction_started, ") {
		t.Errorf("said %s", got)
	}
	plays(t, h.fold.View(at(6*m)), "capacitor", "")

	// Beside one that runs, the real one is shown.
	h.hear(rehearses("capacitor", "A/1", 7*m, 5*m))
	if c := connectorOf(t, h.fold.View(at(7*m)), "a_1"); !c.Rehearsal || c.SessionID != "7" || !c.Running {
		t.Errorf("%+v", c)
	}
}
