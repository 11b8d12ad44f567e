package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func post(h http.Handler, target, form string, header map[string]string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, target, strings.NewReader(form))
	r.Host = "home.local:8123"
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for k, v := range header {
		r.Header.Set(k, v)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestOnlyOurOwnPageCommands(t *testing.T) {
	tests := []struct {
		name   string
		header map[string]string
		ok     bool
	}{
		{"a program", nil, true},
		{"our page over https", map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "https://home.local"}, true},
		{"another page", map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, false},
		{"a neighbour's page", map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "https://home.local:8123"}, false},
		{"another page that forges a host", map[string]string{"Sec-Fetch-Site": "cross-site", "X-Forwarded-Host": "evil.example", "Origin": "https://evil.example"}, false},
		{"our page over http", map[string]string{"Origin": "http://home.local:8123"}, true},
		{"our page in capitals", map[string]string{"Origin": "http://HOME.local:8123"}, true},
		{"another port", map[string]string{"Origin": "http://home.local:8124"}, false},
		{"another page over http", map[string]string{"Origin": "http://evil.example"}, false},
		{"a page whose name begins like ours", map[string]string{"Origin": "http://home.local:8123.evil.example"}, false},
		{"a page that hides", map[string]string{"Origin": "null"}, false},
		{"an empty origin", map[string]string{"Origin": ""}, false},
		{"nonsense", map[string]string{"Origin": "://"}, false},
		{"ingress", map[string]string{"Origin": "https://ha.example.org", "X-Forwarded-Host": "ha.example.org"}, true},
		{"two proxies", map[string]string{"Origin": "https://ha.example.org", "X-Forwarded-Host": "ha.example.org, inner"}, true},
		{"a port that goes without saying", map[string]string{"Origin": "https://ha.example.org", "X-Forwarded-Host": "ha.example.org:443"}, true},
		{"the port of the other scheme", map[string]string{"Origin": "http://ha.example.org", "X-Forwarded-Host": "ha.example.org:443"}, false},
		{"an address of version 6", map[string]string{"Origin": "http://[fd00::1]", "X-Forwarded-Host": "[fd00::1]:80"}, true},
		{"another page through ingress", map[string]string{"Origin": "https://evil.example", "X-Forwarded-Host": "ha.example.org"}, false},
	}
	for _, tt := range tests {
		for _, form := range []string{"name=refresh", "name=rehearse", "name=rotate"} {
			done := false
			s := serve(calm(t))
			s.Command = func(context.Context, Command) ([]string, error) { done = true; return nil, nil }
			w := post(s.Handler(), "/command", form, tt.header)
			want := http.StatusForbidden
			if tt.ok {
				want = http.StatusSeeOther
			}
			if w.Code != want || done != tt.ok {
				t.Errorf("%s, %s: %d, carried out: %v", tt.name, form, w.Code, done)
			}
			guarded(t, w.Header())
		}
	}
}

