// Package observer listens to a broker as an outsider and keeps every message in its order.
//
// It speaks MQTT 5, which alone lets a subscriber see whether a message was published as retained; what the broker held before
// is not mixed into the record, see Held. It comes back to a lost broker within milliseconds and does not see what is
// published before it is back.
package observer

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/eclipse/paho.golang/autopaho"
	"github.com/eclipse/paho.golang/paho"
)

// Message as it was published.
type Message struct {
	At       time.Time // when it came here
	Topic    string
	Payload  string
	Retained bool // as its publisher asked
	QoS      byte // 1 at most
}

// Observer is one connection and its record. Its methods may be used from several goroutines.
type Observer struct {
	manager *autopaho.ConnectionManager
	stop    context.CancelFunc
	echo    string // topic on which it hears itself and nobody else does: filters do not reach below a $

	mu      sync.Mutex
	calls   int // … so often
	echoed  int // the newest of these calls that it has heard
	record  []Message
	up      int           // connections so far
	ready   bool          // connected and subscribed
	changed chan struct{} // closed and replaced at every change
}

// What a broker does with messages it holds when somebody subscribes (MQTT 5, 3.8.3.1).
const (
	sendHeld = 0
	skipHeld = 2
)

// Open connects, subscribes to the filters and records from then on. The caller calls Close.
func Open(ctx context.Context, broker string, filters ...string) (*Observer, error) {
	return open(ctx, broker, skipHeld, filters)
}

func open(ctx context.Context, broker string, held byte, filters []string) (*Observer, error) {
	u, err := url.Parse(broker)
	if err != nil {
		return nil, fmt.Errorf("observer: %w", err)
	}
	o := &Observer{echo: "$observer/" + rand.Text(), changed: make(chan struct{})}
	subscribe := &paho.Subscribe{Subscriptions: []paho.SubscribeOptions{{Topic: o.echo, QoS: 1}}}
	for _, f := range filters {
		subscribe.Subscriptions = append(subscribe.Subscriptions, paho.SubscribeOptions{
			Topic: f, QoS: 1, RetainAsPublished: true, RetainHandling: held,
		})
	}
	life, stop := context.WithCancel(context.Background())
	o.stop = stop
	o.manager, err = autopaho.NewConnection(life, autopaho.ClientConfig{
		ServerUrls:                    []*url.URL{u},
		KeepAlive:                     60,
		CleanStartOnInitialConnection: true,
		ConnectTimeout:                10 * time.Second,
		ReconnectBackoff:              func(int) time.Duration { return 5 * time.Millisecond },
		OnConnectionUp: func(m *autopaho.ConnectionManager, _ *paho.Connack) {
			n := o.connected()
			go o.subscribe(life, m, n, subscribe)
		},
		OnConnectionDown: func() bool { o.disconnected(); return true },
		ClientConfig: paho.ClientConfig{
			ClientID:          "observer-" + rand.Text(),
			OnPublishReceived: []func(paho.PublishReceived) (bool, error){o.receive},
		},
	})
	if err != nil {
		stop()
		return nil, fmt.Errorf("observer: %w", err)
	}
	if err := o.Connected(ctx); err != nil {
		return nil, errors.Join(err, o.Close())
	}
	return o, nil
}

// Held is what the broker holds now under the filters, from topic to payload.
func Held(ctx context.Context, broker string, filters ...string) (map[string]string, error) {
	o, err := open(ctx, broker, sendHeld, filters)
	if err != nil {
		return nil, err
	}
	defer o.Close()
	// The broker sends what it holds before whatever comes after the subscription.
	n, err := o.Mark(ctx)
	if err != nil {
		return nil, err
	}
	held := map[string]string{}
	for _, m := range o.Since(0)[:n] {
		if m.Retained {
			held[m.Topic] = m.Payload
		}
	}
	return held, nil
}

