package state

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// wants is what is most wanted to be known, in a line.
func (h *garage) wants(now time.Duration) string {
	a := h.source(now).Asks.(*CapacitorAsks)
	if a.Since.IsZero() {
		return "nothing"
	}
	line := fmt.Sprintf("%s %s at %v", a.Kind, a.ID, a.Since.Sub(noon))
	if a.Routine {
		line += ", routine"
	}
	return line
}

// detail is what a charger's own page says, and that it was asked for.
func detail(seen time.Duration, status string) []event.Event {
	return []event.Event{
		apiSays("detail/A", seen, facts{"chargeBoxId": "A"}, event.Status{State: "online"}),
		apiSays("connector/A/1", seen, facts{"chargeBoxId": "A", "connectorId": 1}, event.Status{State: status}),
		asked(seen, "charger", "A"),
	}
}

func transaction(seen time.Duration, f facts, start, end time.Time) event.Event {
	f["chargeBoxId"], f["connectorId"], f["transactionId"] = "A", 1, "7"
	return apiSays("transaction/7", seen, f, event.Session{Start: start, End: end})
}

func TestDoubts(t *testing.T) {
	const s = time.Second
	for name, c := range map[string]struct {
		events []event.Event
		want   string
	}{
		"nothing is known":      {nil, "nothing"},
		"a charger is listed":   {[]event.Event{apiLists(0, "online")}, "charger A at 0s"},
		"one that is offline":   {[]event.Event{apiLists(0, "offline")}, "charger A at 0s"},
		"its page was read":     {append([]event.Event{apiLists(0, "online")}, detail(m, "Available")...), "charger A at 16m0s, routine"},
		"no webhooks come":      {detail(0, "Available"), "charger A at 15m0s, routine"},
		"webhooks come":         {append(detail(0, "Available"), changes(m, "Preparing")), "charger A at 6h1m0s, routine"},
		"it is back":            {append(detail(0, "Available"), hook("charger.disconnected", m, facts{}), hook("charger.connected", 2*m, facts{})), "charger A at 4m0s"},
		"it tells by itself":    {append(detail(0, "Available"), hook("charger.disconnected", m, facts{}), hook("charger.connected", 2*m, facts{}), changes(2*m+s, "Available")), "charger A at 6h2m1s, routine"},
		"it is gone":            {append(detail(0, "Available"), hook("charger.disconnected", m, facts{})), "nothing"},
		"who charges there?":    {append(detail(0, "Available"), changes(m, "Charging")), "transactions A at 2m0s"},
		"he began before":       {append(detail(0, "Available"), changes(m, "Charging"), begins(m+s, "7", 0)), "transaction 7 at 31m2s"},
		"updates come":          {append(detail(0, "Charging"), begins(0, "7", 0), measures(10*m, "7", 9)), "transaction 7 at 40m1s"},
		"no webhooks, a charge": {append(detail(0, "Charging"), transaction(m, facts{"status": "active"}, at(0), time.Time{})), "charger A at 15m0s, routine"},
		"… and nobody asks":     {append(detail(10*m, "Charging"), transaction(m, facts{"status": "active"}, at(0), time.Time{})), "transaction 7 at 16m0s, routine"},
		"it has just begun":     {append(detail(0, "Preparing"), begins(m, "7", 0)), "transaction 7 at 31m1s"},
		"its start was lost":    {append(detail(0, "Charging"), measures(10*m, "7", 9), measures(10*m+30*s, "7", 10)), "transaction 7 at 11m0s"},
		"it says too little":    {append(detail(0, "Preparing"), hook("transaction.started", 10*m, facts{"transactionId": "7", "meterStart": 0})), "transaction 7 at 11m0s"},
		"… nobody knows it":     {append(detail(0, "Charging"), measures(10*m, "7", 9), asked(11*m, "transaction", "7"), measures(12*m, "7", 10)), "transaction 7 at 41m0s"},
		"a stop was lost":       {append(detail(0, "Charging"), begins(0, "7", 0), changes(20*m, "Finishing")), "transaction 7 at 21m0s"},
		"a new one has begun":   {append(detail(0, "Charging"), begins(0, "7", 0), begins(20*m, "8", 0)), "transaction 7 at 21m0s"},
		"it has booted":         {append(detail(0, "Charging"), begins(0, "7", 0), hook("charger.boot", 20*m, facts{})), "transaction 7 at 22m0s"},
		"a stop tells nothing":  {append(detail(0, "Charging"), begins(0, "7", 0), hook("transaction.stopped", m, facts{"transactionId": "7", "connectorId": 1})), "transaction 7 at 2m1s"},
		"a start was lost":      {append(detail(0, "Available"), ends(m, "7", 9)), "transaction 7 at 2m1s"},
		"it is over":            {append(detail(0, "Charging"), begins(0, "7", 0), ends(m, "7", 9), changes(m, "Available")), "charger A at 6h1m0s, routine"},
		"asked in vain":         {append(detail(0, "Charging"), begins(0, "7", 0), changes(20*m, "Finishing"), asked(21*m, "transaction", "7")), "transaction 7 at 26m0s"},
		"asked in vain again":   {append(detail(0, "Charging"), begins(0, "7", 0), changes(20*m, "Finishing"), asked(21*m, "transaction", "7"), asked(26*m, "transaction", "7")), "transaction 7 at 36m0s"},
		"a start was accepted":  {append(detail(0, "Preparing"), apiSays("note", m, facts{"kind": "start", "id": "A"}, event.Notice{Code: "command"})), "transactions A at 1m30s"},
		"… and begun":           {append(detail(0, "Preparing"), apiSays("note", m, facts{"kind": "start", "id": "A"}, event.Notice{Code: "command"}), begins(m+s, "7", 0), changes(m+s, "Charging")), "transaction 7 at 31m2s"},
		"a stop was accepted":   {append(detail(0, "Charging"), begins(0, "7", 0), apiSays("note", m, facts{"kind": "stop", "id": "7"}, event.Notice{Code: "command"})), "transaction 7 at 2m0s"},
	} {
		h := openGarage()
		h.hear(c.events...)
		if got := h.wants(h.time); got != c.want {
			t.Errorf("%s: wants %s, want %s", name, got, c.want)
		}
	}
}

