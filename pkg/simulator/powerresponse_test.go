package simulator_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	responseKey    = "the-key-of-the-tenant"
	responseTenant = "11111111-2222-4333-8444-555555555555"
	asset          = "00000000-0000-4000-8000-0000000000a1"
)

type platform struct {
	*simulator.PowerResponse
	clock *clock
	url   string
}

func openPlatform(t *testing.T) platform {
	t.Helper()
	c := &clock{now: noon}
	s := simulator.NewPowerResponse(responseKey, responseTenant, "example-webhook-token", c.Now)
	url, err := s.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return platform{s, c, url}
}

// call asks a second after the last time, with the right headers but for those given.
func (p platform) call(t *testing.T, method, path, body string, header map[string]string) (status int, answer string) {
	t.Helper()
	p.clock.pass(time.Second)
	req, err := http.NewRequestWithContext(t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{"X-Api-Key": responseKey, "Tenant": responseTenant, "X-Api-Version": "1.0"}
	maps.Copy(all, header)
	for name, value := range all {
		req.Header.Set(name, value)
	}
	req.Close = true
	res, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func TestPowerResponseEvents(t *testing.T) {
	p := openPlatform(t)
	id := p.Dispatch(simulator.Dispatch{Name: "Evening", Type: "TURN_DOWN", Status: "SCHEDULED", Start: noon.Add(time.Hour), OptInRequired: true, Assets: map[string]string{asset: "INVITED"}})
	_, body := p.call(t, "GET", "/api/v1/events/"+id, "", nil)
	for _, part := range []string{`"uuid":"` + id + `"`, `"startDateTime":"2025-07-01T13:00:00.250Z"`, `"endDateTime":null`, `"status":"SCHEDULED"`, `"optInRequired":true`} {
		if !strings.Contains(body, part) {
			t.Errorf("%s is not in %s", part, body)
		}
	}
	p.Change(id, func(d *simulator.Dispatch) { d.End = d.Start.Add(time.Hour) })
	p.Cancel(id)
	if _, body = p.call(t, "GET", "/api/v1/events/"+id, "", nil); !strings.Contains(body, `"status":"CANCELLED"`) || !strings.Contains(body, "14:00:00.250Z") {
		t.Error(body)
	}
	in := `{"statuses":[{"assetUUIDs":["` + asset + `"],"status":"OPT_IN"}]}`
	for body, want := range map[string]int{in: 201, "{}": 400, strings.Replace(in, "a1", "a2", 1): 400, strings.Replace(in, "OPT_IN", "MAYBE", 1): 400} {
		if status, answer := p.call(t, "POST", "/api/v1/events/"+id+"/asset-optin", body, nil); status != want {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	if got := p.State(id, asset); got != "OPT_IN" || p.State("x", asset) != "" {
		t.Errorf("the asset is %s", got)
	}
	if _, body = p.call(t, "GET", "/api/v1/events/"+id+"/assets", "", nil); !strings.Contains(body, `{"asset":{"assetId":"meter-1","uuid":"`+asset+`"},"state":"OPT_IN"}`) {
		t.Error(body)
	}
	p.Forget(id)
	for _, path := range []string{"", "/assets"} {
		if status, body := p.call(t, "GET", "/api/v1/events/"+id+path, "", nil); status != 404 || body != `{"error":"No details available","message":"Not Found"}` {
			t.Errorf("%d %s", status, body)
		}
	}
	if status, _ := p.call(t, "POST", "/api/v1/events/"+id+"/asset-optin", in, nil); status != 404 {
		t.Error(status)
	}
}

func TestPowerResponseLetsIn(t *testing.T) {
	p := openPlatform(t)
	for name, header := range map[string]map[string]string{"401 key": {"X-Api-Key": "x"}, "401 tenant": {"Tenant": ""}, "400 version": {"X-Api-Version": "0.9"}, "200": nil} {
		if status, body := p.call(t, "GET", "/api/v1/event-schemes", "", header); !strings.HasPrefix(name, fmt.Sprint(status)) {
			t.Errorf("%s: %d %s", name, status, body)
		}
	}
	if len(p.Violations()) != 0 {
		t.Errorf("%v", p.Violations())
	}
	p.clock.pass(-time.Second)
	if status, _ := p.call(t, "GET", "/api/v1/event-schemes", "", nil); status != 429 || len(p.Violations()) != 1 {
		t.Errorf("two calls within a second: %d", status)
	}
}

func TestPowerResponsePages(t *testing.T) {
	p := openPlatform(t)
	for i := range 5 {
		p.Subscribe(fmt.Sprint("https://x.example/", i), simulator.EventCreated)
	}
	for page, want := range map[string]string{
		"page=1&pageSize=2": `"currentPage":1,"hasMore":true,"itemCount":2,"itemsPerPage":2,"totalItems":5,"totalPages":3`,
		"page=3&pageSize=2": `"currentPage":3,"hasMore":false,"itemCount":1,"itemsPerPage":2,"totalItems":5,"totalPages":3`,
		"page=9&pageSize=2": `"hasMore":false,"itemCount":0`,
		"":                  `"currentPage":1,"hasMore":false,"itemCount":5,"itemsPerPage":10`,
	} {
		if _, body := p.call(t, "GET", "/api/v1/webhooks?"+page, "", nil); !strings.Contains(body, want) {
			t.Errorf("%s: %s", page, body)
		}
	}
}

func TestPowerResponseWebhooks(t *testing.T) {
	p, h := openPlatform(t), receive(t)
	p.Dispatch(simulator.Dispatch{}) // nobody is told
	if status, body := p.call(t, "POST", "/api/v1/webhooks/subscribe", `{"name":"home"}`, nil); status != 400 {
		t.Errorf("%d %s", status, body)
	}
	ask := `{"name":"home","url":"` + h.URL + `/h","eventTypes":["EVENT_CREATED","EVENT_CANCELLED"]}`
	if status, body := p.call(t, "POST", "/api/v1/webhooks/subscribe", ask, nil); status != 201 || !strings.Contains(body, `"uuid":"00000000`) || strings.Contains(body, "token") {
		t.Errorf("%d %s", status, body)
	}
	p.TellToken(true)
	_, body := p.call(t, "POST", "/api/v1/webhooks/subscribe", strings.ReplaceAll(ask, "/h", "/other"), nil)
	if !strings.Contains(body, `"amt":"example-webhook-token"`) {
		t.Error(body)
	}
	other := body[strings.Index(body, "00000000"):][:36]
	for _, want := range []int{200, 404} {
		if status, _ := p.call(t, "DELETE", "/api/v1/webhooks/"+other+"/unsubscribe", "", nil); status != want {
			t.Errorf("%d, want %d", status, want)
		}
	}
	if got := p.Subscribed(); !slices.Equal(got, []string{h.URL + "/h"}) {
		t.Errorf("%q", got)
	}
	p.SignIn("x-signed")
	id := p.Dispatch(simulator.Dispatch{})
	p.Change(id, func(*simulator.Dispatch) {}) // of a type that nobody wants
	r := p.Deliver(t.Context(), simulator.InOrder)
	h.expect(t, `POST /h {"eventType":"EVENT_CREATED","eventUUID":"`+id+`"}`)
	if len(r) != 1 || len(r[0].Header.Get("X-Signed")) != 64 {
		t.Errorf("%+v", r)
	}
	p.Cancel(id)
	p.Deliver(t.Context(), simulator.Doubled)
	h.expect(t, `POST /h {"eventType":"EVENT_CANCELLED","eventUUID":"`+id+`"}`, `POST /h {"eventType":"EVENT_CANCELLED","eventUUID":"`+id+`"}`)

	// the test values that were computed for the algorithm
	sent := p.Send(t.Context(), h.URL, `{"eventType":"EXAMPLE","eventUUID":"00000000-0000-4000-8000-000000000001"}`)
	forged := p.Forge(t.Context(), h.URL, sent.Body)
	const right = "27e7ce4955896b71a9334e7250fd783597846c042c6913d10da6da6b723f1c8a"
	if got := sent.Header.Get("X-Signed"); got != right || forged.Header.Get("X-Signed") == right {
		t.Errorf("signed %s", got)
	}
}

func TestPowerResponseChallenge(t *testing.T) {
	const right = "9d5cc9861514910442984fe53e914dd9df215da3b70eca5da2ad11faa30c6a95"
	p := openPlatform(t)
	answer := "" // changed between the questions only
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, answer) }))
	t.Cleanup(server.Close)
	for text, ok := range map[string]bool{right: true, `{"challenge":"` + right + `"}`: true, "This is the right address": false, "": false} {
		answer = text
		for _, method := range []string{"GET", "POST"} {
			if r, proven := p.Challenge(t.Context(), method, server.URL, "challenge-1234567890"); proven != ok || r.Method != method {
				t.Errorf("%s %q: %v", method, text, proven)
			}
		}
	}
}
