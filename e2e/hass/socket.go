package hass

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
)

// Event of Home Assistant's bus, or a message of another subscription, then only Raw is set.
type Event struct {
	Type  string          `json:"event_type"`
	Data  map[string]any  `json:"data"`
	Fired time.Time       `json:"time_fired"`
	Raw   json.RawMessage `json:"-"`
}

// Events collects what a subscription has told so far. It ends with the connection, that is with a restart.
type Events struct {
	mu   sync.Mutex
	all  []Event
	more chan struct{} // closed and replaced when all grows
}

// All that has come so far.
func (e *Events) All() []Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]Event(nil), e.all...)
}

// Wait returns the first event, also of those already there, that satisfies ok.
func (e *Events) Wait(ctx context.Context, ok func(Event) bool) (Event, error) {
	for seen := 0; ; {
		e.mu.Lock()
		fresh, more := e.all[seen:], e.more
		e.mu.Unlock()
		for _, ev := range fresh {
			if ok(ev) {
				return ev, nil
			}
		}
		seen += len(fresh)
		select {
		case <-ctx.Done():
			return Event{}, fmt.Errorf("hass: not among %d events: %w", seen, ctx.Err())
		case <-more:
		}
	}
}

func (e *Events) add(ev Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.all = append(e.all, ev)
	close(e.more)
	e.more = make(chan struct{})
}

// Events subscribes to one type of event; an empty type means all.
func (h *Instance) Events(ctx context.Context, eventType string) (*Events, error) {
	args := map[string]any{}
	if eventType != "" {
		args["event_type"] = eventType
	}
	return h.Subscribe(ctx, "subscribe_events", args)
}

// Subscribe sends a command that answers with a stream, such as subscribe_trigger or mqtt/subscribe.
func (h *Instance) Subscribe(ctx context.Context, command string, args map[string]any) (*Events, error) {
	e := &Events{more: make(chan struct{})}
	return e, h.command(ctx, command, args, nil, e)
}

// Command sends a WebSocket command and decodes its result into out unless that is nil.
func (h *Instance) Command(ctx context.Context, command string, args map[string]any, out any) error {
	return h.command(ctx, command, args, out, nil)
}

type answer struct {
	ID      int             `json:"id"`
	Type    string          `json:"type"`
	Success bool            `json:"success"`
	Result  json.RawMessage `json:"result"`
	Event   json.RawMessage `json:"event"`
	Error   struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

// socket is one authenticated WebSocket connection with its own counter of message ids.
type socket struct {
	conn    *websocket.Conn
	mu      sync.Mutex
	id      int
	waiting map[int]chan answer
	streams map[int]*Events
	gone    chan struct{}
}

func (h *Instance) connect(ctx context.Context) error {
	conn, _, err := websocket.Dial(ctx, strings.Replace(h.URL, "http", "ws", 1)+"/api/websocket", nil)
	if err != nil {
		return fmt.Errorf("hass: websocket: %w", err)
	}
	conn.SetReadLimit(64 << 20)
	var hello, verdict answer
	err = errors.Join(
		wsjson.Read(ctx, conn, &hello),
		wsjson.Write(ctx, conn, map[string]string{"type": "auth", "access_token": h.Token}),
		wsjson.Read(ctx, conn, &verdict))
	if err == nil && verdict.Type != "auth_ok" {
		err = errors.New(verdict.Type)
	}
	if err != nil {
		conn.CloseNow()
		return fmt.Errorf("hass: websocket: %w", err)
	}
	s := &socket{conn: conn, waiting: map[int]chan answer{}, streams: map[int]*Events{}, gone: make(chan struct{})}
	go s.read()
	h.mu.Lock()
	h.ws = s
	h.mu.Unlock()
	return nil
}

func (s *socket) close() { s.conn.CloseNow(); <-s.gone }

func (s *socket) read() {
	defer close(s.gone)
	for {
		var a answer
		if err := wsjson.Read(context.Background(), s.conn, &a); err != nil {
			return
		}
		s.mu.Lock()
		wait, stream := s.waiting[a.ID], s.streams[a.ID]
		if a.Type == "result" {
			delete(s.waiting, a.ID)
		}
		s.mu.Unlock()
		switch {
		case a.Type == "result" && wait != nil:
			wait <- a
		case a.Type == "event" && stream != nil:
			e := Event{Raw: a.Event}
			json.Unmarshal(a.Event, &e)
			stream.add(e)
		}
	}
}

func (h *Instance) command(ctx context.Context, command string, args map[string]any, out any, stream *Events) error {
	h.mu.Lock()
	s := h.ws
	h.mu.Unlock()
	if s == nil {
		return errors.New("hass: not connected")
	}
	msg := map[string]any{}
	maps.Copy(msg, args)
	wait := make(chan answer, 1)
	s.mu.Lock() // ids must arrive in rising order
	s.id++
	msg["id"], msg["type"] = s.id, command
	s.waiting[s.id] = wait
	if stream != nil {
		s.streams[s.id] = stream
	}
	err := wsjson.Write(ctx, s.conn, msg)
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("hass: %s: %w", command, err)
	}
	select {
	case <-ctx.Done():
		return fmt.Errorf("hass: %s: %w", command, ctx.Err())
	case <-s.gone:
		return fmt.Errorf("hass: %s: connection lost", command)
	case a := <-wait:
		if !a.Success {
			return fmt.Errorf("hass: %s: %s: %s", command, a.Error.Code, a.Error.Message)
		}
		if out == nil {
			return nil
		}
		if err := json.Unmarshal(a.Result, out); err != nil {
			return fmt.Errorf("hass: %s: %w", command, err)
		}
		return nil
	}
}
