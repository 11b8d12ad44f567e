package app

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	responseKey    = "powerresponse-key-0451"
	responseTenant = "11111111-2222-4333-8444-555555555555"
	responseSecret = "powerresponse-hmac-token-0451"
	responseAsset  = "00000000-0000-4000-8000-0000000000a1"
)

// tenant is a running app whose PowerResponse is simulated.
type tenant struct {
	*simulator.PowerResponse
	all       *topics
	say       mqtt.Client
	hook, web string
}

func platform(t *testing.T, now func() time.Time) (s *simulator.PowerResponse, env map[string]string) {
	t.Helper()
	s = simulator.NewPowerResponse(responseKey, responseTenant, responseSecret, now)
	url, err := s.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, map[string]string{"POWERRESPONSE_API_KEY": responseKey, "POWERRESPONSE_TENANT": responseTenant, "POWERRESPONSE_TOKEN": responseSecret, "POWERRESPONSE_URL": url}
}

func openTenant(t *testing.T, change map[string]string) tenant {
	t.Helper()
	s, env := platform(t, nil)
	env["MQTT_URL"] = broker(t)
	maps.Copy(env, change)
	r := tenant{PowerResponse: s, all: listenAll(t, env["MQTT_URL"])}
	r.say = mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp" + env["MQTT_URL"][4:]).SetClientID("household"))
	if tok := r.say.Connect(); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	t.Cleanup(func() { r.say.Disconnect(0) })
	hooks, web := start(t, env)
	r.hook, r.web = hooks+"/hook/powerresponse/"+goodToken, web
	s.Subscribe(r.hook, simulator.EventCreated, simulator.EventUpdated, simulator.EventCancelled)
	r.until(t, `"cloud":"ON"`)
	return r
}

// until waits for a state that holds a text.
func (r tenant) until(t *testing.T, text string) {
	t.Helper()
	eventually(t, text, func() bool { return strings.Contains(r.all.last("grid2mqtt/powerresponse/state"), text) })
}

func (r tenant) command(name, payload string) {
	r.say.Publish("grid2mqtt/powerresponse/set/"+name, 1, false, payload).Wait()
}

func (r tenant) event(t *testing.T, kind string) {
	t.Helper()
	eventually(t, kind, func() bool { return strings.Contains(r.all.text(), `"event_type":"`+kind+`"`) })
}

func TestWhenPowerResponseIsOn(t *testing.T) {
	for _, c := range []struct {
		env           map[string]string
		on            bool
		half, warning string
	}{
		{map[string]string{"POWERRESPONSE_TOKEN": "x"}, false, "", ""},
		{map[string]string{"POWERRESPONSE_API_KEY": "x", "POWERRESPONSE_TENANT": responseTenant, "POWERRESPONSE_TOKEN": "x"}, true, "", ""},
		{map[string]string{"POWERRESPONSE_API_KEY": "x", "POWERRESPONSE_TENANT": responseTenant}, true, "", "POWERRESPONSE_TOKEN"},
		{map[string]string{"POWERRESPONSE_API_KEY": "x"}, false, "POWERRESPONSE_TENANT", ""},
		{map[string]string{"POWERRESPONSE_TENANT": responseTenant}, false, "POWERRESPONSE_API_KEY", ""},
	} {
		config, err := load(c.env)
		if err != nil {
			t.Fatal(err)
		}
		s := config.powerresponse()
		if s.on != c.on || (c.half == "") != (s.missing == "") || !strings.Contains(s.missing, c.half) || (c.warning == "") != (s.warns() == "") || !strings.Contains(s.warns(), c.warning) {
			t.Errorf("%v: on %v, missing %q, warning %q", c.env, s.on, s.missing, s.warns())
		}
		if (config.rules(time.Now()).PowerResponse != nil) != c.on {
			t.Errorf("%v: the state does not agree", c.env)
		}
	}
	if _, err := load(map[string]string{"POWERRESPONSE_TENANT": "x", "POWERRESPONSE_CHALLENGE": "y"}); err == nil || !strings.Contains(err.Error(), "POWERRESPONSE_TENANT") || !strings.Contains(err.Error(), "; POWERRESPONSE_CHALLENGE") {
		t.Errorf("every value is checked, also of a source that is off: %v", err)
	}
}

