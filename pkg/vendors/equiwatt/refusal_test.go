package equiwatt

import (
	"context"
	"errors"
	"net"
	"net/http"
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
		_, _ = w.Write([]byte(idle))
	}
}

func TestRefusals(t *testing.T) {
	const (
		token   = "Equiwatt refuses the token: ask for a new token in the Equiwatt app."
		strange = "Equiwatt answered with HTTP status 204 instead of data: is the address right?"
		page    = "Equiwatt answered with a web page instead of data: is the address right?"
		silent  = "Equiwatt reports a failure and gives no reason."
		echo    = "Equiwatt reports a failure; its reason is left out because it repeats the token."
		stray   = "Equiwatt sends us to an address that is not safe to follow."
		foreign = "Equiwatt's answer cannot be read: it does not say whether it is a success."
	)
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   event.Refusal
	}{
		"unauthorized":      {status(401), event.Refusal{Reason: token, Status: 401, Unauthorized: true}},
		"forbidden":         {status(403), event.Refusal{Reason: token, Status: 403, Unauthorized: true}},
		"too many":          {status(429, "Retry-After", "30"), event.Refusal{Reason: "Equiwatt asks for a pause: too many calls.", Status: 429, RetryAfter: 30 * time.Second}},
		"its own problem":   {status(503), event.Refusal{Reason: "Equiwatt has a problem of its own (HTTP status 503).", Status: 503}},
		"nothing":           {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, event.Refusal{Reason: strange, Status: 204}},
		"sent away":         {status(302, "Location", "http://example.com/"), event.Refusal{Reason: stray, Status: 302}},
		"a failure":         {reply(`{"success":false,"msg":"not \u0007today\n please"}`), event.Refusal{Reason: "Equiwatt reports a failure: “not today please”", Status: 200}},
		"a failure, unsaid": {reply(`{"success":false,"msg":" \n"}`), event.Refusal{Reason: silent, Status: 200}},
		"a failure, echoed": {reply(`{"success":false,"msg":"Bearer ` + secret + `"}`), event.Refusal{Reason: echo, Status: 200}},
		"HTML":              {reply(" <html>"), event.Refusal{Reason: page, Status: 200}},
		"cut":               {reply(idle[:30]), event.Refusal{Reason: "Equiwatt's answer is cut off in the middle.", Status: 200}},
		"no JSON":           {reply("{}{}"), event.Refusal{Reason: "Equiwatt's answer cannot be read: it is not JSON.", Status: 200}},
		"empty":             {reply("\ufeff"), event.Refusal{Reason: "Equiwatt's answer is empty.", Status: 200}},
		"foreign":           {reply(`[]`), event.Refusal{Reason: foreign, Status: 200}},
		"without data":      {reply(`{"success":true}`), event.Refusal{Reason: "Equiwatt's answer is without data.", Status: 200}},
		"too big":           {reply(strings.Repeat(" ", 1<<20+1)), event.Refusal{Reason: "Equiwatt's answer is too big: more than 1 MiB.", Status: 200}},
	} {
		t.Run(name, func(t *testing.T) {
			client := serve(t, c.answer).client()
			for range 2 { // and it stays the same
				if got := refused(t, client); *got != c.want {
					t.Errorf("%+v, want %+v", *got, c.want)
				}
			}
		})
	}
}

func TestNoConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	c := &Client{URL: "http://" + l.Addr().String(), Token: secret}
	if r := refused(t, c); *r != (event.Refusal{Reason: "Equiwatt cannot be reached: the connection was refused."}) {
		t.Errorf("%+v", r)
	}
}

func TestSlow(t *testing.T) {
	c := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }).client()
	c.Timeout = 100 * time.Millisecond
	if r := refused(t, c); r.Reason != "Equiwatt did not answer in time." {
		t.Errorf("%+v", r)
	}
}

func TestPlainHTTPIsNotAsked(t *testing.T) {
	c := &Client{URL: "http://app.equiwatt.com/", Token: secret, Wait: func(context.Context) error { t.Error("asked"); return nil }}
	_, err := c.Poll(t.Context(), nil)
	var r *event.Refusal
	if err == nil || errors.As(err, &r) || strings.Contains(err.Error(), secret) {
		t.Error(err)
	}
}
