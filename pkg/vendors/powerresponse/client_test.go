package powerresponse

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// bare is for calls that no network delays.
var bare = context.Background()

func client(address string) *Client {
	return &Client{URL: address, APIKey: secret, Tenant: tenant, Secrets: []string{token}, Now: func() time.Time { return arrival }}
}

// vendor answers each call, "METHOD path?query body", as told, and notes it.
type vendor struct {
	*httptest.Server
	calls []string
	heads []http.Header
}

func serve(t *testing.T, answer func(call string) (status int, body string)) (*vendor, *Client) {
	v := &vendor{}
	v.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		call := strings.TrimSpace(r.Method + " " + r.URL.RequestURI() + " " + string(body))
		v.calls, v.heads = append(v.calls, call), append(v.heads, r.Header)
		status, text := answer(call)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(v.Close)
	return v, client(v.URL + "/")
}

func sample(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(body))
}

func always(status int, body string) func(string) (int, string) {
	return func(string) (int, string) { return status, body }
}

func TestReadEvent(t *testing.T) {
	v, c := serve(t, always(200, sample(t, "events/event.json")))
	waits := 0
	c.Wait = func(context.Context) error { waits++; return nil }
	e, err := c.Event(t.Context(), strings.ToUpper(first))
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2025, 1, 15, 17, 0, 0, 0, time.UTC)
	if e.UUID != first || e.Name != "Example event" || e.Status != "EXAMPLE_STATUS" || e.Start != start || e.End != start.Add(time.Hour) || !*e.OptInRequired || *e.Incentive != 1.5 {
		t.Errorf("%+v", e)
	}
	if want := []string{"GET /api/v1/events/" + first}; !slices.Equal(v.calls, want) || waits != 1 {
		t.Errorf("asked %q after %d waits", v.calls, waits)
	}
	h := v.heads[0]
	if h.Get("x-api-key") != secret || h.Get("tenant") != tenant || h.Get("x-api-version") != "1.0" || h.Get("Content-Type") != "application/json" {
		t.Errorf("asked with %v", h)
	}
}

func TestAnEventThatIsGone(t *testing.T) {
	for _, body := range []string{`{"message":"Not found"}`, "Not found", ""} {
		_, c := serve(t, always(404, body))
		if _, err := c.Event(t.Context(), first); !errors.Is(err, ErrGone) {
			t.Errorf("%q: %v", body, err)
		}
		a, err := c.Read(t.Context(), first)
		if err != nil || len(a.Events) != 1 || a.Events[0].Key != "event/"+first || a.Events[0].Status.State != Gone {
			t.Errorf("%q: %+v %v", body, a, err)
		}
	}
	_, c := serve(t, always(404, " <html>nobody here</html>"))
	var r *event.Refusal
	if _, err := c.Event(t.Context(), first); !errors.As(err, &r) || r.Status != 404 {
		t.Errorf("a web page: %v", err)
	}
}

func TestOnlyUUIDsAreAskedFor(t *testing.T) {
	v, c := serve(t, always(200, "{}"))
	for _, id := range []string{"", "1", "../webhooks", first + "/assets", strings.Replace(first, "-", "x", 1), first[:35] + "g"} {
		_, err := c.Event(t.Context(), id)
		_, err2 := c.Assets(t.Context(), id)
		if err == nil || err2 == nil || c.OptIn(t.Context(), id, []string{first}, true) == nil || c.Unsubscribe(t.Context(), id) == nil {
			t.Errorf("%q is taken for a UUID", id)
		}
	}
	if c.OptIn(t.Context(), first, nil, true) == nil {
		t.Error("opted in without an asset")
	}
	if len(v.calls) != 0 {
		t.Errorf("asked %q", v.calls)
	}
}

