package rest

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

const secret = "s3cret-token-of-the-household"

// request is what a vendor was asked.
type request struct {
	*http.Request
	body string
}

// vendor is a server that remembers what it was asked.
type vendor struct {
	*httptest.Server
	mu    sync.Mutex
	calls []request
}

func serve(t *testing.T, h http.HandlerFunc) *vendor {
	v := &vendor{}
	v.Server = httptest.NewServer(v.log(t, h))
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) log(t *testing.T, h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		v.mu.Lock()
		v.calls = append(v.calls, request{r, string(body)})
		v.mu.Unlock()
		h(w, r)
	}
}

func (v *vendor) asked() []request {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.calls
}

func client() *Client {
	return &Client{Vendor: "Openvolt", Header: http.Header{"X-Api-Key": {secret}}, Secrets: []string{secret}}
}

func reply(body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(body)) }
}

func get(t *testing.T, c *Client, url string) Answer {
	t.Helper()
	a, err := c.Do(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// refused is the refusal of one call, be it by the way or by the status. It
// repeats no secret and no address that changes from call to call.
func refused(t *testing.T, c *Client, url string) *event.Refusal {
	t.Helper()
	a, err := c.Do(t.Context(), http.MethodGet, url, nil)
	var r *event.Refusal
	if err == nil && !a.Good() {
		r = c.Refuse(a)
	} else if !errors.As(err, &r) {
		t.Fatalf("no refusal: %v", err)
	}
	if r.Reason == "" || len([]rune(r.Reason)) > 200 || strings.ContainsAny(r.Reason, "\r\n") || strings.Contains(r.Reason, "127.0.0.1") {
		t.Errorf("not one sentence for a household: %q", r.Reason)
	}
	if strings.Contains(r.Reason, secret) {
		t.Errorf("the key is in it: %q", r.Reason)
	}
	return r
}

func TestGet(t *testing.T) {
	v := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Date", "Fri, 09 Dec 2022 17:05:09 GMT")
		w.Header().Set("X-Quota", "7")
		_, _ = w.Write([]byte(" {}"))
	})
	c := client()
	c.Agent = "grid2mqtt/1.2.3"
	waits := 0
	c.Wait = func(context.Context) error { waits++; return nil }
	a := get(t, c, v.URL+"/%2Fx/?a=b%20c&d")
	if !a.Good() || a.Status != 200 || string(a.Body) != " {}" || a.Header.Get("X-Quota") != "7" || !a.Date.Equal(time.Date(2022, 12, 9, 17, 5, 9, 0, time.UTC)) {
		t.Errorf("%+v", a)
	}
	calls := v.asked()
	if len(calls) != 1 || waits != 1 {
		t.Fatalf("%d calls after %d waits", len(calls), waits)
	}
	r := calls[0]
	if r.Method != "GET" || r.RequestURI != "/%2Fx/?a=b%20c&d" || r.body != "" || r.Header.Get("X-Api-Key") != secret ||
		r.Header.Get("User-Agent") != "grid2mqtt/1.2.3" || r.Header.Get("Accept") != "application/json" || r.Header.Get("Content-Type") != "" {
		t.Errorf("asked %s %s %q with %v", r.Method, r.RequestURI, r.body, r.Header)
	}
}

// TestTheVendorsClock: what lay in a cache tells an old time and how old it is.
func TestTheVendorsClock(t *testing.T) {
	said := time.Date(2022, 12, 9, 17, 5, 9, 0, time.UTC)
	for age, want := range map[string]time.Time{
		"": said, "0": said, "3600": said.Add(time.Hour), "-5": {}, "soon": {}, "99999999999999999999": {},
	} {
		v := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", said.Format(http.TimeFormat))
			w.Header().Set("Age", age)
		})
		if a := get(t, client(), v.URL); !a.Date.Equal(want) {
			t.Errorf("Age %q: %v, want %v", age, a.Date, want)
		}
	}
}

func TestPost(t *testing.T) {
	v := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusCreated)
		_, _ = w.Write([]byte(`{"id":1}`))
	})
	c := client()
	a, err := c.Do(t.Context(), http.MethodPost, v.URL+"/hooks", []byte(`{"url":"x"}`))
	if err != nil || a.Status != 201 || string(a.Body) != `{"id":1}` {
		t.Errorf("%+v %v", a, err)
	}
	c.Header.Set("Content-Type", "application/graphql")
	if _, err := c.Do(t.Context(), http.MethodPatch, v.URL, []byte{}); err != nil {
		t.Fatal(err)
	}
	post, patch := v.asked()[0], v.asked()[1]
	if post.Method != "POST" || post.body != `{"url":"x"}` || post.ContentLength != 11 || post.Header.Get("Content-Type") != "application/json" {
		t.Errorf("%s %q %v", post.Method, post.body, post.Header)
	}
	if patch.Method != "PATCH" || patch.Header.Get("Content-Type") != "application/graphql" {
		t.Errorf("%s %v", patch.Method, patch.Header)
	}
}

// A redirected POST might be done twice, or without its body.
func TestOnlyGetIsRedirected(t *testing.T) {
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete} {
		v := serve(t, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		})
		c := client()
		a, err := c.Do(t.Context(), method, v.URL, []byte("{}"))
		if err != nil || a.Status != 307 || len(v.asked()) != 1 || c.Refuse(a).Reason != "Openvolt answered with HTTP status 307 instead of data: is the address right?" {
			t.Errorf("%s: %+v %v after %d calls", method, a, err, len(v.asked()))
		}
	}
}

