package simulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

func TestFaults(t *testing.T) {
	for name, c := range map[string]struct {
		fault  simulator.Fault
		status int
		header http.Header
		body   string
	}{
		"429":         {simulator.TooMany(""), 429, http.Header{"Retry-After": nil}, `{"detail":"Request was throttled."}`},
		"429 for 30":  {simulator.TooMany("30"), 429, http.Header{"Retry-After": {"30"}}, `{"detail":"Request was throttled."}`},
		"401":         {simulator.Status(401), 401, nil, ""},
		"500":         {simulator.Status(500), 500, nil, ""},
		"a failure":   {simulator.Failure("no"), 200, nil, `{"success":false,"msg":"no","data":null}`},
		"HTML":        {simulator.WebPage(), 200, http.Header{"Content-Type": {"text/html"}}, "<!doctype html>\n<title>Sign in</title>\n"},
		"redirect":    {simulator.Redirect("https://example.com/"), 302, http.Header{"Location": {"https://example.com/"}}, ""},
		"as told":     {simulator.Raw(299, http.Header{"Date": {"today"}, "X-A": {"b"}}, "c"), 299, http.Header{"Date": {"today"}, "X-A": {"b"}}, "c"},
		"none at all": {simulator.Status(500).For(0), 200, nil, `{"success":true,"msg":null,"data":{"current_event":null,"previous_events":[]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			s.Break(c.fault)
			for range 2 {
				res, body := s.get(t)
				if res.StatusCode != c.status || body != c.body {
					t.Errorf("%d %q", res.StatusCode, body)
				}
				for k, want := range c.header {
					if got := res.Header[k]; !slices.Equal(got, want) {
						t.Errorf("%s is %q, want %q", k, got, want)
					}
				}
			}
			s.Mend()
			s.says(t, `{"current_event":null,"previous_events":[]}`)
		})
	}
}

func TestFaultsFollowEachOther(t *testing.T) {
	c := open(t)
	c.Break(simulator.Status(500).For(2), simulator.Status(502).For(1))
	c.Break(simulator.Status(503))
	for i, want := range []int{500, 500, 502, 503, 503} {
		if res, _ := c.get(t); res.StatusCode != want {
			t.Errorf("call %d: %d, want %d", i, res.StatusCode, want)
		}
	}
}

func TestBrokenBodies(t *testing.T) {
	c := open(t)
	c.Start(noon)
	_, whole := c.get(t)

	c.Break(simulator.Truncated())
	if _, body := c.get(t); json.Valid([]byte(body)) || !strings.HasPrefix(whole, body) || body == "" {
		t.Errorf("truncated: %q", body)
	}
	c.Mend()
	c.Break(simulator.Huge())
	if _, body := c.get(t); len(body) < 10_000_000 || strings.TrimSpace(body) != whole {
		t.Errorf("huge: %d bytes", len(body))
	}
	c.Mend()
	c.Break(simulator.CutOff())
	c.clock.pass(time.Minute)
	if res, body, err := c.ask(t, c.url, "Bearer "+token); err == nil || res == nil || res.StatusCode != 200 || !strings.HasPrefix(whole, body) {
		t.Errorf("cut off: %v %q %v", res, body, err)
	}
	c.Mend()
	c.Break(simulator.HangUp())
	c.clock.pass(time.Minute)
	if res, _, err := c.ask(t, c.url, "Bearer "+token); err == nil {
		t.Errorf("hung up: %v", res)
	}
	if calls := c.Calls(); calls[len(calls)-1].Status != 0 {
		t.Errorf("hung up: %+v", calls[len(calls)-1])
	}
	c.Mend()
	c.Break(simulator.Truncated())
	c.clock.pass(time.Minute)
	if res, body, err := c.ask(t, c.url, "Bearer another"); err != nil || res.StatusCode != 401 || strings.Contains(body, "start") {
		t.Errorf("a fault opens no door: %v %q %v", res, body, err)
	}
}

func TestSlow(t *testing.T) {
	c := open(t)
	c.Start(noon)
	c.Break(simulator.Slow().For(1))
	c.clock.pass(time.Minute)
	answers := make(chan string)
	go func() {
		_, body, err := c.ask(t, c.url, "Bearer "+token)
		if err != nil {
			body = err.Error()
		}
		answers <- body
	}()
	waitFor(t, func() bool { return len(c.Calls()) == 1 })
	c.End(noon.Add(time.Hour))
	select {
	case body := <-answers:
		t.Fatalf("answered at once: %s", body)
	default:
	}
	c.Release()
	if body := <-answers; !strings.Contains(body, `"current_event":`+span(0, "null")) {
		t.Errorf("not the answer of the time of the call: %s", body)
	}

	c.Break(simulator.Slow().For(1))
	c.clock.pass(time.Minute)
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		t.Fatal(err)
	}
	go cancel()
	if _, err := http.DefaultTransport.RoundTrip(req); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func waitFor(t *testing.T, done func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for !done() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it never came to pass")
		}
	}
}
