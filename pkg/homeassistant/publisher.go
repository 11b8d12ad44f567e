// Package homeassistant speaks MQTT as Home Assistant understands it: a device
// discovery document and one retained state for each device, and moments as
// events. It is the only room that does.
//
// It promises: the order documents, states, "online", events; a state before
// the event that goes with it; every moment once, where one that was in flight
// when the connection broke may come again with the same id. Nothing retained
// that is ours outlives its device.
package homeassistant

import (
	"context"
	"hash/maphash"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// Publisher keeps Home Assistant in the picture. Set the fields, then Run.
type Publisher struct {
	Names    Names
	About    About
	ClientID string
	Wait     bool // MOMENTS_WAIT
	Log      zerolog.Logger

	// Broker tells where the broker is; refused: the last answer did not do.
	Broker func(ctx context.Context, refused bool) (Broker, error)
	// Step takes the next event and returns what is true now, and whether there
	// are more events. It is called by one goroutine only.
	Step func() (v state.View, more bool)
	// Grown tells that Step has more.
	Grown <-chan struct{}
	// Now is the clock by which Step judges.
	Now func() time.Time
	// Bridge says what is wrong with us, given a View.
	Bridge func(state.View) Bridge
	// Mark keeps what became of a moment.
	Mark func(id string, s state.Said, at time.Time)
	// Stepped is called when a View was spoken of; it must not wait.
	Stepped func(state.View)
	// Spoken tells when the broker had all that the events up to a Seq changed;
	// a zero time: they changed nothing. It must not wait. Nil: nobody asks.
	Spoken func(seq int64, at time.Time)
	// Command and Forwarded take what Home Assistant sends; they may wait a while.
	Command   func(ctx context.Context, source, subject, command, payload string)
	Forwarded func(ctx context.Context, source, kind string, body []byte)
	// Memory keeps what must outlive a restart: "birth" once one was heard, and
	// "owned", the retained topics that are ours, one a line.
	Memory Memory

	wake chan struct{}
	in   inbox

	mu       sync.Mutex // guards what follows
	reported bool
	trouble  string
	health   Health

	asked    []*readBack
	client   mqtt.Client              // nil while not connected
	sent     map[string]uint64        // a hash of the payload that was last retained
	shown    map[string]state.Devices // of each source, what was last said of its devices
	inFlight map[string]bool
	tidier   *time.Timer             // nil: there were never many devices
	absence  atomic.Pointer[absence] // nil: we are where we belong
	part     chan struct{}           // an absence begins

	seed     maphash.Seed
	tokens   chan pending
	followed int   // how many messages were ever on their way
	fence    fence // the newest
	stopped  <-chan struct{}
	gate     gate
	slow     chan func(context.Context)
}

// Memory is a few words that outlive a restart.
type Memory struct {
	Get func(key string) (string, bool)
	Set func(key, value string)
}

const (
	// window is how many messages may be on their way: a thousand chargers are
	// megabytes of documents, which need not wait in memory all at once.
	window = 512
	// heartbeat is the longest rest of the loop: a clock may be set without
	// anybody telling us.
	heartbeat = time.Minute
)

// New returns p ready to run.
func New(p *Publisher) *Publisher {
	p.wake, p.seed = make(chan struct{}, 1), maphash.MakeSeed()
	p.tokens, p.part = make(chan pending, window), make(chan struct{}, 1)
	p.slow = make(chan func(context.Context), inboxMost)
	_, known := p.Memory.Get("birth")
	p.gate = gate{wait: p.Wait, known: known}
	return p
}

// Wake makes the publisher look whether there is something new to say.
func (p *Publisher) Wake() {
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// Run speaks until ctx ends; then it says "offline" and leaves.
func (p *Publisher) Run(ctx context.Context) {
	var connector, helpers sync.WaitGroup
	inner, stop := context.WithCancel(ctx)
	p.stopped = ctx.Done()
	connector.Go(func() { p.connect(inner) })
	helpers.Go(func() { p.collect() })
	helpers.Go(func() { p.work(inner) })
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-p.wake:
		case <-p.Grown:
		case <-timer.C:
		}
		timer.Reset(p.turn())
	}
	stop()
	connector.Wait()
	p.turn()
	p.leave()
	p.answer()
	close(p.tokens)
	helpers.Wait()
	for _, t := range p.in.take().settled {
		p.settle(t)
	}
}

// turn does everything there is to do, and returns how long nothing will be.
func (p *Publisher) turn() time.Duration {
	got := p.in.take()
	for _, t := range got.settled {
		p.settle(t)
	}
	if got.lost || got.up != nil {
		for id := range p.inFlight {
			p.Mark(id, state.Doubtful, p.Now())
		}
		p.client, p.inFlight = nil, nil
		p.answer()
	}
	if got.dropped > 0 {
		p.Log.Warn().Int("messages", got.dropped).Msg("too many MQTT messages at once, some were dropped")
	}
	v, more := p.Step()
	if got.up != nil {
		p.begin(got.up, v)
	}
	for _, r := range got.asked {
		p.ask(r, v)
	}
	for _, m := range got.messages {
		p.echoed(m)
		p.hear(m)
	}
	for p.say(v, more); more; p.say(v, more) {
		v, more = p.Step()
	}
	p.answer()
	p.feel()
	p.Stepped(v)
	rest := p.patience()
	if !v.Next.IsZero() {
		rest = min(rest, v.Next.Sub(p.Now()))
	}
	if at := p.gate.next(); p.client != nil && !at.IsZero() {
		rest = min(rest, time.Until(at))
	}
	return max(time.Millisecond, rest)
}

