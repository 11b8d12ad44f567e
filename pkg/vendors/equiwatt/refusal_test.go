package equiwatt

import (
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func status(code int, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		_, _ = w.Write([]byte("<html>" + secret))
	}
}

func TestRefusals(t *testing.T) {
	const there = "Wed, 21 Oct 2015 07:28:00 GMT"
	now := time.Date(2015, 10, 21, 7, 27, 0, 0, time.UTC)
	date := []string{"Date", "Wed, 21 Oct 2015 07:27:45 GMT"}
	limited := func(after ...string) http.HandlerFunc { return status(429, append(date, after...)...) }
	many, own := string(faultTooMany), "Equiwatt has a problem of its own (HTTP status 503)."
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   event.Refusal
	}{
		"unauthorized":          {status(401), event.Refusal{Reason: string(faultToken), Status: 401, Unauthorized: true}},
		"forbidden":             {status(403), event.Refusal{Reason: string(faultToken), Status: 403, Unauthorized: true}},
		"too many":              {limited(), event.Refusal{Reason: many, Status: 429}},
		"… for seconds":         {limited("Retry-After", " 30 "), event.Refusal{Reason: many, Status: 429, RetryAfter: 30 * time.Second}},
		"… for no time":         {limited("Retry-After", "-5"), event.Refusal{Reason: many, Status: 429}},
		"… for ever":            {limited("Retry-After", "9223372036854775807"), event.Refusal{Reason: many, Status: 429, RetryAfter: 365 * 24 * time.Hour}},
		"… for junk":            {limited("Retry-After", "soon"), event.Refusal{Reason: many, Status: 429}},
		"… until by its clock":  {limited("Retry-After", there), event.Refusal{Reason: many, Status: 429, RetryAfter: 15 * time.Second}},
		"… until by our clock":  {status(429, "Date", "today", "Retry-After", there), event.Refusal{Reason: many, Status: 429, RetryAfter: time.Minute}},
		"… until the past":      {limited("Retry-After", "Wed, 21 Oct 2014 07:28:00 GMT"), event.Refusal{Reason: many, Status: 429}},
		"a problem of its own":  {status(503), event.Refusal{Reason: own, Status: 503}},
		"… with a pause":        {status(503, "Retry-After", "7"), event.Refusal{Reason: own, Status: 503, RetryAfter: 7 * time.Second}},
		"not found":             {status(404), event.Refusal{Reason: "Equiwatt answered with HTTP status 404 instead of data: is the address right?", Status: 404}},
		"nothing":               {status(204), event.Refusal{Reason: "Equiwatt answered with HTTP status 204 instead of data: is the address right?", Status: 204}},
		"a failure":             {reply(`{"success":false,"msg":"not \u0007today\n please"}`), event.Refusal{Reason: "Equiwatt reports a failure: “not today please”", Status: 200}},
		"a failure, unsaid":     {reply(`{"success":false,"msg":" \n"}`), event.Refusal{Reason: string(faultFailure), Status: 200}},
		"HTML":                  {reply(" <html>"), event.Refusal{Reason: string(faultHTML), Status: 200}},
		"cut":                   {reply(idle[:30]), event.Refusal{Reason: string(faultTruncated), Status: 200}},
		"empty":                 {reply(""), event.Refusal{Reason: string(faultEmpty), Status: 200}},
		"without data":          {reply(`{"success":true}`), event.Refusal{Reason: string(faultNoData), Status: 200}},
		"too big":               {reply(idle + strings.Repeat(" ", biggest)), event.Refusal{Reason: string(faultTooBig), Status: 200}},
		"broken off in a body":  {brokenOff(t), event.Refusal{Reason: string(faultBroken), Status: 200}},
		"gzip that is none":     {status(200, "Content-Encoding", "gzip"), event.Refusal{Reason: string(faultGarbled), Status: 200}},
		"small, but big inside": {bomb(t), event.Refusal{Reason: string(faultTooBig), Status: 200}},
	} {
		t.Run(name, func(t *testing.T) {
			v := serve(t, c.answer)
			client := v.client()
			client.Now = func() time.Time { return now }
			for range 2 { // and it stays the same
				if got := refused(t, client); *got != c.want {
					t.Errorf("%+v, want %+v", *got, c.want)
				}
			}
		})
	}
}

