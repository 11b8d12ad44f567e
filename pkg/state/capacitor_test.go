package state

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func TestACharge(t *testing.T) {
	h := openGarage()
	h.hear(hook("charger.connected", 0, facts{}), hook("charger.boot", time.Second, facts{"vendor": "ABB", "model": "Terra AC", "firmwareVersion": "1.6.0"}))
	c := h.charger(t, 0)
	online(t, c, "online")
	if c.Vendor != "ABB" || c.Model != "Terra AC" || c.Firmware != "1.6.0" || !c.LastSeen.Equal(at(time.Second)) {
		t.Errorf("%+v", c)
	}
	h.is(t, 0, "nothing")
	h.hear(changes(m, "Available"))
	h.is(t, m, "Available")
	h.hear(changes(2*m, "Preparing"))
	h.is(t, 2*m, "Preparing plugged")
	h.hear(begins(3*m, "7", 1000))
	h.is(t, 3*m, "Preparing plugged #7 12:03 0")
	h.hear(changes(3*m+time.Second, "Charging"), measures(10*m, "7", 5200))
	h.is(t, 10*m, "Charging charging plugged #7 12:03 4.2")
	h.hear(measures(11*m, "7", 200)) // a register that went back
	h.is(t, 11*m, "Charging charging plugged #7 12:03 4.2")
	h.hear(measures(12*m, "7", 4000)) // … by a little
	h.is(t, 12*m, "Charging charging plugged #7 12:03 4.2")
	h.hear(ends(20*m, "7", 9000), changes(20*m, "Finishing"), changes(25*m, "Available"))
	h.is(t, 25*m, "Available #7 12:03 8 Local")
	h.hears(t, "charger_connected", "charger_boot", "connector_status_changed", "connector_status_changed", "transaction_started",
		"connector_status_changed", "transaction_updated", "transaction_updated", "transaction_updated", "transaction_stopped", "connector_status_changed", "connector_status_changed")
	h.hear(changes(30*m, "Faulted"))
	h.is(t, 30*m, "Faulted fault #7 12:03 8 Local")
	h.hear(begins(40*m, "8", 0))
	h.is(t, 40*m, "Faulted fault #8 12:40 0")
}

// TestWhatWasNotMeasured: a charge begins with nothing, and what nobody told of
// it at its end is not known.
func TestWhatWasNotMeasured(t *testing.T) {
	untold := func(stamped time.Duration) event.Event {
		return hook("transaction.stopped", stamped, facts{"transactionId": "7", "connectorId": 1, "reason": "Local"})
	}
	for name, c := range map[string]struct {
		told []event.Event
		want string
	}{
		"nothing":                   {[]event.Event{begins(0, "7", 1000), untold(m)}, "?"},
		"a register that went back": {[]event.Event{begins(0, "7", 9000), ends(m, "7", 500)}, "?"},
		"nothing at all was used":   {[]event.Event{begins(0, "7", 1000), ends(m, "7", 1000)}, "0"},
		"nothing by its middle":     {[]event.Event{begins(0, "7", 1000), measures(m, "7", 1000), untold(2 * m)}, "0"},
		"some by its middle":        {[]event.Event{begins(0, "7", 1000), measures(m, "7", 3000), untold(2 * m)}, "2"},
		"its middle in disorder":    {[]event.Event{begins(0, "7", 1000), measures(2*m, "7", 3000), measures(m, "7", 2000), untold(3 * m)}, "2"},
		"its end comes twice":       {[]event.Event{begins(0, "7", 1000), untold(m), ends(2*m, "7", 3000)}, "2"},
	} {
		h := openGarage()
		h.hear(c.told[0])
		h.is(t, 0, "charging? fault? plugged? #7 12:00 0")
		h.hear(c.told[1:]...)
		if got := h.connector(3 * m); got != "charging? fault? plugged? #7 12:00 "+c.want+" Local" {
			t.Errorf("%s: %s", name, got)
		}
	}
	h := openGarage().hear(transaction(m, facts{"status": "active", "meterStart": 1000}, at(0), time.Time{})) // it has run for a minute
	h.is(t, m, "charging? fault? plugged? #7 12:00 ?")
}

