package equiwatt

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
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

func TestPlainHTTPIsNotAsked(t *testing.T) {
	for _, address := range []string{"http://app.equiwatt.com/", "http://10.0.0.1/", "", "https://u:p@app.equiwatt.com/"} {
		c := &Client{URL: address, Token: secret, Wait: func(context.Context) error { t.Error("asked"); return nil }}
		_, err := c.Poll(t.Context(), nil)
		var r *event.Refusal
		if err == nil || errors.As(err, &r) || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestCallerGivesUp(t *testing.T) {
	v := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	c := v.client()
	c.Wait = func(context.Context) error { cancel(); return nil }
	var r *event.Refusal
	if _, err := c.Poll(ctx, nil); !errors.Is(err, context.Canceled) || errors.As(err, &r) {
		t.Errorf("while asking: %v", err)
	}
	c.Wait = func(ctx context.Context) error { return ctx.Err() }
	if _, err := c.Poll(ctx, nil); !errors.Is(err, context.Canceled) || errors.As(err, &r) {
		t.Errorf("while waiting: %v", err)
	}
}

// Go asks again by itself on a kept connection that breaks.
func TestOneCallIsOneCall(t *testing.T) {
	var n atomic.Int32
	v := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1) == 1 {
			reply(idle)(w, nil)
			return
		}
		hangUp(t, w)
	})
	c := v.client()
	c.HTTP = &http.Client{Transport: &http.Transport{}}
	if _, err := c.Poll(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if r := refused(t, c); r.Reason != string(faultBroken) {
		t.Error(r)
	}
	if got := n.Load(); got != 2 {
		t.Errorf("%d calls for two", got)
	}
}

func hangUp(t *testing.T, w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		t.Error(err)
		return
	}
	_ = conn.Close()
}

func TestRedirectsStayOnTheHost(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		t.Run(strconv.Itoa(status), func(t *testing.T) {
			v := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/there/" {
					reply(idle)(w, r)
					return
				}
				w.Header().Set("Location", "../../../there/")
				w.WriteHeader(status)
			})
			waits := 0
			c := v.client()
			c.Wait = func(context.Context) error { waits++; return nil }
			if _, err := c.Poll(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			calls := v.asked()
			if len(calls) != 2 || waits != 2 || calls[1].Method != "GET" || calls[1].Header.Get("Authorization") != "Bearer "+secret {
				t.Errorf("%d calls after %d waits, the last with %v", len(calls), waits, calls[len(calls)-1].Header)
			}
		})
	}
}

func TestNoTokenToAnotherHost(t *testing.T) {
	var home *vendor
	away := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			http.Redirect(w, r, home.URL+"/home", http.StatusFound)
			return
		}
		reply(idle)(w, r)
	})
	home = serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/home":
			http.Redirect(w, r, "/inside", http.StatusFound)
		case "/inside":
			w.WriteHeader(http.StatusUnauthorized)
		case "/via":
			http.Redirect(w, r, away.URL+"/back", http.StatusFound)
		default:
			http.Redirect(w, r, strings.Replace(away.URL, "http://", "http://me:pass@", 1), http.StatusFound)
		}
	})
	if _, err := home.client().Poll(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	c := home.client()
	c.URL = home.URL + "/via"
	if r := refused(t, c); r.Reason != string(faultStranger) || r.Unauthorized {
		t.Errorf("%+v: a token that was not sent is not refused", r)
	}
	for _, r := range append(away.asked(), home.asked()[2:]...) {
		if r.Header.Get("Authorization") != "" {
			t.Errorf("%s was told %q", r.URL, r.Header.Get("Authorization"))
		}
	}
	if n := len(away.asked()); n != 2 {
		t.Errorf("%d calls went away, want 2", n)
	}
}

func TestRedirectsThatAreNotFollowed(t *testing.T) {
	for name, location := range map[string]string{
		"plain http": "http://app.equiwatt.com/", "another scheme": "file:///etc/passwd", "nowhere": "", "no address": "https://%zz/", "no host": "https:///x",
	} {
		v := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		})
		if r := refused(t, v.client()); r.Reason != string(faultRedirect) || r.Status != 302 || len(v.asked()) != 1 {
			t.Errorf("%s: %+v after %d calls", name, r, len(v.asked()))
		}
	}
	v := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) })
	if r := refused(t, v.client()); r.Reason != string(faultCircle) || len(v.asked()) != 1+hops {
		t.Errorf("%+v after %d calls", r, len(v.asked()))
	}
}

func TestNoWayBackToPlainHTTP(t *testing.T) {
	plain := serve(t, reply(idle))
	secure := &vendor{}
	secure.Server = httptest.NewTLSServer(secure.log(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusFound)
	}))
	t.Cleanup(secure.Close)
	c := secure.client()
	c.HTTP = secure.Client()
	if _, err := c.Poll(t.Context(), nil); err != nil {
		t.Errorf("from loopback to loopback: %v", err)
	}
	if len(plain.asked()) != 1 || plain.asked()[0].Header.Get("Authorization") != "" {
		t.Errorf("plain was asked %v", plain.asked())
	}
	from, to := *mustParse(t, "https://app.equiwatt.com/"), mustParse(t, plain.URL)
	if safe(&from, to) {
		t.Error("the vendor may send us to plain http")
	}
}
