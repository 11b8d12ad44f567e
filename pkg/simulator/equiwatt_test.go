package simulator_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const token = "the-token-of-the-account"

var noon = time.Date(2025, 7, 1, 12, 0, 0, 250e6, time.UTC)

// clock stands still until it is moved.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.now }

func (c *clock) pass(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.now = c.now.Add(d) }

type cloud struct {
	*simulator.Equiwatt
	clock *clock
	url   string
}

func open(t *testing.T) cloud {
	t.Helper()
	c := &clock{now: noon}
	s := simulator.NewEquiwatt(token, c.Now)
	url, err := s.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return cloud{s, c, url}
}

// get asks with the right token, a minute after the last time, and returns
// status and body.
func (c cloud) get(t *testing.T) (*http.Response, string) {
	t.Helper()
	c.clock.pass(time.Minute)
	res, body, err := c.ask(t, c.url, "Bearer "+token)
	if err != nil {
		t.Fatal(err)
	}
	return res, body
}

// ask makes one request and follows no redirect.
func (c cloud) ask(t *testing.T, url, authorization string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", authorization)
	req.Close = true
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return nil, "", err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	return res, string(body), err
}

// says checks the data of the true answer; s(n) is n seconds after noon.
func (c cloud) says(t *testing.T, want string) {
	t.Helper()
	_, body := c.get(t)
	if want = `{"success":true,"msg":null,"data":` + want + `}`; body != want {
		t.Errorf("says %s\nwant %s", body, want)
	}
}

func s(n int) string { return fmt.Sprint(noon.Unix() + int64(n)) }

func span(start int, end string) string {
	return `{"start_time":` + s(start) + `,"end_time":` + end + `}`
}

func TestWhatTheAPIShows(t *testing.T) {
	c := open(t)
	c.says(t, `{"current_event":null,"previous_events":[]}`)
	c.Vanish() // nothing is there to vanish, end or move
	if c.End(noon) || c.Running() {
		t.Error("an end without a start")
	}

	c.Past(noon.Add(-2*time.Hour), noon.Add(-time.Hour))
	past := span(-7200, s(-3600))
	c.says(t, `{"current_event":null,"previous_events":[`+past+`]}`)

	c.Start(noon)
	c.says(t, `{"current_event":`+span(0, "null")+`,"previous_events":[`+past+`]}`)
	c.MoveEnd(noon.Add(time.Hour))
	c.says(t, `{"current_event":`+span(0, s(3600))+`,"previous_events":[`+past+`]}`)
	c.NullEnd(true)
	c.says(t, `{"current_event":null,"previous_events":[`+span(0, "null")+`,`+past+`]}`)
	c.Vanish()
	c.says(t, `{"current_event":null,"previous_events":[`+past+`]}`)
	c.Reappear()
	c.NullEnd(false)
	if !c.Running() || !c.End(noon.Add(3590*time.Second)) || c.Running() || c.End(noon) {
		t.Error("it runs until it is ended, once")
	}
	c.says(t, `{"current_event":null,"previous_events":[`+span(0, s(3590))+`,`+past+`]}`)
	c.MoveEnd(noon.Add(3580 * time.Second))
	c.says(t, `{"current_event":null,"previous_events":[`+span(0, s(3580))+`,`+past+`]}`)
	c.Reopen()
	c.says(t, `{"current_event":`+span(0, s(3600))+`,"previous_events":[`+past+`]}`)

	c.Plan(30 * time.Minute)
	c.Start(noon.Add(2 * time.Hour))
	c.says(t, `{"current_event":`+span(7200, s(9000))+`,"previous_events":[`+span(0, "null")+`,`+past+`]}`)
	if v := c.Violations(); len(v) != 0 {
		t.Errorf("%v", v)
	}
}

func TestTenPreviousEvents(t *testing.T) {
	c := open(t)
	var want []string
	for i := range 12 {
		c.Past(noon.Add(time.Duration(-i)*time.Hour), noon.Add(time.Duration(-i)*time.Hour+time.Minute))
		if i < 10 {
			want = append(want, span(-3600*i, s(-3600*i+60)))
		}
	}
	c.says(t, `{"current_event":null,"previous_events":[`+strings.Join(want, ",")+`]}`)
}

