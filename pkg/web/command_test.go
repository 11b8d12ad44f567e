package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
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
		for _, target := range []string{"/command/refresh", "/command/rehearse"} {
			done := false
			s := serve(calm(t))
			s.Command = func(context.Context, string, string) error { done = true; return nil }
			w := post(s.Handler(), target, "", tt.header)
			want := http.StatusForbidden
			if tt.ok {
				want = http.StatusSeeOther
			}
			if w.Code != want || done != tt.ok {
				t.Errorf("%s, %s: %d, carried out: %v", tt.name, target, w.Code, done)
			}
			guarded(t, w.Header())
		}
	}
}

func TestRehearseMinutes(t *testing.T) {
	tests := []struct{ form, payload, location string }{
		{"", "5", "../?done=rehearse"},
		{"minutes=5", "5", "../?done=rehearse"},
		{"minutes=+240+", "240", "../?done=rehearse"},
		{"minutes=0", "0", "../?done=stop"},
		{"minutes=241", "", ""},
		{"minutes=-1", "", ""},
		{"minutes=1.5", "", ""},
		{"minutes=", "", ""},
		{"minutes=%zz", "", ""},
		{"minutes=5&x=" + strings.Repeat("x", maxForm), "", ""},
	}
	for _, tt := range tests {
		got := ""
		s := serve(calm(t))
		s.Command = func(_ context.Context, _, payload string) error { got = payload; return nil }
		w := post(s.Handler(), "/command/rehearse?minutes=99", tt.form, nil)
		status := http.StatusSeeOther
		if tt.payload == "" {
			status = http.StatusBadRequest
		}
		if got != tt.payload || w.Code != status || w.Header().Get("Location") != tt.location {
			t.Errorf("%.20q: payload %q, %d, to %q", tt.form, got, w.Code, w.Header().Get("Location"))
		}
	}
}

func TestCommandThatFails(t *testing.T) {
	s := serve(calm(t))
	s.Command = func(context.Context, string, string) error { return errors.New("the broker <b>is away</b>") }
	w := post(s.Handler(), "/command/refresh", "", nil)
	if w.Code != http.StatusServiceUnavailable || !strings.Contains(w.Body.String(), "the broker &lt;b&gt;is away&lt;/b&gt;") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	for _, n := range elements(t, w.Body.String()) {
		for _, a := range n.Attr {
			if (a.Key == "href" || a.Key == "src") && !strings.HasPrefix(a.Val, "../") {
				t.Errorf("<%s %s=%q> does not lead back", n.Data, a.Key, a.Val)
			}
		}
	}
}

func TestNothingToCommand(t *testing.T) {
	s := serve(calm(t))
	s.Command = nil
	h := s.Handler()
	if w := post(h, "/command/refresh", "", nil); w.Code != http.StatusServiceUnavailable {
		t.Errorf("a command that nobody takes: %d", w.Code)
	}
	if strings.Contains(get(t, h, "/").Body.String(), "<form") {
		t.Error("there are buttons, but nobody to take them")
	}
}

func TestNotice(t *testing.T) {
	h := serve(calm(t)).Handler()
	for word, sentence := range notices {
		if !strings.Contains(get(t, h, "/?done="+word).Body.String(), sentence) {
			t.Errorf("done=%s does not say %q", word, sentence)
		}
		if strings.Contains(get(t, h, "/").Body.String(), sentence) {
			t.Errorf("%q is said without a command", sentence)
		}
	}
}

func FuzzRehearse(f *testing.F) {
	f.Add("minutes=5", "application/x-www-form-urlencoded", "http://home.local:8123")
	f.Add("minutes=0&minutes=7", "multipart/form-data; boundary=x", "null")
	f.Add("%", "text/plain", "https://[::1")
	f.Fuzz(func(t *testing.T, form, mime, origin string) {
		s := serve(Page{})
		s.Command = func(_ context.Context, name, payload string) error {
			n, err := strconv.Atoi(payload)
			if name != "rehearse" || err != nil || n < 0 || n > 240 {
				t.Errorf("told %s %q", name, payload)
			}
			if origin != "" && !strings.Contains(strings.ToLower(origin), "home.local:8123") {
				t.Errorf("believed the origin %q", origin)
			}
			return nil
		}
		header := map[string]string{"Content-Type": mime}
		if origin != "" {
			header["Origin"] = origin
		}
		switch w := post(s.Handler(), "/command/rehearse", form, header); w.Code {
		case http.StatusSeeOther, http.StatusBadRequest, http.StatusForbidden:
		default:
			t.Errorf("answered %d", w.Code)
		}
	})
}
