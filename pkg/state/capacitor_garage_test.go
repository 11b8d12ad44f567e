package state

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// garage plays events of Capacitor into a Fold; unless it is deaf, what is due
// is said.
type garage struct {
	fold *Fold
	seq  int64
	deaf bool
	said []string
	time time.Duration
}

func capacitorRules() Rules {
	return Rules{
		Zone: time.UTC, Since: noon, Capacitor: &CapacitorRules{Asks: true, Interval: 30 * m},
		Subject: func(_, id, plain string) string {
			if plain != "" {
				return plain
			}
			return strings.ToLower(id)
		},
	}
}

func openGarage() *garage {
	h := &garage{fold: New(capacitorRules(), 0)}
	h.fold.Loaded()
	return h
}

// facts are an event's Data.
type facts map[string]any

func (f facts) json() json.RawMessage {
	text, _ := json.Marshal(f)
	return text
}

// hook is a delivery about charger A, by the vendor's clock at stamped.
func hook(name string, stamped time.Duration, f facts) event.Event {
	e := event.Event{Source: "capacitor", Key: fmt.Sprint(name, stamped, f), By: event.Webhook, At: at(stamped), Seen: at(stamped + time.Second)}
	f["event"] = name
	if _, named := f["transactionId"]; !named || f["chargeBoxId"] == nil {
		f["chargeBoxId"] = "A"
	}
	e.Data = f.json()
	switch name {
	case "charger.connected":
		e.Status = &event.Status{State: "online"}
	case "charger.disconnected":
		e.Status = &event.Status{State: "offline"}
	case "connector.status_changed":
		e.Status = &event.Status{State: f["status"].(string)}
	case "transaction.started":
		e.Session = &event.Session{Start: e.At}
	case "transaction.stopped":
		e.Session = &event.Session{End: e.At}
	case "transaction.updated":
		e.Session = &event.Session{}
	default:
		e.Notice = &event.Notice{Code: name}
	}
	return e
}

func changes(stamped time.Duration, status string) event.Event {
	return hook("connector.status_changed", stamped, facts{"connectorId": 1, "status": status, "errorCode": "NoError"})
}

func begins(stamped time.Duration, number string, register int) event.Event {
	return hook("transaction.started", stamped, facts{"transactionId": number, "connectorId": 1, "meterStart": register})
}

func measures(stamped time.Duration, number string, register int) event.Event {
	return hook("transaction.updated", stamped, facts{"transactionId": number, "connectorId": 1, "meter": register})
}

func ends(stamped time.Duration, number string, register int) event.Event {
	return hook("transaction.stopped", stamped, facts{"transactionId": number, "connectorId": 1, "meterStop": register, "reason": "Local"})
}

// apiSays is an answer's event.
func apiSays(key string, seen time.Duration, f facts, shape any) event.Event {
	e := event.Event{Source: "capacitor", Key: key, By: event.API, At: at(seen), Seen: at(seen), Data: f.json()}
	switch s := shape.(type) {
	case event.Status:
		e.Status = &s
	case event.Session:
		e.Session = &s
	case event.Notice:
		e.Notice = &s
	}
	return e
}

func apiLists(seen time.Duration, state string) event.Event {
	return apiSays("charger/A", seen, facts{"chargeBoxId": "A"}, event.Status{State: state})
}

func asked(seen time.Duration, kind, id string, ids ...string) event.Event {
	return apiSays("asked", seen, facts{"kind": kind, "id": id, "ids": ids}, event.Notice{Code: "asked"})
}

// hear plays events, each when it is heard.
func (h *garage) hear(es ...event.Event) *garage {
	for _, e := range es {
		h.seq++
		e.Seq = h.seq
		h.fold.Apply(e)
		h.time = max(h.time, e.Seen.Sub(noon))
		h.say(h.time)
	}
	return h
}

// say says what is due.
func (h *garage) say(now time.Duration) {
	v := h.fold.View(at(now))
	for _, x := range v.Due() {
		if !h.deaf {
			h.said = append(h.said, x.Type)
			h.fold.Mark(x.ID, Sent)
			h.fold.Mark(x.ID, AtRest)
		}
	}
}

func (h *garage) hears(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, h.said); diff != "" {
		t.Errorf("said, want -, got +:\n%s", diff)
	}
	h.said = nil
}

func (h *garage) source(now time.Duration) Source { return h.fold.View(at(now)).Source("capacitor") }

func (h *garage) charger(t *testing.T, now time.Duration) Charger {
	t.Helper()
	for _, d := range h.source(now).Devices.All() {
		if c, ok := d.State.(*Charger); ok && d.Subject == "a" {
			return *c
		}
	}
	t.Fatal("there is no charger a")
	return Charger{}
}

// connector is what is known of connector 1 in a line.
func (h *garage) connector(now time.Duration) string {
	for _, d := range h.source(now).Devices.All() {
		if c, ok := d.State.(*Connector); ok && d.Subject == "a_1" {
			return c.text()
		}
	}
	return "nothing"
}

func (c *Connector) text() string {
	words := []string{c.Status}
	for name, b := range map[string]*bool{"plugged": c.Plugged, "charging": c.Charging, "fault": c.Fault} {
		if b == nil {
			words = append(words, name+"?")
		} else if *b {
			words = append(words, name)
		}
	}
	slices.Sort(words[1:])
	if c.SessionID != "" {
		kWh := "?"
		if c.SessionEnergy != nil {
			kWh = fmt.Sprint(*c.SessionEnergy)
		}
		words = append(words, "#"+c.SessionID, c.SessionStart.Format("15:04"), kWh, c.StopReason)
	}
	return strings.TrimSpace(strings.Join(words, " "))
}

func (h *garage) is(t *testing.T, now time.Duration, want string) {
	t.Helper()
	if got := h.connector(now); got != want {
		t.Errorf("at %v it is %q, want %q", now, got, want)
	}
}

func online(t *testing.T, c Charger, want string) {
	t.Helper()
	got := "unknown"
	if c.Online != nil {
		got = map[bool]string{true: "online", false: "offline"}[*c.Online]
	}
	if got != want {
		t.Errorf("the charger is %s, want %s", got, want)
	}
}
