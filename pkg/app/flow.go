package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// newDoor makes the handler of the hook listener.
func (a *App) newDoor() *intake.Hooks {
	h := &intake.Hooks{
		Token: func() []string { return a.secrets.valid(a.clock.Now()) }, Outdated: a.outdated,
		Now: a.clock.Now, Record: a.record, Refused: a.refused, Knock: a.knocks.hear,
		Log: a.logger("hooks").Sample(&zerolog.BurstSampler{Burst: 20, Period: time.Minute}), // a flood is counted, not logged
	}
	for _, s := range a.sources {
		h.Sources = append(h.Sources, s.hooks)
	}
	return h
}

// unread reports whether something could not be read.
func unread(events []event.Event) bool {
	return slices.ContainsFunc(events, func(e event.Event) bool { return e.Notice != nil && e.Notice.Code == event.Undecodable })
}

// record stores a webhook. The API is asked whether or not the disk took it.
func (a *App) record(ctx context.Context, d event.Delivery, events []event.Event) error {
	if unread(events) {
		d.Verdict = event.Unread
	}
	stored, err := a.append(ctx, d, events)
	if err != nil && ctx.Err() == nil && !errors.Is(err, journal.ErrNotStored) {
		// Its events cannot be kept; its bytes can, and somebody may read them.
		a.log.Warn().Str("source", d.Source).Err(err).Msg("a webhook could not be read")
		d.Verdict = event.Unread
		stored, err = a.append(ctx, d, nil)
	}
	for _, s := range a.sources {
		if s.name == d.Source && s.poll != nil && s.poll.asap {
			if s.poll.told != nil {
				s.poll.told(a, events)
			}
			s.poll.poller.AskNow()
		}
	}
	if err == nil {
		a.heard.Store(d.Source, d.Received)
		a.outside(d)
		a.count("grid2mqtt_deliveries_total", "source", d.Source, "verdict", stored.Verdict)
		line := a.log.Info().Str("source", d.Source).Str("via", d.Via).Int("bytes", len(d.Body))
		if d.Kind != "" {
			line.Str("kind", d.Kind)
		}
		line.Msg("webhook received")
	}
	return err
}

func (a *App) forwarded(ctx context.Context, source, kind string, body []byte) {
	if err := a.door.Forwarded(ctx, source, kind, body); err != nil {
		a.log.Warn().Str("source", "mqtt").Err(err).Msg("a forwarded webhook was not taken")
	}
}

// answered takes what came of asking a source's API.
func (a *App) answered(ctx context.Context, s source, answer event.Answer, err error) {
	if err != nil {
		a.count("grid2mqtt_polls_total", "source", s.name, "outcome", "error")
		a.failed(ctx, s, err)
		return
	}
	a.count("grid2mqtt_polls_total", "source", s.name, "outcome", "ok")
	if !answer.Date.IsZero() {
		a.clock.Heard(s.name, answer.Date.Add(time.Second/2)) // whole seconds, cut off
	}
	now := a.clock.Now()
	for i := range answer.Events {
		answer.Events[i].Seen = now
	}
	p := s.poll
	p.mu.Lock()
	news := !p.said || p.bad != ""
	p.bad, p.said, p.since = "", true, time.Time{}
	beat := now.Sub(p.beat).Abs() >= 10*time.Minute
	if beat {
		p.beat = now
	}
	p.mu.Unlock()
	if news {
		a.log.Info().Str("source", s.name).Msg(s.title + "'s cloud answers")
	}
	a.keep(ctx, s, answer, now)
	if beat {
		a.keepGood(ctx, s, now)
	}
	a.publisher.Wake()
}

// keep stores what is new in a good answer. That it was good is news by itself
// where the last one was not, or where something waits for it; else only the
// state hears of it.
func (a *App) keep(ctx context.Context, s source, answer event.Answer, now time.Time) {
	good := linkGood(s.name, now)
	l := a.house.view().Link(s.name)
	news := l.Up == nil || !*l.Up || l.Error != "" || l.Pivotal
	events := answer.Events
	if news {
		events = append(events, good)
	}
	stored, err := a.append(ctx, event.Delivery{Received: now, Source: s.name, Via: event.ViaPoll, Body: answer.Body}, events)
	if stored.Delivery > 0 {
		a.count("grid2mqtt_deliveries_total", "source", s.name, "verdict", stored.Verdict)
	}
	switch {
	case err != nil:
		a.house.tell(append(answer.Events, good)...)
	case !news:
		a.house.tell(good)
	}
	n := len(stored.Events)
	if slices.ContainsFunc(stored.Events, func(e event.Event) bool { return e.Key == good.Key }) {
		n-- // that it came is not what it says
	}
	if n > 0 {
		a.log.Info().Str("source", s.name).Int("events", n).Msg(s.title + "'s answer says something new")
	}
}

// keepGood keeps when the last good answer came. Once in ten minutes will do:
// an SD card does not like to be written for nothing.
func (a *App) keepGood(ctx context.Context, s source, good time.Time) {
	if !good.IsZero() {
		a.set(ctx, lastGood(s.name), good.Format(time.RFC3339))
		a.keepClock(ctx)
	}
}

