package app

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/powerresponse"
)

// responder is PowerResponse at work: which event is read when, and what is
// answered to whom.
type responder struct {
	config powerresponse.Config
	app    *App // nil: not running

	mu       sync.Mutex // guards what follows
	readings map[string]reading
	enrol    time.Time // until when a challenge is answered; zero: none is
}

// reading is what became of asking for an event, by its UUID, or under the
// empty one for nothing but whether the key is taken.
type reading struct {
	told, read, tried time.Time
	failed            int
	bad               string // why the newest answer was bad; empty: it was good
}

// Settings that the journal keeps for PowerResponse.
const (
	responseHeader = "powerresponse.signature_header" // the first that carried a right signature
	responseToken  = "powerresponse.token"            // what registering was answered with
)

// enrolling is how long a challenge is answered after a household asked for it.
const enrolling = 10 * time.Minute

func (c Config) powerresponse() source {
	on, missing := c.PowerResponse.On()
	p := &responder{config: c.PowerResponse, readings: map[string]reading{}}
	return source{
		name: "powerresponse", title: "PowerResponse", on: on, missing: missing, warns: p.warns,
		hooks: intake.Source{Name: "powerresponse", Limit: 64 << 10, Verify: p.verify, Challenge: p.challenge, Decode: powerresponse.Decode},
		poll: &polled{
			interval: 30 * time.Second, asap: true, told: p.told, next: p.next, ask: p.ask,
			limit: intake.Limit{Gap: 1100 * time.Millisecond, Span: 61 * time.Second, Most: 30},
		},
		command: p.command, registrar: p.registrar(),
		open: func(a *App) { p.app, a.enrol = a, p.open },
	}
}

// responseRules are what the state has to know; nil: the source is off. Good
// answers are an hour apart where nothing happens, and bad ones ten minutes.
func (c Config) responseRules() *state.PowerResponseRules {
	if on, _ := c.PowerResponse.On(); !on {
		return nil
	}
	return &state.PowerResponseRules{Interval: 15 * time.Minute}
}

func (p *responder) log() *zerolog.Logger {
	l := p.app.logger("powerresponse")
	return &l
}

// token is the key of the webhooks' signatures; empty: nobody told it.
func (p *responder) token() string {
	if p.config.Token != "" || p.app == nil {
		return p.config.Token
	}
	kept, _ := p.app.journal.Setting(responseToken)
	return kept
}

func (p *responder) warns() string {
	if p.token() != "" {
		return ""
	}
	return p.config.Warning()
}

// verify proves a delivery. The header that carried the first right signature
// is the only one from then on, unless the household names another.
func (p *responder) verify(h http.Header, body []byte) ([]byte, error) {
	pinned, _ := p.app.journal.Setting(responseHeader)
	name := cmp.Or(p.config.SignatureHeader, pinned)
	proven, by, err := powerresponse.Verify(p.token(), name, h, body)
	if err == nil && name == "" {
		p.app.set(context.Background(), responseHeader, by)
		p.log().Info().Str("header", by).Msg("PowerResponse's signatures are in this header, and no other is taken from now on")
	}
	return proven, err
}

// challenge answers one challenge while the household lets it.
func (p *responder) challenge(r *http.Request, body []byte) (answer []byte, contentType string, ok bool) {
	now, token := p.app.clock.Now(), p.token()
	p.mu.Lock()
	defer p.mu.Unlock()
	if token == "" || !now.Before(p.enrol) {
		return nil, "", false
	}
	text, ok := powerresponse.Challenge(r.Method, r.URL.RawQuery, body)
	if !ok {
		return nil, "", false
	}
	p.enrol = time.Time{}
	p.show(now, now)
	const most = 400 // how it comes is not documented, so it is worth seeing
	p.log().Info().Str("method", r.Method).Str("query", cut(r.URL.RawQuery, most)).Str("body", cut(string(body), most)).
		Msg("PowerResponse asked whether this address is ours, and was answered; the enrolment window is closed")
	answer, contentType = powerresponse.Respond(token, p.config.Challenge, text)
	return answer, contentType, true
}

func cut(text string, most int) string { return text[:min(len(text), most)] }

// show tells the state when the enrolment window closes.
func (p *responder) show(now, until time.Time) {
	p.app.house.tell(event.Event{
		Source: powerresponse.Source, Subject: state.Enrol, Key: state.Enrol, By: event.Self, At: now, Seen: now,
		Window: &event.Window{Start: now, End: until},
	})
	p.app.publisher.Wake()
}

