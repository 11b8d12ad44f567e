// Package app puts the rooms together: it opens, builds, runs and stops them
// in order. Run is what the binary, the demo and the tests start.
package app

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/rs/zerolog"
	"golang.org/x/net/netutil"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// Host is where the app runs. The zero Host is a plain process.
type Host struct {
	Version string
	// Stay keeps the process and its page up where the configuration cannot be
	// used, as an app must: it has no other place to say why.
	Stay bool
	// Problem is what the host already found wrong, one sentence.
	Problem string
	// Broker tells which MQTT broker there is where MQTT_URL does not.
	Broker func(ctx context.Context) (homeassistant.Broker, error)
	// Allowed says who may open the page; nil: everybody who reaches it.
	Allowed func(remoteAddr string) bool
	// PageURL is how Home Assistant links to the page; empty: not known.
	PageURL string
	// Ready is called with the addresses of both listeners once they are open.
	Ready func(hooks, web string)
}

// App is a running Grid2MQTT.
type App struct {
	config  Config
	host    Host
	log     zerolog.Logger
	lines   ring // of the log
	table   []source
	sources []source // those of the table that are on
	half    []string // what half configured sources lack

	clock      *intake.Clock
	journal    *journal.Journal
	house      *house
	door       *intake.Hooks
	publisher  *homeassistant.Publisher
	web        *web.Server
	secrets    pathSecrets
	rotating   sync.Mutex                           // held while the path secret is changed
	lent       atomic.Pointer[homeassistant.Broker] // what the host said of the broker
	metrics    *metrics.Set
	counts     refusals
	keys       []string // the names of all variables
	hookAddr   string   // of the hook listener
	knocks     knocks
	verdict    verdict
	found      findings
	inspector  inspector
	rehearsals rehearsals
	commits    histogram // of the journal
	publishes  histogram // from a webhook's arrival until the broker had what it changed

	replaying sync.Mutex // held while deliveries are decoded anew

	steps   steps
	enrol   func() (until time.Time, err error) // nil: PowerResponse is off
	heard   sync.Map                            // of each source, when its last webhook came
	spurned sync.Map                            // of each source, when a webhook last came with a wrong signature
	posted  atomic.Int64                        // when a webhook last came over the hook listener, Unix nanoseconds
	turned  atomic.Int64                        // when the publisher's loop last turned, Unix nanoseconds
}

const project = "https://github.com/grid2mqtt/grid2mqtt"

// Run runs the app until ctx ends. It returns an error only for a
// configuration that cannot be used: one line for people.
func Run(ctx context.Context, environ map[string]string, stdout io.Writer, host Host) error {
	c, bad := load(environ)
	a := &App{config: c, host: host, metrics: metrics.NewSet(), clock: &intake.Clock{}}
	a.log = newLog(stdout, c, &a.lines)
	if host.Problem != "" && bad == nil {
		bad = errors.New(host.Problem)
	}
	if bad != nil {
		return a.refuse(ctx, bad)
	}
	hooks, err := net.Listen("tcp", c.HookAddr)
	if err != nil {
		return a.refuse(ctx, fmt.Errorf("HOOK_ADDR cannot be listened on: %w", err))
	}
	defer hooks.Close()
	page, err := net.Listen("tcp", c.WebAddr)
	if err != nil {
		return a.refuse(ctx, fmt.Errorf("WEB_ADDR cannot be listened on: %w", err))
	}
	defer page.Close()
	a.journal, err = journal.Open(c.DataDir, journal.Options{Log: a.logger("journal"), Retention: c.Retention, Now: a.clock.Now, Committed: a.commits.observe})
	if err != nil {
		page.Close()
		return a.refuse(ctx, fmt.Errorf("DATA_DIR: %w", err))
	}
	defer a.journal.Close()
	a.hookAddr = hooks.Addr().String()
	a.build(ctx)
	if host.Ready != nil {
		host.Ready(hooks.Addr().String(), page.Addr().String())
	}
	a.run(ctx, hooks, page)
	return nil
}

// refuse ends a process that cannot be configured; an app stays up and shows
// the reason on its page.
func (a *App) refuse(ctx context.Context, bad error) error {
	if !a.host.Stay {
		return bad
	}
	a.log.Error().Str("source", "app").Msg(bad.Error())
	s := &web.Server{
		Allowed: a.host.Allowed, Log: a.logger("web"), Records: web.Records{Lines: a.lines.newest},
		Checks: func(context.Context, bool) []web.Step { return []web.Step{unusable(bad)} },
		Page: func(context.Context) web.Page {
			return web.Page{View: state.View{At: time.Now()}, Version: a.host.Version, Zone: a.zone(), Problems: []string{bad.Error()}, Broker: "not tried: the options come first"}
		},
	}
	addr := a.config.WebAddr
	if !validAddr(addr) {
		addr = ":8099"
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("WEB_ADDR cannot be listened on: %w", err)
	}
	server := newServer(s.Handler(), a.logger("web"))
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	if a.host.Ready != nil {
		a.host.Ready("", l.Addr().String())
	}
	_ = server.Serve(l) // ends with ctx
	return nil
}

