package web

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

const prefix = "/api/hassio_ingress/b4d5"

func TestMethodsAndPaths(t *testing.T) {
	h := whole(t).Handler()
	tests := []struct {
		method, target string
		status         int
		allow          string
	}{
		{"GET", "/", 200, ""},
		{"HEAD", "/", 200, ""},
		{"GET", "/?seen=1&done=nothing", 200, ""},
		{"GET", "/healthz", 200, ""},
		{"HEAD", "/healthz", 200, ""},
		{"GET", "/metrics", 200, ""},
		{"GET", "/style.css", 200, ""},
		{"GET", "/theme.js", 200, ""},
		{"GET", "/page.js", 200, ""},
		{"GET", "/htmx/htmx.min.js", 200, ""},
		{"GET", "/htmx/hx-sse.min.js", 200, ""},
		{"GET", "/icon.svg", 200, ""},
		{"GET", "/deliveries", 200, ""},
		{"HEAD", "/day", 200, ""},
		{"HEAD", "/live?of=overview", 200, ""},
		{"GET", "/live?of=nothing", 404, ""},
		{"GET", "/bundle", 200, ""},
		{"POST", "/", 405, "GET, HEAD"},
		{"DELETE", "/metrics", 405, "GET, HEAD"},
		{"OPTIONS", "/style.css", 405, "GET, HEAD"},
		{"GET", "/command", 405, "POST"},
		{"HEAD", "/replay", 405, "POST"},
		{"POST", "/deliveries", 405, "GET, HEAD"},
		{"GET", "/overview.html", 404, ""},
		{"GET", "/htmx/LICENSE", 404, ""},
		{"GET", "//", 404, ""},
		{"GET", "/healthz/", 404, ""},
		{"POST", "/command/refresh", 404, ""},
		{"GET", "/hook/equiwatt/" + hookToken, 404, ""},
	}
	for _, tt := range tests {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(tt.method, tt.target, nil))
		if w.Code != tt.status || w.Header().Get("Allow") != tt.allow {
			t.Errorf("%s %s: %d, Allow %q; want %d, %q", tt.method, tt.target, w.Code, w.Header().Get("Allow"), tt.status, tt.allow)
		}
		guarded(t, w.Header())
	}
}

func guarded(t *testing.T, h http.Header) {
	t.Helper()
	policy := h.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'self'", "base-uri 'none'", "form-action 'self'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy %q lacks %q", policy, want)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy %q is loose", policy)
	}
	if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Cache-Control") != "no-store" || h.Get("Referrer-Policy") != "same-origin" {
		t.Errorf("headers are missing: %v", h)
	}
}

func TestHealth(t *testing.T) {
	turning := true
	s := serve(calm(t))
	s.Healthy = func() bool { return turning }
	h := s.Handler()
	if w := get(t, h, "/healthz"); w.Code != 200 || w.Body.String() != "ok\n" {
		t.Errorf("healthy: %d %q", w.Code, w.Body)
	}
	turning = false
	if w := get(t, h, "/healthz"); w.Code != 503 {
		t.Errorf("a loop stands still: %d, want 503", w.Code)
	}
	if w := get(t, h, "/"); w.Code != 200 {
		t.Errorf("the page of an ill process: %d, want 200", w.Code)
	}
}

func TestMetrics(t *testing.T) {
	s := serve(calm(t))
	s.Metrics = func(w io.Writer) { _, _ = io.WriteString(w, "grid2mqtt_up 1\n") }
	w := get(t, s.Handler(), "/metrics")
	if w.Body.String() != "grid2mqtt_up 1\n" || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("metrics: %q as %q", w.Body, w.Header().Get("Content-Type"))
	}
}

func TestAllowed(t *testing.T) {
	s := serve(calm(t))
	s.Allowed = func(addr string) bool { return strings.HasPrefix(addr, "172.30.32.2:") }
	s.Command = func(context.Context, Command) ([]string, error) {
		t.Error("a stranger's command was carried out")
		return nil, nil
	}
	h := s.Handler()
	for _, target := range []string{"/", "/healthz", "/metrics", "/style.css", "/command", "/deliveries", "/log", "/live?of=overview", "/bundle", "/sample?id=1", "/nothing"} {
		r := httptest.NewRequest(http.MethodPost, target, nil)
		r.RemoteAddr = "172.30.33.7:50000"
		r.Header.Set("X-Forwarded-For", "172.30.32.2")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), hookToken) {
			t.Errorf("%s from a stranger: %d", target, w.Code)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = "172.30.32.2:50000"
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		t.Errorf("from the Supervisor: %d", w.Code)
	}
}

// Whatever a link, a form or a script leads to has to be there behind ingress too.
func TestLinksStayBehindThePrefix(t *testing.T) {
	var told []string
	s := whole(t)
	s.Command = func(_ context.Context, c Command) ([]string, error) {
		told = append(told, c.Source+" "+c.Name+" "+c.Payload)
		return nil, nil
	}
	server := httptest.NewServer(http.StripPrefix(prefix, s.Handler()))
	defer server.Close()
	client := &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if !strings.HasPrefix(r.URL.Path, prefix+"/") {
			return fmt.Errorf("led to %s", r.URL)
		}
		return nil
	}}
	for _, target := range []string{"/", "/deliveries?source=equiwatt", "/delivery?id=912", "/day", "/setup", "/log", "/delivery?id=1"} {
		base, err := url.Parse(server.URL + prefix + target)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range links(t, get(t, s.Handler(), target).Body.String()) {
			to, err := url.Parse(l.value)
			if err != nil || to.IsAbs() || to.Host != "" || strings.HasPrefix(l.value, "/") {
				t.Errorf("%s: %s %q is not relative", target, l.name, l.value)
				continue
			}
			if strings.HasPrefix(l.value, "live?") || strings.HasPrefix(l.value, "#") {
				continue // the one never ends, the other is here
			}
			var answer *http.Response
			if l.name == "hx-post" || l.name == "action" && l.value != "deliveries" && l.value != "log" {
				answer, err = client.PostForm(base.ResolveReference(to).String(), url.Values{"name": {"rehearse"}, "payload": {"7"}, "id": {"912"}})
			} else {
				answer, err = client.Get(base.ResolveReference(to).String())
			}
			if err != nil {
				t.Errorf("%s: %s %q: %v", target, l.name, l.value, err)
				continue
			}
			_ = answer.Body.Close()
			if answer.StatusCode != http.StatusOK {
				t.Errorf("%s: %s %q: %s", target, l.name, l.value, answer.Status)
			}
		}
	}
	if len(told) < 10 {
		t.Errorf("the buttons told only %q", told)
	}
}

