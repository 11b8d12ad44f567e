package homeassistant

import (
	"context"
	"errors"
	"sync"
)

// errAway is what is wrong with the broker while we are told to keep away.
var errAway = errors.New("Grid2MQTT has left the MQTT broker: press Come back, or start it again")

// absence is a household that took us off the broker.
type absence struct {
	once sync.Once
	left chan struct{} // closed once there is no connection
	over chan struct{} // closed when we may come back
}

// Depart ends the connection, clears every retained topic that was ever ours as
// Leave does, and keeps away until Return, or until the program starts again.
// Where the broker does not take all of it we stay.
func (p *Publisher) Depart(ctx context.Context) (cleared int, where string, err error) {
	a := &absence{left: make(chan struct{}), over: make(chan struct{})}
	if !p.absence.CompareAndSwap(nil, a) {
		return 0, "", errors.New("Grid2MQTT has left the MQTT broker already")
	}
	select {
	case p.part <- struct{}{}:
	default:
	}
	select {
	case <-a.left:
		cleared, where, err = p.Leave(ctx)
	case <-ctx.Done():
		err = ctx.Err()
	}
	if err != nil {
		p.Return()
	}
	return cleared, where, err
}

// Return ends Depart's absence: everything is said again.
func (p *Publisher) Return() {
	if a := p.absence.Swap(nil); a != nil {
		close(a.over)
	}
}

// Away reports whether we are told to keep away from the broker.
func (p *Publisher) Away() bool { return p.absence.Load() != nil }

// stay waits out an absence, if there is one.
func (p *Publisher) stay(ctx context.Context) {
	a := p.absence.Load()
	if a == nil {
		return
	}
	select { // it was for a connection that ended otherwise
	case <-p.part:
	default:
	}
	p.report("", errAway)
	a.once.Do(func() { close(a.left) })
	select {
	case <-ctx.Done():
	case <-a.over:
	}
}
