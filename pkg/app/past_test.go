package app

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

func TestWhatHappenedLately(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	at := func(minutes int) time.Time { return noon.Add(time.Duration(minutes) * time.Minute) }
	dispatch := func(uuid string, seen, from, to int) event.Event {
		return event.Event{Source: "powerresponse", Key: "event/" + uuid, By: event.API, Seen: at(seen), Window: &event.Window{Start: at(from), End: at(to), Direction: "powerUP"}, Data: []byte(`{"name":"Peak ` + uuid + `"}`)}
	}
	cancelled := func(uuid string, seen int) event.Event {
		return event.Event{Source: "powerresponse", Key: "event/" + uuid, By: event.API, Seen: at(seen), Status: &event.Status{State: "CANCELLED"}}
	}
	charge := func(id string, by event.Teller, seen int, s event.Session) event.Event {
		return event.Event{Source: "capacitor", Key: fmt.Sprint(seen, by), By: by, Seen: at(seen), Session: &s, Data: []byte(`{"transactionId":"` + id + `","chargeBoxId":"CP-1","connectorId":2}`)}
	}
	alert := func(reader, code string, seen int) event.Event {
		return event.Event{Source: "ecomon", Subject: reader, Key: fmt.Sprint(seen), By: event.Webhook, At: at(seen), Seen: at(seen), Notice: &event.Notice{Code: code}}
	}
	wh := 7250.
	tests := map[string]struct {
		events []event.Event
		want   []web.Span
	}{
		"a dispatch event that moved": {
			[]event.Event{dispatch("a", -90, -60, -30), dispatch("a", -80, -50, -20)},
			[]web.Span{{Source: "powerresponse", Title: "Peak a", Kind: web.Window, Start: at(-50), End: at(-20), Heard: at(-90), Teller: "Told by the vendor's cloud.", Tip: "The wish is to use more."}},
		},
		"one that runs": {
			[]event.Event{dispatch("a", -90, -60, 30)},
			[]web.Span{{Source: "powerresponse", Title: "Peak a", Kind: web.Window, Start: at(-60), End: at(30), Running: true, Heard: at(-90), Teller: "Told by the vendor's cloud.", Tip: "The wish is to use more."}},
		},
		"one that was cancelled before, and one in its middle": {
			[]event.Event{dispatch("a", -90, -60, -30), dispatch("b", -90, -60, -30), cancelled("a", -70), cancelled("b", -40), cancelled("c", -40)},
			[]web.Span{{Source: "powerresponse", Title: "Peak b", Kind: web.Window, Start: at(-60), End: at(-40), Heard: at(-90), Teller: "Told by the vendor's cloud.", Tip: "It was cancelled."}},
		},
		"a charge, told by both ways": {
			[]event.Event{charge("7", event.Webhook, -60, event.Session{Start: at(-60)}), charge("7", event.API, -20, event.Session{Start: at(-61), End: at(-21), WattHours: &wh})},
			[]web.Span{{Source: "capacitor", Title: "Charge at CP-1, connector 2", Kind: web.Session, Start: at(-61), End: at(-21), Heard: at(-60), Teller: "Told by the vendor's cloud.", Tip: "7.2 kWh."}},
		},
		"a charge that goes on": {
			[]event.Event{charge("7", event.Webhook, -60, event.Session{Start: at(-60)})},
			[]web.Span{{Source: "capacitor", Title: "Charge at CP-1, connector 2", Kind: web.Session, Start: at(-60), Running: true, Heard: at(-60), Teller: "Told by a webhook."}},
		},
		"alerts of one hour, of the next, and of another reader": {
			[]event.Event{alert("r1", "ESTIMATED_HOURLY_X", -50), alert("r1", "ESTIMATED_HOURLY_X", -40), alert("r1", "SUSTAINABLE_CONSUMPTION_ALERT", 10), alert("r2", "ESTIMATED_HOURLY_X", -40), alert("r2", "webhook:test", -200)},
			[]web.Span{
				{Source: "ecomon", Title: "Limit warning of r1", Kind: web.Alert, Start: at(-50), End: at(0), Heard: at(-50), Teller: "Told by a webhook."},
				{Source: "ecomon", Title: "Limit warning of r2", Kind: web.Alert, Start: at(-40), End: at(0), Heard: at(-40), Teller: "Told by a webhook."},
			},
		},
		"what is none of it": {[]event.Event{
			{Source: "equiwatt", Key: "1", Window: &event.Window{Start: at(-10)}}, {Source: "powerresponse", Key: "x", Subject: "enrol", Window: &event.Window{Start: at(-10)}},
			{Source: "capacitor", Key: "1", Session: &event.Session{Start: at(-10)}}, {Source: "openvolt", Key: "1", Session: &event.Session{Start: at(-10)}},
			charge("9", event.API, -99999, event.Session{Start: at(-99999), End: at(-99900)}),
		}, nil},
	}
	for name, tt := range tests {
		var p past
		for _, e := range tt.events {
			p.apply(e)
		}
		got := p.between(at(-24*60), at(1), noon)
		slices.SortFunc(got, func(a, b web.Span) int { return a.Start.Compare(b.Start) })
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestThePastIsBounded(t *testing.T) {
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	var p past
	for i := range 3 * mostSpans {
		at := noon.Add(time.Duration(i) * time.Second)
		p.apply(event.Event{Source: "powerresponse", Key: fmt.Sprint("event/", i), By: event.API, Seen: at, Window: &event.Window{Start: at, End: at}})
	}
	if len(p.spans) > mostSpans {
		t.Errorf("%d are remembered", len(p.spans))
	}
	if p.spans[fmt.Sprint("powerresponse/event/", 3*mostSpans-1)] == nil {
		t.Error("the newest is forgotten")
	}
	if p.between(noon, noon.Add(time.Hour), noon.AddDate(0, 0, 2*pastDays)); len(p.spans) > 0 {
		t.Errorf("%d are remembered for ever", len(p.spans))
	}
}