func TestRehearseMinutes(t *testing.T) {
	tests := []struct{ form, payload, location string }{
		{"", "5", "./?done=rehearse"},
		{"&payload=5", "5", "./?done=rehearse"},
		{"&payload=+240+", "240", "./?done=rehearse"},
		{"&payload=0", "0", "./?done=stop"},
		{"&payload=5&back=setup", "5", "setup?done=rehearse"},
		{"&payload=5&back=//evil.example", "5", "./?done=rehearse"},
		{"&payload=241", "", ""},
		{"&payload=-1", "", ""},
		{"&payload=1.5", "", ""},
		{"&payload=", "", ""},
		{"&payload=%zz", "", ""},
		{"&payload=5&x=" + strings.Repeat("x", maxForm), "", ""},
	}
	for _, tt := range tests {
		var got Command
		s := serve(calm(t))
		s.Command = func(_ context.Context, c Command) ([]string, error) { got = c; return nil, nil }
		w := post(s.Handler(), "/command?payload=99", "name=rehearse&source=equiwatt"+tt.form, nil)
		status := http.StatusSeeOther
		want := Command{Source: "equiwatt", Name: "rehearse", Payload: tt.payload}
		if tt.payload == "" {
			status, want = http.StatusBadRequest, Command{}
		}
		if got != want || w.Code != status || w.Header().Get("Location") != tt.location {
			t.Errorf("%.20q: %+v, %d, to %q", tt.form, got, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestCommandThatFails(t *testing.T) {
	s := serve(calm(t))
	s.Command = func(context.Context, Command) ([]string, error) {
		return []string{"It was found."}, errors.New("the broker <b>is away</b>")
	}
	h := s.Handler()
	w := post(h, "/command", "name=refresh", nil)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "the broker &lt;b&gt;is away&lt;/b&gt;") || !strings.Contains(w.Body.String(), "It was found.") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	w = post(h, "/command", "name=refresh", map[string]string{"HX-Request": "true"})
	if got := w.Body.String(); w.Code != http.StatusServiceUnavailable || got != "<p class=\"alert\">It was found.</p>\n<p class=\"alert\">the broker &lt;b&gt;is away&lt;/b&gt;</p>\n" {
		t.Errorf("as a note: %d %s", w.Code, got)
	}
}

// A page that runs scripts gets what there is to say as a note; else it is on
// a page of its own, or behind the word in the address.
func TestWhatAButtonSays(t *testing.T) {
	var said []string
	s := whole(t)
	s.Command = func(context.Context, Command) ([]string, error) { return said, nil }
	h := s.Handler()
	note := map[string]string{"HX-Request": "true"}
	if w := post(h, "/command", "name=refresh", note); w.Code != http.StatusOK || w.Body.String() != "<p class=\"note\">"+notices["refresh"]+"</p>\n" {
		t.Errorf("a note: %d %s", w.Code, w.Body)
	}
	if w := post(h, "/command", "name=other", nil); w.Header().Get("Location") != "./?done=done" {
		t.Errorf("leads to %q", w.Header().Get("Location"))
	}
	said = []string{"Nothing was registered.", "Registered <it>."}
	if w := post(h, "/command", "name=register", nil); w.Code != http.StatusOK || !strings.Contains(w.Body.String(), "<p>Registered &lt;it&gt;.</p>") || !strings.Contains(w.Body.String(), `href="./"`) {
		t.Errorf("a page of its own: %d %s", w.Code, w.Body)
	}
	for word, sentence := range notices {
		if page := draw(t, whole(t), "/?done="+word); !strings.Contains(page, sentence) {
			t.Errorf("%s is not said", word)
		}
	}
}

func TestReplay(t *testing.T) {
	tests := []struct {
		form   string
		want   Replay
		status int
	}{
		{"id=7", Replay{IDs: []int64{7}}, 200},
		{"id=7&fire=yes", Replay{IDs: []int64{7}, Fire: true}, 200},
		{"since=2026-06-01T12:00", Replay{Since: time.Date(2026, 6, 1, 11, 0, 0, 0, time.UTC)}, 200},
		{"id=-7", Replay{}, 400},
		{"since=", Replay{}, 400},
		{"since=9999999-06-01T12:00", Replay{}, 400},
	}
	for _, tt := range tests {
		var got Replay
		s := whole(t)
		s.Records.Replay = func(_ context.Context, r Replay) (Replayed, error) {
			got = r
			return Replayed{Decoded: 1, Same: 1}, nil
		}
		w := post(s.Handler(), "/replay", tt.form, nil)
		if diff := cmp.Diff(tt.want, got, cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) })); diff != "" || w.Code != tt.status {
			t.Errorf("%s: %d\n%s", tt.form, w.Code, diff)
		}
	}
	s := whole(t)
	s.Records.Replay = func(context.Context, Replay) (Replayed, error) {
		t.Error("a stranger's replay was carried out")
		return Replayed{}, nil
	}
	if w := post(s.Handler(), "/replay", "id=7", map[string]string{"Sec-Fetch-Site": "cross-site"}); w.Code != http.StatusForbidden {
		t.Errorf("a stranger: %d", w.Code)
	}
}

func TestWordsOfAReplay(t *testing.T) {
	for want, r := range map[string]Replayed{
		"Nothing was decoded anew.":                                                                       {},
		"1 decoded anew: it says what is known.":                                                          {Decoded: 1, Same: 3},
		"2 decoded anew: 1 of the events say something new, 3 what is known.":                             {Decoded: 2, News: 1, Same: 3},
		"Nothing was decoded anew; 4 left alone, of a source that is off or that cannot be decoded anew.": {Left: 4},
	} {
		if got := r.words(); got != want {
			t.Errorf("%+v is told as %q, want %q", r, got, want)
		}
	}
}

func TestNothingToCommand(t *testing.T) {
	h := (&Server{Page: func(context.Context) Page { return calm(t) }}).Handler()
	for _, target := range []string{"/command", "/replay"} {
		if w := post(h, target, "name=refresh&id=1", nil); w.Code != http.StatusServiceUnavailable {
			t.Errorf("%s, which nobody takes: %d", target, w.Code)
		}
	}
	if page := get(t, h, "/").Body.String(); strings.Contains(page, "<button id=\"ask\"") {
		t.Error("there are buttons, and nobody to command")
	}
}

func FuzzRehearse(f *testing.F) {
	f.Add("payload=5", "application/x-www-form-urlencoded", "http://home.local:8123")
	f.Add("payload=0&payload=7", "multipart/form-data; boundary=x", "null")
	f.Add("%", "text/plain", "https://[::1")
	f.Fuzz(func(t *testing.T, form, mime, origin string) {
		s := serve(Page{})
		s.Command = func(_ context.Context, c Command) ([]string, error) {
			n, err := strconv.Atoi(c.Payload)
			if c.Name == "rehearse" && (err != nil || n < 0 || n > 240) {
				t.Errorf("told %+v", c)
			}
			if origin != "" && !strings.Contains(strings.ToLower(origin), "home.local:8123") {
				t.Errorf("believed the origin %q", origin)
			}
			return nil, nil
		}
		header := map[string]string{"Content-Type": mime}
		if origin != "" {
			header["Origin"] = origin
		}
		switch w := post(s.Handler(), "/command", "name=rehearse&"+form, header); w.Code {
		case http.StatusSeeOther, http.StatusBadRequest, http.StatusForbidden:
		default:
			t.Errorf("answered %d", w.Code)
		}
	})
}
