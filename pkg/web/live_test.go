package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// listener is an open page.
type listener struct {
	t      *testing.T
	answer *http.Response
	lines  *bufio.Reader
	id     string // of the last message
}

// told is what one message renews, by the id of its element, or a beat.
type message struct {
	renews, html string
	beat         struct {
		Now     int64
		Version string
	}
}

func listen(t *testing.T, url, last string) *listener {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		r.Header.Set("Last-Event-ID", last)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	return &listener{t: t, answer: answer, lines: bufio.NewReader(answer.Body)}
}

var partial = regexp.MustCompile(`(?s)^<hx-partial hx-target="#([a-z]+)" hx-swap="outerMorph">\n(.*)\n</hx-partial>$`)

// next waits for a message.
func (l *listener) next() (m message) {
	l.t.Helper()
	var name string
	var data []string
	for {
		line, err := l.lines.ReadString('\n')
		if err != nil {
			l.t.Fatalf("the stream ended: %v", err)
		}
		field, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		switch field {
		case "event":
			name = value
		case "id":
			l.id = value
		case "data", "data:":
			data = append(data, value)
		case "":
			text := strings.Join(data, "\n")
			if name == "beat" {
				if err := json.Unmarshal([]byte(text), &m.beat); err != nil {
					l.t.Fatal(err)
				}
				return m
			}
			found := partial.FindStringSubmatch(text)
			if found == nil {
				l.t.Fatalf("it tells %q", text)
			}
			m.renews, m.html = found[1], found[2]
			return m
		default:
			l.t.Fatalf("it tells %q", line)
		}
	}
}

// until collects what is renewed up to the next beat.
func (l *listener) until() map[string]string {
	l.t.Helper()
	all := map[string]string{}
	for m := l.next(); m.renews != ""; m = l.next() {
		all[m.renews] = m.html
	}
	return all
}

// changing is a server whose page can be changed.
type changing struct {
	*Server
	mu   sync.Mutex
	page Page
}

func (c *changing) change(f func(p *Page)) {
	c.mu.Lock()
	f(&c.page)
	c.mu.Unlock()
	c.Changed()
}

func change(t *testing.T) (*changing, string) {
	c := &changing{Server: whole(t), page: calm(t)}
	c.Page = func(context.Context) Page { c.mu.Lock(); defer c.mu.Unlock(); return c.page }
	server := httptest.NewServer(c.Handler())
	t.Cleanup(server.Close)
	t.Cleanup(server.CloseClientConnections)
	return c, server.URL
}

var connects = regexp.MustCompile(`hx-sse:connect="([^"]+)"`)

