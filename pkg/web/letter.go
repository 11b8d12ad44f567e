package web

import (
	"context"
	"encoding/json"
	"errors"
	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
)

// letter is one delivery, opened.
type letter struct {
	*frame
	Row     row
	Header  []field
	Query   string
	Body    string
	Form    string // "JSON", "text" or "bytes"
	Rest    string // how much of the body is not shown; empty: nothing
	Told    []told
	Replays bool
	Sample  bool
}

type field struct{ Name, Value string }

// told is an event that a delivery told.
type told struct {
	Shape, Subject, Key string
	At                  *instant
	Content, Data       string // as JSON
	Said                []said
}

type said struct {
	Moment       string
	Sent, AtRest string // how long after the delivery came; empty: not known, not yet
}

// delivery makes the page of one delivery.
func (s *Server) delivery(ctx context.Context, p Page, q url.Values) sheet {
	f := s.newFrame(p, q)
	f.Here, f.Title = "deliveries", "Delivery"
	id := positive(q.Get("id"))
	if s.Records.Open == nil || id == 0 {
		return s.missing(f)
	}
	o, err := s.Records.Open(ctx, id)
	if err != nil {
		f.Title = "It cannot be shown"
		status := http.StatusNotFound
		if errors.Is(err, context.DeadlineExceeded) {
			status = http.StatusServiceUnavailable
		}
		return sheet{file: "answer.html", status: status, frame: f, model: answer{frame: f, Said: []string{printable(err.Error())}}}
	}
	m := &letter{
		frame: f, Row: f.clock.row(o.Delivery, titles(p)), Query: printable(o.Query),
		Replays: s.Records.Replay != nil && o.Replayable, Sample: s.Records.Sample != nil,
	}
	f.Title = "Delivery " + strconv.FormatInt(o.ID, 10)
	for _, name := range slices.Sorted(maps.Keys(o.Header)) {
		m.Header = append(m.Header, field{printable(name), printable(o.Header[name])})
	}
	shown := min(len(o.Body), maxBody)
	m.Body, m.Form = pretty(o.Body[:shown])
	if m.Form == "bytes" {
		shown = min(shown, maxHex)
	}
	if rest := max(o.Size, len(o.Body)) - shown; rest > 0 {
		m.Rest = size(rest)
	}
	for _, e := range o.Events {
		m.Told = append(m.Told, f.clock.told(e, o))
	}
	return sheet{file: "delivery.html", model: m, frame: f, parts: []string{"broker"}}
}

func (s *Server) missing(f *frame) sheet {
	f.Title = "There is no such delivery"
	return sheet{file: "answer.html", status: http.StatusNotFound, frame: f, model: answer{frame: f, Said: []string{"It may be so old that it was deleted."}}}
}

// told is an event of an opened delivery.
func (c clock) told(e event.Event, o Opened) told {
	shape, content := e.Shape()
	text, _ := json.Marshal(content) // only our own shapes come here
	t := told{Shape: shape, Subject: printable(e.Subject), Key: printable(e.Key), At: c.at(e.At)}
	t.Content, _ = pretty(text)
	t.Data, _ = pretty(e.Data[:min(len(e.Data), maxBody)])
	for _, s := range o.Said[e.Seq] {
		line := said{Moment: printable(s.Moment)}
		if !s.Sent.IsZero() {
			line.Sent = precisely(s.Sent.Sub(o.Received))
		}
		if !s.AtRest.IsZero() {
			line.AtRest = precisely(s.AtRest.Sub(o.Received))
		}
		t.Said = append(t.Said, line)
	}
	return t
}
