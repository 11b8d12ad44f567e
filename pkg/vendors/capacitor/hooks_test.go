package capacitor

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
)

const (
	hookURL   = "https://home.example/hook/capacitor/token"
	formerURL = "https://home.example/hook/capacitor/former"
)

func hookJSON(t *testing.T, id, url string, active bool, events ...string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{"id": id, "url": url, "events": events, "active": active})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRegister: whatever is there, one hook with the seven events is left, and
// no more is done than has to be.
func TestRegister(t *testing.T) {
	whole := hookJSON(t, "wh_1", hookURL, true, Events()...)
	foreign := hookJSON(t, "wh_9", "https://elsewhere.example/", true, Connected)
	for name, c := range map[string]struct {
		there string
		calls string // methods
		says  string
	}{
		"nothing":           {"", "GET POST", "added the webhook wh_2 with your secret"},
		"another's":         {foreign, "GET POST", "added"},
		"as it should be":   {whole + "," + foreign, "GET", "nothing to do"},
		"fewer events":      {hookJSON(t, "wh_1", hookURL, true, Events()[1:]...), "GET PATCH", "mended the webhook wh_1: it lacks charger.connected"},
		"more events":       {hookJSON(t, "wh_1", hookURL, true, append(Events(), "x")...), "GET PATCH", "nobody asked for"},
		"switched off":      {hookJSON(t, "wh_1", hookURL, false, Events()...), "GET PATCH", "switched off"},
		"the former one":    {hookJSON(t, "wh_1", formerURL, true, Events()...), "GET PATCH", "it had the old address"},
		"both":              {whole + "," + hookJSON(t, "wh_4", formerURL, true, Events()...), "GET", "nothing to do"},
		"two of them":       {whole + "," + hookJSON(t, "wh_3", hookURL, true), "GET DELETE", "removed the second webhook wh_3"},
		"as the sample has": {foreign + "," + hookJSON(t, "wh_1", hookURL, true, Connected, Started), "GET PATCH", "mended"},
	} {
		v := serve(t, func(method, _ string) (int, string) {
			switch method {
			case "GET":
				return 200, `{"webhooks":[` + c.there + `]}`
			case "POST":
				return 201, hookJSON(t, "wh_2", hookURL, true, Events()...)
			case "PATCH":
				return 200, whole
			}
			return 200, sample(t, "webhook_delete_response")
		})
		done, err := v.client().Register(t.Context(), hookURL, formerURL)
		var methods []string
		for _, call := range v.calls() {
			method, rest, _ := strings.Cut(call, " ")
			methods = append(methods, method)
			if strings.Contains(rest, secret) != (method == "POST") {
				t.Errorf("%s: the secret goes with what makes a hook: %s", name, call)
			}
			for _, e := range Events() {
				if (method == "POST" || method == "PATCH") && !strings.Contains(rest, `"`+e+`"`) {
					t.Errorf("%s: %s lacks %s", name, call, e)
				}
			}
		}
		if text := strings.Join(done, "\n"); err != nil || strings.Join(methods, " ") != c.calls || !strings.Contains(text, c.says) || strings.Contains(text, secret) {
			t.Errorf("%s: %v, said %q, %v", name, methods, text, err)
		}
	}
}

func TestRegisterComparesWhatComesBack(t *testing.T) {
	v := serve(t, func(method, _ string) (int, string) {
		if method == "GET" {
			return 200, `{"webhooks":[]}`
		}
		return 201, sample(t, "webhook_create_response")
	})
	done, err := v.client().Register(t.Context(), hookURL, formerURL)
	if err != nil || len(done) != 2 || !strings.Contains(done[1], "lacks charger.disconnected, charger.boot, connector.status_changed, transaction.stopped, transaction.updated") {
		t.Errorf("%q %v", done, err)
	}
	exists := serve(t, func(method, _ string) (int, string) {
		if method == "GET" {
			return 200, `[]`
		}
		return 409, `{"error":{"code":"CONFLICT","message":"exists"}}`
	})
	if done, err := exists.client().Register(t.Context(), hookURL, formerURL); err != nil || len(done) != 1 {
		t.Errorf("%q %v", done, err)
	}
}

func TestCheckAndRemove(t *testing.T) {
	there := []string{hookJSON(t, "wh_9", "https://elsewhere.example/", true, Connected)}
	v := serve(t, func(method, path string) (int, string) {
		if method == "DELETE" {
			there = slices.DeleteFunc(there, func(h string) bool { return strings.Contains(h, path[strings.LastIndex(path, "/")+1:]) })
			return 200, sample(t, "webhook_delete_response")
		}
		return 200, `{"webhooks":[` + strings.Join(there, ",") + `]}`
	})
	c := v.client()
	check := func(want string) {
		t.Helper()
		found, err := c.Check(t.Context(), hookURL)
		var missing Missing
		if errors.As(err, &missing) == (want == "") || err != nil && !strings.Contains(err.Error(), want) || (len(found) == 1) != (err == nil) {
			t.Errorf("%q %v, want %q", found, err, want)
		}
	}
	check("no webhook")
	there = append(there, hookJSON(t, "wh_1", hookURL, true, Events()...))
	check("")
	there = append(there, hookJSON(t, "wh_2", hookURL, true, Events()...))
	check("2 webhooks")
	if done, err := c.Remove(t.Context(), hookURL); err != nil || len(done) != 2 || len(there) != 1 {
		t.Errorf("%q %v, left %v", done, err, there)
	}
	if done, err := c.Remove(t.Context(), hookURL); err != nil || !strings.Contains(done[0], "nothing to do") {
		t.Errorf("%q %v", done, err)
	}
	there = []string{hookJSON(t, "wh_1", hookURL, true, Connected)}
	check("it lacks")
}
