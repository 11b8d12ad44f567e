package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
)

const hookToken = "0123456789abcdefghijklmnop"

// clerk is a vendor that keeps a list of webhooks.
type clerk struct {
	mu    sync.Mutex
	hooks []string
	seen  []hook
	test  func() // sends the test webhook
}

func (c *clerk) registrar() *registrar {
	is := func(h hook) bool { return slices.Contains(c.hooks, h.URL) }
	do := func(f func(h hook) (string, error)) errand {
		return func(ctx context.Context, h hook) ([]string, error) {
			if err := h.Wait(ctx); err != nil {
				return nil, err
			}
			c.mu.Lock()
			defer c.mu.Unlock()
			c.seen = append(c.seen, h)
			line, err := f(h)
			return []string{line}, err
		}
	}
	r := &registrar{takes: []string{"device", "limit"}, arrival: 200 * time.Millisecond}
	r.list = do(func(hook) (string, error) {
		return fmt.Sprintf("%d hooks: %s", len(c.hooks), strings.Join(c.hooks, " ")), nil
	})
	r.check = do(func(h hook) (string, error) {
		if !is(h) {
			return "asked", fmt.Errorf("%s is not registered", h.URL)
		}
		return "registered", nil
	})
	r.register = do(func(h hook) (string, error) {
		if is(h) {
			return "was registered already", nil
		}
		c.hooks = append(c.hooks, h.URL)
		return "registered " + h.URL, nil
	})
	r.remove = do(func(h hook) (string, error) {
		c.hooks = slices.DeleteFunc(c.hooks, func(url string) bool { return url == h.URL })
		return "removed", nil
	})
	r.test = do(func(hook) (string, error) { c.test(); return "asked for a test", nil })
	return r
}

// office is an app with three sources: one whose vendor has a clerk, one that
// is set up by hand, and one that is off.
func office(t *testing.T, c *clerk, change func(*App)) *App {
	t.Helper()
	a := &App{clock: &intake.Clock{}, secrets: pathSecrets{newest: hookToken}, log: zerolog.New(io.Discard)}
	a.config.PublicURL, a.config.DataDir = "https://home.example", t.TempDir()
	var err error
	if a.journal, err = journal.Open(a.config.DataDir, journal.Options{Log: a.log}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.journal.Close() })
	a.table = []source{
		{name: "equiwatt", title: "Equiwatt", on: true, byHand: "By hand, in the app."},
		{name: "capacitor", title: "Capacitor", on: true, registrar: c.registrar(), poll: &polled{}},
		{name: "openvolt", title: "Openvolt", missing: "Openvolt is off: OPENVOLT_API_KEY is missing."},
	}
	a.table[1].poll.limit.Save = func(string) {}
	if change != nil {
		change(a)
	}
	return a
}

func TestHooksDoneAndDoneAgain(t *testing.T) {
	c := &clerk{hooks: []string{"https://other.example/hook"}}
	a := office(t, c, nil)
	for _, step := range []struct{ what, name, lines, fails string }{
		{"check", "capacitor", "capacitor: asked", "capacitor: https://home.example/hook/capacitor/… is not registered"},
		{"register", "capacitor", "capacitor: registered https://home.example/hook/capacitor/…", ""},
		{"register", "capacitor", "capacitor: was registered already", ""},
		{"check", "", "equiwatt: By hand, in the app. The page shows the URL.|capacitor: registered", ""},
		{"list", "capacitor", "capacitor: 2 hooks: https://other.example/hook https://home.example/hook/capacitor/…", ""},
		{"list", "equiwatt", "equiwatt: By hand, in the app. The page shows the URL.", ""},
		{"register", "equiwatt", "", "equiwatt: By hand, in the app. The page shows the URL."},
		{"remove", "", "equiwatt: By hand, in the app. The page shows the URL.|capacitor: removed", ""},
		{"check", "", "equiwatt: By hand, in the app. The page shows the URL.|capacitor: asked", "is not registered"},
		{"list", "openvolt", "", "openvolt: Openvolt is off: OPENVOLT_API_KEY is missing."},
	} {
		lines, err := a.Hooks(t.Context(), step.what, step.name, nil)
		if got := strings.Join(lines, "|"); got != step.lines {
			t.Errorf("%s %s: %q", step.what, step.name, got)
		}
		if (err == nil) != (step.fails == "") || err != nil && (!errors.Is(err, ErrNotDone) || !strings.Contains(err.Error(), step.fails)) {
			t.Errorf("%s %s: %v", step.what, step.name, err)
		}
		if strings.Contains(fmt.Sprint(lines, err), hookToken) {
			t.Errorf("%s %s tells the secret: %q %v", step.what, step.name, lines, err)
		}
	}
	if !slices.Equal(c.hooks, []string{"https://other.example/hook"}) {
		t.Errorf("left at the vendor: %q", c.hooks)
	}
	if h := c.seen[0]; h.URL != "https://home.example/hook/capacitor/"+hookToken || h.Agent == "" {
		t.Errorf("%+v", h)
	}
}

