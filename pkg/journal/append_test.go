package journal

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// The steps happen in one journal, one after the other.
func TestAppendTellsNewFromKnown(t *testing.T) {
	end := noon.Add(time.Hour)
	poll := event.Delivery{Received: noon, Source: "equiwatt", Via: event.ViaPoll, Body: []byte("{}")}
	unread := delivery("?")
	unread.Verdict = event.Unread
	j := openAt(t, t.TempDir())
	seq, id := int64(0), int64(0)
	for _, step := range []struct {
		name    string
		d       event.Delivery
		events  []event.Event
		verdict string
		fresh   []string // keys of the new events
		kept    bool     // the delivery
	}{
		{"first", delivery("1"), []event.Event{window("a", time.Time{})}, event.Accepted, []string{"a"}, true},
		{"told again", delivery("2"), []event.Event{window("a", time.Time{})}, event.Duplicate, nil, true},
		{"newer version", delivery("3"), []event.Event{window("a", end)}, event.Accepted, []string{"a"}, true},
		{"an older content again", delivery("4"), []event.Event{window("a", time.Time{})}, event.Accepted, []string{"a"}, true},
		{"one of two", delivery("5"), []event.Event{window("a", time.Time{}), window("b", end)}, event.Accepted, []string{"b"}, true},
		{"nothing in it", delivery("6"), nil, event.Accepted, nil, true},
		{"unread stays", unread, nil, event.Unread, nil, true},
		{"poll without news", poll, []event.Event{window("b", end)}, event.Duplicate, nil, false},
		{"empty poll", poll, nil, event.Accepted, nil, false},
		{"poll with news", poll, []event.Event{window("b", end), window("c", end)}, event.Accepted, []string{"c"}, true},
		{"no source", event.Delivery{}, []event.Event{window("d", end)}, event.Accepted, []string{"d"}, false},
		{"later of one key", delivery("7"), []event.Event{window("e", time.Time{}), window("f", end), window("e", end)}, event.Accepted, []string{"f", "e"}, true},
		{"and again", delivery("8"), []event.Event{window("e", time.Time{}), window("f", end), window("e", end)}, event.Duplicate, nil, true},
	} {
		s := mustAppend(t, j, step.d, step.events...)
		var fresh []string
		for _, e := range s.Events {
			fresh = append(fresh, e.Key)
			if seq++; e.Seq != seq {
				t.Errorf("%s: seq %d, want %d", step.name, e.Seq, seq)
			}
		}
		want := int64(0)
		if step.kept {
			id++
			want = id
		}
		if s.Verdict != step.verdict || s.Delivery != want || !cmp.Equal(fresh, step.fresh) {
			t.Errorf("%s: %s, delivery %d, new %q; want %s, %d, %q", step.name, s.Verdict, s.Delivery, fresh, step.verdict, want, step.fresh)
		}
	}
	if j.Last() != seq {
		t.Errorf("last is %d, want %d", j.Last(), seq)
	}
}

// What differs makes a version, and only that.
func TestVersions(t *testing.T) {
	base := window("a", noon)
	for name, change := range map[string]func(*event.Event){
		"subject":   func(e *event.Event) { e.Subject = "x" },
		"teller":    func(e *event.Event) { e.By = event.Webhook },
		"data":      func(e *event.Event) { e.Data = json.RawMessage(`{"a":1}`) },
		"end":       func(e *event.Event) { e.Window = &event.Window{Start: e.Window.Start} },
		"direction": func(e *event.Event) { w := *e.Window; w.Direction = "powerUP"; e.Window = &w },
		"shape":     func(e *event.Event) { e.Window, e.Notice = nil, &event.Notice{Code: "x"} },
		"source":    func(e *event.Event) { e.Source = "other" },
	} {
		j := openAt(t, t.TempDir())
		mustAppend(t, j, delivery("1"), base)
		e := base
		change(&e)
		if s := mustAppend(t, j, delivery("2"), e); len(s.Events) != 1 {
			t.Errorf("%s: not taken for new", name)
		}
	}
	for name, change := range map[string]func(*event.Event){
		"at":   func(e *event.Event) { e.At = e.At.Add(time.Hour) },
		"seen": func(e *event.Event) { e.Seen = e.Seen.Add(time.Hour) },
		"zone": func(e *event.Event) {
			e.Window = &event.Window{Start: e.Window.Start.In(time.FixedZone("", 3600)), End: e.Window.End}
		},
	} {
		j := openAt(t, t.TempDir())
		mustAppend(t, j, delivery("1"), base)
		e := base
		change(&e)
		if s := mustAppend(t, j, delivery("2"), e); len(s.Events) != 0 {
			t.Errorf("%s: taken for new", name)
		}
	}
}

