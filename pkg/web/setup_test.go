package web

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var someSteps = []Step{
	{Name: "broker", Title: "The MQTT broker is reached", State: Passed, At: time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)},
	{Name: "clock", Title: "The clock is right", State: Failed, Reason: "It is an hour ahead.", Remedy: "Set\nit."},
	{Name: "public_url", Title: "The internet reaches us", State: Failed, Reason: "Nobody answers."},
}

func TestFirstFailed(t *testing.T) {
	if s, ok := FirstFailed(someSteps); !ok || s.Name != "clock" {
		t.Errorf("%+v %v", s, ok)
	}
	if s, ok := FirstFailed(someSteps[:1]); ok || s != (Step{}) {
		t.Errorf("%+v %v", s, ok)
	}
}

func TestCheck(t *testing.T) {
	s := serve(calm(t))
	h := s.Handler()
	ask := func(method, accept, site string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/check", nil)
		r.Header.Set("Accept", accept)
		if site != "" {
			r.Header.Set("Sec-Fetch-Site", site)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	if w := ask("GET", "", ""); w.Code != 404 {
		t.Errorf("without steps: %d", w.Code)
	}
	anew := 0
	s.Checks = func(_ context.Context, now bool) []Step {
		if now {
			anew++
		}
		return someSteps
	}
	want := "ok       broker                   The MQTT broker is reached\n" +
		"bad      clock                    It is an hour ahead. Set it.\n" +
		"bad      public_url               Nobody answers.\n"
	if w := ask("GET", "text/html", ""); w.Code != 200 || w.Body.String() != want || anew != 0 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	var got []Step
	if w := ask("POST", "application/json", ""); w.Code != 200 || json.Unmarshal(w.Body.Bytes(), &got) != nil || !cmp.Equal(got, someSteps) || anew != 1 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := ask("POST", "", "cross-site"); w.Code != 403 || anew != 1 || strings.Contains(w.Body.String(), "broker") {
		t.Errorf("from another site: %d %s", w.Code, w.Body)
	}
	for _, method := range []string{"PUT", "DELETE", "OPTIONS"} {
		if w := ask(method, "", ""); w.Code != 405 {
			t.Errorf("%s: %d", method, w.Code)
		}
	}
}

// Of a rehearsal from before a restart nobody knows how far it got.
func TestARehearsalWithoutStages(t *testing.T) {
	p := calm(t)
	p.Rehearsal = &Rehearsal{Source: "ecomon", Title: "Ecomon", Began: noon, End: noon.Add(time.Minute), Running: true}
	text := get(t, serve(p).Handler(), "/").Body.String()
	if !strings.Contains(text, "A rehearsal runs") || strings.Contains(text, "reached Home Assistant") {
		t.Error("it is said to have arrived")
	}
}