func (a *App) zone() *time.Location {
	if a.config.zone == nil {
		return time.UTC
	}
	return a.config.zone
}

// build makes every room, and folds the past.
func (a *App) build(ctx context.Context) {
	a.clock.Stepped = a.stepped
	a.keys, a.inspector = variables(), inspector{turn: make(chan struct{}, 1), again: make(chan struct{}, 1)}
	a.table = a.config.sources()
	a.sort()
	if p := a.config.Equiwatt.PollInterval; p < 10*time.Second && a.config.Equiwatt.Token != "" {
		a.log.Warn().Str("source", "equiwatt").Msgf("EQUIWATT_POLL_INTERVAL %s is too often for Equiwatt's limits; asking every 10s", p)
	}
	a.openToken(ctx)
	a.house = &house{journal: a.journal, clock: a.clock, rehearsed: func(key string, at time.Time) { a.rehearsals.reach(key, stageKnown, at) }}
	var asked []string
	for _, s := range a.sources {
		if s.open != nil {
			s.open(a)
		}
		if s.poll != nil {
			asked = append(asked, s.name)
		}
	}
	rules := a.config.rules(a.clock.Now())
	rules.Subject = a.house.subject
	if err := a.house.open(rules, asked); err != nil {
		a.log.Error().Str("source", "journal").Err(err).Msg("the past could not be read whole")
	}
	a.door = a.newDoor()
	a.web = a.newWeb()
	a.publisher = a.newPublisher(ctx)
	for _, s := range a.sources {
		if s.poll != nil {
			s.poll.poller = a.newPoller(ctx, s)
		}
	}
	a.register()
}

// sort tells apart which sources of the table are on, and which half configured.
func (a *App) sort() {
	for _, s := range a.table {
		switch {
		case s.on:
			a.sources = append(a.sources, s)
			if s.warning != "" {
				a.log.Warn().Str("source", s.name).Msg(s.warning)
			}
		case s.missing != "":
			a.half = append(a.half, s.missing)
			a.log.Warn().Str("source", s.name).Msg(s.missing)
		}
	}
}

// once returns a setting that is made once and kept.
func (a *App) once(ctx context.Context, key string, make func() string) string {
	if v, ok := a.journal.Setting(key); ok && v != "" {
		return v
	}
	v := make()
	a.set(ctx, key, v)
	return v
}

// agent is how we call ourselves.
func (a *App) agent() string { return "grid2mqtt/" + a.host.Version }

// set keeps a setting; what a full disk does not take now is kept in memory.
func (a *App) set(ctx context.Context, key, value string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = a.journal.Set(ctx, key, value) // the journal says so itself, on the page and in MQTT
}

func noise(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see its documentation
	return b
}

func (a *App) newPublisher(ctx context.Context) *homeassistant.Publisher {
	return homeassistant.New(&homeassistant.Publisher{
		Names:    homeassistant.Names{Base: a.config.MQTT.BaseTopic, Prefix: a.config.MQTT.DiscoveryPrefix},
		About:    homeassistant.About{Version: a.host.Version, URL: project, Page: a.host.PageURL},
		ClientID: a.once(ctx, "client_id", func() string { return "grid2mqtt-" + hex.EncodeToString(noise(6)) }),
		Wait:     a.config.MomentsWait,
		Log:      a.logger("mqtt"),
		Broker:   a.broker(),
		Grown:    a.journal.Grown(),
		Step:     a.house.step,
		Now:      a.clock.Now,
		Bridge:   a.bridge,
		Mark:     a.mark,
		Stepped:  a.spoken,
		Spoken:   a.arrived,
		Command: func(ctx context.Context, source, subject, command, payload string) {
			for _, s := range a.sources {
				switch {
				case s.name != source:
				case command == "rehearse" && s.stage != nil:
					_ = a.Rehearse(ctx, source, subject, minutesOf(payload)) // the source is on, and the minutes are right
				case s.command != nil:
					s.command(ctx, a, s, subject, command, payload)
				}
			}
		},
		Forwarded: a.forwarded,
		Memory: homeassistant.Memory{
			Get: func(key string) (string, bool) { return a.journal.Setting("mqtt." + key) },
			Set: func(key, value string) { a.set(ctx, "mqtt."+key, value) },
		},
	})
}