// open lets one challenge be answered within the next ten minutes.
func (p *responder) open() (until time.Time, err error) {
	if p.token() == "" {
		return until, errors.New("a challenge cannot be answered: POWERRESPONSE_TOKEN is missing")
	}
	now := p.app.clock.Now()
	until = now.Add(enrolling)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enrol = until
	p.show(now, until)
	return until, nil
}

// Enrol lets one challenge of PowerResponse be answered within the next ten
// minutes, and returns until when. The error is one sentence for people.
func (a *App) Enrol() (until time.Time, err error) {
	if a.enrol == nil {
		return until, errors.New("PowerResponse is off")
	}
	return a.enrol()
}

// told notes which events a webhook named, also where the state hears nothing
// of it because the same was told before.
func (p *responder) told(a *App, events []event.Event) {
	now := a.clock.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, uuid := range powerresponse.Hints(events) {
		r := p.readings[uuid]
		r.told = now
		p.readings[uuid] = r
	}
}

// known is what decides which event is read next.
func (p *responder) known(a *App, now time.Time) []powerresponse.Known {
	asks, _ := a.house.view().Source(powerresponse.Source).Asks.(*state.ResponseAsks)
	p.mu.Lock()
	defer p.mu.Unlock()
	_, newest := p.named()
	list := []powerresponse.Known{p.readings[""].of(powerresponse.Known{Told: newest}, now)}
	seen := map[string]bool{"": true}
	if asks != nil {
		for _, ask := range *asks {
			k := powerresponse.Known{UUID: ask.UUID, Start: ask.Start, End: ask.End, Void: ask.Void, Told: ask.Told}
			list = append(list, p.readings[ask.UUID].of(k, now))
			seen[ask.UUID] = true
		}
	}
	for uuid, r := range p.readings {
		switch {
		case seen[uuid]:
		case now.Sub(r.told) < powerresponse.Watched: // the state has not heard of it yet
			list = append(list, r.of(powerresponse.Known{UUID: uuid}, now))
		default:
			delete(p.readings, uuid)
		}
	}
	return list
}

// named is the event that a webhook named last, if it was not read since, and
// when that was. The caller holds p.mu.
func (p *responder) named() (uuid string, told time.Time) {
	for id, r := range p.readings {
		if r.told.After(r.read) && r.told.After(told) {
			uuid, told = id, r.told
		}
	}
	return uuid, told
}

// of adds what became of asking to what is known. Instants that a clock which
// was set back has left in the future are now.
func (r reading) of(k powerresponse.Known, now time.Time) powerresponse.Known {
	past := func(t time.Time) time.Time {
		if t.After(now) {
			return now
		}
		return t
	}
	if r.told.After(k.Told) {
		k.Told = past(r.told)
	}
	k.Read, k.Tried, k.Failed = past(r.read), past(r.tried), r.failed
	return k
}

// next is when there is something to ask.
func (p *responder) next(a *App, _ time.Time) time.Time {
	now := a.clock.Now()
	_, at, ok := powerresponse.Next(p.known(a, now), now)
	if !ok {
		return time.Time{}
	}
	return time.Now().Add(at.Sub(now))
}

// ask asks for the event whose turn it is, or whether the key is still taken.
func (p *responder) ask(ctx context.Context, a *App, wait func(context.Context) error) (answer event.Answer, err error) {
	now := a.clock.Now()
	k, at, ok := powerresponse.Next(p.known(a, now), now)
	if !ok || at.After(now) {
		return answer, nil
	}
	asked := now
	client := p.client(a.agent(), func(ctx context.Context) error {
		err := wait(ctx)
		asked = a.clock.Now()
		return err
	})
	client.Now = a.clock.Now
	if k.UUID != "" {
		answer, err = client.Read(ctx, k.UUID)
		news := p.note(ctx, k.UUID, asked, err)
		if err == nil || !ownFault(err) {
			return answer, err
		}
		if news {
			p.log().Warn().Str("event", k.UUID).Msg("one event cannot be read: " + err.Error())
		}
	}
	answer, err = client.Check(ctx) // is it that event alone, or all?
	p.note(ctx, "", asked, err)
	if err != nil && k.UUID == "" && ownFault(err) {
		if read, ok := p.beyond(ctx, client); ok {
			return read, nil
		}
	}
	return answer, err
}

