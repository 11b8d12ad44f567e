package app

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// living is an app of which a test sees the inside.
type living struct {
	*App
	hooks, web string
	stop       func()
}

// live runs an app after change had its way with it.
func live(t *testing.T, environ map[string]string, change func(*App)) *living {
	t.Helper()
	env := map[string]string{"DATA_DIR": t.TempDir(), "HOOK_TOKEN": goodToken, "LOG_LEVEL": "warn", "WEB_ADDR": "127.0.0.1:0"}
	for k, v := range environ {
		env[k] = v
	}
	c, err := load(env)
	if err != nil {
		t.Fatal(err)
	}
	a := &App{config: c, host: Host{Version: "test"}, metrics: metrics.NewSet(), clock: &intake.Clock{}}
	a.log = newLog(t.Output(), c, &a.lines)
	if a.journal, err = journal.Open(c.DataDir, journal.Options{Log: a.log, Retention: c.Retention, Now: a.clock.Now, Committed: a.commits.observe}); err != nil {
		t.Fatal(err)
	}
	a.build(t.Context())
	if change != nil {
		change(a)
	}
	var listeners [2]net.Listener
	for i := range listeners {
		if listeners[i], err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer a.journal.Close()
		a.run(ctx, listeners[0], listeners[1])
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		<-done
	})
	t.Cleanup(stop)
	return &living{a, "http://" + listeners[0].Addr().String(), "http://" + listeners[1].Addr().String(), stop}
}

// decoder is one that a test exchanges for a better one.
type decoder struct {
	of atomic.Pointer[func(event.Delivery) []event.Event]
}

func (r *decoder) set(decode func(event.Delivery) []event.Event) { r.of.Store(&decode) }

// into makes it decode all webhooks of an app.
func (r *decoder) into(a *App) {
	decode := func(d event.Delivery) []event.Event { return (*r.of.Load())(d) }
	for i := range a.sources {
		a.sources[i].hooks.Decode = decode
	}
	for i := range a.door.Sources {
		a.door.Sources[i].Decode = decode
	}
}

func (s *topics) count(part string) int { return strings.Count(s.text(), part) }

// begins is a decoder that finds a start in a webhook's body, or does not look.
func begins(d event.Delivery, looks bool) []event.Event {
	e := event.Event{
		Source: "equiwatt", Key: "hook/" + d.Received.UTC().Format(time.RFC3339Nano), By: event.Webhook, At: d.Received.UTC(), Seen: d.Received.UTC(),
		Window: &event.Window{Running: true},
	}
	if looks {
		e.Window.Start, _ = time.Parse(time.RFC3339, string(d.Body))
	}
	return []event.Event{e}
}

func TestReplayWithABetterDecoder(t *testing.T) {
	url := broker(t)
	all := listenAll(t, url)
	var reads decoder
	reads.set(func(d event.Delivery) []event.Event { return begins(d, false) })
	env := map[string]string{"MQTT_URL": url, "EQUIWATT_HOOK_TRUST": "believe", "DATA_DIR": t.TempDir()}
	a := live(t, env, reads.into)
	start := time.Now().Add(-30 * time.Minute).UTC().Format(time.RFC3339)
	r, err := http.Post(a.hooks+"/hook/equiwatt/"+goodToken+"/started", "", strings.NewReader(start))
	if err != nil || r.Body.Close() != nil {
		t.Fatal(err)
	}
	eventually(t, "started", func() bool { return all.count(`"event_type":"started"`) == 1 })
	replay := func(want web.Replayed) {
		t.Helper()
		if got, err := a.Replay(t.Context(), web.Replay{Since: time.Now().Add(-time.Hour)}); got != want || err != nil {
			t.Errorf("%+v %v, want %+v", got, err, want)
		}
	}
	replay(web.Replayed{Decoded: 1, Same: 1})
	reads.set(func(d event.Delivery) []event.Event { return begins(d, true) })
	replay(web.Replayed{Decoded: 1, News: 1, Left: 0})
	replay(web.Replayed{Decoded: 1, Same: 1, Left: 1}) // the replay itself is left
	shows := func() bool { return strings.Contains(all.last("grid2mqtt/equiwatt/state"), `"start":"`+start) }
	eventually(t, "the start that the better decoder found", shows)
	list, err := a.list(t.Context(), web.Filter{Via: event.ViaReplay})
	if err != nil || len(list.Deliveries) != 1 || list.Deliveries[0].Replays != 1 || list.Deliveries[0].News != 1 || string(list.Deliveries[0].Body) != start {
		t.Errorf("%+v %v", list, err)
	}
	a.stop()
	a = live(t, env, reads.into)
	eventually(t, "the same after a restart", func() bool { return all.count("grid2mqtt/status online") == 2 && shows() })
	if r, err = http.Post(a.hooks+"/hook/equiwatt/"+goodToken+"/ended", "", nil); err != nil || r.Body.Close() != nil {
		t.Fatal(err)
	}
	if n := all.count(`"event_type":"started"`); n != 1 {
		t.Errorf("%d times started", n)
	}
}

