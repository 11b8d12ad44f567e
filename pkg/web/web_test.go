package web

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/net/html"
)

const prefix = "/api/hassio_ingress/b4d5"

func TestMethodsAndPaths(t *testing.T) {
	h := serve(calm(t)).Handler()
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
		{"GET", "/page.js", 200, ""},
		{"GET", "/icon.svg", 200, ""},
		{"POST", "/", 405, "GET, HEAD"},
		{"DELETE", "/metrics", 405, "GET, HEAD"},
		{"OPTIONS", "/style.css", 405, "GET, HEAD"},
		{"GET", "/command/refresh", 405, "POST"},
		{"HEAD", "/command/rehearse", 405, "POST"},
		{"GET", "/page.html", 404, ""},
		{"GET", "//", 404, ""},
		{"GET", "/healthz/", 404, ""},
		{"POST", "/command/other", 404, ""},
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
	s.Command = func(context.Context, string, string) error {
		t.Error("a stranger's command was carried out")
		return nil
	}
	h := s.Handler()
	for _, target := range []string{"/", "/healthz", "/metrics", "/style.css", "/command/refresh", "/nothing"} {
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

// Whatever a link or a form leads to has to be there behind ingress too.
func TestLinksStayBehindThePrefix(t *testing.T) {
	var told []string
	s := serve(calm(t))
	s.Command = func(_ context.Context, name, payload string) error {
		told = append(told, name+" "+payload)
		return nil
	}
	server := httptest.NewServer(http.StripPrefix(prefix, s.Handler()))
	defer server.Close()
	client := &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path != prefix+"/" {
			return fmt.Errorf("led to %s", r.URL)
		}
		return nil
	}}
	base, err := url.Parse(server.URL + prefix + "/")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links(t, draw(t, calm(t))) {
		to, err := url.Parse(l.value)
		if err != nil || to.IsAbs() || to.Host != "" || strings.HasPrefix(l.value, "/") {
			t.Errorf("%s %q is not relative", l.name, l.value)
			continue
		}
		var answer *http.Response
		if l.name == "action" {
			answer, err = client.PostForm(base.ResolveReference(to).String(), url.Values{"minutes": {"7"}})
		} else {
			answer, err = client.Get(base.ResolveReference(to).String())
		}
		if err != nil {
			t.Errorf("%s %q: %v", l.name, l.value, err)
			continue
		}
		_ = answer.Body.Close()
		if answer.StatusCode != http.StatusOK {
			t.Errorf("%s %q: %s", l.name, l.value, answer.Status)
		}
	}
	if got := strings.Join(told, ", "); got != "refresh , rehearse 7" {
		t.Errorf("the buttons told %q", got)
	}
}

type link struct{ name, value string }

func links(t testing.TB, page string) []link {
	t.Helper()
	var out []link
	for _, n := range elements(t, page) {
		for _, a := range n.Attr {
			switch a.Key {
			case "href", "src", "action", "formaction", "data", "poster", "srcset":
				out = append(out, link{a.Key, a.Val})
			}
		}
	}
	if len(out) < 5 {
		t.Fatalf("only %d links found", len(out))
	}
	return out
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
	for name, p := range situations(t) {
		for _, n := range elements(t, draw(t, p)) {
			script := n.Data == "script"
			for _, a := range n.Attr {
				if a.Key == "style" || strings.HasPrefix(a.Key, "on") {
					t.Errorf("%s: <%s %s> is refused by our own policy", name, n.Data, a.Key)
				}
				script = script && a.Key != "src"
			}
			if script || n.Data == "style" {
				t.Errorf("%s: <%s> inline is refused by our own policy", name, n.Data)
			}
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
