package equiwatt

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

const idle = `{"success":true,"msg":null,"data":{"current_event":null,"previous_events":[]}}`

// vendor is a server that remembers what it was asked.
type vendor struct {
	*httptest.Server
	mu    sync.Mutex
	calls []*http.Request
}

func serve(t *testing.T, h http.HandlerFunc) *vendor {
	v := &vendor{}
	v.Server = httptest.NewServer(v.log(h))
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) log(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v.mu.Lock()
		v.calls = append(v.calls, r)
		v.mu.Unlock()
		h(w, r)
	}
}

func (v *vendor) asked() []*http.Request {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls
}

func (v *vendor) client() *Client { return &Client{URL: v.URL + "/api/v3/equivents/", Token: secret} }

func reply(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

// refused is the refusal of one call, which repeats no secret and no address
// that changes from call to call.
func refused(t *testing.T, c *Client) *event.Refusal {
	t.Helper()
	_, err := c.Poll(t.Context(), nil)
	var r *event.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("no refusal: %v", err)
	}
	if r.Reason == "" || len([]rune(r.Reason)) > 200 || strings.ContainsAny(r.Reason, "\r\n") || strings.Contains(r.Reason, "127.0.0.1") {
		t.Errorf("not one sentence for a household: %q", r.Reason)
	}
	if strings.Contains(r.Reason, secret) {
		t.Errorf("the token is in it: %q", r.Reason)
	}
	return r
}

func TestPoll(t *testing.T) {
	body, err := os.ReadFile("testdata/api/equivents_live_bug_capture.json")
	if err != nil {
		t.Fatal(err)
	}
	v := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Fri, 09 Dec 2022 16:05:09 GMT")
		_, _ = w.Write(body)
	})
	c := v.client()
	c.Now = func() time.Time { return arrival.In(time.FixedZone("", 3600)) }
	c.Agent = "grid2mqtt/1.2.3"
	waits := 0
	c.Wait = func(context.Context) error { waits++; return nil }
	a, err := c.Poll(t.Context(), running(1670403676, 1670601661, 1670500000))
	if err != nil {
		t.Fatal(err)
	}
	if string(a.Body) != string(body) || !a.Received.Equal(arrival) || a.Received.Location() != time.UTC {
		t.Errorf("received %q at %v", a.Body, a.Received)
	}
	if want := time.Date(2022, 12, 9, 16, 5, 9, 0, time.UTC); a.Date != want {
		t.Errorf("the vendor's clock is %v, want %v", a.Date, want)
	}
	if got := words(a.Events[8:]); got != "1670403676-1670407262 1670500000 1670601661*" {
		t.Errorf("told %q", got)
	}
	calls := v.asked()
	if len(calls) != 1 || waits != 1 {
		t.Fatalf("%d calls after %d waits", len(calls), waits)
	}
	h := calls[0].Header
	if calls[0].Method != "GET" || calls[0].URL.Path != "/api/v3/equivents/" || h.Get("Authorization") != "Bearer "+secret || h.Get("User-Agent") != "grid2mqtt/1.2.3" {
		t.Errorf("asked %s %s with %v", calls[0].Method, calls[0].URL, h)
	}
}

func TestTokenAndAddressAsConfigured(t *testing.T) {
	v := serve(t, reply(idle))
	for _, token := range []string{secret, "Bearer " + secret, " bearer\t" + secret + "\n"} {
		for _, path := range []string{"/x", "/x/", "/x/?a=b%20c&d", "/%2Fx/"} {
			c := &Client{URL: v.URL + path, Token: token}
			if _, err := c.Equivents(t.Context()); err != nil {
				t.Fatal(err)
			}
			calls := v.asked()
			last := calls[len(calls)-1]
			if last.RequestURI != path || last.Header.Get("Authorization") != "Bearer "+secret {
				t.Errorf("asked %s with %q", last.RequestURI, last.Header.Get("Authorization"))
			}
		}
	}
}
