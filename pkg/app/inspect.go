package app

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

const (
	// byItself is how often the self-check looks by itself, and so how often it
	// calls PUBLIC_URL.
	byItself = time.Hour
	// inspectWithin is how long a whole look may take.
	inspectWithin = 20 * time.Second
	// proofFor is how long a webhook from outside proves that others reach us.
	proofFor = 7 * 24 * time.Hour
	// publicKey is the setting that keeps how PUBLIC_URL was last found, so that
	// a restart is no reason to call it again.
	publicKey = "check.public_url"
)

// inspector looks at what takes a while.
type inspector struct {
	turn  chan struct{} // held by who looks
	again chan struct{} // there is another connection to the broker
	conn  time.Time     // since when; the publisher's loop owns it
	began time.Time     // when the last look that came to an end began; who has the turn owns it
}

// public is what is kept of a look at PUBLIC_URL.
type public struct {
	URL   string   `json:"url"` // a hash of it, for it may hold a password
	Step  web.Step `json:"step"`
	Alone bool     `json:"alone,omitempty"` // nothing of this machine's reached anybody
}

// checks returns the steps of setting up: as they were last found, or anew.
func (a *App) checks(ctx context.Context, anew bool) []web.Step {
	if anew {
		a.inspect(ctx, true)
	}
	return a.stepsOf(a.house.view())
}

// watch looks at the start, every hour, and at each new connection to the broker.
func (a *App) watch(ctx context.Context) {
	for _, s := range a.sources {
		a.lastHook(s.name) // from the disk, so that nobody else has to wait for it
	}
	_, _ = a.journal.Counts(ctx) // likewise; its trouble is among the problems
	var kept public
	if text, _ := a.journal.Setting(publicKey); json.Unmarshal([]byte(text), &kept) == nil && kept.URL == a.publicSum() {
		a.foundPublic(kept)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-a.inspector.again:
			a.readBack(ctx)
			a.publisher.Wake()
		case <-timer.C:
			a.inspect(ctx, false)
			timer.Reset(byItself)
		}
	}
}

// connected notes in the publisher's loop that there is another connection.
func (a *App) connected() {
	if since := a.publisher.Health().Since; !since.Equal(a.inspector.conn) {
		a.inspector.conn = since
		select {
		case a.inspector.again <- struct{}{}:
		default:
		}
	}
}

// inspect looks at everything that takes a while; asked: somebody waits for it.
// Who had to wait while others looked gets what was found meanwhile.
func (a *App) inspect(ctx context.Context, asked bool) {
	ctx, cancel := context.WithTimeout(ctx, inspectWithin)
	defer cancel()
	came := time.Now()
	select {
	case a.inspector.turn <- struct{}{}:
	case <-ctx.Done():
		return
	}
	defer func() { <-a.inspector.turn }()
	if a.inspector.began.After(came) {
		return
	}
	began := time.Now()
	var looks sync.WaitGroup
	looks.Go(func() { a.readBack(ctx) })
	looks.Go(func() { a.callListener(ctx) })
	if found := a.found.get(stepPublic); asked || found.At.IsZero() || a.clock.Now().Sub(found.At).Abs() >= byItself {
		looks.Go(func() { a.callPublic(ctx) })
	}
	looks.Wait()
	if ctx.Err() == nil {
		a.inspector.began = began
	}
	a.publisher.Wake()
}

// readBack reads our documents and states back from the broker.
func (a *App) readBack(ctx context.Context) {
	s := web.Step{Name: stepDiscovery, State: web.Passed}
	began := a.clock.Now()
	err := a.publisher.ReadBack(ctx)
	var u *homeassistant.Unread
	switch {
	case err == nil:
	case !errors.As(err, &u):
		return // there is no connection, which another step tells
	default:
		s.State, s.Reason, s.Remedy = web.Failed, sentence(err.Error()), "Let the MQTT user read and write "+a.config.MQTT.BaseTopic+"/# and "+a.config.MQTT.DiscoveryPrefix+"/#."
		switch {
		case u.Foreign:
			s.Remedy = "Give each Grid2MQTT on this broker an MQTT_BASE_TOPIC of its own."
		case u.Passing:
			s.Remedy = "Use a broker that keeps retained messages, such as Mosquitto."
		}
	}
	s.At = began
	a.found.put(s)
}