// What was not understood when it came is understood later: it is said only if
// that is asked for.
func TestReplayOfWhatWasNotUnderstood(t *testing.T) {
	url := broker(t)
	all := listenAll(t, url)
	var reads decoder
	reads.set(func(event.Delivery) []event.Event { return nil })
	a := live(t, map[string]string{"MQTT_URL": url, "EQUIWATT_HOOK_TRUST": "believe"}, reads.into)
	post(t, a.hooks, 0)
	reads.set(func(d event.Delivery) []event.Event { return begins(d, true) })
	if got, err := a.Replay(t.Context(), web.Replay{IDs: []int64{1, 1, 77}}); got != (web.Replayed{Decoded: 1, News: 1, Left: 1}) || err != nil {
		t.Errorf("%+v %v", got, err)
	}
	eventually(t, "it runs", func() bool { return strings.Contains(all.last("grid2mqtt/equiwatt/state"), `"equivent":"ON"`) })
	reads.set(func(d event.Delivery) []event.Event {
		return []event.Event{{Source: "equiwatt", Key: "end", By: event.Webhook, At: d.Received, Seen: d.Received, Window: &event.Window{}}}
	})
	post(t, a.hooks, 0) // which this decoder takes for an end
	eventually(t, "it ended", func() bool { return strings.Contains(all.last("grid2mqtt/equiwatt/state"), `"equivent":"OFF"`) })
	if n := all.count("grid2mqtt/equiwatt/event "); n != 0 {
		t.Errorf("%d events", n)
	}
	reads.set(func(d event.Delivery) []event.Event { return begins(d, true) })
	if got, err := a.Replay(t.Context(), web.Replay{IDs: []int64{1}, Fire: true}); got.News != 1 || err != nil {
		t.Errorf("%+v %v", got, err)
	}
	eventually(t, "started", func() bool { return all.count(`"event_type":"started"`) == 1 })
}

// A notice that is fired is a moment of its own; what else is known stays so.
func TestFiring(t *testing.T) {
	notice := event.Event{Source: "equiwatt", Key: "n", By: event.Webhook, At: noonAt, Seen: noonAt, Notice: &event.Notice{Code: event.Undecodable}}
	status := event.Event{Source: "equiwatt", Key: "s", By: event.Webhook, At: noonAt, Seen: noonAt, Status: &event.Status{State: "x"}}
	var reads decoder
	reads.set(func(event.Delivery) []event.Event { return []event.Event{notice, status} })
	a := live(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe"}, reads.into)
	post(t, a.hooks, 0)
	for _, c := range []struct {
		fire bool
		want web.Replayed
	}{{false, web.Replayed{Decoded: 1, Same: 2}}, {true, web.Replayed{Decoded: 1, News: 1, Same: 1}}, {true, web.Replayed{Decoded: 1, News: 1, Same: 1}}} {
		if got, err := a.Replay(t.Context(), web.Replay{IDs: []int64{1}, Fire: c.fire}); got != c.want || err != nil {
			t.Errorf("fire %v: %+v %v, want %+v", c.fire, got, err, c.want)
		}
	}
	o, err := a.opened(t.Context(), 2)
	if err != nil || len(o.Events) != 1 || o.Events[0].Quiet || o.Replays != 1 || o.Verdict != event.Unread || o.Replayable {
		t.Errorf("%+v %v", o, err)
	}
}

var noonAt = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// Answers can be decoded anew as well; what a later one said stands.
func TestReplayOfAnswers(t *testing.T) {
	var body sync.Map
	body.Store("", `{"success":true,"msg":null,"data":{"current_event":{"start_time":1700000000,"end_time":null},"previous_events":[]}}`)
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		text, _ := body.Load("")
		io.WriteString(w, text.(string))
	}))
	defer cloud.Close()
	a := live(t, map[string]string{"EQUIWATT_TOKEN": "x", "EQUIWATT_URL": cloud.URL + "/"}, nil)
	stored := func(n int) {
		t.Helper()
		eventually(t, "an answer with news", func() bool {
			list, err := a.list(t.Context(), web.Filter{})
			return err == nil && len(list.Deliveries) == n
		})
	}
	stored(1)
	body.Store("", `{"success":true,"msg":null,"data":{"current_event":null,"previous_events":[{"start_time":1700000000,"end_time":1700000060}]}}`)
	if _, err := a.command(t.Context(), web.Command{Source: "equiwatt", Name: "refresh"}); err != nil {
		t.Fatal(err)
	}
	stored(2)
	before := a.journal.Last()
	for range 2 {
		if got, err := a.Replay(t.Context(), web.Replay{IDs: []int64{1, 2}}); got != (web.Replayed{Decoded: 2, Same: 2}) || err != nil {
			t.Errorf("%+v %v", got, err)
		}
	}
	if a.journal.Last() != before {
		t.Error("an old answer became a new one")
	}
}

func TestReplayRefuses(t *testing.T) {
	a := live(t, nil, nil)
	if _, err := a.Replay(t.Context(), web.Replay{}); err == nil {
		t.Error("everything ever is decoded anew")
	}
	d := event.Delivery{Received: time.Now(), Source: "equiwatt", Via: event.ViaHTTP}
	if _, err := a.journal.Append(t.Context(), d, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := a.Replay(t.Context(), web.Replay{IDs: []int64{1}}); err != nil || !cmp.Equal(got, web.Replayed{Left: 1}) {
		t.Errorf("of a source that is off: %+v %v", got, err)
	}
	a.replaying.Lock()
	defer a.replaying.Unlock()
	if _, err := a.Replay(t.Context(), web.Replay{IDs: []int64{1}}); err == nil || !strings.Contains(err.Error(), "already") {
		t.Error(err)
	}
}