// TestMomentsOfACharge: each names what it is about.
func TestMomentsOfACharge(t *testing.T) {
	h := openGarage()
	h.deaf = true
	h.hear(begins(0, "7", 1000), measures(m, "7", 1500))
	due := h.source(m + time.Second).Due
	if len(due) != 2 || due[0].Subject != "a" || !due[0].Opens || due[0].Fields["transaction_id"] != "7" || due[0].Fields["connector_id"] != 1 {
		t.Fatalf("%+v", due)
	}
	if kWh, _ := due[1].Fields["session_energy"].(*float64); kWh == nil || *kWh != 0.5 || !due[1].Occurred.Equal(at(m)) || !strings.HasPrefix(due[1].ID, "capacitor-") {
		t.Errorf("%+v", due[1])
	}
}

// TestLate: what is older than the newest delivery of its charger says nothing,
// and changes only what nothing newer was told of.
func TestLate(t *testing.T) {
	h := openGarage()
	h.hear(changes(10*m, "Charging"), changes(5*m, "Preparing"), hook("charger.disconnected", 9*m, facts{}))
	h.is(t, 10*m, "Charging charging plugged")
	online(t, h.charger(t, 10*m), "online")
	h.hears(t, "connector_status_changed")
	h.hear(begins(9*m, "7", 1000))
	h.is(t, 10*m, "Charging charging plugged #7 12:09 0")
	h.hear(measures(15*m, "7", 3000), measures(12*m, "7", 2000))
	h.is(t, 15*m, "Charging charging plugged #7 12:09 2")
	h.hear(changes(20*m, "Available"), ends(19*m, "7", 4000))
	h.is(t, 20*m, "Available #7 12:09 3 Local")
	h.hears(t, "transaction_updated", "connector_status_changed")
	h.hear(begins(-30*m, "6", 0), ends(-20*m, "6", 1000), hook("charger.boot", m, facts{"vendor": "ABB"}))
	h.is(t, 20*m, "Available #7 12:09 3 Local")
	h.hears(t)
}

// TestAnyOrder: in whatever order the deliveries of a day come, doubled or
// not, the same is true in the end.
func TestAnyOrder(t *testing.T) {
	day := []event.Event{
		hook("charger.connected", 0, facts{}), changes(m, "Available"), changes(2*m, "Preparing"), begins(3*m, "7", 1000), changes(4*m, "Charging"),
		measures(10*m, "7", 3000), measures(20*m, "7", 5000), ends(30*m, "7", 6000), changes(31*m, "Finishing"), changes(40*m, "Preparing"),
		begins(41*m, "8", 0), changes(42*m, "Charging"), measures(50*m, "8", 700),
	}
	want := "Charging charging plugged #8 12:41 0.7"
	rapid.Check(t, func(r *rapid.T) {
		h := openGarage()
		list := rapid.Permutation(append(slices.Clone(day), day[rapid.IntRange(0, len(day)-1).Draw(r, "doubled")])).Draw(r, "order")
		h.hear(list...)
		if got := h.connector(time.Hour); got != want {
			r.Errorf("it is %q, want %q", got, want)
		}
		if n := len(h.said); n > len(day) {
			r.Errorf("%d moments of %d deliveries", n, len(day))
		}
	})
}

// TestOneNumberTwice: a number names one charge of one charger, and a charge
// that begins after the end of another of that number is a new one.
func TestOneNumberTwice(t *testing.T) {
	h := openGarage()
	other := func(e event.Event) event.Event {
		e.Data = []byte(strings.ReplaceAll(string(e.Data), `"chargeBoxId":"A"`, `"chargeBoxId":"B"`))
		e.Key += "B"
		return e
	}
	h.hear(begins(0, "7", 1000), other(begins(m, "7", 0)), measures(2*m, "7", 2000), other(ends(3*m, "7", 500)))
	h.is(t, 3*m, "charging? fault? plugged? #7 12:00 1")
	for _, d := range h.source(3 * m).Devices.All() {
		if c, ok := d.State.(*Connector); ok && c.Charger == "B" && c.text() != "charging? fault? plugged? #7 12:01 0.5 Local" {
			t.Error(c.text())
		}
	}
	h.hear(ends(4*m, "7", 3000), begins(4*m+30*time.Second, "7", 1000)) // of a short one, by clocks that differ
	h.is(t, 5*m, "charging? fault? plugged? #7 12:04 2 Local")
	h.hear(begins(10*m, "7", 0))
	h.is(t, 10*m, "charging? fault? plugged? #7 12:10 0")
}

