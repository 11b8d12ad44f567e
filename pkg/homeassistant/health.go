package homeassistant

import "time"

// Health is how we get on with the broker and with Home Assistant.
type Health struct {
	Trouble string    // what is wrong with the broker, one sentence; empty: nothing
	Tried   bool      // … as far as anybody knows: it was called
	Refused bool      // … it is there and turns us away
	Since   time.Time // when this connection began; zero: there is none
	Thrown  int       // how many connections in a row were ended within seconds

	Born    bool      // Home Assistant was ever heard to say that it is there
	Birth   time.Time // when it last did; zero: not since this process began
	Gone    bool      // it said goodbye, and was not heard of since
	Missing bool      // … for over an hour
}

// Health returns it as of the last turn; it does not wait.
func (p *Publisher) Health() Health {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.health
	h.Tried = p.reported
	if h.Trouble = p.trouble; !p.reported {
		h.Trouble = "not connected to the MQTT broker yet"
	}
	return h
}

// feel keeps what only the loop knows of our health.
func (p *Publisher) feel() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.health.Born, p.health.Gone, p.health.Missing = p.gate.known, p.gate.gone, p.gate.missing
	switch {
	case p.client == nil:
		p.health.Since = time.Time{}
	case p.health.Since.IsZero():
		p.health.Since = p.Now()
	case p.Now().Sub(p.health.Since) > steady:
		p.health.Thrown = 0
	}
}

// thrown notes whether the connection that has ended was a short one.
func (p *Publisher) thrown(short bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.health.Thrown++; !short {
		p.health.Thrown = 0
	}
}