// beyond reads the event that a webhook has just named where the call that
// tries the key is not known to the platform, or not allowed. That it does not
// know the event either is no reason to believe that this is gone.
func (p *responder) beyond(ctx context.Context, client *powerresponse.Client) (answer event.Answer, ok bool) {
	p.mu.Lock()
	uuid, _ := p.named()
	p.mu.Unlock()
	if uuid == "" {
		return answer, false
	}
	asked := p.app.clock.Now()
	answer, err := client.Read(ctx, uuid)
	if err != nil || answer.Events[0].Window == nil {
		return answer, false
	}
	p.note(ctx, uuid, asked, nil)
	return answer, true
}

// ownFault reports whether an answer may be bad for one event alone.
func ownFault(err error) bool {
	var r *event.Refusal
	return errors.As(err, &r) && r.Status != 0 && r.Status != http.StatusTooManyRequests && r.RetryAfter == 0 && !r.Unauthorized
}

// note remembers what became of asking, and reports whether it failed for
// another reason than before. Any good answer says that the key is taken.
func (p *responder) note(ctx context.Context, uuid string, asked time.Time, err error) (news bool) {
	if ctx.Err() != nil {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	r := p.readings[uuid]
	if err == nil {
		r = reading{told: r.told, read: asked}
		p.readings[""] = reading{read: asked}
	} else {
		news = r.bad != err.Error()
		r.tried, r.failed, r.bad = asked, r.failed+1, err.Error()
	}
	p.readings[uuid] = r
	return news
}

func (p *responder) client(agent string, wait func(context.Context) error) *powerresponse.Client {
	c := p.config
	return &powerresponse.Client{URL: c.URL, APIKey: c.APIKey, Tenant: powerresponse.UUID(c.Tenant), Secrets: []string{p.token()}, HTTP: &http.Client{}, Wait: wait, Agent: agent}
}

// command carries out "enrol", "opt_in" and "opt_out"; others are unknown.
func (p *responder) command(ctx context.Context, a *App, s source, subject, command, payload string) {
	switch {
	case subject != "":
	case command == "enrol":
		until, err := a.Enrol()
		if err != nil {
			p.log().Warn().Msg(err.Error())
			return
		}
		p.log().Info().Msg("the next challenge is answered until " + until.In(a.zone()).Format(time.TimeOnly))
	case command == "opt_in", command == "opt_out":
		// The calls may take minutes, and other commands are not to wait for them.
		go func() {
			n, uuid, err := p.opt(ctx, a, s, payload, command == "opt_in")
			if err != nil {
				p.log().Warn().Msg(command + " was not carried out: " + err.Error())
				return
			}
			p.log().Info().Str("event", uuid).Msg(command + " of " + strconv.Itoa(n) + " assets was taken")
		}()
	}
}

// opt lets every asset of an event take part in it, or none; an empty payload
// means the event that starts next. The event is read again afterwards.
func (p *responder) opt(ctx context.Context, a *App, s source, payload string, in bool) (n int, uuid string, err error) {
	uuid = powerresponse.UUID(payload)
	if uuid == "" && payload != "" && payload != "PRESS" {
		return 0, "", errors.New("the payload is neither an event's UUID nor empty")
	}
	if uuid == "" {
		if uuid = p.nextEvent(a); uuid == "" {
			return 0, "", errors.New("no event is known to come")
		}
	}
	err = s.beside(ctx, func(wait func(context.Context) error) error {
		client := p.client(a.agent(), wait)
		assets, err := client.Assets(ctx, uuid)
		if err != nil {
			return err
		}
		if n = len(assets); n == 0 {
			return errors.New("no asset of yours is in this event")
		}
		ids := make([]string, 0, n)
		for _, asset := range assets {
			ids = append(ids, asset.UUID)
		}
		return client.OptIn(ctx, uuid, ids, in)
	})
	if err != nil {
		return 0, uuid, err
	}
	p.mu.Lock()
	r := p.readings[uuid]
	r.told = a.clock.Now()
	p.readings[uuid] = r
	p.mu.Unlock()
	s.poll.poller.AskNow()
	return n, uuid, nil
}

// nextEvent is the UUID of the event that starts next; empty: none is known.
func (p *responder) nextEvent(a *App) string {
	for _, d := range a.house.view().Source(powerresponse.Source).Devices.All() {
		if r, ok := d.State.(*state.Response); ok && r.Next != nil {
			return r.Next.UUID
		}
	}
	return ""
}
