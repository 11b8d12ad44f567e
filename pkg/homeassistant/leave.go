package homeassistant

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Leave clears every retained topic that was ever ours, on the broker of a
// Publisher that does not run: the documents first, then the states, then the
// status. It returns how many there were, and the broker without name and
// password. What the broker did not take is still remembered as ours.
func (p *Publisher) Leave(ctx context.Context) (cleared int, where string, err error) {
	topics := p.owned()
	slices.SortStableFunc(topics, func(a, b string) int { return rank(a) - rank(b) })
	client, where, err := p.dial(ctx, false, make(chan struct{}))
	if err != nil {
		return 0, where, err
	}
	defer client.Disconnect(250)
	for i, t := range topics {
		token := client.Publish(t, 1, true, []byte{})
		if !token.WaitTimeout(writeWithin) {
			err = errSilent
		} else {
			err = token.Error()
		}
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return i, where, fmt.Errorf("the MQTT broker %s did not take everything: %w", where, plain(err))
		}
		p.setOwned(topics[i:], topics[i+1:])
		if i+1 < len(topics) && rank(t) == 0 && rank(topics[i+1]) > 0 {
			pause(ctx)
		}
	}
	return len(topics), where, nil
}

// pause lets Home Assistant take the devices away before their states go: it
// would complain of every entity whose state is empty.
func pause(ctx context.Context) {
	t := time.NewTimer(time.Second)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
