package web

import (
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files anew")

func serve(p Page) *Server {
	return &Server{
		Page:    func(context.Context) Page { return p },
		Command: func(context.Context, string, string) error { return nil },
	}
}

func get(t testing.TB, h http.Handler, target string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, target, nil))
	return w
}

func draw(t testing.TB, p Page) string {
	t.Helper()
	w := get(t, serve(p).Handler(), "/")
	if w.Code != http.StatusOK {
		t.Fatalf("GET / is %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

func TestGolden(t *testing.T) {
	for name, p := range situations(t) {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join("testdata", name+".html")
			got := draw(t, p)
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
		})
	}
}

func TestNowWithoutView(t *testing.T) {
	const hour = `<time datetime="2006-01-02T15:`
	before := time.Now().UTC().Format(hour)
	html := draw(t, Page{Problems: []string{"EQUIWATT_TOKEN is not set."}})
	if after := time.Now().UTC().Format(hour); !strings.Contains(html, before) && !strings.Contains(html, after) {
		t.Error("a page without a view does not tell the time of the request")
	}
}