// Go asks again by itself on a kept connection that breaks.
func TestOneCallIsOneCall(t *testing.T) {
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		var n atomic.Int32
		v := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			if n.Add(1) == 1 {
				reply("{}")(w, nil)
				return
			}
			hangUp(t, w)
		})
		c := client()
		c.HTTP = &http.Client{Transport: &http.Transport{}}
		get(t, c, v.URL)
		var r *event.Refusal
		if _, err := c.Do(t.Context(), method, v.URL, []byte("{}")); !errors.As(err, &r) || r.Reason != "Openvolt broke the connection off." {
			t.Error(err)
		}
		if got := n.Load(); got != 2 {
			t.Errorf("%d calls for two", got)
		}
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
					reply("{}")(w, r)
					return
				}
				w.Header().Set("Location", "../../../there/")
				w.WriteHeader(status)
			})
			waits := 0
			c := client()
			c.Wait = func(context.Context) error { waits++; return nil }
			get(t, c, v.URL+"/a/b/")
			calls := v.asked()
			if len(calls) != 2 || waits != 2 || calls[1].Method != "GET" || calls[1].Header.Get("X-Api-Key") != secret {
				t.Errorf("%d calls after %d waits, the last with %v", len(calls), waits, calls[len(calls)-1].Header)
			}
		})
	}
}

func TestNoKeyToAnotherHost(t *testing.T) {
	var home *vendor
	away := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/back" {
			http.Redirect(w, r, home.URL+"/home", http.StatusFound)
			return
		}
		reply("{}")(w, r)
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
	c := client()
	get(t, c, home.URL)
	const stranger = "Openvolt sends us to another host, which wants the API key too: it is not sent there. Is the address right?"
	if r := refused(t, c, home.URL+"/via"); r.Reason != stranger || r.Unauthorized {
		t.Errorf("%+v: a key that was not sent is not refused", r)
	}
	for _, r := range append(away.asked(), home.asked()[2:]...) {
		if r.Header.Get("X-Api-Key") != "" || r.Header.Get("Authorization") != "" {
			t.Errorf("%s was told %v", r.URL, r.Header)
		}
	}
	if n := len(away.asked()); n != 2 {
		t.Errorf("%d calls went away, want 2", n)
	}
}

func TestRedirectsThatAreNotFollowed(t *testing.T) {
	for name, location := range map[string]string{
		"plain http": "http://openvolt.com/", "another scheme": "file:///etc/passwd", "nowhere": "", "no address": "https://%zz/", "no host": "https:///x",
	} {
		v := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", location)
			w.WriteHeader(http.StatusFound)
		})
		if r := refused(t, client(), v.URL); r.Reason != "Openvolt sends us to an address that is not safe to follow." || r.Status != 302 || len(v.asked()) != 1 {
			t.Errorf("%s: %+v after %d calls", name, r, len(v.asked()))
		}
	}
	v := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, r.URL.Path+"x", http.StatusFound) })
	if r := refused(t, client(), v.URL); r.Reason != "Openvolt sends us from one address to the next without end." || len(v.asked()) != 1+hops {
		t.Errorf("%+v after %d calls", r, len(v.asked()))
	}
}

func TestNoWayBackToPlainHTTP(t *testing.T) {
	plain := serve(t, reply("{}"))
	secure := &vendor{}
	secure.Server = httptest.NewTLSServer(secure.log(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, plain.URL, http.StatusFound)
	}))
	t.Cleanup(secure.Close)
	c := client()
	c.HTTP = secure.Client()
	get(t, c, secure.URL) // from loopback to loopback
	if len(plain.asked()) != 1 || plain.asked()[0].Header.Get("X-Api-Key") != "" {
		t.Errorf("plain was asked %v", plain.asked())
	}
	if safe(mustParse(t, "https://api.openvolt.com/"), mustParse(t, plain.URL)) {
		t.Error("the vendor may send us to plain http")
	}
}

func TestCallerGivesUp(t *testing.T) {
	v := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	ctx, cancel := context.WithCancel(t.Context())
	c := client()
	c.Wait = func(context.Context) error { cancel(); return nil }
	var r *event.Refusal
	if _, err := c.Do(ctx, http.MethodGet, v.URL, nil); !errors.Is(err, context.Canceled) || errors.As(err, &r) {
		t.Errorf("while asking: %v", err)
	}
	c.Wait = func(ctx context.Context) error { return ctx.Err() }
	if _, err := c.Do(ctx, http.MethodGet, v.URL, nil); !errors.Is(err, context.Canceled) || errors.As(err, &r) {
		t.Errorf("while waiting: %v", err)
	}
}

// TestWhoWaitsSaysWhy: a call that is not made because of the limits says why
// in the words of whoever knows them.
func TestWhoWaitsSaysWhy(t *testing.T) {
	c := client()
	why := errors.New("no call before noon")
	c.Wait = func(context.Context) error { return why }
	if _, err := c.Do(t.Context(), http.MethodGet, "http://127.0.0.1:1", nil); err == nil || err.Error() != why.Error() {
		t.Error(err)
	}
}