// callListener calls the hook listener from this machine.
func (a *App) callListener(ctx context.Context) {
	s := web.Step{Name: stepListener, State: web.Passed, At: a.clock.Now()}
	got, err := a.knock(ctx, "http://"+Local(a.hookAddr))
	switch {
	case err != nil:
		return
	case !got.heard || got.bad != "":
		s.State, s.Reason, s.Remedy = web.Failed, "A call of our own to "+Local(a.hookAddr)+" does not come through.", "Restart Grid2MQTT, and look at its log."
	}
	a.found.put(s)
}

// callPublic calls the hook listener as the internet does.
func (a *App) callPublic(ctx context.Context) {
	if a.config.PublicURL == "" {
		return
	}
	at := a.clock.Now()
	got, err := a.knock(ctx, a.config.PublicURL)
	if err != nil {
		return // it was not the internet that ended it
	}
	found := public{URL: a.publicSum(), Step: web.Step{Name: stepPublic, At: at}}
	found.Step.State, found.Step.Reason, found.Step.Remedy = a.judgeVisit(got)
	found.Alone = !got.heard && got.answer.Status == 0 && found.Step.Remedy == a.noWay()
	text, _ := json.Marshal(found) // words and times: cannot fail
	a.set(ctx, publicKey, string(text))
	a.foundPublic(found)
}

func (a *App) foundPublic(p public) {
	a.found.put(p.Step)
	a.found.mu.Lock()
	a.found.alone = p.Alone
	a.found.mu.Unlock()
}

// judgeVisit says what became of a call of PUBLIC_URL, and what to do.
func (a *App) judgeVisit(v visit) (state, reason, remedy string) {
	status, body := v.answer.Status, string(v.answer.Body)
	lead := "Let PUBLIC_URL lead to port " + a.hookPort() + " of this machine, with all that follows it unchanged."
	switch {
	case v.heard && status == http.StatusOK:
		return web.Passed, "", ""
	case v.heard:
		return web.Failed, "A call of PUBLIC_URL arrives, but its answer does not come back.", "Look at what stands between: its time limit, its filters."
	case status == 0:
		return web.Failed, v.bad, a.unreached(v.bad)
	case strings.HasPrefix(body, "There is nothing here."), strings.HasPrefix(body, "This page is served"):
		return web.Failed, "PUBLIC_URL leads to the page instead of the hook listener: whoever finds it may open the page.", lead
	case status >= 300 && status < 400:
		return web.Failed, "PUBLIC_URL answers by sending us on" + elsewhere(v.answer.Header.Get("Location")) + ".", "Set PUBLIC_URL to where it leads in the end: vendors post once, and do not follow."
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return web.Failed, "What stands in front of the hook listener wants a login (HTTP status " + strconv.Itoa(status) + ").", "Let /hook/ pass without one: the path holds the secret."
	case status == http.StatusNotFound && body == "not found\n":
		return web.Failed, "A Grid2MQTT answers at PUBLIC_URL, but another one, or the path is changed on the way.", lead
	case status >= 500:
		return web.Failed, "What answers at PUBLIC_URL does not reach the hook listener (HTTP status " + strconv.Itoa(status) + ").", lead
	}
	return web.Failed, "Somebody else answers at PUBLIC_URL (HTTP status " + strconv.Itoa(status) + ").", lead
}

// unreached is what to do where nobody answered, for a reason.
func (a *App) unreached(reason string) string {
	switch {
	case strings.Contains(reason, "looked up"):
		return "Compare PUBLIC_URL with the name that your domain or tunnel has."
	case strings.Contains(reason, "certificate"), strings.Contains(reason, "TLS"):
		return "Vendors refuse it too: renew the certificate, or correct PUBLIC_URL."
	}
	return a.noWay()
}

// noWay is what to do where a call went out and nobody took it.
func (a *App) noWay() string {
	return "Let the router or a tunnel pass it on to port " + a.hookPort() + " here. Some routers let no home call itself: try the hook URL from a phone outside."
}

func (a *App) publicSum() string {
	sum := sha256.Sum256([]byte(a.config.PublicURL))
	return hex.EncodeToString(sum[:])
}

// elsewhere names where a redirect leads, without what may be secret in it.
func elsewhere(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Host == "" {
		return ""
	}
	return " to " + u.Scheme + "://" + u.Host
}

// hookPort is the port of the hook listener as the configuration has it.
func (a *App) hookPort() string {
	return a.hookAddr[strings.LastIndexByte(a.hookAddr, ':')+1:]
}