// TestAResponseArrives: a webhook is a hint, the API is the truth.
func TestAResponseArrives(t *testing.T) {
	r := openTenant(t, nil)
	r.until(t, `"active":null`)
	begin := time.Now().Add(time.Hour).Truncate(time.Second).UTC()
	id := r.Dispatch(simulator.Dispatch{Name: "Evening", Type: "TURN_DOWN", Status: "SCHEDULED", Start: begin, End: begin.Add(time.Hour)})
	if got := r.Deliver(t.Context(), simulator.InOrder); got[0].Status != 200 {
		t.Fatalf("%+v", got[0])
	}
	r.event(t, "announced")
	r.until(t, `"active":"OFF","start":null,"end":null,"next_start":"`+begin.Format(time.RFC3339)+`"`)
	r.until(t, `"status":"SCHEDULED","name":"Evening","direction":"powerDOWN"`)

	// the very same delivery once more is worth another look
	r.Change(id, func(d *simulator.Dispatch) { d.Start, d.Status = time.Now().Add(-time.Minute), "ACTIVE" })
	r.Lose()
	if got := r.Again(t.Context(), r.Sent()[0]); got.Status != 200 {
		t.Fatalf("%+v", got)
	}
	r.event(t, "started")
	r.until(t, `"active":"ON"`)
	r.Cancel(id)
	r.Deliver(t.Context(), simulator.InOrder)
	r.event(t, "cancelled")
	r.event(t, "ended")
	r.until(t, `"active":"OFF"`)
	if v := r.Violations(); len(v) > 0 || r.Busiest() > 1 {
		t.Errorf("%v, %d calls at a time", v, r.Busiest())
	}
	if n := strings.Count(r.all.text(), `"event_type":"started"`) + strings.Count(r.all.text(), `"event_type":"ended"`); n != 2 {
		t.Errorf("%d starts and ends", n)
	}
}

func TestAnUnprovenResponseIsRefused(t *testing.T) {
	r := openTenant(t, nil)
	body := `{"eventType":"X","eventUUID":"` + responseAsset + `"}`
	if got := r.Forge(t.Context(), r.hook, body); got.Status != http.StatusUnauthorized || got.Answer != "" {
		t.Errorf("forged: %+v", got)
	}
	if got := r.Send(t.Context(), r.hook, body); got.Status != http.StatusOK {
		t.Errorf("signed: %+v", got)
	}
	r.SignIn("X-Another-Header")
	if got := r.Send(t.Context(), r.hook, body); got.Status != http.StatusUnauthorized {
		t.Errorf("in another header than the first that was right: %+v", got)
	}
	r.SignIn("X-Equiwatt-Signature")
	if got := r.Send(t.Context(), r.hook, body); got.Status != http.StatusOK {
		t.Errorf("in the first that was right: %+v", got)
	}
	if !strings.Contains(get(t, r.web), "wrong signature") {
		t.Error("the page does not count what was refused")
	}
	r.say.Publish("grid2mqtt/hook/powerresponse", 1, false, body).Wait()
	eventually(t, "a third refusal", func() bool {
		return regexp.MustCompile(`"wrong signature"\} 3`).MatchString(strings.ReplaceAll(get(t, r.web+"/metrics"), "verdict=", ""))
	})
}

func TestTheHeaderThatWasNamed(t *testing.T) {
	r := openTenant(t, map[string]string{"POWERRESPONSE_SIGNATURE_HEADER": "x-named"})
	for header, want := range map[string]int{"X-Other": http.StatusUnauthorized, "X-Named": http.StatusOK} {
		r.SignIn(header)
		if got := r.Send(t.Context(), r.hook, "{}"); got.Status != want {
			t.Errorf("%s: %+v", header, got)
		}
	}
}