// begin is the start of a connection: documents, states, then "online".
func (p *Publisher) begin(c mqtt.Client, v state.View) {
	p.client, p.sent, p.inFlight, p.fence.seq = c, map[string]uint64{}, map[string]bool{}, 0
	topics := map[string]byte{p.Names.Base + "/+/set/+": 1, p.Names.Base + "/+/+/set/+": 1, p.Names.Base + "/hook/+": 1, p.Names.Base + "/hook/+/+": 1}
	for _, t := range p.Names.Births() {
		topics[t] = 1
	}
	p.follow(pending{token: c.SubscribeMultiple(topics, nil)})
	p.gate.connected(time.Now())
	p.all(v)
	p.retain(Message{p.Names.Status(), []byte("online")})
}

// all says every document and state anew, and clears what is no longer ours.
func (p *Publisher) all(v state.View) {
	p.describe(v)
	p.retain(p.Names.bridgeState(p.bridge(v), p.About))
	p.shown = map[string]state.Devices{}
	for _, s := range v.Sources {
		for _, d := range s.Devices.All() {
			p.retain(p.Names.stateOf(d))
		}
		p.shown[s.Name] = s.Devices
	}
}

// describe says every document anew, and clears what is no longer ours.
func (p *Publisher) describe(v state.View) {
	devices := []*state.Device{{Source: bridge}}
	for _, s := range v.Sources {
		devices = append(devices, s.Devices.List()...)
	}
	p.tidy(len(devices))
	p.own(append([]string{p.Names.Status()}, p.topics(devices)...))
	p.follow(p.document(bridgeDevice()))
	for _, s := range v.Sources {
		for _, d := range s.Devices.All() {
			p.follow(p.document(describe(d)))
		}
	}
}

func (p *Publisher) document(d device) pending {
	m := p.Names.documentOf(d, p.About)
	return pending{token: p.client.Publish(m.Topic, 1, true, m.Payload), topic: m.Topic}
}

// change says what differs from what was said of a source's devices.
func (p *Publisher) change(s state.Source) {
	was := p.shown[s.Name]
	var news []*state.Device
	for i, d := range s.Devices.Other(was) {
		if i >= was.Len() {
			news = append(news, d)
		}
	}
	if len(news) > 0 {
		p.tidy(s.Devices.Len())
		owned := p.owned()
		p.setOwned(owned, append(slices.Clip(owned), p.topics(news)...))
		for _, d := range news {
			p.follow(p.document(describe(d)))
		}
	}
	for i, d := range s.Devices.Other(was) {
		if i < was.Len() && (was.At(i) == nil || was.At(i).Edition != d.Edition) {
			p.follow(p.document(describe(d)))
		}
		p.update(p.Names.stateOf(d))
	}
	p.shown[s.Name] = s.Devices
}

// tidy gives back the memory that the documents of many devices took, once
// they have been said again: Go would keep it for long.
func (p *Publisher) tidy(devices int) {
	switch {
	case devices <= 100:
	case p.tidier == nil:
		p.tidier = time.AfterFunc(4*repeatAfter, debug.FreeOSMemory)
	default:
		p.tidier.Reset(4 * repeatAfter)
	}
}

// say publishes what differs from what was said, then what is due. Where more
// follows at once and nothing is due, the last word will do.
func (p *Publisher) say(v state.View, more bool) {
	if p.client == nil || !p.client.IsConnectionOpen() || more && len(v.Due()) == 0 {
		return
	}
	now := time.Now()
	open := p.gate.open(now)
	if at := p.gate.answerAt; !at.IsZero() && !now.Before(at) {
		p.all(v)
		p.gate.answered(now)
		open = true
	} else if at := p.gate.repeatAt; !at.IsZero() && !now.Before(at) {
		p.gate.repeatAt = time.Time{}
		p.describe(v)
	}
	for _, s := range v.Sources {
		p.change(s)
	}
	due := v.Due()
	if open {
		for _, m := range due {
			if !p.inFlight[m.ID] {
				p.tell(m)
			}
		}
	}
	// What is wrong with us can wait for what is going on.
	p.update(p.Names.bridgeState(p.bridge(v), p.About))
	if open || len(due) == 0 {
		p.fenceAt(v.Seq)
	}
}

func (p *Publisher) tell(m state.Moment) {
	now, topic := p.Now(), p.Names.Event(m.Source, m.Subject)
	p.inFlight[m.ID] = true
	token := p.client.Publish(topic, 1, false, moment(m, now))
	p.Mark(m.ID, state.Sent, now) // it goes to the disk some time later in any case
	p.follow(pending{token: token, topic: topic, moment: m.ID})
	p.Log.Info().Str("vendor", m.Source).Time("occurred", m.Occurred).Msg("said: " + m.Type)
}

func (p *Publisher) bridge(v state.View) Bridge {
	b := p.Bridge(v)
	if p.gate.missing {
		b.Problems = append(b.Problems, "Home Assistant said goodbye over an hour ago and has not come back")
	}
	return b
}

// update retains a message where its payload is not what was last said.
func (p *Publisher) update(m Message) {
	if said, ok := p.sent[m.Topic]; !ok || said != maphash.Bytes(p.seed, m.Payload) {
		p.retain(m)
	}
}

// retain publishes what Home Assistant finds whenever it looks.
func (p *Publisher) retain(m Message) {
	p.sent[m.Topic] = maphash.Bytes(p.seed, m.Payload)
	p.follow(pending{token: p.client.Publish(m.Topic, 1, true, m.Payload), topic: m.Topic})
}

// leave says "offline" and closes the connection, within a second and a half.
func (p *Publisher) leave() {
	if p.client == nil {
		return
	}
	t := p.client.Publish(p.Names.Status(), 1, true, "offline")
	t.WaitTimeout(time.Second)
	p.client.Disconnect(250)
	p.client = nil
}
