package web

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func spans(list ...Span) func(context.Context, time.Time, time.Time) []Span {
	return func(_ context.Context, from, to time.Time) (found []Span) {
		for _, s := range list {
			if s.Start.Before(to) && !s.End.Before(from) {
				found = append(found, s)
			}
		}
		return found
	}
}

// happened is what happened to a household, over the nights when clocks change too.
func happened(t testing.TB) []Span {
	london := zone(t, "Europe/London")
	at := func(month time.Month, day, hour, minute int) time.Time {
		return time.Date(2026, month, day, hour, minute, 0, 0, london)
	}
	span := func(from time.Time, d time.Duration) Span {
		return Span{Source: "equiwatt", Title: "Equivent", Kind: Window, Start: from, End: from.Add(d), Heard: from.Add(2 * time.Second), Teller: "Told by a webhook, and Equiwatt's cloud shows it too.", Tip: "The wish was to use less."}
	}
	night := time.Date(2026, 10, 25, 0, 30, 0, 0, time.UTC) // 01:30 BST, an hour before 01:30 GMT
	old := span(at(11, 9, 17, 1), time.Hour)
	old.Heard, old.Teller = at(11, 12, 9, 0), "Told by Equiwatt's cloud."
	return []Span{
		span(at(11, 20, 11, 23), 3586*time.Second), old, span(night, 2*time.Hour), span(at(3, 29, 0, 30), time.Hour),
		{Source: "openvolt", Title: "Charger", Kind: Session, Start: at(11, 18, 22, 0), End: at(11, 19, 6, 30)},
		{Source: "openvolt", Title: "Charger", Kind: Session, Start: at(11, 21, 13, 0), Running: true},
		{Source: "openvolt", Title: "Meter", Kind: Alert, Start: at(11, 21, 13, 30), Heard: at(11, 21, 12, 30)},
		{Source: "unheard-of", Title: "Nobody's", Start: at(11, 21, 1, 0), End: at(11, 21, 2, 0)},
		{Source: "equiwatt", Title: "Backwards", Start: at(11, 21, 2, 0), End: at(11, 21, 1, 0)},
		{Source: "equiwatt", Title: "Without a beginning", End: at(11, 21, 1, 0)},
	}
}

// whole is a server with everything there is.
func whole(t testing.TB) *Server {
	p := situations(t)["rotated"]
	s := serve(p)
	s.Spans = spans(happened(t)...)
	s.Checks = func(context.Context, bool) []Step { return steps() }
	s.Records = Records{
		List: func(_ context.Context, f Filter) (List, error) {
			return List{Deliveries: arrived(), Newer: f.Before > 0, Older: true}, nil
		},
		Counts: func(context.Context) ([]Count, error) {
			return []Count{{"equiwatt", event.Accepted, 90}, {"equiwatt", event.Unread, 1}, {"openvolt", event.Accepted, 7}}, nil
		},
		Open: open,
		Sample: func(_ context.Context, id int64) (string, error) {
			return fmt.Sprintf("sample %d <b>", id), nil
		},
		Replay: func(_ context.Context, r Replay) (Replayed, error) {
			return Replayed{Decoded: len(r.IDs), News: 1}, nil
		},
		Lines: func(string) []Line {
			return []Line{
				{At: ago(time.Second), Level: "error", Source: "mqtt", Text: "the broker is gone"},
				{At: ago(26 * time.Hour), Level: "debug", Source: "web", Text: "a line\nof two"},
			}
		},
		Bundle: func(context.Context) ([]byte, error) { return []byte("PK"), nil },
	}
	return s
}

func open(_ context.Context, id int64) (Opened, error) {
	for _, d := range arrived() {
		if d.ID != id {
			continue
		}
		return Opened{
			Delivery: d, Replayable: true,
			Events: []event.Event{
				{Seq: 7, Source: "equiwatt", Subject: "home", Key: "1795172620", By: event.API, At: ago(time.Hour), Seen: ago(50 * time.Minute), Window: &event.Window{Start: ago(2 * time.Hour), End: ago(time.Hour)}, Data: []byte(`{"start_time":1795172620}`)},
				{Seq: 8, Source: "equiwatt", Key: "x", By: event.API, At: ago(time.Hour), Seen: ago(50 * time.Minute), Notice: &event.Notice{Code: event.Undecodable}},
			},
			Said: map[int64][]event.Telling{7: {
				{Moment: "equiwatt-1795172620-ended", Sent: d.Received.Add(9 * time.Millisecond), AtRest: d.Received.Add(21 * time.Millisecond)},
				{Moment: "sent", Sent: d.Received.Add(1500 * time.Millisecond)}, {Moment: "waiting"},
			}},
		}, nil
	}
	return Opened{}, fmt.Errorf("no delivery has the number %d", id)
}

func steps() []Step {
	return []Step{
		{Name: "options", Title: "The configuration can be used", State: Passed, At: ago(time.Minute)},
		{Name: "broker", Title: "The MQTT broker is reached", State: Failed, Reason: "Nobody listens at 192.168.1.10:1883.", Remedy: "Start the broker.", At: ago(time.Minute)},
		{Name: "birth", Title: "Home Assistant is there", State: Waiting},
		{Name: "clock", Title: "The clock is right", State: Failed, Reason: "It is an hour behind."},
		{Name: "public", Title: "The public URL leads here", State: Skipped, Reason: "None is set."},
	}
}

// crowded is a server with as much to show as there ever is.
func crowded(t testing.TB) *Server {
	s := whole(t)
	p := calm(t)
	body := `{"success":true,"data":{"previous_events":[` + strings.TrimSuffix(strings.Repeat(`{"start_time":1795172620,"end_time":1795176206},`, 40), ",") + `]}}`
	var rows []event.Delivery
	for i := range 50 {
		rows = append(rows, event.Delivery{
			ID: int64(5000 - i), Received: ago(time.Duration(i) * 37 * time.Minute), Source: "equiwatt", Kind: "started", Via: event.ViaHTTP, Verdict: event.Accepted,
			Header: map[string]string{"Content-Type": "application/json", "User-Agent": "Equiwatt/1.0", "Content-Length": fmt.Sprint(len(body))}, Body: []byte(body),
			News: 3, Spoken: ago(time.Duration(i)*37*time.Minute - 12*time.Millisecond),
		})
	}
	p.Deliveries = rows[:8]
	s.Page = func(context.Context) Page { return p }
	s.Records.List = func(context.Context, Filter) (List, error) { return List{Deliveries: rows, Older: true}, nil }
	var list []Span
	for i := range 500 {
		from := ago(time.Duration(i) * 2 * time.Hour)
		list = append(list, Span{Source: []string{"equiwatt", "openvolt"}[i%2], Title: "Charger in the drive, connector 1", Kind: Session, Start: from, End: from.Add(50 * time.Minute), Heard: from, Teller: "Told by a webhook."})
	}
	s.Spans = spans(list...)
	return s
}