// TestAfterAnAbsence: who knows what was missed while nothing listened, or the
// way to the API was broken: each charger is read, and each charge that ran.
func TestAfterAnAbsence(t *testing.T) {
	h := openGarage().hear(detail(0, "Charging")...).hear(begins(m, "7", 0), changes(m, "Charging"))
	h.hear(asked(10*m, "chargers", "", "A"))
	wanted := []string{}
	for range 2 {
		wanted = append(wanted, h.wants(11*m))
		asks := h.source(11 * m).Asks.(*CapacitorAsks)
		h.hear(asked(11*m, asks.Kind, asks.ID))
	}
	if slices.Sort(wanted); !slices.Equal(wanted, []string{"charger A at 10m0s", "transaction 7 at 10m0s"}) {
		t.Errorf("after a restart: %q", wanted)
	}
	if got := h.wants(11 * m); got != "transaction 7 at 31m1s" {
		t.Errorf("all was asked: %s", got)
	}
	h.hear(asked(13*m, "chargers", "", "A")) // the slow timer's
	if got := h.wants(13 * m); got != "transaction 7 at 31m1s" {
		t.Errorf("nothing was missed: %s", got)
	}
	h.hear(event.Event{Source: "capacitor", Subject: event.Link, By: event.Self, Seen: at(14 * m), Status: &event.Status{State: "error", Detail: "no"}})
	h.hear(asked(15*m, "chargers", "", "A"))
	if got := h.wants(15 * m); !strings.HasSuffix(got, " at 15m0s") {
		t.Errorf("the way was broken: %s", got)
	}
}

