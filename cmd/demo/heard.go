package main

import (
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
