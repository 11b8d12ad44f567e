package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// front is what stands between the internet and the hook listener.
type front struct {
	*httptest.Server
	calls atomic.Int64

	mu   sync.Mutex
	hear http.HandlerFunc
	path []string // of what came
}

func newFront(t *testing.T, hear http.HandlerFunc) *front {
	t.Helper()
	f := &front{hear: hear}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.calls.Add(1)
		f.mu.Lock()
		hear := f.hear
		f.path = append(f.path, r.URL.Path)
		f.mu.Unlock()
		hear(w, r)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *front) set(hear http.HandlerFunc) {
	f.mu.Lock()
	f.hear = hear
	f.mu.Unlock()
}

// passed is a proxy that leads to an address, behind a prefix of the path.
func passed(t *testing.T, to, prefix string) http.HandlerFunc {
	t.Helper()
	u, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	return http.StripPrefix(prefix, httputil.NewSingleHostReverseProxy(u)).ServeHTTP
}

func answers(status int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
	}
}

// TestPublicURL stands everything in front of the hook listener that a
// household may have there.
func TestPublicURL(t *testing.T) {
	f := newFront(t, answers(502))
	hooks, page := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "PUBLIC_URL": f.URL + "/grid"})
	others, otherPage := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe"})
	lead := "Let PUBLIC_URL lead to port " + hooks[strings.LastIndex(hooks, ":")+1:] + " of this machine, with all that follows it unchanged."
	swallowed := func(w http.ResponseWriter, r *http.Request) {
		passed(t, hooks, "/grid")(httptest.NewRecorder(), r)
		w.WriteHeader(http.StatusGatewayTimeout)
	}
	for _, tt := range []struct {
		name          string
		hear          http.HandlerFunc
		state, reason string
		remedy        string
	}{
		{"right", passed(t, hooks, "/grid"), web.Passed, "", ""},
		{"a proxy that reaches nobody", answers(502), web.Failed, "What answers at PUBLIC_URL does not reach the hook listener (HTTP status 502).", lead},
		{"a tunnel that is down", answers(530), web.Failed, "What answers at PUBLIC_URL does not reach the hook listener (HTTP status 530).", lead},
		{"a path that is not cut", passed(t, hooks, ""), web.Failed, "A Grid2MQTT answers at PUBLIC_URL, but another one, or the path is changed on the way.", lead},
		{"another one", passed(t, others, "/grid"), web.Failed, "A Grid2MQTT answers at PUBLIC_URL, but another one, or the path is changed on the way.", lead},
		{"the page", passed(t, otherPage, "/grid"), web.Failed, "PUBLIC_URL leads to the page instead of the hook listener: whoever finds it may open the page.", lead},
		{"a login", answers(401), web.Failed, "What stands in front of the hook listener wants a login (HTTP status 401).", "Let /hook/ pass without one: the path holds the secret."},
		{"a wall", answers(403), web.Failed, "What stands in front of the hook listener wants a login (HTTP status 403).", "Let /hook/ pass without one: the path holds the secret."},
		{"a move", answers(301, "Location", "https://user:secret@new.example/hook/check/x?secret"), web.Failed, "PUBLIC_URL answers by sending us on to https://new.example.", "Set PUBLIC_URL to where it leads in the end: vendors post once, and do not follow."},
		{"a move to nowhere", answers(302, "Location", "/login"), web.Failed, "PUBLIC_URL answers by sending us on.", "Set PUBLIC_URL to where it leads in the end: vendors post once, and do not follow."},
		{"somebody else", answers(200), web.Failed, "Somebody else answers at PUBLIC_URL (HTTP status 200).", lead},
		{"a stranger", answers(404), web.Failed, "Somebody else answers at PUBLIC_URL (HTTP status 404).", lead},
		{"an answer that gets lost", swallowed, web.Failed, "A call of PUBLIC_URL arrives, but its answer does not come back.", "Look at what stands between: its time limit, its filters."},
		{"who hangs up", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, web.Failed, strings.TrimPrefix(f.URL, "http://") + " broke the connection off.", "Let the router or a tunnel pass it on to port"},
	} {
		f.set(tt.hear)
		s := looked(t, page)[stepPublic]
		if s.State != tt.state || s.Reason != tt.reason || !strings.HasPrefix(s.Remedy, tt.remedy) || time.Since(s.At) > time.Minute {
			t.Errorf("%s: %+v", tt.name, s)
		}
		if n := len([]rune(joined(s.Reason, s.Remedy))); n > 200 {
			t.Errorf("%s: %d characters are too many for Home Assistant: %s", tt.name, n, joined(s.Reason, s.Remedy))
		}
	}
	f.set(passed(t, hooks, "/grid"))
	if s := looked(t, page)[stepPublic]; s.State != web.Passed {
		t.Errorf("in the end: %+v", s)
	}

	isNothingAgain(t, f, hooks)
	if s := known(t, page)["equiwatt_webhook"]; s.State != web.Waiting {
		t.Errorf("a knock is taken for a webhook: %+v", s)
	}
}

