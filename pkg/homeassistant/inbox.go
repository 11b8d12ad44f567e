package homeassistant

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

const (
	// inboxMost and inboxBytes bound what waits to be heard; a flood is
	// dropped, and counted.
	inboxMost  = 4096
	inboxBytes = 16 << 20
)

// inbound is one message that a broker delivered.
type inbound struct {
	topic    string
	payload  []byte
	retained bool
}

// arrivals is what the connection leaves for the publisher's loop.
type arrivals struct {
	messages []inbound
	dropped  int         // messages over the limit
	settled  []pending   // what became of publishes that mattered
	up       mqtt.Client // a new connection
	lost     bool        // the connection is gone
	asked    []*readBack // what is to be read back
}

type inbox struct {
	mu    sync.Mutex
	got   arrivals
	count int // messages that wait for the loop, or for what follows from them
	bytes int // … of payload
}

func (p *Publisher) put(f func(*arrivals)) {
	p.in.mu.Lock()
	f(&p.in.got)
	p.in.mu.Unlock()
	p.Wake()
}

func (p *Publisher) receive(m inbound) {
	p.put(func(a *arrivals) {
		if p.in.count >= inboxMost || p.in.bytes+len(m.payload) > inboxBytes {
			a.dropped++
			return
		}
		p.in.count++
		p.in.bytes += len(m.payload)
		a.messages = append(a.messages, m)
	})
}

// heard makes room for another message.
func (i *inbox) heard(m inbound) {
	i.mu.Lock()
	i.count--
	i.bytes -= len(m.payload)
	i.mu.Unlock()
}

func (i *inbox) take() arrivals {
	i.mu.Lock()
	defer i.mu.Unlock()
	got := i.got
	i.got = arrivals{}
	return got
}

// hear takes one message of the broker. A retained one is the past.
func (p *Publisher) hear(m inbound) {
	then := p.meaning(m)
	if then == nil {
		p.in.heard(m)
		return
	}
	p.gate.life()
	p.slow <- func(ctx context.Context) { // never full: it is as long as the inbox
		then(ctx)
		p.in.heard(m)
	}
}

// meaning takes what concerns the connection itself, and returns what follows
// from anything else; nil: nothing.
func (p *Publisher) meaning(m inbound) func(context.Context) {
	if m.retained {
		return nil
	}
	if slices.Contains(p.Names.Births(), m.topic) {
		p.greet(string(m.payload))
		return nil
	}
	rest, ok := strings.CutPrefix(m.topic, p.Names.Base+"/")
	if !ok {
		return nil
	}
	parts := strings.Split(rest, "/")
	switch n := len(parts); {
	case parts[0] == "hook" && n == 2:
		return func(ctx context.Context) { p.Forwarded(ctx, parts[1], "", m.payload) }
	case parts[0] == "hook" && n == 3:
		return func(ctx context.Context) { p.Forwarded(ctx, parts[1], parts[2], m.payload) }
	case n == 3 && parts[1] == "set":
		return func(ctx context.Context) { p.Command(ctx, parts[0], "", parts[2], string(m.payload)) }
	case n == 4 && parts[2] == "set":
		return func(ctx context.Context) { p.Command(ctx, parts[0], parts[1], parts[3], string(m.payload)) }
	}
	return nil
}

// greet takes Home Assistant's birth and its goodbye.
func (p *Publisher) greet(word string) {
	switch word {
	case "online":
		if !p.gate.known {
			p.Memory.Set("birth", p.Now().Format(time.RFC3339))
		}
		p.gate.birth(time.Now())
		p.mu.Lock()
		p.health.Birth = p.Now()
		p.mu.Unlock()
	case "offline":
		p.gate.goodbye(time.Now())
	}
}

// work does what may wait for a disk outside the loop, in order.
func (p *Publisher) work(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case f := <-p.slow:
			f(ctx)
		}
	}
}
