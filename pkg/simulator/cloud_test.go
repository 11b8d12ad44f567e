package simulator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var noon = time.Date(2025, 7, 1, 12, 0, 0, 0, time.UTC)

// shop is a vendor with as little of its own as can be.
type shop struct {
	cloud
	things map[string]string
	left   int
}

func openShop(t *testing.T, limits ...limit) (s *shop, url string) {
	t.Helper()
	s = &shop{cloud: newCloud(func() time.Time { return noon }), things: map[string]string{"a b/c": "1"}, left: 100}
	s.base, s.limits = "/v1", limits
	s.guard = func(r *http.Request, _ []byte) (said, bool) {
		if s.left--; s.left < 0 {
			s.violate("the quota is used up")
			return said{status: 429, json: "quota"}, false
		}
		return said{status: 401, json: "key"}, r.Header.Get("X-Key") == "k"
	}
	s.stamp = func(h http.Header) { h.Set("Left", fmt.Sprint(s.left)) }
	s.handle("GET /v1/things/{id}", func(r *http.Request, _ []byte) said {
		thing, ok := s.things[r.PathValue("id")]
		if !ok {
			return s.refuse(http.StatusNotFound)
		}
		return said{json: json.RawMessage(thing)}
	})
	s.handle("PUT /v1/things/{id}", func(r *http.Request, body []byte) said {
		s.things[r.PathValue("id")] = string(body)
		return said{status: http.StatusCreated, header: http.Header{"Location": {r.URL.Path}}}
	})
	s.handle("GET /v1/things/", func(*http.Request, []byte) said { return said{json: s.things} })
	url, err := s.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, url
}

func call(t *testing.T, method, url, key, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Key", key)
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(text)
}

func TestRoutes(t *testing.T) {
	s, url := openShop(t)
	if !strings.HasSuffix(url, "/v1") {
		t.Error(url)
	}
	for _, c := range []struct {
		method, path, body string
		status             int
		says               string
	}{
		{"GET", "/things/a%20b%2Fc", "", 200, "1"},
		{"PUT", "/things/x", `{"n":2}`, 201, ""},
		{"GET", "/things/x", "", 200, `{"n":2}`},
		{"GET", "/things/x?full=1", "", 200, `{"n":2}`},
		{"GET", "/things/y", "", 404, `{"message":"Not Found"}`},
		{"GET", "/things/", "", 200, `{"a b/c":"1","x":"{\"n\":2}"}`},
		{"GET", "/things", "", 404, `{"message":"Not Found"}`},
		{"GET", "//things/x", "", 404, `{"message":"Not Found"}`},
		{"GET", "/things/x/y", "", 404, `{"message":"Not Found"}`},
		{"POST", "/things/x", "", 405, `{"message":"Method Not Allowed"}`},
	} {
		res, text := call(t, c.method, url+c.path, "k", c.body)
		if res.StatusCode != c.status || text != c.says || res.Header.Get("Content-Type") != "application/json" || res.Header.Get("Date") != "Tue, 01 Jul 2025 12:00:00 GMT" {
			t.Errorf("%s %s: %d %s %v", c.method, c.path, res.StatusCode, text, res.Header)
		}
		if c.status == 201 && res.Header.Get("Location") != "/v1/things/x" {
			t.Errorf("%v", res.Header)
		}
	}
	if put := s.Calls()[1]; put.Method != "PUT" || put.Path != "/v1/things/x" || put.Body != `{"n":2}` || put.Status != 201 || !put.At.Equal(noon) {
		t.Errorf("%+v", put)
	}
}

func TestGuard(t *testing.T) {
	s, url := openShop(t)
	if res, text := call(t, "GET", url+"/things/", "", ""); res.StatusCode != 401 || text != `"key"` || res.Header.Get("Left") != "99" {
		t.Errorf("%d %s %v", res.StatusCode, text, res.Header)
	}
	if res, _ := call(t, "GET", url+"/nowhere", "", ""); res.StatusCode != 404 || res.Header.Get("Left") != "99" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	s.left = 0
	if res, _ := call(t, "GET", url+"/things/", "k", ""); res.StatusCode != 429 || !slices.Equal(s.Violations(), []string{"the quota is used up"}) || s.Calls()[2].Violation == "" {
		t.Errorf("%d %v", res.StatusCode, s.Violations())
	}
}

func TestLimitsOfACloud(t *testing.T) {
	s, url := openShop(t, limit{3, time.Minute}, limit{2, time.Second})
	for i, want := range []int{200, 200, 429, 429} {
		if res, _ := call(t, "GET", url+"/things/", "k", ""); res.StatusCode != want {
			t.Errorf("call %d: %d", i, res.StatusCode)
		}
	}
	if v := s.Violations(); len(v) != 2 || !strings.HasPrefix(v[0], "more than 2 calls within 1s") {
		t.Errorf("%q", v)
	}
}