func TestHooksRefused(t *testing.T) {
	c := &clerk{}
	a := office(t, c, func(a *App) { a.config.PublicURL = ""; a.table[1].registrar.test = nil })
	for _, what := range []string{"check", "register", "remove"} {
		if _, err := a.Hooks(t.Context(), what, "capacitor", nil); !errors.Is(err, ErrNotDone) || !strings.Contains(err.Error(), "PUBLIC_URL (option public_url) is not set") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(c.seen) != 0 {
		t.Errorf("asked %+v", c.seen)
	}
	if lines, err := a.Hooks(t.Context(), "list", "capacitor", nil); err != nil || len(lines) != 1 || c.seen[0].URL != "" {
		t.Errorf("%q %v", lines, err)
	}
	if _, err := a.Hooks(t.Context(), "test", "capacitor", nil); err == nil || !strings.Contains(err.Error(), "Capacitor offers no way to test its webhooks.") {
		t.Error(err)
	}
	if lines, err := a.Hooks(t.Context(), "test", "", nil); err != nil || len(lines) != 2 {
		t.Errorf("%q %v", lines, err)
	}
	if _, err := a.Hooks(t.Context(), "list", "solar", nil); errors.Is(err, ErrNotDone) || !strings.Contains(err.Error(), "equiwatt, capacitor, openvolt") {
		t.Error(err)
	}
	a.table = a.table[2:]
	if _, err := a.Hooks(t.Context(), "list", "", nil); !errors.Is(err, ErrNotDone) || !strings.Contains(err.Error(), "no source is set up") {
		t.Error(err)
	}
}

func TestHooksSettings(t *testing.T) {
	c := &clerk{}
	a := office(t, c, nil)
	if _, err := a.Hooks(t.Context(), "register", "capacitor", map[string]string{"limit": "2000", "speed": "1"}); err == nil || !strings.Contains(err.Error(), `no setting "speed", only these: device, limit`) || len(c.seen) != 0 {
		t.Error(err)
	}
	if _, err := a.Hooks(t.Context(), "register", "capacitor", map[string]string{"limit": "2000"}); err != nil || c.seen[0].Settings["limit"] != "2000" {
		t.Errorf("%+v %v", c.seen, err)
	}
}

// TestHooksRemember: what a source remembers it finds again.
func TestHooksRemember(t *testing.T) {
	c := &clerk{}
	a := office(t, c, func(a *App) {
		a.table[1].registrar.list = func(_ context.Context, h hook) ([]string, error) {
			v, _ := h.Get("capacitor.generation")
			h.Set("capacitor.generation", "new")
			return []string{"it was " + v}, nil
		}
	})
	for _, want := range []string{"it was ", "it was new"} {
		if lines, err := a.Hooks(t.Context(), "list", "capacitor", nil); err != nil || lines[0] != "capacitor: "+want {
			t.Errorf("%q %v", lines, err)
		}
	}
}

func TestHooksTest(t *testing.T) {
	c := &clerk{test: func() {}}
	a := office(t, c, nil)
	arrive := func(source, via string) {
		if _, err := a.journal.Append(t.Context(), event.Delivery{Received: time.Now(), Source: source, Via: via, Body: []byte("{}")}, nil); err != nil {
			t.Error(err)
		}
	}
	arrive("capacitor", event.ViaHTTP) // before the test, so it is none
	c.test = func() { arrive("equiwatt", event.ViaHTTP); arrive("capacitor", event.ViaMQTT) }
	lines, err := a.Hooks(t.Context(), "test", "capacitor", nil)
	if !slices.Equal(lines, []string{"capacitor: asked for a test"}) || !errors.Is(err, ErrNotDone) || !strings.Contains(err.Error(), "no webhook arrived within 200ms") {
		t.Errorf("%q %v", lines, err)
	}
	c.test = func() { arrive("capacitor", event.ViaHTTP) }
	lines, err = a.Hooks(t.Context(), "test", "capacitor", nil)
	if !slices.Equal(lines, []string{"capacitor: asked for a test", "capacitor: its test webhook arrived: accepted"}) || err != nil {
		t.Errorf("%q %v", lines, err)
	}
}

// TestHooksTakeTurns: an errand's calls wait for the poll's, and keep the pause
// that the vendor asks for.
func TestHooksTakeTurns(t *testing.T) {
	c := &clerk{}
	a := office(t, c, nil)
	p := a.table[1].poll
	done := make(chan error, 1)
	if err := p.alone(t.Context(), func() error {
		go func() {
			_, err := a.Hooks(t.Context(), "list", "capacitor", nil)
			done <- err
		}()
		select {
		case err := <-done:
			t.Errorf("it did not wait for the poll: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	a.table[1].registrar.list = func(ctx context.Context, h hook) ([]string, error) {
		return nil, errors.Join(h.Wait(ctx), &event.Refusal{Reason: "too many calls", Status: http.StatusTooManyRequests})
	}
	if _, err := a.Hooks(t.Context(), "list", "capacitor", nil); err == nil || !strings.Contains(err.Error(), "too many calls") {
		t.Error(err)
	}
	if _, err := a.Hooks(t.Context(), "check", "capacitor", nil); err == nil || !strings.Contains(err.Error(), "Capacitor allows no call before ") {
		t.Error(err)
	}
}

func TestHooksCommand(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"DATA_DIR": dir, "EQUIWATT_TOKEN": "t", "PUBLIC_URL": "https://home.example"}
	run := func(args ...string) (string, error) {
		var said strings.Builder
		err := Hooks(t.Context(), args, env, &said, Host{})
		return said.String(), err
	}
	for _, args := range [][]string{nil, {"make"}, {"list", "equiwatt", "x"}, {"list", "equiwatt", "limit=1"}, {"register", "limit=1"}, {"list", "solar"}} {
		if said, err := run(args...); err == nil || errors.Is(err, ErrNotDone) && args[1] != "solar" || said != "" || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %q %v", args, said, err)
		}
	}
	if said, err := run("list"); !errors.Is(err, ErrNotDone) || !strings.Contains(err.Error(), "HOOK_TOKEN") || said != "" {
		t.Errorf("before the first start: %q %v", said, err)
	}
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	if err := j.Set(t.Context(), "hook_token", hookToken); err != nil {
		t.Fatal(err)
	}
	if said, err := run("list"); err != nil || !strings.HasPrefix(said, "equiwatt: Equiwatt's webhooks are set up in its app") || strings.Count(said, "\n") != 1 {
		t.Errorf("beside a running one: %q %v", said, err)
	}
	if _, err := run("register", "equiwatt"); !errors.Is(err, ErrNotDone) {
		t.Error(err)
	}
	env["RETENTION"] = "soon"
	if _, err := run("list"); err == nil || errors.Is(err, ErrNotDone) || !strings.Contains(err.Error(), "RETENTION") {
		t.Error(err)
	}
}
