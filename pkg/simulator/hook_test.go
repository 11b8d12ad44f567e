package simulator_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// house receives webhooks.
type house struct {
	*httptest.Server
	mu    sync.Mutex
	heard []string
}

func receive(t *testing.T) *house {
	h := &house{}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		h.mu.Lock()
		h.heard = append(h.heard, r.Method+" "+r.RequestURI+" "+string(body))
		h.mu.Unlock()
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *house) expect(t *testing.T, want ...string) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if !slices.Equal(h.heard, want) {
		t.Errorf("heard %q\nwant  %q", h.heard, want)
	}
	h.heard = nil
}

func TestWebhooks(t *testing.T) {
	c, h := open(t), receive(t)
	c.Start(noon.Add(-time.Hour)) // nobody is told
	c.Webhook(simulator.Started, simulator.Trigger{URL: h.URL + "/s"})
	c.Webhook(simulator.Ended, simulator.Trigger{URL: h.URL + "/e"})
	if got := c.Deliver(t.Context(), simulator.InOrder); len(got) != 0 {
		t.Errorf("%+v", got)
	}

	c.Start(noon)
	h.expect(t) // late until it is delivered
	receipts := c.Deliver(t.Context(), simulator.InOrder)
	h.expect(t, "POST /s ")
	if len(receipts) != 1 || receipts[0].Kind != simulator.Started || receipts[0].Status != 200 || receipts[0].Err != nil || !receipts[0].At.Equal(noon) {
		t.Errorf("%+v", receipts)
	}
	c.End(noon.Add(time.Hour))
	c.Deliver(t.Context(), simulator.Doubled)
	c.Deliver(t.Context(), simulator.Doubled)
	h.expect(t, "POST /e ", "POST /e ")

	c.Start(noon.Add(2 * time.Hour))
	if c.Lose() != 1 || c.Lose() != 0 {
		t.Error("one was waiting")
	}
	c.End(noon.Add(3 * time.Hour))
	c.Start(noon.Add(4 * time.Hour))
	c.Deliver(t.Context(), simulator.Reversed)
	h.expect(t, "POST /s ", "POST /e ")
	if got := len(c.Sent()); got != 5 {
		t.Errorf("%d sent", got)
	}

	c.Webhook(simulator.Ended, simulator.Trigger{})
	c.End(noon.Add(5 * time.Hour))
	c.Deliver(t.Context(), simulator.InOrder)
	h.expect(t)
}

func TestVariables(t *testing.T) {
	c, h := open(t), receive(t)
	c.Webhook(simulator.Started, simulator.Trigger{
		URL:  h.URL + "/s?at={start_time}",
		Body: `{"action":"{action}","start":"{event_started}","end":"{event_finished}","seconds":"{duration}","x":"{x}"}`,
	})
	c.Webhook(simulator.Ended, simulator.Trigger{URL: h.URL + "/e", Body: "{action} {start_time} {end_time} {duration}"})
	c.Start(noon)
	c.End(noon.Add(time.Hour))
	c.Plan(time.Minute)
	c.Start(noon)
	c.Deliver(t.Context(), simulator.InOrder)
	h.expect(t,
		`POST /s?at=`+s(0)+` {"action":"Start","start":"2025-07-01T12:00:00Z","end":"","seconds":"","x":"{x}"}`,
		`POST /e End `+s(0)+` `+s(3600)+` 3600`,
		`POST /s?at=`+s(0)+` {"action":"Start","start":"2025-07-01T12:00:00Z","end":"2025-07-01T12:01:00Z","seconds":"60","x":"{x}"}`,
	)
}

func TestDemoTrigger(t *testing.T) {
	c, h := open(t), receive(t)
	if _, err := c.Demo(t.Context(), simulator.Started); err == nil {
		t.Error("a demo trigger without a URL")
	}
	c.Webhook(simulator.Started, simulator.Trigger{URL: h.URL, Body: "{start_time} {end_time}"})
	c.Start(noon.Add(-time.Hour))
	c.Lose()
	c.End(noon.Add(-time.Minute))
	r, err := c.Demo(t.Context(), simulator.Started)
	if err != nil || r.Status != 200 {
		t.Errorf("%+v %v", r, err)
	}
	h.expect(t, "POST / "+s(0)+" "+s(1800))
	if c.Running() {
		t.Error("the demo trigger has started something")
	}
}

func TestNobodyIsThere(t *testing.T) {
	c, h := open(t), receive(t)
	h.Close()
	c.Webhook(simulator.Started, simulator.Trigger{URL: h.URL})
	c.Webhook(simulator.Ended, simulator.Trigger{URL: ":"})
	c.Start(noon)
	c.End(noon)
	for _, r := range c.Deliver(t.Context(), simulator.InOrder) {
		if r.Status != 0 || r.Err == nil {
			t.Errorf("%+v", r)
		}
	}
	if got := c.Deliver(t.Context(), simulator.InOrder); len(got) != 0 {
		t.Errorf("tried again: %+v", got)
	}
}