func TestFaultOnAPath(t *testing.T) {
	s, url := openShop(t)
	s.Break(Status(503).On("/v1/things/x").For(1), Status(500).On("/v1/things/a"))
	for i, want := range []struct {
		path   string
		status int
	}{{"/things/", 200}, {"/things/a%20b%2Fc", 500}, {"/things/x", 503}, {"/things/x", 404}, {"/things/a%20b%2Fc", 500}} {
		if res, _ := call(t, "GET", url+want.path, "k", ""); res.StatusCode != want.status {
			t.Errorf("call %d: %d, want %d", i, res.StatusCode, want.status)
		}
	}
}

func TestBusiest(t *testing.T) {
	s, url := openShop(t)
	s.Break(Slow().For(2))
	var asking sync.WaitGroup
	for range 2 {
		asking.Go(func() { call(t, "GET", url+"/things/", "k", "") })
	}
	until(t, func() bool { return len(s.Calls()) == 2 })
	s.Release()
	asking.Wait()
	call(t, "GET", url+"/things/", "k", "")
	if n := s.Busiest(); n != 2 {
		t.Errorf("%d calls at a time", n)
	}
}

func until(t *testing.T, done func() bool) {
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

// mailbox receives webhooks, all at once if it is told how many to wait for.
type mailbox struct {
	*httptest.Server
	mu     sync.Mutex
	heard  []string
	crowd  int
	inside int
	enough chan struct{}
}

func openMailbox(t *testing.T) *mailbox {
	m := &mailbox{enough: make(chan struct{})}
	m.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		m.mu.Lock()
		m.heard = append(m.heard, r.Method+" "+string(body)+" "+r.Header.Get("X-Signature"))
		m.inside++
		crowded := m.inside >= m.crowd
		if m.inside == m.crowd {
			close(m.enough)
		}
		m.mu.Unlock()
		if !crowded {
			<-m.enough
		}
		_, _ = fmt.Fprintf(w, "thanks for %s", body)
	}))
	t.Cleanup(m.Close)
	return m
}

func (m *mailbox) expect(t *testing.T, want ...string) {
	t.Helper()
	m.mu.Lock()
	defer m.mu.Unlock()
	if !slices.Equal(m.heard, want) {
		t.Errorf("heard %q\nwant  %q", m.heard, want)
	}
	m.heard = nil
}

// write posts letters whose kind is their body.
func (s *shop) write(url string, kinds ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, kind := range kinds {
		s.post(letter{kind: kind, url: url, body: kind, header: http.Header{"X-Signature": {"signed " + kind}}})
	}
}

func TestLetters(t *testing.T) {
	s, _ := openShop(t)
	m := openMailbox(t)
	s.write("", "to nobody")
	s.write(m.URL, "a", "b", "c", "b")
	if got := s.Waiting(); !slices.Equal(got, []string{"a", "b", "c", "b"}) {
		t.Errorf("waiting are %q", got)
	}
	if n := s.Lose("c"); n != 1 {
		t.Errorf("%d lost", n)
	}
	receipts := s.Deliver(t.Context(), InOrder, "b")
	m.expect(t, "POST b signed b", "POST b signed b")
	if len(receipts) != 2 || receipts[0].Kind != "b" || receipts[0].Method != "POST" || receipts[0].Status != 200 || receipts[0].Answer != "thanks for b" ||
		receipts[0].Header.Get("X-Signature") != "signed b" || receipts[0].Took <= 0 {
		t.Errorf("%+v", receipts)
	}
	s.Deliver(t.Context(), InOrder)
	m.expect(t, "POST a signed a")
	s.Again(t.Context(), receipts[0])
	m.expect(t, "POST b signed b")
	if n := len(s.Sent()); n != 4 {
		t.Errorf("%d sent", n)
	}
	s.mu.Lock()
	s.post(letter{method: http.MethodGet, url: m.URL})
	s.mu.Unlock()
	s.Deliver(t.Context(), InOrder)
	m.expect(t, "GET  ")
}

func TestLettersAtOnce(t *testing.T) {
	s, _ := openShop(t)
	m := openMailbox(t)
	m.crowd = 13
	for range m.crowd {
		s.write(m.URL, "x")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for _, r := range s.Deliver(ctx, AtOnce) {
		if r.Status != 200 {
			t.Errorf("%+v", r)
		}
	}
}

func TestPrompt(t *testing.T) {
	s, _ := openShop(t)
	m := openMailbox(t)
	s.write(m.URL, "late")
	s.Prompt(true)
	s.write(m.URL, "a", "b")
	until(t, func() bool { return len(s.Sent()) == 3 })
	m.expect(t, "POST late signed late", "POST a signed a", "POST b signed b")
	s.Prompt(false)
	s.write(m.URL, "c")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	m.expect(t)
}