func fetch(t *testing.T, url string) string {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	content, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// streamOf is the address of the stream of a page.
func streamOf(t *testing.T, url, target string) string {
	t.Helper()
	found := connects.FindStringSubmatch(fetch(t, url+target))
	if found == nil {
		t.Fatalf("%s has no stream", target)
	}
	return url + "/" + strings.ReplaceAll(found[1], "&amp;", "&")
}

func TestAnOpenPageHearsWhatChangesAndNothingElse(t *testing.T) {
	c, url := change(t)
	l := listen(t, streamOf(t, url, "/"), "")
	if got := l.until(); len(got) > 0 || l.answer.Header.Get("Content-Type") != "text/event-stream" {
		t.Errorf("what the page shows is told again: %q", got)
	}
	guarded(t, l.answer.Header)
	c.change(func(p *Page) { p.View.At = p.View.At.Add(time.Second) }) // a second is no news
	c.change(func(p *Page) { p.Problems = []string{"The disk is full."} })
	got := l.until()
	if len(got) != 1 || !strings.Contains(got["alerts"], "The disk is full.") || !strings.HasPrefix(got["alerts"], `<div id="alerts">`) {
		t.Errorf("a problem renews %q", got)
	}
	c.change(func(p *Page) { p.Broker = "The broker is away." })
	if got := l.until(); len(got) != 2 || !strings.Contains(got["broker"], "not connected") || got["alerts"] == "" {
		t.Errorf("a lost broker renews %q", got)
	}
}

func TestAStreamThatBrokeGoesOnWhereItWas(t *testing.T) {
	c, url := change(t)
	at := streamOf(t, url, "/")
	l := listen(t, at, "")
	l.until()
	c.change(func(p *Page) { p.Problems = []string{"The disk is full."} })
	l.until()
	c.change(func(p *Page) { p.Problems = nil })
	// What the page was made with is true again, but not what it shows.
	again := listen(t, at, l.id)
	if got := again.until(); !strings.Contains(got["alerts"], `id="alerts"`) {
		t.Errorf("the page that shows a problem hears %q", got)
	}
	if got := listen(t, at, again.id).until(); len(got) > 0 {
		t.Errorf("what is shown is told again: %q", got)
	}
}

func TestEveryPageRenewsItself(t *testing.T) {
	for target, renewed := range map[string]string{"/": "now", "/setup": "checks", "/log?level=warn": "lines", "/day?on=2026-11-21": "dayview", "/deliveries": "fresh"} {
		c, url := change(t)
		at := streamOf(t, url, target)
		c.mu.Lock()
		c.page.View.At = c.page.View.At.Add(48 * time.Hour)
		c.page.Deliveries = append([]event.Delivery{{ID: 1000, Received: noon, Source: "equiwatt", Kind: "a\rb"}}, c.page.Deliveries...)
		lines := c.Records.Lines("")
		c.Records.Lines = func(level string) []Line {
			return append(lines, Line{At: noon, Level: "error", Text: "new " + level})
		}
		c.Checks = func(context.Context, bool) []Step { return nil }
		c.mu.Unlock()
		l := listen(t, at, "")
		got := l.until()
		if got[renewed] == "" {
			t.Errorf("%s does not renew %s: %q", target, renewed, got)
		}
		if target == "/deliveries" && !strings.Contains(got["fresh"], "Something new has arrived") {
			t.Errorf("new deliveries are not told of: %q", got)
		}
		if target == "/log?level=warn" && !strings.Contains(got["lines"], "new warn") {
			t.Errorf("another level is told: %q", got)
		}
	}
}

func TestABeatTellsTimeAndVersion(t *testing.T) {
	_, url := change(t)
	l := listen(t, url+"/live?of=overview", "")
	m := l.next()
	for m.renews != "" {
		m = l.next()
	}
	page := fetch(t, url)
	if time.Since(time.UnixMilli(m.beat.Now)).Abs() > time.Minute || !strings.Contains(page, fmt.Sprintf("data-version=%q", m.beat.Version)) {
		t.Errorf("it says %+v on %s", m.beat, page)
	}
}

func TestTooManyPages(t *testing.T) {
	c, url := change(t)
	var open []*listener
	for range maxStreams {
		l := listen(t, url+"/live?of=setup", "")
		l.until()
		open = append(open, l)
	}
	if l := listen(t, url+"/live?of=setup", ""); l.answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("one more: %s", l.answer.Status)
	}
	for _, l := range open {
		_ = l.answer.Body.Close()
	}
	settled := func() bool {
		c.streams.mu.Lock()
		defer c.streams.mu.Unlock()
		return c.streams.open == 0 && len(c.streams.drawn) == 0
	}
	for deadline := time.Now().Add(time.Minute); !settled(); {
		if time.Now().After(deadline) {
			t.Fatal("who left is still counted")
		}
		c.Changed()
		runtime.Gosched()
	}
	if l := listen(t, url+"/live?of=setup", ""); l.answer.StatusCode != http.StatusOK {
		t.Errorf("after all left: %s", l.answer.Status)
	}
}

// Fifty open pages are drawn for once, and cost little.
func TestFiftyOpenPages(t *testing.T) {
	c, url := change(t)
	drawn := 0
	page := c.Page
	c.Page = func(ctx context.Context) Page {
		c.mu.Lock()
		drawn++
		c.mu.Unlock()
		return page(ctx)
	}
	listen(t, url+"/live?of=overview", "").until()
	before := held()
	var open []*listener
	for range 50 {
		l := listen(t, url+"/live?of=overview", "")
		l.until()
		open = append(open, l)
	}
	// A client of the test is about as big as the server's side: all of it is counted.
	if grown := held() - before; grown > 10<<20 {
		t.Errorf("fifty pages and their readers hold %d KiB", grown>>10)
	}
	c.mu.Lock()
	drawn = 0
	c.mu.Unlock()
	c.change(func(p *Page) { p.Problems = []string{"The disk is full."} })
	for _, l := range open {
		if got := l.until(); len(got) != 1 || got["alerts"] == "" {
			t.Errorf("a page hears %q", got)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if drawn > 10 {
		t.Errorf("it was drawn %d times for fifty pages", drawn)
	}
}

func held() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapInuse + m.StackInuse)
}

// A hook is not to wait for the pages that are open.
func BenchmarkChanged(b *testing.B) {
	s := whole(b)
	h := s.Handler()
	for range 50 {
		ctx, stop := context.WithCancel(b.Context())
		defer stop()
		go h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(ctx, http.MethodGet, "/live?of=overview", nil))
	}
	for b.Loop() {
		s.Changed()
	}
}

func TestTimeless(t *testing.T) {
	for in, want := range map[string]string{
		`a <time data-counts>34 s ago</time> b <time data-due data-counts>now</time>`: `a <time data-counts></time> b <time data-due data-counts></time>`,
		`nothing`:           `nothing`,
		`cut data-counts>x`: `cut data-counts>x`,
	} {
		if got := string(timeless([]byte(in))); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	if slices.Equal(timeless([]byte("a")), timeless([]byte("b"))) {
		t.Error("all is the same")
	}
}