func brokenOff(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(idle)))
		_, _ = w.Write([]byte(idle[:20]))
		_ = http.NewResponseController(w).Flush()
		hangUp(t, w)
	}
}

func bomb(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		if _, err := z.Write([]byte(strings.Repeat(" ", 2*biggest))); err != nil {
			return // the client has read enough
		}
		if err := z.Close(); err != nil {
			t.Log(err)
		}
	}
}

func TestSlow(t *testing.T) {
	for name, slow := range map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"in the body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte(idle[:20]))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		c := serve(t, slow).client()
		c.Timeout = 100 * time.Millisecond
		if r := refused(t, c); r.Reason != string(faultTimeout) {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestNoConnection(t *testing.T) {
	for range 2 { // on another port each time, in the same words
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c := &Client{URL: "http://" + l.Addr().String(), Token: secret}
		_ = l.Close()
		if r := refused(t, c); *r != (event.Refusal{Reason: string(faultRefused)}) {
			t.Errorf("%+v", r)
		}
	}
}

func TestNoSuchName(t *testing.T) {
	c := &Client{URL: "https://equiwatt.invalid:8443/" + secret, Token: secret}
	if r := refused(t, c); r.Reason != "The name equiwatt.invalid cannot be looked up: is the internet connection up?" {
		t.Errorf("%+v", r)
	}
}

func TestTLS(t *testing.T) {
	secure := httptest.NewUnstartedServer(reply(idle))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the handshakes that are to fail
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := serve(t, reply(idle))
	trusting := func(change func(*tls.Config)) *http.Client {
		c := secure.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		change(c)
		return &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
	}
	later := func() time.Time { return time.Now().AddDate(200, 0, 0) }
	for name, c := range map[string]struct {
		url    string
		client *http.Client
		want   fault
	}{
		"trusted":           {secure.URL, trusting(func(*tls.Config) {}), none},
		"unknown authority": {secure.URL, nil, faultAuthority},
		"expired":           {secure.URL, trusting(func(c *tls.Config) { c.Time = later }), faultExpired},
		"another host":      {secure.URL, trusting(func(c *tls.Config) { c.ServerName = "app.equiwatt.com" }), faultOtherHost},
		"no common version": {secure.URL, trusting(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), faultTLS},
		"no TLS at all":     {strings.Replace(plain.URL, "http:", "https:", 1), nil, faultTLS},
	} {
		t.Run(name, func(t *testing.T) {
			client := &Client{URL: c.url, Token: secret, HTTP: c.client}
			if c.want == none {
				if _, err := client.Poll(t.Context(), nil); err != nil {
					t.Error(err)
				}
				return
			}
			if r := refused(t, client); *r != (event.Refusal{Reason: string(c.want)}) {
				t.Errorf("%+v, want %q", r, c.want)
			}
		})
	}
}

func TestTheTokenIsNotEchoed(t *testing.T) {
	for _, message := range []string{
		secret, "Bearer " + secret, "token " + strings.ToUpper(secret) + " has expired", "no such token: " + secret[:12] + "…",
		strings.Join(strings.Split(secret, ""), " "), regexp.MustCompile(".").ReplaceAllStringFunc(secret, func(c string) string { return fmt.Sprintf("%%%x", c) }), strings.Repeat("x", 110) + secret,
	} {
		r := refuseFailure(message, secret, 200)
		if strings.Contains(strings.ToLower(r.Reason), secret[:8]) || !strings.Contains(r.Reason, "repeats the token") {
			t.Errorf("%q", r.Reason)
		}
	}
	for _, message := range []string{"the token has expired", "a household is unknown"} {
		if r := refuseFailure(message, "tok", 200); strings.Contains(message, "tok") == strings.Contains(r.Reason, message) {
			t.Errorf("%q", r.Reason)
		}
		if r := refuseFailure(message, "", 200); !strings.Contains(r.Reason, message) {
			t.Errorf("%q", r.Reason)
		}
	}
	if r := refuseFailure(strings.Repeat("ä", 500), secret, 200); len([]rune(r.Reason)) > 200 || !strings.HasSuffix(r.Reason, "ä…”") {
		t.Errorf("%q", r.Reason)
	}
}