// failed notes that an API gave no good answer. It is said once for each reason.
func (a *App) failed(ctx context.Context, s source, err error) {
	reason, r := err.Error(), &event.Refusal{}
	errors.As(err, &r)
	s.poll.mu.Lock()
	news := s.poll.bad != reason
	if s.poll.bad == "" {
		s.poll.since = a.clock.Now()
	}
	s.poll.bad, s.poll.said, s.poll.refusal = reason, true, *r
	s.poll.mu.Unlock()
	if news {
		a.log.Warn().Str("source", s.name).Msg(reason)
		a.keepGood(ctx, s, a.house.view().Link(s.name).LastGood)
		bad := linkBad(s.name, a.clock.Now(), err)
		if _, err := a.append(ctx, event.Delivery{}, []event.Event{bad}); err != nil {
			a.house.tell(bad)
		}
	}
	a.publisher.Wake()
}

// spoken is called after each turn of the publisher.
func (a *App) spoken(v state.View) {
	a.turned.Store(time.Now().UnixNano())
	a.connected()
	a.web.Changed()
	for _, s := range a.sources {
		if urgent := v.Link(s.name).Urgent; s.poll != nil && s.poll.urgent.Swap(urgent) != urgent {
			s.poll.poller.Look()
		}
		if s.poll != nil && s.poll.next != nil && s.poll.asks != v.Source(s.name).Asks {
			s.poll.asks = v.Source(s.name).Asks
			s.poll.poller.Look()
		}
	}
	if position, ok := a.house.settled(v, positionEvery); ok {
		go a.set(context.Background(), "position", fmt.Sprint(position))
	}
}

// healthy reports whether the publisher's loop turns.
func (a *App) healthy() bool {
	at := a.turned.Load()
	return at == 0 || time.Since(time.Unix(0, at)) < 3*time.Minute
}

// problems lists what is wrong, the most important first.
func (a *App) problems(v state.View) []string {
	var list []string
	if p := a.journal.Problem(); p != "" {
		list = append(list, p)
	}
	list = append(list, a.half...)
	for _, s := range a.sources {
		if s.warning != "" {
			list = append(list, s.warning)
		}
		if s.warns != nil && s.warns() != "" {
			list = append(list, s.warns())
		}
		if l := v.Link(s.name); l.Up != nil && !*l.Up {
			list = append(list, cmp.Or(l.Error, s.title+" has not answered for too long"))
		}
	}
	return list
}

func (a *App) bridge(v state.View) homeassistant.Bridge {
	b := homeassistant.Bridge{Problems: a.problems(v), Skew: v.Skew}
	b.Setup, b.SetupText = a.setup(v)
	for _, s := range a.sources {
		b.Sources = append(b.Sources, s.name)
	}
	return b
}

// refusals counts webhooks that were not taken.
type refusals struct {
	mu sync.Mutex
	by map[string]int
}

func (a *App) refused(source, why string) {
	a.count("grid2mqtt_deliveries_total", "source", source, "verdict", why)
	a.spurn(source, why)
	a.counts.mu.Lock()
	defer a.counts.mu.Unlock()
	if a.counts.by == nil {
		a.counts.by = map[string]int{}
	}
	a.counts.by[source+"/"+why]++
	a.web.Changed()
}

// say logs where this runs, and who can reach it.
func (a *App) say(hooks, page net.Listener) {
	a.log.Info().Str("source", "app").Str("version", a.host.Version).Str("data", a.config.DataDir).Msg("Grid2MQTT starts")
	a.log.Info().Str("source", "hooks").Str("addr", hooks.Addr().String()).Msg("listening for webhooks")
	reach := "this machine only"
	if !loopback(page.Addr()) {
		reach = "everybody who reaches this address"
	}
	if a.host.Allowed != nil {
		reach = "Home Assistant only"
	}
	a.log.Info().Str("source", "web").Str("addr", page.Addr().String()).Msg("the page can be opened by " + reach)
	if len(a.sources) == 0 && len(a.half) == 0 { // of which each has said what it lacks
		a.log.Warn().Str("source", "app").Msg("no source is on: set EQUIWATT_TOKEN to begin")
	}
}

// newLog makes the log; also are those who get every line as JSON.
func newLog(w io.Writer, c Config, also ...io.Writer) zerolog.Logger {
	if c.LogFormat == "json" {
		return zerolog.New(zerolog.MultiLevelWriter(append(also, w)...)).Level(c.level).With().Timestamp().Logger()
	}
	console := zerolog.ConsoleWriter{
		Out: w, NoColor: true, TimeFormat: time.TimeOnly, TimeLocation: c.zone,
		PartsOrder:    []string{zerolog.TimestampFieldName, zerolog.LevelFieldName, "source", zerolog.MessageFieldName},
		FieldsExclude: []string{"source"},
		FormatMessage: func(m any) string { text, _ := m.(string); return oneLine(text) },
	}
	return zerolog.New(zerolog.MultiLevelWriter(append(also, console)...)).Level(c.level).With().Timestamp().Logger()
}

// oneLine keeps what others had a word in from looking like more of the log.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

func (a *App) logger(source string) zerolog.Logger {
	return a.log.With().Str("source", source).Logger()
}