// TestSlashes: a charger whose id looks like another's connector is no such.
func TestSlashes(t *testing.T) {
	h := openGarage()
	h.fold.named["capacitor"].(*chargers).subject = func(_, id, _ string) string { return id }
	h.hear(changes(0, "Available"), apiSays("charger/A/1", 0, facts{"chargeBoxId": "A/1"}, event.Status{State: "online"}))
	seen := map[string]bool{}
	for _, d := range h.source(m).Devices.All() {
		if seen[d.Subject] {
			t.Errorf("%s is told of twice", d.Subject)
		}
		seen[d.Subject] = true
	}
}

// TestLostStop: a charge whose end nobody told is closed by the API, and no
// moment is made up for it.
func TestLostStop(t *testing.T) {
	h := openGarage()
	h.hear(begins(0, "7", 1000), changes(time.Second, "Charging"), changes(30*m, "Available"))
	asks := h.source(31 * m).Asks.(*CapacitorAsks)
	if asks.Kind != "transaction" || asks.ID != "7" || asks.Routine || !asks.Since.Equal(at(31*m)) {
		t.Errorf("%+v", asks)
	}
	over := apiSays("transaction/7", 32*m, facts{"chargeBoxId": "A", "connectorId": 1, "transactionId": "7", "meterStart": 1000, "meterStop": 4000, "reason": "EVDisconnected", "over": true}, event.Session{Start: at(0), End: at(29 * m)})
	h.hear(over, asked(32*m, "transaction", "7"))
	h.is(t, 32*m, "Available #7 12:00 3 EVDisconnected")
	h.hears(t, "transaction_started", "connector_status_changed", "connector_status_changed")
	if asks := h.source(33 * m).Asks.(*CapacitorAsks); asks.Kind == "transaction" {
		t.Errorf("%+v", asks)
	}
	h.hear(hook("charger.connected", 40*m, facts{}), ends(41*m, "7", 4000)) // it comes after all
	h.hears(t, "charger_connected", "transaction_stopped")
}

// TestAbsence: what is still said when the broker is back.
func TestAbsence(t *testing.T) {
	for name, c := range map[string]struct {
		before, during []event.Event
		at             time.Duration
		want           []string
	}{
		"the newest status": {nil, []event.Event{changes(0, "Available"), changes(m, "Preparing"), hook("charger.disconnected", m, facts{}), hook("charger.connected", 2*m, facts{})}, 10 * time.Hour,
			[]string{"connector_status_changed", "charger_connected"}},
		"a charge that runs":        {nil, []event.Event{begins(0, "7", 0)}, 10 * time.Hour, []string{"transaction_started"}},
		"a whole charge":            {nil, []event.Event{begins(0, "7", 0), ends(m, "7", 9)}, 10 * m, nil},
		"a stop":                    {[]event.Event{begins(0, "7", 0)}, []event.Event{ends(m, "7", 9)}, 100 * time.Hour, []string{"transaction_stopped"}},
		"a stop of who knows what":  {nil, []event.Event{ends(0, "7", 9)}, 10 * m, nil},
		"… at once":                 {nil, []event.Event{ends(0, "7", 9)}, m, []string{"transaction_stopped"}},
		"an update":                 {nil, []event.Event{measures(0, "7", 9)}, 59 * m, []string{"transaction_updated"}},
		"an old update":             {nil, []event.Event{measures(0, "7", 9), hook("charger.boot", 0, facts{}), hook("x", 0, facts{})}, 61 * m, nil},
		"what the API knows better": {nil, []event.Event{hook("charger.disconnected", 0, facts{}), apiLists(m, "online")}, 10 * m, nil},
	} {
		h := openGarage()
		h.hear(c.before...)
		h.said, h.deaf = nil, true
		h.hear(c.during...)
		h.deaf = false
		h.say(c.at)
		if !slices.Equal(h.said, c.want) {
			t.Errorf("%s: said %v, want %v", name, h.said, c.want)
		}
	}
}