// TestRefusals: the three forms of an error are quoted, the vendor's secrets never.
func TestRefusals(t *testing.T) {
	const no = "PowerResponse refuses the call (HTTP status 400): “"
	for body, want := range map[string]string{
		sample(t, "events/error_v1.json"):   no + "Unknown error: No details available”",
		sample(t, "events/error_v09.json"):  no + "Bad Request”",
		`{"error":"only this"}`:             no + "only this”",
		`{"message":"same","error":"same"}`: no + "same”",
		"plain words\n":                     no + "plain words”",
		"":                                  "PowerResponse answered with HTTP status 400 instead of data: is the address right?",
		"<html>":                            "PowerResponse answered with HTTP status 400 instead of data: is the address right?",
		`["no"]`:                            "PowerResponse answered with HTTP status 400 instead of data: is the address right?",
		`{"message":"key ` + secret + ` is bad"}`: "PowerResponse answered with HTTP status 400 instead of data: is the address right?",
		`token ` + token: "PowerResponse answered with HTTP status 400 instead of data: is the address right?",
	} {
		_, c := serve(t, always(400, body))
		var r *event.Refusal
		if _, err := c.Event(t.Context(), first); !errors.As(err, &r) || r.Reason != want || r.Status != 400 {
			t.Errorf("%q: %v", body, err)
		}
	}
	for status, part := range map[int]string{401: "POWERRESPONSE_TENANT", 403: "refuses the API key", 429: "a pause", 503: "a problem of its own"} {
		_, c := serve(t, always(status, `{"message":"never mind"}`))
		var r *event.Refusal
		if _, err := c.Check(t.Context()); !errors.As(err, &r) || !strings.Contains(r.Reason, part) || r.Unauthorized != (status < 429) || strings.Contains(r.Reason, secret) {
			t.Errorf("%d: %v", status, err)
		}
	}
}

func TestNonsense(t *testing.T) {
	for body, want := range map[string]string{
		"": "PowerResponse's answer is empty.", "<html>": "PowerResponse answered with a web page instead of data: is the address right?",
		`{"uuid":"` + first: "PowerResponse's answer is cut off in the middle.", "7": "PowerResponse's answer cannot be read.", "x": "PowerResponse's answer cannot be read: it is not JSON.",
		`{"items":{}}`: "PowerResponse's answer cannot be read.",
	} {
		_, c := serve(t, always(200, body))
		_, event := c.Event(t.Context(), first)
		_, assets := c.Assets(t.Context(), first)
		for _, err := range []error{event, assets} {
			if err == nil || err.Error() != want {
				t.Errorf("%q: %v, want %q", body, err, want)
			}
		}
	}
}

func page(n, of int, more string) string {
	return fmt.Sprintf(`{"items":[{"asset":{"uuid":"%s","assetId":"meter-%d"},"state":"S"}],"pagination":{"totalPages":%d,"currentPage":%d%s}}`, first, n, of, n, more)
}

// TestPaging: a list ends where either the numbers or the word say so.
func TestPaging(t *testing.T) {
	for name, c := range map[string]struct {
		body  func(page int) string
		pages int
	}{
		"the sample":       {func(int) string { return sample(t, "api/event_assets_page.json") }, 1},
		"three":            {func(n int) string { return page(n, 3, `,"hasMore":true`) }, 3},
		"no more, by word": {func(n int) string { return page(n, 3, `,"hasMore":false`) }, 1},
		"numbers as texts": {func(n int) string { return strings.ReplaceAll(page(n, 2, ""), `:2`, `:"2"`) }, 2},
		"word alone": {func(n int) string {
			return strings.Replace(page(n, 2, ""), `"totalPages":2,"currentPage"`, `"hasMore":true,"page"`, n%3)
		}, 3},
		"no envelope's end": {func(int) string { return `{"items":[{"asset":{"uuid":"` + first + `"}}]}` }, 1},
		"a bare list":       {func(int) string { return `[{"asset":{"uuid":"` + first + `"}}]` }, 1},
		"nothing but promises": {func(n int) string {
			if n > 1 {
				return `{"items":[],"pagination":{"hasMore":true}}`
			}
			return page(n, 9, `,"hasMore":true`)
		}, 2},
		"without end": {func(n int) string { return page(n, 1e9, "") }, pages},
	} {
		n := 0
		v, client := serve(t, func(call string) (int, string) { n++; return 200, c.body(n) })
		assets, err := client.Assets(t.Context(), first)
		if err != nil || len(v.calls) != c.pages || len(assets) == 0 || UUID(assets[0].UUID) == "" {
			t.Errorf("%s: %d pages, %d assets, %v", name, len(v.calls), len(assets), err)
			continue
		}
		if want := fmt.Sprintf("GET /api/v1/events/%s/assets?page=%d&pageSize=100", first, c.pages); v.calls[c.pages-1] != want {
			t.Errorf("%s: asked %q", name, v.calls[c.pages-1])
		}
	}
	_, c := serve(t, always(200, sample(t, "api/event_baselines_page.json")))
	if got, err := c.Assets(t.Context(), first); err != nil || len(got) != 1 || got[0].ID != "meter-1" {
		t.Errorf("%+v %v", got, err)
	}
}

