package rest

import (
	"compress/gzip"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

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
	const (
		key  = "Openvolt refuses the API key: is it right?"
		many = "Openvolt asks for a pause: too many calls."
		own  = "Openvolt has a problem of its own (HTTP status 503)."
		big  = "Openvolt's answer is too big: more than 1 MiB."
	)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   event.Refusal
	}{
		"unauthorized":          {status(401), event.Refusal{Reason: key, Status: 401, Unauthorized: true}},
		"forbidden":             {status(403), event.Refusal{Reason: key, Status: 403, Unauthorized: true}},
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
		"not found":             {status(404), event.Refusal{Reason: "Openvolt answered with HTTP status 404 instead of data: is the address right?", Status: 404}},
		"too big":               {reply(strings.Repeat(" ", biggest+1)), event.Refusal{Reason: big, Status: 200}},
		"broken off in a body":  {brokenOff(t), event.Refusal{Reason: "Openvolt broke the connection off.", Status: 200}},
		"gzip that is none":     {status(200, "Content-Encoding", "gzip"), event.Refusal{Reason: "Openvolt's answer cannot be read.", Status: 200}},
		"small, but big inside": {bomb(t), event.Refusal{Reason: big, Status: 200}},
	} {
		t.Run(name, func(t *testing.T) {
			v := serve(t, c.answer)
			client := client()
			client.Now = func() time.Time { return now }
			for range 2 { // and it stays the same
				if got := refused(t, client, v.URL); *got != c.want {
					t.Errorf("%+v, want %+v", *got, c.want)
				}
			}
		})
	}
}

func brokenOff(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = w.Write([]byte("{"))
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

// What a vendor says beside a status that is not good is worth having, whole
// or not; the status stands whatever becomes of it.
func TestBodyOfABadStatus(t *testing.T) {
	v := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/cut" {
			w.Header().Set("Content-Length", "100")
		}
		w.WriteHeader(http.StatusConflict)
		_, _ = w.Write([]byte(`{"error":"exists"}`))
		if r.URL.Path == "/cut" {
			_ = http.NewResponseController(w).Flush()
			hangUp(t, w)
		}
	})
	c := client()
	for path, want := range map[string]string{"": `{"error":"exists"}`, "/cut": `{"error":"exists"}`} {
		if a := get(t, c, v.URL+path); a.Status != 409 || string(a.Body) != want {
			t.Errorf("%d %s", a.Status, a.Body)
		}
	}
	c.Biggest = 8
	if a := get(t, c, v.URL); string(a.Body) != `{"error"` {
		t.Errorf("more than the biggest: %s", a.Body)
	}
}

func TestBiggest(t *testing.T) {
	v := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, err := strconv.Atoi(r.URL.Query().Get("n"))
		if err != nil {
			t.Error(err)
		}
		_, _ = w.Write(make([]byte, n))
	})
	for biggest, want := range map[int64]string{64 << 10: "64 KiB", 2 << 20: "2 MiB"} {
		c := client()
		c.Biggest = biggest
		if a := get(t, c, fmt.Sprintf("%s?n=%d", v.URL, biggest)); int64(len(a.Body)) != biggest {
			t.Errorf("%d bytes of %d", len(a.Body), biggest)
		}
		if r := refused(t, c, fmt.Sprintf("%s?n=%d", v.URL, biggest+1)); r.Reason != "Openvolt's answer is too big: more than "+want+"." {
			t.Errorf("%+v", r)
		}
	}
}