// TestEnoughQuestions: the numbers of a charge that nobody knows are asked for
// a few times, and a charge that Capacitor does not know no more.
func TestEnoughQuestions(t *testing.T) {
	h := openGarage().hear(detail(0, "Charging")...).hear(begins(0, "7", 0), hook("transaction.stopped", m, facts{"transactionId": "7", "connectorId": 1}), changes(m, "Available"))
	for i, want := range []string{"transaction 7 at 2m1s", "transaction 7 at 7m1s", "transaction 7 at 17m1s", "charger A at 6h1m0s, routine"} {
		if got := h.wants(h.time); got != want {
			t.Fatalf("question %d: %s, want %s", i, got, want)
		}
		h.hear(asked(h.source(h.time).Asks.(*CapacitorAsks).Since.Sub(noon), "transaction", "7"))
	}
	h = openGarage().hear(detail(0, "Charging")...).hear(begins(0, "7", 0), transaction(m, facts{"status": "not found", "over": true}, time.Time{}, time.Time{}))
	if c := h.connector(m); c != "Charging charging plugged #7 12:00 ?" {
		t.Error(c)
	}
	if got := h.wants(2 * m); got != "transactions A at 1m0s" { // it charges, so there is another one
		t.Error(got)
	}
	h.hear(changes(3*m, "Available"))
	if got := h.wants(3 * m); got != "charger A at 6h3m0s, routine" {
		t.Error(got)
	}
}

// TestNotes: what the app notes is shown, and decides when to ask for all.
func TestNotes(t *testing.T) {
	h := openGarage()
	own := func(now time.Duration) Chargers { return *h.source(now).Devices.At(0).State.(*Chargers) }
	if c := own(0); !c.Asked || c.Quota != nil {
		t.Errorf("%+v", c)
	}
	h.hear(apiSays("note", 0, facts{"limit": 50, "remaining": 12, "reset": at(time.Hour)}, event.Notice{Code: "quota"}), asked(m, "chargers", ""))
	asks := h.source(m).Asks.(*CapacitorAsks)
	if c := own(m); *c.Quota != 12 || *c.Limit != 50 || asks.Quota != (CapacitorQuota{50, 12, at(time.Hour)}) || !asks.Listed.Equal(at(m)) || asks.Hooked {
		t.Errorf("%+v, %+v", c, asks)
	}
	if h.source(2*m).Asks != any(asks) {
		t.Error("nothing differs, and it is another plan")
	}
	h.hear(apiSays("note", 2*m, facts{"problem": "no"}, event.Notice{Code: "command"}), hook("charger.connected", 2*m, facts{}))
	if asks := h.source(2 * m).Asks.(*CapacitorAsks); own(2*m).Problem != "no" || !asks.Hooked || asks.Chargers != 1 {
		t.Errorf("%+v, %+v", own(2*m), asks)
	}
	h.hear(event.Event{Source: "capacitor", Subject: event.Link, By: event.Self, Seen: at(3 * m), Status: &event.Status{State: "error", Detail: "no"}})
	if asks := h.source(3 * m).Asks.(*CapacitorAsks); !asks.Listed.IsZero() || h.source(3*m).Link.Error != "no" {
		t.Errorf("%+v", asks)
	}
}

// TestTheClockIsSet: what was dated by the wrong clock moves with it.
func TestTheClockIsSet(t *testing.T) {
	h := openGarage().hear(detail(0, "Charging")...)
	h.hear(asked(m, "chargers", ""), changes(m, "Charging"))
	step := event.Event{Source: "capacitor", Subject: event.Clock, By: event.Self, Seen: at(time.Hour), Data: facts{"by": time.Hour, "since": 0}.json()}
	h.hear(step)
	if asks := h.source(time.Hour).Asks.(*CapacitorAsks); !asks.Listed.Equal(at(61*m)) || h.wants(time.Hour) != "transactions A at 1h2m0s" {
		t.Errorf("%+v", asks)
	}
	online(t, h.charger(t, 75*m), "online")
}

// TestFewAreKept: charges that are over and not shown are forgotten, and so is
// what was said of them.
func TestFewAreKept(t *testing.T) {
	h := openGarage()
	for i := range 1000 {
		began := time.Duration(i) * 10 * time.Minute
		h.hear(begins(began, fmt.Sprint(i), 0), ends(began+5*m, fmt.Sprint(i), 9))
	}
	q := h.fold.named["capacitor"].(*chargers)
	if n := len(q.charges); n > 48*6+10 {
		t.Errorf("%d charges are kept", n)
	}
	if n := len(q.moments.by); n > 48*6+10 || len(q.moments.list) > 0 {
		t.Errorf("%d moments are kept, %d of them to be said", n, len(q.moments.list))
	}
	if n := q.doubts.Len(); n > 2 {
		t.Errorf("%d doubts", n)
	}
}