// broker returns where the broker is: what the household set wins over what
// the host knows, which is asked anew after the broker refused it.
func (a *App) broker() func(context.Context, bool) (homeassistant.Broker, error) {
	m := a.config.MQTT
	if m.URL != "" {
		return func(context.Context, bool) (homeassistant.Broker, error) {
			return homeassistant.Broker{URL: m.URL, Username: m.Username, Password: m.Password, CAFile: m.CAFile}, nil
		}
	}
	if a.host.Broker == nil {
		return func(context.Context, bool) (homeassistant.Broker, error) {
			return homeassistant.Broker{}, homeassistant.ErrNoBroker
		}
	}
	var known homeassistant.Broker
	return func(ctx context.Context, refused bool) (homeassistant.Broker, error) {
		if known.URL != "" && !refused {
			return known, nil
		}
		b, err := a.host.Broker(ctx)
		if err != nil {
			return b, err
		}
		if m.Username != "" {
			b.Username, b.Password = m.Username, m.Password
		}
		b.CAFile = m.CAFile
		known = b
		a.lent.Store(&b)
		return b, nil
	}
}

func (a *App) newPoller(ctx context.Context, s source) *intake.Poller {
	key := s.name + ".limit"
	s.poll.limit.Pace = cmp.Or(s.poll.limit.Pace, s.poll.interval)
	s.poll.limit.Save = func(text string) { a.set(ctx, key, text) }
	text, _ := a.journal.Setting(key)
	s.poll.limit.Load(text, time.Now())
	var due func(time.Time) time.Time
	if s.poll.next != nil {
		due = func(last time.Time) time.Time { return s.poll.next(a, last) }
	}
	return intake.NewPoller(&intake.Poller{
		Interval: s.poll.interval, Slowest: s.poll.slowest, Limit: &s.poll.limit, Urgent: s.poll.urgent.Load,
		Ask: func(ctx context.Context, wait func(context.Context) error) (answer event.Answer, err error) {
			err = s.poll.alone(ctx, func() (err error) {
				answer, err = s.poll.ask(ctx, a, wait)
				return err
			})
			return answer, err
		},
		Due:  due,
		Done: func(ctx context.Context, answer event.Answer, err error) { a.answered(ctx, s, answer, err) },
	})
}

// run starts the rooms, and stops them in order when ctx ends: nothing new
// comes in, what is in is said, "offline" is said, the journal is closed.
func (a *App) run(ctx context.Context, hooks, page net.Listener) {
	door := newServer(a.door, a.logger("hooks"))
	door.MaxHeaderBytes = intake.MaxHeader
	a.web.Loopback = a.host.Allowed == nil && loopback(page.Addr())
	window := newServer(a.web.Handler(), a.logger("web"))
	a.say(hooks, page)
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	asking, quiet := context.WithCancel(inner)
	var askers, speakers sync.WaitGroup
	for _, s := range a.sources {
		if s.poll != nil {
			askers.Go(func() { s.poll.poller.Run(asking) })
		}
	}
	speakers.Go(func() { a.publisher.Run(inner) })
	speakers.Go(func() { a.watch(inner) })
	speakers.Go(func() { _ = door.Serve(netutil.LimitListener(hooks, intake.Callers)) }) // both end with Close
	speakers.Go(func() { _ = window.Serve(page) })

	<-ctx.Done()
	a.log.Info().Str("source", "app").Msg("stopping")
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if door.Shutdown(last) != nil {
		door.Close()
	}
	quiet()
	askers.Wait()
	for _, s := range a.sources {
		if s.poll != nil {
			s.poll.limit.Close()
			a.keepGood(inner, s, a.house.view().Link(s.name).LastGood)
		}
	}
	stop()
	window.Close()
	speakers.Wait()
	if position, ok := a.house.settled(a.house.view(), 1); ok {
		a.set(inner, "position", fmt.Sprint(position))
	}
}

func loopback(addr net.Addr) bool {
	t, ok := addr.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

func newServer(h http.Handler, log zerolog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 20 * time.Second, WriteTimeout: 30 * time.Second,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10, DisableGeneralOptionsHandler: true,
		ErrorLog: stdlog.New(lines{log}, "", 0),
	}
}

// lines takes what a library logs by itself.
type lines struct{ log zerolog.Logger }

func (l lines) Write(b []byte) (int, error) {
	l.log.Debug().Msg(strings.TrimSpace(string(b)))
	return len(b), nil
}