type link struct{ name, value string }

func links(t testing.TB, page string) []link {
	t.Helper()
	var out []link
	for _, n := range elements(t, page) {
		for _, a := range n.Attr {
			switch a.Key {
			case "href", "src", "action", "formaction", "data", "poster", "srcset", "hx-get", "hx-post", "hx-sse:connect":
				out = append(out, link{a.Key, a.Val})
			}
		}
	}
	if len(out) < 10 {
		t.Fatalf("only %d links found", len(out))
	}
	return out
}

// Forms work the same with scripts as without.
func TestFormsAreTheSameWithScripts(t *testing.T) {
	n := 0
	for _, target := range []string{"/", "/delivery?id=912", "/deliveries", "/setup"} {
		for _, e := range elements(t, draw(t, whole(t), target)) {
			at := map[string]string{}
			for _, a := range e.Attr {
				at[a.Key] = a.Val
			}
			if e.Data == "form" && at["method"] == "post" {
				n++
				if at["action"] != at["hx-post"] || at["hx-target"] != "#notice" {
					t.Errorf("%s: a form posts to %q, and with scripts to %q", target, at["action"], at["hx-post"])
				}
			}
		}
	}
	if n < 6 {
		t.Errorf("only %d forms seen", n)
	}
}

func elements(t testing.TB, page string) []*html.Node {
	t.Helper()
	root, err := html.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	var out []*html.Node
	for n := range root.Descendants() {
		if n.Type == html.ElementNode {
			out = append(out, n)
		}
	}
	return out
}

func TestNothingInline(t *testing.T) {
	check := func(name, page string) {
		for _, n := range elements(t, page) {
			script := n.Data == "script"
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") || strings.HasPrefix(a.Key, "hx-on") || strings.HasPrefix(a.Val, "js:") {
					t.Errorf("%s: <%s %s> is refused by our own policy", name, n.Data, a.Key)
				}
				script = script && a.Key != "src"
			}
			if script || n.Data == "style" {
				t.Errorf("%s: <%s> inline is refused by our own policy", name, n.Data)
			}
		}
	}
	for name, p := range situations(t) {
		check(name, draw(t, serve(p), "/"))
	}
	for _, target := range []string{"/", "/deliveries", "/delivery?id=912", "/day", "/setup", "/log"} {
		check(target, draw(t, whole(t), target))
	}
}

// What a browser keeps is named by its content.
func TestAssetsAreKeptByTheirContent(t *testing.T) {
	h := whole(t).Handler()
	n := 0
	for _, l := range links(t, get(t, h, "/").Body.String()) {
		if name, _, ok := strings.Cut(l.value, "?v="); ok {
			n++
			if w := get(t, h, "/"+l.value); !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
				t.Errorf("%s is not kept: %q", l.value, w.Header().Get("Cache-Control"))
			}
			if w := get(t, h, "/"+name+"?v=old"); w.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s is kept under an old name", name)
			}
		}
	}
	if n < 6 {
		t.Errorf("only %d assets seen", n)
	}
	readme, err := os.ReadFile("htmx/README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"htmx.min.js", "hx-sse.min.js"} {
		content, err := files.ReadFile("htmx/" + name)
		if sum := fmt.Sprintf("%x", sha256.Sum256(content)); err != nil || !strings.Contains(string(readme), "| `"+name+"` | ") || !strings.Contains(string(readme), sum) {
			t.Errorf("%s is not the one that htmx/README.md names: %s, %v", name, sum, err)
		}
	}
}

func TestAForeignNameForThisMachineIsRefused(t *testing.T) {
	h := (&Server{Loopback: true, Page: func(context.Context) Page { return Page{} }}).Handler()
	for host, want := range map[string]int{
		"localhost:8099": 200, "127.0.0.1:8099": 200, "127.0.0.1": 200, "[::1]:8099": 200, "[::1]": 200, "grid.localhost": 200,
		"evil.example": 403, "evil.example:8099": 403, "localhost.evil.example": 403, "192.168.1.5": 403, "": 403,
	} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		if h.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%q: status %d, want %d", host, w.Code, want)
		}
	}
}

// All that a first visit loads, as a proxy compresses it, is to be less than 100 KiB.
func TestWeight(t *testing.T) {
	for _, target := range []string{"/", "/deliveries", "/day"} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		h := crowded(t).Handler()
		page := get(t, h, target).Body.Bytes()
		_, _ = z.Write(page) // a buffer takes all
		for _, l := range links(t, string(page)) {
			if strings.Contains(l.value, "?v=") {
				_, _ = z.Write(get(t, h, "/"+l.value).Body.Bytes())
			}
		}
		if err := z.Close(); err != nil || b.Len() > 100<<10 {
			t.Errorf("%s weighs %d bytes, %v", target, b.Len(), err)
		}
	}
}