// Close the connection. The record stays readable.
func (o *Observer) Close() error {
	defer o.stop()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	o.manager.Disconnect(ctx) // fails where the broker is gone, which is no matter
	select {
	case <-o.manager.Done():
		return nil
	case <-ctx.Done():
		return errors.New("observer: does not close")
	}
}

// Connected waits until the broker has confirmed the subscriptions and answers. It may be asked right after the broker was
// ended and started, when this side may not know yet that its connection is gone.
func (o *Observer) Connected(ctx context.Context) error {
	for {
		if err := o.await(ctx, "connected", func() bool { return o.ready }); err != nil {
			return err
		}
		if heard, err := o.hearItself(ctx); heard || err != nil {
			return err
		}
	}
}

// Mark is a place in the record, behind all that the broker had taken before the call.
func (o *Observer) Mark(ctx context.Context) (int, error) {
	o.mu.Lock()
	ready := o.ready
	o.mu.Unlock()
	if ready {
		// Where that fails the connection is lost, and nothing is on its way.
		if _, err := o.hearItself(ctx); err != nil {
			return 0, err
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.record), nil
}

// hearItself is false where the connection is lost before the echo comes. The broker keeps the order of what it sends.
func (o *Observer) hearItself(ctx context.Context) (heard bool, err error) {
	o.mu.Lock()
	o.calls++
	connection, call := o.up, o.calls
	o.mu.Unlock()
	done := func() bool {
		heard = o.echoed >= call && o.up == connection
		return heard || o.up != connection
	}
	for ctx.Err() == nil {
		soon, cancel := context.WithTimeout(ctx, time.Second)
		err := o.Publish(soon, o.echo, strconv.Itoa(call), false)
		if err == nil {
			cancel()
			break
		}
		// Who does not confirm may be slow, or gone: the next second will tell.
		err = o.await(soon, "answered", done)
		cancel()
		if err == nil {
			return heard, nil
		}
	}
	return heard, o.await(ctx, "answered", done)
}

// Publish a message with QoS 1 and wait until the broker has it.
func (o *Observer) Publish(ctx context.Context, topic, payload string, retained bool) error {
	p := &paho.Publish{Topic: topic, Payload: []byte(payload), Retain: retained, QoS: 1}
	if _, err := o.manager.Publish(ctx, p); err != nil {
		return fmt.Errorf("observer: publish on %s: %w", topic, err)
	}
	return nil
}

func (o *Observer) receive(p paho.PublishReceived) (bool, error) {
	if p.Packet.Topic == o.echo {
		n, _ := strconv.Atoi(string(p.Packet.Payload))
		o.change(func() { o.echoed = max(o.echoed, n) })
		return true, nil
	}
	m := Message{At: time.Now(), Topic: p.Packet.Topic, Payload: string(p.Packet.Payload), Retained: p.Packet.Retain, QoS: p.Packet.QoS}
	o.change(func() { o.record = append(o.record, m) })
	return true, nil
}

func (o *Observer) connected() (n int) {
	o.change(func() { o.up++; n = o.up })
	return n
}

func (o *Observer) disconnected() { o.change(func() { o.ready = false; o.up++ }) }

// subscribe counts only if its connection is still the newest.
func (o *Observer) subscribe(ctx context.Context, m *autopaho.ConnectionManager, n int, s *paho.Subscribe) {
	if _, err := m.Subscribe(ctx, s); err != nil {
		return // the connection is lost, and the next one subscribes again
	}
	o.change(func() { o.ready = o.up == n })
}

func (o *Observer) change(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	f()
	close(o.changed)
	o.changed = make(chan struct{})
}

// await calls ok, with the lock held, at every change.
func (o *Observer) await(ctx context.Context, what string, ok func() bool) error {
	for {
		o.mu.Lock()
		yes, changed := ok(), o.changed
		o.mu.Unlock()
		if yes {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("observer: not %s: %w", what, ctx.Err())
		case <-changed:
		}
	}
}