func TestWhoMayAsk(t *testing.T) {
	c := open(t)
	c.Start(noon)
	for _, authorization := range []string{"", token, "bearer " + token, "Bearer " + token + "x", "Bearer"} {
		c.clock.pass(time.Minute)
		res, body, err := c.ask(t, c.url, authorization)
		if err != nil || res.StatusCode != 401 || strings.Contains(body, s(0)) {
			t.Errorf("%q: %v %v %s", authorization, res, err, body)
		}
	}
	c.clock.pass(time.Minute)
	if res, _, err := c.ask(t, strings.TrimSuffix(c.url, "/"), "Bearer "+token); err != nil || res.StatusCode != 404 {
		t.Errorf("without the last slash: %v %v", res, err)
	}
	c.clock.pass(time.Minute)
	res, err := http.Post(c.url, "", nil)
	if err != nil || res.StatusCode != 405 {
		t.Fatalf("POST: %v %v", res, err)
	}
	_ = res.Body.Close()
}

func TestLimits(t *testing.T) {
	c := open(t)
	ask := func(after time.Duration) int {
		c.clock.pass(after)
		res, _, err := c.ask(t, c.url, "Bearer "+token)
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode
	}
	for i := range 10 {
		if got := ask(time.Second); got != 200 {
			t.Errorf("call %d: %d", i, got)
		}
	}
	if got := ask(50 * time.Second); got != 429 || len(c.Violations()) != 1 || !strings.Contains(c.Violations()[0], "more than 10 calls within 1m0s") {
		t.Errorf("the eleventh in 59 s: %d, %v", got, c.Violations())
	}
	if got := ask(time.Minute); got != 200 {
		t.Errorf("a minute later: %d", got)
	}
	if got := ask(999 * time.Millisecond); got != 429 || len(c.Violations()) != 2 || !strings.Contains(c.Violations()[1], "more than 1 calls within 1s") {
		t.Errorf("within a second: %d, %v", got, c.Violations())
	}
	calls := c.Calls()
	if len(calls) != 13 || calls[12].Violation == "" || calls[12].Status != 429 || calls[0].Violation != "" {
		t.Errorf("%d calls, the last %+v", len(calls), calls[len(calls)-1])
	}
}

func TestCallsAreLogged(t *testing.T) {
	c := open(t)
	c.get(t)
	call := c.Calls()[0]
	if !call.At.Equal(noon.Add(time.Minute)) || call.Method != "GET" || call.Path != simulator.EquiventsPath || call.Status != 200 || call.Header.Get("Authorization") != "Bearer "+token {
		t.Errorf("%+v", call)
	}
}

func TestDate(t *testing.T) {
	c := open(t)
	if res, _ := c.get(t); res.Header.Get("Date") != "Tue, 01 Jul 2025 12:01:00 GMT" {
		t.Error(res.Header)
	}
	c.Skew(-time.Hour)
	if res, _ := c.get(t); res.Header.Get("Date") != "Tue, 01 Jul 2025 11:02:00 GMT" {
		t.Error(res.Header)
	}
}

func TestAnOutage(t *testing.T) {
	c := open(t)
	if _, err := c.Open("127.0.0.1:0"); err == nil {
		t.Error("opened twice")
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if res, _, err := c.ask(t, c.url, ""); err == nil {
		t.Errorf("closed, but %v", res)
	}
	addr := strings.TrimSuffix(strings.TrimPrefix(c.url, "http://"), simulator.EquiventsPath)
	url, err := c.Open(addr)
	if err != nil || url != c.url {
		t.Fatal(url, err)
	}
	c.says(t, `{"current_event":null,"previous_events":[]}`)
}

func TestItIsAHandlerToo(t *testing.T) {
	e := simulator.NewEquiwatt(token, nil)
	server := httptest.NewServer(e)
	defer server.Close()
	res, _, err := cloud{}.ask(t, server.URL+simulator.EquiventsPath, "Bearer "+token)
	if err != nil || res.StatusCode != 200 || time.Since(e.Calls()[0].At) > time.Minute {
		t.Errorf("%v %v %v", res, err, e.Calls())
	}
}
