package web

import (
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func serve(p Page) *Server {
	return &Server{
		Page:    func(context.Context) Page { return p },
		Command: func(context.Context, Command) ([]string, error) { return nil, nil },
	}
}

func get(t testing.TB, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func draw(t testing.TB, s *Server, target string) string {
	t.Helper()
	w := get(t, s.Handler(), target)
	if w.Code != http.StatusOK {
		t.Fatalf("GET %s is %d: %s", target, w.Code, w.Body)
	}
	return w.Body.String()
}

// passing is what another version of the style, or another process, changes.
var passing = regexp.MustCompile(`\?v=[0-9a-f]+|(data-version="[^"/]*/)[0-9a-f]+|&(?:amp;)?seen=[0-9a-f]+`)

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".html")
	got = passing.ReplaceAllString(got, "$1")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("the page changed (-update, if that is meant):\n%s", diff)
	}
}

func TestGolden(t *testing.T) {
	for name, p := range situations(t) {
		t.Run(name, func(t *testing.T) {
			s := serve(p)
			s.Spans = spans(happened(t)...)
			golden(t, name, draw(t, s, "/"))
		})
	}
	for name, target := range map[string]string{
		"page_deliveries": "/deliveries", "page_found": "/deliveries?source=equiwatt&verdict=undecodable&text=grid&since=2026-11-01T00:00&before=9",
		"page_delivery": "/delivery?id=912", "page_bytes": "/delivery?id=908", "page_setup": "/setup", "page_log": "/log?level=debug",
		"page_day": "/day", "page_day_25_hours": "/day?on=2026-10-25", "page_day_23_hours": "/day?on=2026-03-29", "page_day_empty": "/day?on=2026-11-02",
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, draw(t, whole(t), target)) })
	}
}

func TestNowWithoutView(t *testing.T) {
	const hour = `<time datetime="2006-01-02T15:`
	before := time.Now().UTC().Format(hour)
	html := draw(t, serve(Page{Problems: []string{"EQUIWATT_TOKEN is not set."}}), "/")
	if after := time.Now().UTC().Format(hour); !strings.Contains(html, before) && !strings.Contains(html, after) {
		t.Error("a page without a view does not tell the time of the request")
	}
}

// What is not there is left out, and no page needs it.
func TestAServerWithNothingButAPage(t *testing.T) {
	s := &Server{Page: func(context.Context) Page { return Page{} }}
	h := s.Handler()
	for target, want := range map[string]int{"/": 200, "/deliveries": 200, "/setup": 200, "/log": 200, "/day": 200, "/delivery?id=1": 404, "/sample?id=1": 404, "/bundle": 404} {
		if w := get(t, h, target); w.Code != want {
			t.Errorf("%s: %d, want %d", target, w.Code, want)
		}
	}
	for _, n := range elements(t, get(t, h, "/").Body.String()) {
		if n.Data == "button" {
			t.Error("there is a button, and nobody to command")
		}
	}
}