func TestWithoutTheTokenNothingIsBelieved(t *testing.T) {
	r := openTenant(t, map[string]string{"POWERRESPONSE_TOKEN": ""})
	if got := r.Send(t.Context(), r.hook, "{}"); got.Status != http.StatusUnauthorized {
		t.Errorf("%+v", got)
	}
	eventually(t, "the problem", func() bool { return strings.Contains(r.all.last("grid2mqtt/bridge/state"), "POWERRESPONSE_TOKEN") })
	r.command("enrol", "PRESS")
	if _, proven := r.Challenge(t.Context(), "GET", r.hook, "x"); proven {
		t.Error("a challenge is answered")
	}
}

// TestEnrolment: one challenge is answered, after the household asked for it.
func TestEnrolment(t *testing.T) {
	r := openTenant(t, map[string]string{"POWERRESPONSE_CHALLENGE": "json"})
	challenge := func(method, text string) bool {
		_, proven := r.Challenge(t.Context(), method, r.hook, text)
		return proven
	}
	if got, proven := r.Challenge(t.Context(), "GET", r.hook, "before"); proven || got.Status != 200 || !strings.Contains(got.Answer, "right address") {
		t.Errorf("before: %+v", got)
	}
	if got, _ := r.Challenge(t.Context(), "POST", r.hook, "before"); got.Status != http.StatusUnauthorized {
		t.Errorf("before: %+v", got)
	}
	for _, method := range []string{"GET", "POST"} {
		r.command("enrol", "PRESS")
		r.until(t, `"enrolling":"ON"`)
		if challenge(method, "[1]") || challenge(method, strings.Repeat("x", 257)) {
			t.Error("what could be a delivery is signed")
		}
		if !challenge(method, "challenge-"+method) {
			t.Errorf("%s is not answered", method)
		}
		if challenge(method, "another") {
			t.Errorf("%s is answered twice", method)
		}
		r.until(t, `"enrolling":"OFF"`)
	}
	if page := get(t, r.web); strings.Contains(page, "challenge-POST") {
		t.Error("a challenge is kept as a delivery")
	}
}

// TestOptingInAndOut is done by the household's word alone.
func TestOptingInAndOut(t *testing.T) {
	r := openTenant(t, nil)
	begin := time.Now().Add(time.Hour)
	id := r.Dispatch(simulator.Dispatch{Start: begin, End: begin.Add(time.Hour), OptInRequired: true, Assets: map[string]string{responseAsset: "INVITED"}})
	r.Deliver(t.Context(), simulator.InOrder)
	r.event(t, "announced")
	if r.State(id, responseAsset) != "INVITED" {
		t.Fatal("opted by itself")
	}
	for _, step := range []struct{ command, payload, state string }{
		{"opt_in", "", "OPT_IN"}, {"opt_out", strings.ToUpper(id), "OPT_OUT"},
	} {
		r.command(step.command, step.payload)
		eventually(t, step.state, func() bool { return r.State(id, responseAsset) == step.state })
	}
	posts := func() (n int) {
		for _, c := range r.Calls() {
			if c.Method == http.MethodPost {
				n++
			}
		}
		return n
	}
	reads := func() (n int) {
		for _, c := range r.Calls() {
			if c.Method == http.MethodGet && strings.HasSuffix(c.Path, id) {
				n++
			}
		}
		return n
	}
	before := reads()
	r.command("opt_in", "not an event")
	r.say.Publish("grid2mqtt/powerresponse/other/set/opt_out", 1, false, "").Wait()
	r.Cancel(id)
	r.Deliver(t.Context(), simulator.InOrder)
	r.event(t, "cancelled")
	r.command("opt_in", "")
	r.command("opt_out", responseAsset) // no such event
	eventually(t, "the question for what is not there", func() bool {
		return slices.ContainsFunc(r.Calls(), func(c simulator.Call) bool {
			return strings.Contains(c.Path, responseAsset+"/assets") && c.Status == 404
		})
	})
	if n := posts(); n != 2 {
		t.Errorf("%d orders, want 2", n)
	}
	if reads() == before {
		t.Error("it was not read again")
	}
	if v := r.Violations(); len(v) > 0 {
		t.Errorf("%v", v)
	}
}

