package rest

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

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

func TestUsable(t *testing.T) {
	for _, address := range []string{"https://api.openvolt.com/v1", "http://127.0.0.1:8080/x/", "http://[::1]:8080/", "http://LOCALHOST/"} {
		if why := Unusable(address); why != "" {
			t.Errorf("%s: %s", address, why)
		}
	}
}

func TestUnusableIsNotAsked(t *testing.T) {
	for _, address := range []string{
		"", "x", "http://api.openvolt.com/" + secret, "http://192.168.1.2/" + secret, "http://127.0.0.1.example/" + secret, "ftp://" + secret + "/",
		"https:///" + secret, "https://:443/" + secret, "https://%zz" + secret, "https://me:" + secret + "@openvolt.com/",
	} {
		c := client()
		c.Wait = func(context.Context) error { t.Error("asked"); return nil }
		_, err := c.Do(t.Context(), http.MethodGet, address, nil)
		var r *event.Refusal
		if err == nil || errors.As(err, &r) || !strings.HasSuffix(err.Error(), Unusable(address)) || Unusable(address) == "" || strings.Contains(err.Error(), secret) {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func FuzzQuote(f *testing.F) {
	f.Add("the key " + secret + " is unknown")
	f.Add("\ufeff\x00ä%73")
	f.Fuzz(func(t *testing.T, message string) {
		c := client()
		for _, text := range []string{c.Quote(message), c.Failure(message, Answer{}).Reason} {
			if len([]rune(text)) > 200 || strings.ContainsAny(text, "\r\n\x00") || strings.Contains(strings.ToLower(text), secret[:8]) {
				t.Errorf("%q", text)
			}
		}
	})
}

func FuzzNoJSON(f *testing.F) {
	f.Add([]byte(`{"a":[`))
	f.Add([]byte("\ufeff<html>"))
	f.Fuzz(func(t *testing.T, body []byte) {
		if r := client().NoJSON(Answer{Status: 200, Body: body}); r != nil && (r.Reason == "" || r.Status != 200) {
			t.Errorf("%+v", r)
		}
	})
}