// isNothingAgain: what was a knock once is nothing any more.
func isNothingAgain(t *testing.T, f *front, hooks string) {
	t.Helper()
	f.mu.Lock()
	last := f.path[len(f.path)-1]
	f.mu.Unlock()
	r, err := http.Post(hooks+strings.TrimPrefix(last, "/grid"), "application/json", strings.NewReader(`{"check":true}`))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(r.Body)
	r.Body.Close()
	if !strings.HasPrefix(last, "/grid/hook/check/") || r.StatusCode != 404 || string(body) != "not found\n" {
		t.Errorf("the nonce %s again: %d %q", last, r.StatusCode, body)
	}
}

func TestPublicURLWhereNobodyIs(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	secure := httptest.NewTLSServer(answers(200))
	defer secure.Close()
	const way = "Let the router or a tunnel pass it on to port "
	port := func(u string) string { return u[strings.LastIndex(u, ":"):] }
	for address, want := range map[string][2]string{
		gone.URL:                              {"127.0.0.1" + port(gone.URL) + " cannot be reached: the connection was refused.", way},
		"https://grid2mqtt.invalid":           {"The name grid2mqtt.invalid cannot be looked up", "Compare PUBLIC_URL with the name that your domain or tunnel has."},
		secure.URL:                            {"127.0.0.1" + port(secure.URL) + "'s certificate is signed by an authority that this machine does not know.", "Vendors refuse it too: renew the certificate, or correct PUBLIC_URL."},
		"https://127.0.0.1" + port(start1(t)): {"A secure connection to 127.0.0.1", "Vendors refuse it too"},
	} {
		hooks, page := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "PUBLIC_URL": address})
		s := looked(t, page)[stepPublic]
		if s.State != web.Failed || !strings.Contains(s.Reason, want[0]) || !strings.HasPrefix(s.Remedy, want[1]) {
			t.Errorf("%s: %+v", address, s)
		}
		if n := len([]rune(joined(s.Reason, s.Remedy))); n > 200 && !strings.Contains(address, "invalid") {
			t.Errorf("%s: %d characters are too many for Home Assistant", address, n)
		}
		// Vendors may reach us all the same: then nobody knows.
		post(t, hooks, 0)
		s = known(t, page)[stepPublic]
		if want[1] != way {
			if s.State != web.Failed {
				t.Errorf("%s, after a webhook: %+v", address, s)
			}
			continue
		}
		if s.State != web.Waiting || !strings.Contains(s.Reason, "it may be that this router lets no home call itself") {
			t.Errorf("%s, after a webhook: %+v", address, s)
		}
	}
}

// start1 is the address of a server that speaks plain HTTP.
func start1(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(answers(200))
	t.Cleanup(s.Close)
	return s.URL
}