// bureau is an app that is not running, and a platform whose clock runs fast
// enough for its limits.
func bureau(t *testing.T, change map[string]string) (*simulator.PowerResponse, *App, source) {
	t.Helper()
	var at atomic.Int64
	s, env := platform(t, func() time.Time { return time.Unix(2*at.Add(1), 0) })
	maps.Copy(env, change)
	config, err := load(env)
	if err != nil {
		t.Fatal(err)
	}
	p := config.powerresponse()
	p.poll.limit = intake.Limit{Save: func(string) {}}
	return s, office(t, &clerk{}, func(a *App) {
		p.open(a)
		a.table = []source{p}
	}), p
}

// TestOneEventThatCannotBeRead is not the platform's silence: it is said once,
// and all others are read.
// TestAnEventIsReadWithoutTheCheck: a platform that does not know the call that
// tries the key may well know the event that it named.
func TestAnEventIsReadWithoutTheCheck(t *testing.T) {
	const known, unknown = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/api/v1/events/"+known {
			w.WriteHeader(http.StatusNotFound)
			io.WriteString(w, `{"message":"not found","error":""}`)
			return
		}
		now := time.Now()
		fmt.Fprintf(w, `{"uuid":%q,"status":"ACTIVE","startDateTime":%q,"endDateTime":%q}`, known, now.Add(-time.Minute).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339))
	}))
	t.Cleanup(cloud.Close)
	env := map[string]string{"POWERRESPONSE_API_KEY": responseKey, "POWERRESPONSE_TENANT": responseTenant, "POWERRESPONSE_TOKEN": responseSecret, "POWERRESPONSE_URL": cloud.URL, "MQTT_URL": broker(t)}
	r := tenant{all: listenAll(t, env["MQTT_URL"])}
	hooks, _ := start(t, env)
	r.until(t, `"cloud":"OFF"`)
	for _, uuid := range []string{unknown, known} {
		body := `{"eventType":"X","eventUUID":"` + uuid + `"}`
		mac := hmac.New(sha256.New, []byte(responseSecret))
		mac.Write([]byte(body))
		q, _ := http.NewRequest(http.MethodPost, hooks+"/hook/powerresponse/"+goodToken, strings.NewReader(body))
		q.Header.Set("X-Signature", hex.EncodeToString(mac.Sum(nil)))
		answer, err := http.DefaultClient.Do(q)
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer, err)
		}
		answer.Body.Close()
	}
	r.event(t, "started")
	r.until(t, `"cloud":"ON"`)
	if strings.Contains(r.all.text(), `"event_type":"cancelled"`) {
		t.Errorf("what is not known is taken for gone:\n%s", r.all.text())
	}
}

func TestOneEventThatCannotBeRead(t *testing.T) {
	r := openTenant(t, nil)
	begin := time.Now().Add(time.Hour)
	r.Dispatch(simulator.Dispatch{Start: begin, End: begin.Add(time.Hour), Status: "BAD"})
	r.Break(simulator.Status(http.StatusInternalServerError).For(1))
	r.Deliver(t.Context(), simulator.InOrder)
	calls := func(status int) (n int) {
		for _, c := range r.Calls() {
			if strings.Contains(c.Path, "/events/") && c.Status == status {
				n++
			}
		}
		return n
	}
	eventually(t, "a bad answer", func() bool { return calls(500) == 1 })
	r.Dispatch(simulator.Dispatch{Start: begin.Add(time.Minute), End: begin.Add(time.Hour), Status: "GOOD"})
	r.Deliver(t.Context(), simulator.InOrder)
	r.until(t, `"status":"GOOD"`)
	if strings.Contains(r.all.text(), `"cloud":"OFF"`) || calls(200) != 1 {
		t.Errorf("the cloud is taken for broken, or all is read again:\n%s", r.all.text())
	}
	r.Break(simulator.Status(http.StatusInternalServerError))
	r.Dispatch(simulator.Dispatch{})
	r.Deliver(t.Context(), simulator.InOrder)
	r.until(t, `"cloud_error":"PowerResponse has a problem of its own`)
}

func TestEnrolWhereItIsOff(t *testing.T) {
	if _, err := new(App).Enrol(); err == nil {
		t.Error("there is nobody to enrol with")
	}
}

