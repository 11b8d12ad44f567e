package app

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/capacitor"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// garage is Capacitor at work: what its API is asked, how its webhooks are
// proven, and what chargers are told.
type garage struct {
	config capacitor.Config
	app    *App // nil: not running
	decode capacitor.Decoder

	mu      sync.Mutex // guards what follows
	last    time.Time  // the newest call of the plan
	failed  bool       // … was answered badly
	kept    time.Time  // when the quota was last kept
	headers string     // of the newest webhook, their names
}

// Settings that the journal keeps for Capacitor.
const (
	capacitorChoice    = "capacitor.generation" // which of the vendor's documents holds
	capacitorQuota     = "capacitor.quota"
	capacitorSalt      = "capacitor.salt"      // makes names of RFID cards
	capacitorSignature = "capacitor.signature" // what was seen to verify
)

// The slowest plan of asking, and how soon a failure is tried again.
const (
	capacitorSlowest = 30 * time.Minute
	capacitorRetry   = 2 * time.Minute
)

func (c Config) capacitor() source {
	on, missing := c.Capacitor.On()
	g := &garage{config: c.Capacitor}
	s := source{
		name: "capacitor", title: "Capacitor", on: on, missing: missing, warns: g.warns, open: g.open,
		hooks:   intake.Source{Name: "capacitor", Limit: 64 << 10, Observe: g.observe, Decode: func(d event.Delivery) []event.Event { return g.decode.Decode(d) }},
		command: g.command, stage: stageConnector, signature: g.sealed,
		byHand: "Capacitor's webhooks are registered at its API: from here with its API key (CAPACITOR_API_KEY).",
	}
	if c.Capacitor.Enforce() {
		s.hooks.Verify = g.verify
	}
	if c.Capacitor.APIKey == "" {
		return s
	}
	s.poll = &polled{interval: capacitorRetry, next: g.next, ask: g.ask, limit: intake.Limit{Gap: 1100 * time.Millisecond}}
	s.registrar = &registrar{list: g.list, check: g.check, register: g.register, remove: g.remove}
	return s
}

// capacitorRules are what the state has to know; nil: the source is off.
func (c Config) capacitorRules() *state.CapacitorRules {
	if on, _ := c.Capacitor.On(); !on {
		return nil
	}
	return &state.CapacitorRules{Asks: c.Capacitor.APIKey != "", Interval: capacitorSlowest}
}

func (g *garage) log() *zerolog.Logger {
	l := g.app.logger("capacitor")
	return &l
}

// open takes up what an earlier process knew.
func (g *garage) open(a *App) {
	g.app = a
	if g.config.Hash() {
		g.decode.Salt = []byte(a.once(context.Background(), capacitorSalt, func() string { return hex.EncodeToString(noise(16)) }))
	}
	text, _ := a.journal.Setting(capacitorQuota)
	var q capacitor.Quota
	if json.Unmarshal([]byte(text), &q) == nil && q.Limit > 0 && g.config.APIKey != "" {
		a.house.tell(g.note("quota", q))
	}
}

// note is something that the state is told and the journal does not keep.
func (g *garage) note(code string, content any) event.Event {
	now := g.app.clock.Now()
	return event.Event{
		Source: capacitor.Source, Key: "note/" + code, By: event.API, At: now, Seen: now,
		Notice: &event.Notice{Code: code}, Data: encode(content),
	}
}

// tell tells the state what the journal need not keep: also what the API said
// before and still says.
func (g *garage) tell(events ...event.Event) {
	g.app.house.tell(events...)
	g.app.publisher.Wake()
}

// told takes what an answer tells of the quota. It is kept once in a while, for
// an SD card does not like to be written for nothing.
func (g *garage) told(q capacitor.Quota) {
	g.tell(g.note("quota", q))
	g.mu.Lock()
	defer g.mu.Unlock()
	if now := time.Now(); now.Sub(g.kept) >= 10*time.Minute || q.Remaining < 20 {
		g.kept = now
		g.app.journal.SetSoon(capacitorQuota, string(encode(q)))
	}
}

// client is a client of the API, which remembers by get and set what the first
// contact found.
func (g *garage) client(agent string, wait func(context.Context) error, get func(string) (string, bool), set func(key, value string)) *capacitor.Client {
	c := &capacitor.Client{
		URL: g.config.URL, Key: g.config.APIKey, Secret: g.config.Secret, Other: capacitor.Other(g.config.URL),
		HTTP: &http.Client{}, Wait: wait, Agent: agent,
		Chosen: func(now capacitor.Choice) { set(capacitorChoice, string(encode(now))) },
	}
	text, _ := get(capacitorChoice)
	_ = json.Unmarshal([]byte(text), &c.Choice) // unreadable is not known
	if g.app != nil {
		c.Now, c.Told = g.app.clock.Now, g.told
	}
	return c
}

// running is the client of the running app.
func (g *garage) running(wait func(context.Context) error) *capacitor.Client {
	return g.client(g.app.agent(), wait, g.app.journal.Setting, g.app.journal.SetSoon)
}