func TestOptIn(t *testing.T) {
	v, c := serve(t, always(201, ""))
	asset := "00000000-0000-4000-8000-0000000000a1"
	if err := errors.Join(c.OptIn(t.Context(), first, []string{asset}, true), c.OptIn(t.Context(), first, []string{asset}, false)); err != nil {
		t.Fatal(err)
	}
	in := sample(t, "api/asset_optin_request.json")
	want := []string{
		"POST /api/v1/events/" + first + "/asset-optin " + in,
		"POST /api/v1/events/" + first + "/asset-optin " + strings.Replace(in, "OPT_IN", "OPT_OUT", 1),
	}
	if !slices.Equal(v.calls, want) {
		t.Errorf("asked %q", v.calls)
	}
}

func TestWebhooksOfTheTenant(t *testing.T) {
	const listed = `{"items":[{"uuid":"` + first + `","name":"home","url":"https://x.example/h","eventTypes":["A",1,"B"]},7],"pagination":{"hasMore":false}}`
	v, c := serve(t, func(call string) (int, string) {
		switch {
		case strings.HasPrefix(call, "POST"):
			return 201, `{"data":{"uuid":"` + first + `","amt":"the-new-token"}}`
		case strings.HasPrefix(call, "DELETE"):
			return 200, ""
		}
		return 200, listed
	})
	hooks, err := c.Webhooks(t.Context())
	if err != nil || len(hooks) != 1 || hooks[0].UUID != first || hooks[0].URL != "https://x.example/h" || !slices.Equal(hooks[0].Types, []string{"A", "B"}) {
		t.Errorf("%+v %v", hooks, err)
	}
	var ask struct {
		Name, URL  string
		EventTypes []string
	}
	if err := json.Unmarshal([]byte(sample(t, "api/webhook_subscribe_request.json")), &ask); err != nil {
		t.Fatal(err)
	}
	hook, err := c.Subscribe(t.Context(), ask.Name, ask.URL, ask.EventTypes)
	if err != nil || hook.UUID != first || hook.Token != "the-new-token" {
		t.Errorf("%+v %v", hook, err)
	}
	if err := c.Unsubscribe(t.Context(), first); err != nil {
		t.Error(err)
	}
	want := []string{
		"GET /api/v1/webhooks?page=1&pageSize=100",
		"POST /api/v1/webhooks/subscribe " + sample(t, "api/webhook_subscribe_request.json"),
		"DELETE /api/v1/webhooks/" + first + "/unsubscribe",
	}
	if !slices.Equal(v.calls, want) {
		t.Errorf("asked %q", v.calls)
	}
}

func TestSchemes(t *testing.T) {
	v, c := serve(t, always(200, `[{"uuid":"`+first+`","name":"Example scheme"}]`))
	schemes, err := c.Schemes(t.Context())
	if err != nil || len(schemes) != 1 || schemes[0] != (Scheme{first, "Example scheme"}) {
		t.Errorf("%+v %v", schemes, err)
	}
	a, err := c.Check(t.Context())
	if err != nil || len(a.Events) != 0 || !a.Received.Equal(arrival) {
		t.Errorf("%+v %v", a, err)
	}
	if v.calls[1] != "GET /api/v1/event-schemes" {
		t.Errorf("asked %q", v.calls)
	}
}