// TestAfterARestart: the past is known and says nothing again, and the end of
// what was said is said.
func TestAfterARestart(t *testing.T) {
	past := []event.Event{hook("charger.connected", 0, facts{}), begins(m, "7", 1000), measures(2*m, "7", 1500), begins(3*m, "8", 0), ends(4*m, "7", 2000)}
	for i := range past {
		past[i].Seq = int64(i + 1)
	}
	for name, c := range map[string]struct {
		settled int64
		said    []string // ids of moments
		want    []string
	}{
		"all was said":          {5, []string{past[1].Key, past[3].Key, past[4].Key}, nil},
		"the stop was not":      {3, []string{past[1].Key, past[2].Key, past[3].Key}, []string{"transaction_stopped"}},
		"nor the second start":  {3, []string{past[1].Key, past[2].Key}, []string{"transaction_started", "transaction_stopped"}},
		"none of both was said": {3, []string{past[3].Key}, nil},
	} {
		h := &garage{fold: New(capacitorRules(), c.settled), seq: 5}
		for _, e := range past {
			h.fold.Apply(e)
		}
		for _, id := range h.fold.Open() {
			if slices.Contains(c.said, strings.TrimPrefix(id, "capacitor-")) {
				h.fold.Mark(id, AtRest)
			}
		}
		h.fold.Loaded()
		h.say(10 * m)
		if !slices.Equal(h.said, c.want) {
			t.Errorf("%s: said %v, want %v", name, h.said, c.want)
		}
		h.is(t, 10*m, "charging? fault? plugged? #8 12:03 0")
	}
}