// A restart is no reason to call PUBLIC_URL again, another PUBLIC_URL is.
func TestPublicURLIsCalledOnceAnHour(t *testing.T) {
	f, dir := newFront(t, answers(502)), t.TempDir()
	run := func(address string, ask bool) (s web.Step) {
		t.Run("run", func(t *testing.T) {
			_, page := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "PUBLIC_URL": address, "DATA_DIR": dir})
			find(t, page, stepPublic, web.Failed, "502")
			find(t, page, stepListener, web.Passed, "")
			if s = known(t, page)[stepPublic]; ask {
				s = looked(t, page)[stepPublic]
			}
		})
		return s
	}
	first := run(f.URL, false)
	if second := run(f.URL, false); f.calls.Load() != 1 || !second.At.Equal(first.At) {
		t.Errorf("called %d times, at %v and %v", f.calls.Load(), first.At, second.At)
	}
	if third := run(f.URL, true); f.calls.Load() != 2 || !third.At.After(first.At) {
		t.Errorf("asked by somebody: called %d times, at %v and %v", f.calls.Load(), first.At, third.At)
	}
	if run(f.URL+"/other", false); f.calls.Load() != 3 {
		t.Errorf("another address: called %d times", f.calls.Load())
	}
}

// Whoever looks at once is answered by one call.
func TestManyWhoLookAtOnce(t *testing.T) {
	f := newFront(t, answers(502))
	_, page := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "PUBLIC_URL": f.URL})
	find(t, page, stepPublic, web.Failed, "502")
	find(t, page, stepListener, web.Passed, "")
	release := make(chan struct{})
	f.set(func(w http.ResponseWriter, _ *http.Request) { <-release; w.WriteHeader(502) })
	before := f.calls.Load()
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if r, err := http.Post(page+"/check", "", nil); err == nil {
				r.Body.Close()
			}
		})
	}
	eventually(t, "the call", func() bool { return f.calls.Load() == before+1 })
	close(release)
	all.Wait()
	if n := f.calls.Load() - before; n > 5 {
		t.Errorf("ten looked at once, called %d times", n)
	}
}

// TestTheSelfCheckTellsNoSecret plants one wherever there is a place, and makes
// every step fail that can.
func TestTheSelfCheckTellsNoSecret(t *testing.T) {
	const token, mqttPassword, publicPassword = "equiwatt-token-0451", "mqtt-password-0451", "public-password-0451"
	secrets := []string{token, mqttPassword, publicPassword, ecomonSecret, goodToken}
	vendor := cloud(t, func(w http.ResponseWriter) {
		w.WriteHeader(401)
		_, _ = io.WriteString(w, strings.Join(secrets, " "))
	})
	echo := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if _, password, _ := r.BasicAuth(); password != publicPassword {
				t.Errorf("PUBLIC_URL's password was not sent: %v", r.Header)
			}
			w.Header().Set("Location", "https://x:"+publicPassword+"@new.example/"+r.URL.Path)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, strings.Join(secrets, " ")+r.URL.Path)
		}
	}
	f, url, log := newFront(t, echo(404)), broker(t), &notes{}
	all := listenAll(t, url)
	hooks, page := startWith(t, log, map[string]string{
		"EQUIWATT_TOKEN": token, "EQUIWATT_URL": vendor, "ECOMON_SECRET": ecomonSecret, "LOG_LEVEL": "trace",
		"MQTT_URL": strings.Replace(url, "//", "//somebody:"+mqttPassword+"@", 1), "PUBLIC_URL": strings.Replace(f.URL, "//", "//x:"+publicPassword+"@", 1),
	})
	var told strings.Builder
	ecomonPost(t, hooks, "wrong", ecomonAlert)
	for _, status := range []int{404, 302, 401, 500, 200} {
		f.set(echo(status))
		for _, s := range looked(t, page) {
			told.WriteString(s.Line() + "\n")
		}
		told.WriteString(get(t, page+"/check"))
	}
	eventually(t, "a broken step in Home Assistant", func() bool { return strings.Contains(all.last("grid2mqtt/bridge/state"), `"setup":"equiwatt"`) })
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, path := range f.path {
		secrets = append(secrets, strings.TrimPrefix(path, "/hook/check/"))
	}
	if len(f.path) < 5 || !strings.Contains(told.String(), "PUBLIC_URL") {
		t.Errorf("too little was looked at: %q\n%s", f.path, told.String())
	}
	for where, text := range map[string]string{"the self-check": told.String(), "a topic": all.text(), "the log": log.String()} {
		for _, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%q is in %s", secret, where)
			}
		}
	}
}
