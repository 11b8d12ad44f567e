package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"
)

// message is what the broker was told.
type message struct {
	at      time.Time
	topic   string
	payload string
}

// heard keeps what was heard until it is told. It is safe for concurrent use.
type heard struct {
	more chan struct{} // there is something new

	mu    sync.Mutex
	queue []message
}

func newHeard() *heard { return &heard{more: make(chan struct{}, 1)} }

func (h *heard) put(topic string, payload []byte) {
	h.mu.Lock()
	h.queue = append(h.queue, message{time.Now(), topic, string(payload)})
	h.mu.Unlock()
	select {
	case h.more <- struct{}{}:
	default:
	}
}

func (h *heard) take() []message {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.queue
	h.queue = nil
	return list
}

// moment is what an event topic says.
type moment struct {
	Type     string    `json:"event_type"`
	Start    time.Time `json:"start"` // zero: it has none
	Occurred time.Time `json:"occurred"`

	at time.Time // when it was heard
}

// known is what Home Assistant knows by now. An absent text or number is one
// that it shows as unknown.
type known struct {
	status  string   // "online", "offline"
	devices []string // names, in the order they came
	moments []moment

	Equivent   string    `json:"equivent"`
	Start      time.Time `json:"start"`
	End        time.Time `json:"end"`
	Source     string    `json:"source"`
	Confirmed  bool      `json:"confirmed"`
	Rehearsal  string    `json:"rehearsal"`
	LastEnd    time.Time `json:"last_end"`
	Month      *int      `json:"equivents_month"`
	CloudError string    `json:"cloud_error"`
	LastPoll   time.Time `json:"last_poll"`
	LastHook   time.Time `json:"last_hook"`
}

// hear takes a message; it returns the moment it says, nil where it says none.
func (k *known) hear(m message) *moment {
	text := []byte(m.payload)
	switch {
	case m.topic == "grid2mqtt/status":
		k.status = m.payload
	case m.topic == "grid2mqtt/equiwatt/state":
		next := known{status: k.status, devices: k.devices, moments: k.moments}
		if json.Unmarshal(text, &next) == nil {
			*k = next
		}
	case m.topic == "grid2mqtt/equiwatt/event":
		said := moment{at: m.at}
		if json.Unmarshal(text, &said) == nil {
			k.moments = append(k.moments, said)
			return &said
		}
	case strings.HasPrefix(m.topic, "homeassistant/device/"):
		k.meet(text)
	}
	return nil
}

// meet takes a discovery document.
func (k *known) meet(text []byte) {
	var document struct {
		Device struct {
			Name string `json:"name"`
		} `json:"device"`
	}
	if json.Unmarshal(text, &document) != nil || document.Device.Name == "" {
		return
	}
	for _, name := range k.devices {
		if name == document.Device.Name {
			return
		}
	}
	k.devices = append(k.devices, document.Device.Name)
}

// said returns the moments of that type and start, the oldest first.
func (k *known) said(kind string, start time.Time) (list []moment) {
	for _, m := range k.moments {
		if m.Type == kind && m.Start.Equal(start) {
			list = append(list, m)
		}
	}
	return list
}

// since returns how many moments of that type were heard after t.
func (k *known) since(kind string, t time.Time) (n int) {
	for _, m := range k.moments {
		if m.Type == kind && m.at.After(t) {
			n++
		}
	}
	return n
}

// month is how Home Assistant shows the number of equivents this month.
func (k *known) month() string {
	if k.Month == nil {
		return "unknown"
	}
	return strconv.Itoa(*k.Month)
}
