package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// reply is all that a stranger learns.
type reply struct {
	status int
	body   string
	header string
}

// ask sends a request to the hook listener as it is, without a known length where chunked.
func (r *rig) ask(t *testing.T, method, path string, body []byte, chunked bool) reply {
	t.Helper()
	var a *http.Response
	for tries := 1; ; tries++ {
		var from io.Reader = bytes.NewReader(body)
		if chunked {
			from = io.MultiReader(from)
		}
		q, err := http.NewRequestWithContext(limit(t, soon), method, r.app.Hooks, from)
		must(t, err)
		q.URL.Opaque = path // as it is, not tidied
		q.Close = true
		if a, err = http.DefaultTransport.RoundTrip(q); err == nil {
			break
		}
		// Who still sends when he has his answer may be cut off before he reads it.
		if tries == 5 || len(body) < 1<<20 {
			t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	defer a.Body.Close()
	text, err := io.ReadAll(a.Body)
	must(t, err)
	a.Header.Del("Date")
	a.Header.Del("Connection")
	if method == http.MethodHead {
		a.Header.Del("Content-Length")
	}
	return reply{a.StatusCode, string(text), fmt.Sprint(a.Header)}
}

// stranger asks for what is not there.
type stranger struct {
	method, path string
	body         []byte
}

func strangers(wrongToken string) []stranger {
	big := bytes.Repeat([]byte("x"), 64<<10+1)
	return []stranger{
		{"POST", "/hook/equiwatt/" + wrongToken + "/started", nil},
		{"POST", "/hook/equiwatt/" + wrongToken + "/started", big},
		{"POST", "/hook/equiwatt/" + hookToken[1:] + "/started", nil},
		{"POST", "/hook/equiwatt/" + hookToken + "x/started", nil},
		{"POST", "/hook/equiwatt//started", nil},
		{"POST", "/hook/equiwatt/" + hookToken, nil},
		{"POST", "/hook/equiwatt/" + hookToken + "/", nil},
		{"POST", "/hook/equiwatt/" + hookToken + "/STARTED", nil},
		{"POST", "/hook/equiwatt/" + hookToken + "/other", nil},
		{"POST", "/hook/equiwatt/" + hookToken + "/started/", nil},
		{"POST", "/hook/equiwatt/" + hookToken + "//started", nil},
		{"POST", "/hook/equiwatt/" + hookToken + "%2Fstarted", nil},
		{"POST", "//hook/equiwatt/" + hookToken + "/started", nil},
		{"POST", "/hook/../hook/equiwatt/" + hookToken + "/started", nil},
		{"POST", "/hook/ecomon/" + hookToken, nil},
		{"POST", "/hook/openvolt/" + hookToken, nil},
		{"POST", "/hook/capacitor/" + hookToken, nil},
		{"POST", "/hook/powerresponse/" + hookToken, nil},
		{"POST", "/hook/nobody/" + hookToken, nil},
		{"POST", "/healthz", nil},
		{"GET", "/", nil},
		{"GET", "/healthz", nil},
		{"GET", "/metrics", nil},
		{"GET", "/favicon.ico", nil},
		{"GET", "/hook/equiwatt/" + wrongToken + "/started", nil},
		{"PUT", "/hook/equiwatt/" + hookToken + "/started", nil},
		{"DELETE", "/hook/equiwatt/" + hookToken + "/started", nil},
		{"PATCH", "/hook/equiwatt/" + hookToken + "/ended", big},
		{"OPTIONS", "/hook/equiwatt/" + hookToken + "/started", nil},
		{"OPTIONS", "*", nil},
		{"TRACE", "/", nil},
		{"BREW", "/hook/equiwatt/" + hookToken + "/started", nil},
	}
}

// TestStrangersLearnNothing: everything but a right URL gets one and the same answer.
func TestStrangersLearnNothing(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.start(t)
	wrong := strings.Replace(hookToken, "hook", "hool", 1)
	want := r.ask(t, http.MethodPost, "/", nil, false)
	if want.status != http.StatusNotFound {
		t.Errorf("%+v", want)
	}
	for _, q := range strangers(wrong) {
		if got := r.ask(t, q.method, q.path, q.body, false); got != want {
			t.Errorf("%s %s: %+v, not %+v", q.method, q.path, got, want)
		}
	}
	head := want
	head.body = ""
	for _, path := range []string{"/", "/hook/equiwatt/" + wrong + "/started"} {
		got := r.ask(t, http.MethodHead, path, nil, false)
		if head.header = strings.Replace(want.header, "Content-Length:["+fmt.Sprint(len(want.body))+"] ", "", 1); got != head {
			t.Errorf("HEAD %s: %+v, not %+v", path, got, head)
		}
	}
	r.only(t, 0)
	if n := openLedger(t, r).deliveries(t, 0, func(_, _, _, body string) { t.Errorf("kept: %q", body) }); n != 0 {
		t.Error("something is in the journal")
	}
}

// TestHooks are webhooks at the right address.
func TestHooks(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.start(t)
	full := bytes.Repeat([]byte{0, 0xff, '{', '\n'}, 16<<10)
	for _, q := range []struct {
		name    string
		method  string
		body    []byte
		chunked bool
		want    int
	}{
		{"empty", "POST", nil, false, 200},
		{"64 KiB", "POST", full, false, 200},
		{"64 KiB in chunks", "POST", full, true, 200},
		{"one byte more", "POST", append(full, 'x'), false, 413},
		{"one byte more in chunks", "POST", append(full, 'x'), true, 413},
		{"ten megabytes", "POST", make([]byte, 10<<20), false, 413},
		{"a look", "GET", nil, false, 200},
		{"a glance", "HEAD", nil, false, 200},
	} {
		got := r.ask(t, q.method, hookPath("started"), q.body, q.chunked)
		friendly := strings.Count(got.body, "\n") == 1 && strings.Contains(strings.ToLower(got.body), "webhook")
		if got.status != q.want || q.method == "POST" && got.body != "" || q.method == "GET" && !friendly || strings.Contains(got.body, hookToken) {
			t.Errorf("%s: %+v", q.name, got)
		}
	}
	r.says(t, 0, "started")
	var kept []string
	l := openLedger(t, r)
	l.deliveries(t, 0, func(kind, via, verdict, body string) {
		kept = append(kept, body)
		if kind != "started" || via != "http" || verdict != "accepted" {
			t.Errorf("kept as %s %s %s", kind, via, verdict)
		}
	})
	if len(kept) != 3 || kept[0] != "" || kept[1] != string(full) || kept[2] != string(full) {
		t.Errorf("%d are kept, not as they came", len(kept))
	}
}

// TestHookTokenIsMadeOnce and shown on the page only.
func TestHookTokenIsMadeOnce(t *testing.T) {
	t.Parallel()
	env := believing()
	env["HOOK_TOKEN"] = ""
	env["PUBLIC_URL"] = "https://home.example/grid/"
	r := openRig(t, env)
	shown := regexp.MustCompile(`https://home\.example/grid/hook/equiwatt/([A-Za-z0-9_-]{22,})/(started|ended)`)
	var token string
	for range 3 {
		r.start(t)
		page := r.page(t)
		found := shown.FindAllStringSubmatch(page, -1)
		if len(found) < 2 || token != "" && found[0][1] != token {
			t.Fatalf("after %q: %q", token, found)
		}
		token = found[0][1]
		status, _, err := r.app.Post(limit(t, soon), "/hook/equiwatt/"+token+"/started", "", nil)
		if must(t, err); status != http.StatusOK {
			t.Error(status)
		}
		must(t, r.app.Stop())
	}
	if strings.Contains(r.app.Log(), token) {
		t.Error("the log tells the token")
	}
	for _, m := range r.air.Since(0) {
		if strings.Contains(m.Payload, token) {
			t.Errorf("%s tells the token", m.Topic)
		}
	}
}