// TestTheVendorsFields: a moment carries them as they came, and the name of the
// card where cards are told of.
func TestTheVendorsFields(t *testing.T) {
	h := openGarage()
	h.deaf = true
	plain := facts{"chargeBoxId": "A", "transactionId": 7, "new": 1.5}
	h.hear(
		hook("transaction.started", 0, facts{"transactionId": "7", "connectorId": 1, "told": plain}),
		hook("transaction.updated", m, facts{"transactionId": "7", "connectorId": 1, "told": plain, "idTag": "rfid_00"}),
		hook("charger.new", 2*m, facts{"told": plain}),
		hook("charger.boot", 3*m, facts{}),
	)
	got := []string{}
	for _, d := range h.source(4 * m).Due {
		got = append(got, string(d.Data))
	}
	want := []string{string(plain.json()), `{"chargeBoxId":"A","idTag":"rfid_00","new":1.5,"transactionId":7}`, string(plain.json()), ""}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestSilence(t *testing.T) {
	h := openGarage()
	h.hear(hook("charger.connected", 0, facts{}))
	online(t, h.charger(t, 15*m), "online")
	online(t, h.charger(t, 15*m+time.Second), "unknown")
	online(t, h.charger(t, m), "online") // as if the clock went back
	if next := h.fold.View(at(m)).Next; !next.Equal(at(15*m + time.Second)) {
		t.Errorf("next is %v", next)
	}
	h.hear(changes(20*m, "Available"))
	online(t, h.charger(t, 21*m), "online")
	h.hear(hook("charger.disconnected", 22*m, facts{}))
	online(t, h.charger(t, 10*time.Hour), "offline")
}

// TestSilenceOfWhatTheAPIShows: while the API answers, and its newest word is
// that it is connected, nobody has to hear of a charger.
func TestSilenceOfWhatTheAPIShows(t *testing.T) {
	h := openGarage()
	good := event.Event{Source: "capacitor", Subject: event.Link, By: event.Self, Seen: at(0), Status: &event.Status{State: "ok"}}
	h.hear(good, apiLists(0, "online"))
	online(t, h.charger(t, 2*time.Hour), "online")
	online(t, h.charger(t, 151*m), "unknown") // five intervals without a good answer
	good.Seen = at(160 * m)
	h.hear(good, apiLists(160*m, "online"))
	online(t, h.charger(t, 170*m), "online")
	h.hear(apiLists(180*m, "offline"))
	online(t, h.charger(t, 10*time.Hour), "offline")
	h.hear(apiLists(190*m, "online"), asked(190*m, "chargers", "", "A"))
	online(t, h.charger(t, 191*m), "online")
	h.hear(asked(200*m, "chargers", "", "B"))
	online(t, h.charger(t, 201*m), "unknown") // it is gone
}

// TestTheAPIsWord: it is the truth of the moment, and the newest status holds.
func TestTheAPIsWord(t *testing.T) {
	h := openGarage()
	detail := func(seen time.Duration, updated time.Duration, status string) event.Event {
		e := apiSays("connector/A/1", seen, facts{"chargeBoxId": "A", "connectorId": 1}, event.Status{State: status})
		e.At = at(updated)
		return e
	}
	h.hear(apiLists(0, "online"), detail(0, -m, "available"))
	h.is(t, 0, "Available")
	h.hear(changes(m, "Preparing"), detail(2*m, -m, "Available"))
	h.is(t, 2*m, "Preparing plugged")
	h.hear(detail(3*m, 2*m, "Charging"))
	h.is(t, 3*m, "Charging charging plugged")
	h.hear(detail(4*m, 4*m, "Levitating"))
	h.is(t, 4*m, "Levitating charging? fault? plugged?")
	h.hears(t, "connector_status_changed")
	h.hear(hook("charger.disconnected", 5*m, facts{}), apiLists(6*m, "online"))
	online(t, h.charger(t, 6*m), "online")
	h.hear(apiSays("detail/A", 7*m, facts{"chargeBoxId": "A", "vendor": "ABB", "firmwareVersion": "2", "lastHeartbeat": at(6 * m)}, event.Status{State: "offline"}))
	c := h.charger(t, 7*m)
	online(t, c, "offline")
	if c.Firmware != "2" || !c.LastSeen.Equal(at(6*m)) {
		t.Errorf("%+v", c)
	}
}

func TestNotices(t *testing.T) {
	h := openGarage()
	stray := hook("transaction.updated", 0, facts{"transactionId": "99", "meter": 9})
	stray.Data = facts{"event": "transaction.updated", "transactionId": "99"}.json()
	none := hook("charger.connected", 0, facts{})
	none.Status, none.Notice, none.Data = nil, &event.Notice{Code: "charger.connected"}, facts{"event": "charger.connected"}.json()
	h.deaf = true
	h.hear(stray, none, hook("charger.firmware", 0, facts{}), event.Event{Source: "capacitor", Key: "junk", By: event.Webhook, At: at(0), Seen: at(0), Notice: &event.Notice{Code: event.Undecodable}})
	codes := []any{}
	for _, d := range h.source(m).Due {
		if d.Type != "notice" || d.Subject != "" {
			t.Errorf("%+v", d)
		}
		codes = append(codes, d.Fields["code"])
	}
	if diff := cmp.Diff([]any{"transaction.updated", "charger.connected", "charger.firmware", event.Undecodable}, codes); diff != "" {
		t.Error(diff)
	}
	// Connector 0 is the charger: it has a moment, and no device.
	h = openGarage()
	h.hear(hook("connector.status_changed", 0, facts{"connectorId": 0, "status": "Available"}))
	h.hears(t, "connector_status_changed")
	if n := h.source(m).Devices.Len(); n != 2 {
		t.Errorf("%d devices", n)
	}
	// What a known one lacks is asked for.
	lacking := hook("transaction.started", m, facts{})
	lacking.Session, lacking.Notice = nil, &event.Notice{Code: "transaction.started"}
	h.hear(lacking)
	h.hears(t, "transaction_started")
	if asks := h.source(m).Asks.(*CapacitorAsks); asks.Kind != "transactions" || asks.ID != "A" {
		t.Errorf("%+v", asks)
	}
}