func TestSlow(t *testing.T) {
	for name, slow := range map[string]http.HandlerFunc{
		"before the answer": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"in the body": func(w http.ResponseWriter, r *http.Request) {
			_, _ = w.Write([]byte("{"))
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		},
	} {
		v, c := serve(t, slow), client()
		c.Timeout = 100 * time.Millisecond
		if r := refused(t, c, v.URL); r.Reason != "Openvolt did not answer in time." {
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
		_ = l.Close()
		if r := refused(t, client(), "http://"+l.Addr().String()); *r != (event.Refusal{Reason: "Openvolt cannot be reached: the connection was refused."}) {
			t.Errorf("%+v", r)
		}
	}
}

func TestNoSuchName(t *testing.T) {
	if r := refused(t, client(), "https://openvolt.invalid:8443/"+secret); r.Reason != "The name openvolt.invalid cannot be looked up: is the internet connection up?" {
		t.Errorf("%+v", r)
	}
}

func TestTLS(t *testing.T) {
	secure := httptest.NewUnstartedServer(reply("{}"))
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it complains of the handshakes that are to fail
	secure.TLS = &tls.Config{MinVersion: tls.VersionTLS13}
	secure.StartTLS()
	t.Cleanup(secure.Close)
	plain := serve(t, reply("{}"))
	trusting := func(change func(*tls.Config)) *http.Client {
		c := secure.Client().Transport.(*http.Transport).TLSClientConfig.Clone()
		change(c)
		return &http.Client{Transport: &http.Transport{TLSClientConfig: c}}
	}
	later := func() time.Time { return time.Now().AddDate(200, 0, 0) }
	const noTLS = "A secure connection to Openvolt cannot be made (TLS)."
	for name, c := range map[string]struct {
		url    string
		client *http.Client
		want   string // empty: it can be asked
	}{
		"trusted":           {secure.URL, trusting(func(*tls.Config) {}), ""},
		"unknown authority": {secure.URL, nil, "Openvolt's certificate is signed by an authority that this machine does not know."},
		"expired":           {secure.URL, trusting(func(c *tls.Config) { c.Time = later }), "Openvolt's certificate is not valid at this time: is this machine's clock right?"},
		"another host":      {secure.URL, trusting(func(c *tls.Config) { c.ServerName = "api.openvolt.com" }), "Openvolt's certificate belongs to another host."},
		"no common version": {secure.URL, trusting(func(c *tls.Config) { c.MaxVersion = tls.VersionTLS12 }), noTLS},
		"no TLS at all":     {strings.Replace(plain.URL, "http:", "https:", 1), nil, noTLS},
	} {
		t.Run(name, func(t *testing.T) {
			client := client()
			client.HTTP = c.client
			if c.want == "" {
				get(t, client, c.url)
				return
			}
			if r := refused(t, client, c.url); *r != (event.Refusal{Reason: c.want}) {
				t.Errorf("%+v, want %q", r, c.want)
			}
		})
	}
}

func TestNoJSON(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":1}`: "", "\ufeff [] \r\n": "", "1": "",
		"": "Openvolt's answer is empty.", " \n": "Openvolt's answer is empty.",
		" <html>":  "Openvolt answered with a web page instead of data: is the address right?",
		`{"a":[1,`: "Openvolt's answer is cut off in the middle.",
		"{a}":      "Openvolt's answer cannot be read: it is not JSON.",
		"{}{}":     "Openvolt's answer cannot be read: it is not JSON.",
	} {
		r := client().NoJSON(Answer{Status: 200, Body: []byte(body)})
		if (r == nil) != (want == "") || r != nil && *r != (event.Refusal{Reason: want, Status: 200}) {
			t.Errorf("%q: %+v, want %q", body, r, want)
		}
	}
}

func TestTheKeyIsNotEchoed(t *testing.T) {
	c := client()
	c.Secrets = append(c.Secrets, "another-s3cret")
	for _, message := range []string{
		secret, "Bearer " + secret, "key " + strings.ToUpper(secret) + " has expired", "no such key: " + secret[:12] + "…", "x another-s3cret x",
		strings.Join(strings.Split(secret, ""), " "), regexp.MustCompile(".").ReplaceAllStringFunc(secret, func(c string) string { return fmt.Sprintf("%%%x", c) }), strings.Repeat("x", 110) + secret,
	} {
		r := c.Failure(message, Answer{Status: 200})
		if strings.Contains(strings.ToLower(r.Reason), secret[:8]) || !strings.Contains(r.Reason, "repeats the API key") || r.Status != 200 {
			t.Errorf("%+v", r)
		}
		if text := c.Quote(message); text != "" {
			t.Errorf("quoted %q", text)
		}
	}
	for _, message := range []string{"the token has expired", "a household is unknown"} {
		c := &Client{Vendor: "Openvolt", Secrets: []string{"tok"}}
		if r := c.Failure(message, Answer{}); strings.Contains(message, "tok") == strings.Contains(r.Reason, message) {
			t.Errorf("%q", r.Reason)
		}
		c.Secrets = []string{""}
		if r := c.Failure(message, Answer{}); !strings.Contains(r.Reason, message) {
			t.Errorf("%q", r.Reason)
		}
	}
	if r := c.Failure(strings.Repeat("ä", 500), Answer{}); len([]rune(r.Reason)) > 200 || !strings.HasSuffix(r.Reason, "ä…”") {
		t.Errorf("%q", r.Reason)
	}
	if got := c.Quote(" not \atoday\n\u202eplease \xff"); got != "not today please" {
		t.Errorf("quoted %q", got)
	}
}