// Everything comes back as it went in, from memory, from the disk and after a
// restart, with times in UTC.
func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	zone := time.FixedZone("", 2*3600)
	wh := 0.0
	exact := time.Date(2026, 3, 29, 1, 2, 3, 456789012, zone)
	events := []event.Event{
		{Source: "equiwatt", Key: "1", By: event.API, At: exact, Seen: time.Now(), Window: &event.Window{Start: exact, End: exact.Add(1), Running: true, Direction: "powerDOWN"}},
		{Source: "equiwatt", Key: "2", By: event.API, Seen: exact, Window: &event.Window{}},
		{Source: "equiwatt", Subject: event.Link, Key: "3", By: event.Self, At: exact, Seen: exact, Status: &event.Status{State: "error", Detail: "a \"quoted\" <word>, \\ and ütf-8 \U0001F50C, {}\":"}},
		{Source: "openvolt", Subject: "m", Key: "4", By: event.API, At: exact, Seen: exact, Session: &event.Session{Start: exact, WattHours: &wh}, Data: json.RawMessage(`{"b":[1,2],"a":null}`)},
		{Source: "ecomon", Key: "5\x00\n", By: event.Webhook, At: time.Unix(0, 0), Seen: exact, Notice: &event.Notice{Code: ""}, Data: json.RawMessage(`[]`)},
	}
	d := event.Delivery{
		Received: exact, Source: "equiwatt", Kind: "started", Via: event.ViaHTTP, Query: "a=b",
		Header: map[string]string{"User-Agent": "x\"y"}, Body: []byte{0, 1, 0xff, 0xfe, '\n'}, Verdict: "strange",
	}
	stored := mustAppend(t, j, d, events...)
	equal := []cmp.Option{cmpopts.EquateApproxTime(0), cmpopts.IgnoreFields(event.Event{}, "Seq")}
	check := func(where string, got []event.Event) {
		t.Helper()
		if diff := cmp.Diff(events, got, equal...); diff != "" {
			t.Errorf("%s: %s", where, diff)
		}
		for _, e := range got {
			for _, at := range []time.Time{e.At, e.Seen} {
				if !at.IsZero() && at.Location() != time.UTC {
					t.Errorf("%s: %v is not in UTC", where, at)
				}
			}
		}
	}
	check("answer", stored.Events)
	check("memory", allEvents(t, j))
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = openAt(t, dir)
	check("disk", allEvents(t, j))
	got, told, err := j.Delivery(t.Context(), stored.Delivery)
	if err != nil {
		t.Fatal(err)
	}
	check("delivery", told)
	d.ID, d.Size, d.News = stored.Delivery, len(d.Body), len(events)
	if diff := cmp.Diff(d, got, equal...); diff != "" {
		t.Error(diff)
	}
	if s := mustAppend(t, j, delivery("again"), events...); len(s.Events) != 0 {
		t.Errorf("after a restart taken for new: %v", s.Events)
	}
}

func TestWhatCannotBeStored(t *testing.T) {
	j := openAt(t, t.TempDir())
	nan := math.NaN()
	far := time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)
	for name, e := range map[string]event.Event{
		"no shape": {Source: "a", Key: "k", By: event.API, Seen: noon},
		"far":      {Source: "a", Key: "k", By: event.API, Seen: noon, At: far, Notice: &event.Notice{}},
		"year":     {Source: "a", Key: "k", By: event.API, Seen: noon, Window: &event.Window{Start: far.AddDate(1, 0, 0)}},
		"number":   {Source: "a", Key: "k", By: event.API, Seen: noon, Session: &event.Session{WattHours: &nan}},
	} {
		_, err := j.Append(t.Context(), delivery("x"), []event.Event{window("ok", noon), e})
		if err == nil || errors.Is(err, ErrNotStored) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if j.Last() != 0 {
		t.Error("something was stored")
	}
}

// A statement that fails takes nothing else with it.
func TestAfterAFailure(t *testing.T) {
	j := openAt(t, t.TempDir())
	mustAppend(t, j, delivery("x"), window("a", noon))
	alter(t, file(j), "CREATE TRIGGER refuse BEFORE INSERT ON deliveries WHEN new.kind = 'bad' BEGIN SELECT RAISE(ABORT, 'no'); END")
	bad := delivery("x")
	bad.Kind = "bad"
	if _, err := j.Append(t.Context(), bad, []event.Event{window("b", noon)}); !errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
	s := mustAppend(t, j, delivery("x"), window("b", noon))
	if s.Delivery != 2 || len(s.Events) != 1 || s.Events[0].Seq != 2 {
		t.Errorf("%+v", s)
	}
}