func TestResponseHooks(t *testing.T) {
	s, a, _ := bureau(t, nil)
	s.Subscribe("https://other.example/hook", "A")
	for _, step := range []struct{ what, types, lines, fails string }{
		{"check", "", "", "our webhook is not registered"},
		{"register", "", "", "types=NAME,NAME"},
		{"register", " A, B,A", "our webhook is registered, and told of A, B", ""},
		{"register", "", "our webhook is registered already, and told of A, B", ""},
		{"register", "B,A", "our webhook is registered already, and told of A, B", ""},
		{"check", "", "our webhook is registered, and told of A, B", ""},
		{"register", "C", "our webhook is registered, and told of C|webhook … is removed", ""},
		{"list", "", "webhook … (console) at other.example, told of A: another's|webhook … (grid2mqtt) at home.example, told of C: ours", ""},
		{"test", "", "", "PowerResponse offers no way to test its webhooks."},
		{"remove", "", "webhook … is removed", ""},
		{"remove", "", "our webhook is not registered", ""},
	} {
		settings := map[string]string{}
		if step.types != "" {
			settings["types"] = step.types
		}
		lines, err := a.Hooks(t.Context(), step.what, "powerresponse", settings)
		got := regexp.MustCompile(`00000000-[0-9a-f-]+`).ReplaceAllString(strings.ReplaceAll(strings.Join(lines, "|"), "powerresponse: ", ""), "…")
		if got != step.lines || (err == nil) != (step.fails == "") || err != nil && !strings.Contains(err.Error(), step.fails) {
			t.Errorf("%s %s: %q, %v", step.what, step.types, got, err)
		}
	}
	if got := s.Subscribed(); !slices.Equal(got, []string{"https://other.example/hook"}) || len(s.Violations()) > 0 {
		t.Errorf("%q is left, %v", got, s.Violations())
	}
}

// TestResponseHooksMove: with another path secret the webhook is told of what it
// was told before.
func TestResponseHooksMove(t *testing.T) {
	s, a, _ := bureau(t, nil)
	if _, err := a.Hooks(t.Context(), "register", "powerresponse", map[string]string{"types": "A,B"}); err != nil {
		t.Fatal(err)
	}
	was := s.Subscribed()
	lines, err := a.RotateToken(t.Context())
	if err != nil || len(lines) != 2 || lines[1] != "PowerResponse: it is told of the new hook URL." {
		t.Errorf("%q %v", lines, err)
	}
	if got := s.Subscribed(); !slices.Equal(got, []string{a.hookURL(a.table[0])}) || slices.Equal(got, was) || len(s.Violations()) > 0 {
		t.Errorf("%q is subscribed, %v", got, s.Violations())
	}
	if lines, err := a.Hooks(t.Context(), "check", "powerresponse", nil); err != nil || !strings.Contains(lines[0], "told of A, B") {
		t.Errorf("%q %v", lines, err)
	}
}

// TestATokenThatIsToldOnce is kept, or the webhook is not.
func TestATokenThatIsToldOnce(t *testing.T) {
	s, a, p := bureau(t, map[string]string{"POWERRESPONSE_TOKEN": ""})
	s.TellToken(true)
	types := map[string]string{"types": "A"}
	lost := memory{get: func(string) (string, bool) { return "", false }, set: func(string, string) {}}
	if _, err := a.errand(t.Context(), "register", "powerresponse", types, lost); err == nil || !strings.Contains(err.Error(), "cannot be kept") || len(s.Subscribed()) != 0 {
		t.Errorf("%v, %q is registered", err, s.Subscribed())
	}
	if p.warns() == "" {
		t.Error("no word of the missing token")
	}
	lines, err := a.Hooks(t.Context(), "register", "powerresponse", types)
	if err != nil || len(lines) != 1 || !strings.Contains(lines[0], "is kept") || strings.Contains(lines[0], responseSecret) {
		t.Errorf("%q %v", lines, err)
	}
	if _, err := a.Hooks(t.Context(), "check", "powerresponse", nil); err != nil || p.warns() != "" {
		t.Errorf("%v, warned %q", err, p.warns())
	}
	sent := s.Send(t.Context(), "http://127.0.0.1:1/", "{}") // nobody is there; the signature is what matters
	if _, err := p.hooks.Verify(sent.Header, []byte("{}")); err != nil {
		t.Error(err)
	}
}