// known is what decides what is asked next.
func (g *garage) known() capacitor.Known {
	asks, _ := g.app.house.view().Source(capacitor.Source).Asks.(*state.CapacitorAsks)
	if asks == nil {
		return capacitor.Known{}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return capacitor.Known{
		Quota: capacitor.Quota(asks.Quota), Listed: asks.Listed, Hooked: asks.Hooked, Chargers: asks.Chargers, Failed: g.failed,
		Doubt: capacitor.Doubt{Question: capacitor.Question{Kind: asks.Kind, ID: asks.ID}, Since: asks.Since, Routine: asks.Routine},
	}
}

// plan is what to ask, and when.
func (g *garage) plan() (q capacitor.Question, at, now time.Time) {
	now = g.app.clock.Now()
	k := g.known()
	g.mu.Lock()
	last := g.last
	g.mu.Unlock()
	q, at = capacitor.Next(k, last, now)
	return q, at, now
}

// next is when there is something to ask.
func (g *garage) next(*App, time.Time) time.Time {
	_, at, now := g.plan()
	if at.IsZero() {
		return at
	}
	return time.Now().Add(at.Sub(now))
}

// ask asks the question whose turn it is.
func (g *garage) ask(ctx context.Context, a *App, wait func(context.Context) error) (answer event.Answer, err error) {
	q, at, now := g.plan()
	if at.IsZero() || at.After(now) {
		return answer, nil
	}
	client := g.running(func(ctx context.Context) error {
		err := wait(ctx)
		g.mu.Lock()
		g.last = a.clock.Now()
		g.mu.Unlock()
		return err
	})
	reply, err := client.Ask(ctx, q)
	if ctx.Err() != nil {
		return answer, err
	}
	var r *event.Refusal
	g.mu.Lock()
	g.failed = errors.As(err, &r) && r.Status != 0 // it has cost a call
	g.mu.Unlock()
	now = a.clock.Now()
	note := g.note("asked", map[string]any{"kind": q.Kind, "id": q.ID, "failed": err != nil, "ids": reply.IDs})
	if err != nil {
		g.tell(note)
		return answer, err
	}
	g.tell(append(reply.Live(now), note)...)
	return event.Answer{Received: now, Date: reply.Date, Body: reply.Body, Events: reply.Events(now)}, nil
}

// warns says what is wrong with the signatures; empty: nothing.
func (g *garage) warns() string {
	if g.app == nil || !g.config.Enforce() {
		return ""
	}
	if _, known := g.signature(); known {
		return ""
	}
	return "Capacitor's webhooks are not proven yet: no header of theirs was seen to verify CAPACITOR_SECRET, so they are believed by their address alone."
}

// sealed tells, as a step of the self-check, whether webhooks are proven.
func (g *garage) sealed(a *App) (state, reason, remedy string) {
	s, known := g.signature()
	switch {
	case g.config.Secret == "":
		return web.Skipped, "CAPACITOR_SECRET is not set: webhooks are believed by their address alone.", ""
	case known && g.config.Enforce():
		return web.Passed, "", ""
	case known:
		return web.Passed, "The header " + s.Header + " proves them; CAPACITOR_SIGNATURE=enforce refuses those without it.", ""
	case a.heardAt(capacitor.Source).IsZero():
		return web.Waiting, "No webhook of Capacitor has come yet.", ""
	}
	return web.Waiting, "No header of Capacitor's webhooks was seen to verify CAPACITOR_SECRET: they are believed by their address alone.", ""
}

// signature is how webhooks were seen to be proven.
func (g *garage) signature() (s capacitor.Signature, known bool) {
	text, _ := g.app.journal.Setting(capacitorSignature)
	err := json.Unmarshal([]byte(text), &s)
	return s, err == nil && s.Header != ""
}

// verify proves a webhook where that was seen to be possible, and takes it
// unproven until then.
func (g *garage) verify(h http.Header, body []byte) ([]byte, error) {
	s, known := g.signature()
	if !known {
		return body, nil
	}
	return s.Verify(g.config.Secret, h, body)
}

// observe looks whether a webhook could be proven, and by what, for that is
// documented nowhere.
func (g *garage) observe(h http.Header, body []byte) {
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	text := strings.Join(names, ", ")
	g.mu.Lock()
	news := text != g.headers
	g.headers = text
	g.mu.Unlock()
	if news {
		g.log().Debug().Str("headers", cut(text, 1000)).Msg("a webhook came with these headers")
	}
	was, known := g.signature()
	if known {
		if _, err := was.Verify(g.config.Secret, h, body); err == nil || g.config.Enforce() {
			return
		}
	}
	s, ok := capacitor.Observe(g.config.Secret, h, body)
	if !ok || s == was {
		return
	}
	g.app.journal.SetSoon(capacitorSignature, string(encode(s)))
	then := "; CAPACITOR_SIGNATURE=enforce refuses those without it"
	if g.config.Enforce() {
		then = ", and those without it are refused from now on"
	}
	g.log().Info().Str("header", s.Header).Str("scheme", s.Scheme).Msg("Capacitor's webhooks are proven by this header" + then)
}
