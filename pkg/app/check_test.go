package app

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// looked asks a running app to look anew.
func looked(t *testing.T, page string) map[string]web.Step {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, page+"/check", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	return decoded(t, r)
}

// known asks a running app what it last found.
func known(t *testing.T, page string) map[string]web.Step {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, page+"/check", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "application/json")
	return decoded(t, r)
}

func decoded(t *testing.T, r *http.Request) map[string]web.Step {
	t.Helper()
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var list []web.Step
	if err := json.NewDecoder(answer.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	steps := map[string]web.Step{}
	for _, s := range list {
		if s.At.IsZero() || s.Title == "" || steps[s.Name].Name != "" {
			t.Errorf("no time, no title or twice: %+v", s)
		}
		steps[s.Name] = s
	}
	return steps
}

// find waits until a step of a running app is in a state and says something.
func find(t *testing.T, page, name, state, says string) {
	t.Helper()
	var s web.Step
	eventually(t, name+" "+state+" "+says, func() bool {
		s = known(t, page)[name]
		return s.State == state && strings.Contains(s.Reason+" "+s.Remedy, says)
	})
}

// cloud is Equiwatt's, with an answer that the test chooses.
func cloud(t *testing.T, answer func(w http.ResponseWriter)) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if answer != nil {
			answer(w)
		} else {
			fine(w)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/"
}

func fine(w http.ResponseWriter) {
	_, _ = io.WriteString(w, `{"success":true,"msg":null,"data":{"current_event":null,"previous_events":[]}}`)
}

// An answer that holds nothing new is not logged as if it did.
func TestAnAnswerWithoutNews(t *testing.T) {
	var log notes
	_, page := startWith(t, &log, map[string]string{"LOG_LEVEL": "info", "EQUIWATT_TOKEN": "x", "EQUIWATT_URL": cloud(t, nil)})
	asked := func(times string) {
		t.Helper()
		eventually(t, times+" answers", func() bool {
			return strings.Contains(get(t, page+"/metrics"), `grid2mqtt_polls_total{source="equiwatt",outcome="ok"} `+times)
		})
	}
	asked("1")
	if _, err := http.PostForm(page+"/command", url.Values{"source": {"equiwatt"}, "name": {"refresh"}}); err != nil {
		t.Fatal(err)
	}
	asked("2")
	if text := log.String(); !strings.Contains(text, "Equiwatt's cloud answers") || strings.Contains(text, "something new") {
		t.Error(text)
	}
}

func TestAllStepsPass(t *testing.T) {
	url := broker(t)
	all := listenAll(t, url)
	hooks, page := start(t, map[string]string{
		"MQTT_URL": url, "EQUIWATT_TOKEN": "x", "EQUIWATT_URL": cloud(t, nil), "ECOMON_SECRET": ecomonSecret,
	})
	setup := func(name, text string) {
		t.Helper()
		eventually(t, "setup "+name+" "+text, func() bool {
			s := all.last("grid2mqtt/bridge/state")
			return strings.Contains(s, `"setup":"`+name+`","setup_text":`+text)
		})
	}
	setup("ok", `"Home Assistant has not been heard on this broker yet. It speaks when its MQTT integration starts: set that up, or reload it."`)
	publish(t, url, "homeassistant/status", "online", false)
	setup("ok", `"No signed webhook of Ecomon has come yet."`)
	if status := ecomonPost(t, hooks, "wrong", ecomonAlert); status != 401 {
		t.Fatal(status)
	}
	setup("ecomon_signature", `"Ecomon's last webhook came with a wrong signature, and was refused. Compare ECOMON_SECRET with the one at Ecomon."`)
	card := func(health string) {
		t.Helper()
		eventually(t, "Ecomon's card", func() bool { return strings.Contains(get(t, page), "<h3>Ecomon <span class=\"chip "+health) })
	}
	card(`bad">broken</span></h3>
<p>Ecomon&#39;s last webhook came with a wrong signature, and was refused. Compare ECOMON_SECRET with the one at Ecomon.`)
	if got := get(t, page); !strings.Contains(got, `<li class="bad"><a href="setup"><strong>Set-up:</strong> Ecomon&#39;s signature is known: not yet</a>`) {
		t.Error("the first page does not say what is broken:", got)
	}
	ecomonPost(t, hooks, ecomonSecret, ecomonAlert)
	card(`good">quiet`)
	setup("ok", `"No webhook of Equiwatt has come yet. It is asked every minute all the same. Give Equiwatt the hook URL that the page shows."`)
	post(t, hooks, 0)
	setup("ok", `null`)
	for name, s := range looked(t, page) {
		want := web.Passed
		if name == stepPublic || name == "ecomon" {
			want = web.Skipped
		}
		if s.State != want {
			t.Errorf("%+v", s)
		}
	}
	text := get(t, page+"/check")
	if lines := strings.Split(strings.TrimSpace(text), "\n"); len(lines) != 14 || !strings.HasPrefix(lines[0], "ok       configuration            The configuration can be used") {
		t.Errorf("as text:\n%s", text)
	}
}

// publish says something on a broker as somebody else.
func publish(t *testing.T, url, topic, payload string, retained bool) {
	t.Helper()
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp" + url[4:]).SetClientID("somebody else"))
	if tok := c.Connect(); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	defer c.Disconnect(100)
	if tok := c.Publish(topic, 1, retained, payload); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
}

// TestBrokenSteps breaks one thing after the other, and reads what is said.
func TestBrokenSteps(t *testing.T) {
	url := broker(t)
	garbage := func(t *testing.T) string {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "journal.db"), []byte(strings.Repeat("no journal ", 1000)), 0o600); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	status := func(code int) string {
		return cloud(t, func(w http.ResponseWriter) { w.WriteHeader(code) })
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	wrong := cloud(t, func(w http.ResponseWriter) {
		w.Header().Set("Date", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat))
		fine(w)
	})
	for name, tt := range map[string]struct {
		env  map[string]string
		step string
		says string
	}{
		"nothing is set up":    {nil, stepConfiguration, "No source is on. " + firstSource},
		"half configured":      {map[string]string{"EQUIWATT_HOOK_TRUST": "confirm"}, stepConfiguration, "Equiwatt is off: EQUIWATT_HOOK_TRUST is confirm, which needs EQUIWATT_TOKEN"},
		"no journal":           {map[string]string{"DATA_DIR": garbage(t)}, stepJournal, "Look at the disk of DATA_DIR"},
		"no broker":            {map[string]string{}, stepBroker, "No MQTT broker is configured: set MQTT_URL"},
		"broker is gone":       {map[string]string{"MQTT_URL": "mqtt://127.0.0.1:1"}, stepBroker, "The MQTT broker 127.0.0.1:1 cannot be reached: connect: connection refused. Is it running, and is MQTT_URL right if it is set?"},
		"the token is refused": {map[string]string{"EQUIWATT_URL": status(401)}, "equiwatt", "Compare EQUIWATT_TOKEN with what Equiwatt shows, or make a new one there."},
		"too many calls":       {map[string]string{"EQUIWATT_URL": status(429)}, "equiwatt", "Nothing to do: it is asked again after the pause. Does another program use EQUIWATT_TOKEN too?"},
		"a vendor in trouble":  {map[string]string{"EQUIWATT_URL": status(503)}, "equiwatt", "Nothing to do: it is asked again until it works."},
		"a wrong address":      {map[string]string{"EQUIWATT_URL": status(404)}, "equiwatt", "Is EQUIWATT_URL right?"},
		"no internet":          {map[string]string{"EQUIWATT_URL": gone.URL + "/"}, "equiwatt", "Is the internet connection up?"},
		"a wrong clock":        {map[string]string{"EQUIWATT_URL": wrong}, stepClock, "ahead of the vendors' clocks, by which times are judged until it is set right. Switch on its time synchronisation (NTP)."},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"EQUIWATT_TOKEN": "x", "EQUIWATT_URL": cloud(t, nil), "MQTT_URL": url, "MQTT_BASE_TOPIC": fmt.Sprintf("check%x", noise(4))}
			if tt.step == stepConfiguration {
				delete(env, "EQUIWATT_TOKEN")
			}
			if name == "no broker" {
				delete(env, "MQTT_URL")
			}
			for k, v := range tt.env {
				env[k] = v
			}
			_, page := start(t, env)
			find(t, page, tt.step, web.Failed, tt.says)
			for _, s := range known(t, page) {
				if s.State == web.Failed && s.Name != tt.step {
					t.Errorf("%s is broken too: %s", s.Name, s.Line())
				}
			}
		})
	}
}

func TestTheLoginIsBroken(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "passwords")
	if out, err := exec.Command("mosquitto_passwd", "-b", "-c", file, "addons", "hunter2").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	url := broker(t, "allow_anonymous false", "password_file "+file, "user root")
	_, page := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "MQTT_URL": url, "MQTT_USERNAME": "addons", "MQTT_PASSWORD": "wr0ngpass"})
	find(t, page, stepLogin, web.Failed, `refuses the user "addons" (not Authorized): check MQTT_USERNAME and MQTT_PASSWORD. Set the name and the password of a user that the broker knows.`)
	if s := known(t, page); s[stepBroker].State != web.Passed || s[stepBirth].State != web.Skipped || s[stepDiscovery].State != web.Skipped || strings.Contains(fmt.Sprint(s), "wr0ng") {
		t.Errorf("%+v", s)
	}
}

func TestHomeAssistantComesAndGoes(t *testing.T) {
	for state, h := range map[string]homeassistant.Health{
		web.Passed + " It was heard before":              {Born: true},
		web.Passed + " ":                                 {Born: true, Birth: time.Now()},
		web.Waiting + " Home Assistant has not been":     {},
		web.Waiting + " Home Assistant said goodbye;":    {Born: true, Gone: true},
		web.Failed + " Home Assistant said goodbye over": {Born: true, Gone: true, Missing: true},
		web.Skipped + " " + brokerFirst:                  {Trouble: "gone"},
	} {
		if s := there(h); !strings.HasPrefix(s.State+" "+s.Reason, state) || (s.State == web.Failed) != (s.Remedy == "Start it, or look at its MQTT integration.") {
			t.Errorf("%+v: %+v", h, s)
		}
	}
	if s := letIn(homeassistant.Health{Trouble: "lost", Thrown: 2}); s.State != web.Failed || !strings.Contains(s.Reason, "again and again") || s.Remedy == "" {
		t.Errorf("thrown out: %+v", s)
	}
	if s := reached(homeassistant.Health{Trouble: "not yet"}); s.State != web.Waiting {
		t.Errorf("before the first attempt: %+v", s)
	}
}

func TestAnotherOneSpeaksOnOurTopics(t *testing.T) {
	url := broker(t)
	all := listenAll(t, url)
	_, page := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "MQTT_URL": url})
	find(t, page, stepDiscovery, web.Passed, "")
	const topic = "homeassistant/device/grid2mqtt_bridge/config"
	ours := all.last(topic)
	publish(t, url, topic, `{"origin":{"name":"Grid2MQTT"}}`, true)
	eventually(t, "the stranger", func() bool {
		s := looked(t, page)[stepDiscovery]
		if s.State != web.Failed { // ours came again in between, after the connect
			publish(t, url, topic, `{"origin":{"name":"Grid2MQTT"}}`, true)
		}
		return s.State == web.Failed && s.Reason == "The MQTT broker keeps something on "+topic+" that did not come from here." && strings.Contains(s.Remedy, "MQTT_BASE_TOPIC")
	})
	eventually(t, "in Home Assistant", func() bool { return strings.Contains(all.last("grid2mqtt/bridge/state"), `"setup":"discovery"`) })
	publish(t, url, topic, ours, true)
	eventually(t, "the end of it", func() bool { return looked(t, page)[stepDiscovery].State == web.Passed })
}

func TestAListenerThatDoesNotAnswer(t *testing.T) {
	a := office(t, &clerk{}, nil)
	gone := httptest.NewServer(nil)
	gone.Close()
	a.hookAddr = strings.TrimPrefix(gone.URL, "http://")
	a.callListener(t.Context())
	if s := a.listening(); s.State != web.Failed || !strings.Contains(s.Reason, a.hookAddr) || s.Remedy == "" {
		t.Errorf("%+v", s)
	}
}

func TestCheckCommand(t *testing.T) {
	url := broker(t)
	_, page := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "MQTT_URL": url})
	free := httptest.NewServer(nil)
	free.Close()
	other := httptest.NewServer(http.NotFoundHandler())
	defer other.Close()
	nobody := strings.TrimPrefix(free.URL, "http://")
	for name, tt := range map[string]struct {
		env   map[string]string
		fails string
		says  []string
	}{
		"a running one": {map[string]string{"WEB_ADDR": strings.TrimPrefix(page, "http://")}, "",
			[]string{"ok       hook_listener", "waiting  equiwatt_webhook"}},
		"alone": {map[string]string{"WEB_ADDR": nobody, "MQTT_URL": url, "EQUIWATT_HOOK_TRUST": "believe"}, "",
			[]string{"Grid2MQTT does not run here", "ok       broker", "ok       login", "off      public_url               Only a running Grid2MQTT can tell."}},
		"alone and without a broker": {map[string]string{"WEB_ADDR": nobody, "MQTT_URL": "mqtt://127.0.0.1:1", "EQUIWATT_HOOK_TRUST": "believe"}, "something is broken: broker",
			[]string{"bad      broker                   The MQTT broker 127.0.0.1:1 cannot be reached"}},
		"alone and not usable": {map[string]string{"WEB_ADDR": nobody, "RETENTION": "soon"}, "something is broken: configuration",
			[]string{"bad      configuration            RETENTION is no duration like 90s, 5m or 400d"}},
		"another program": {map[string]string{"WEB_ADDR": strings.TrimPrefix(other.URL, "http://")}, "is no Grid2MQTT that can be checked (HTTP status 404)", nil},
	} {
		var out strings.Builder
		err := Check(t.Context(), tt.env, &out, Host{})
		if (tt.fails == "") != (err == nil) || err != nil && (!errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), tt.fails)) {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
		for _, want := range tt.says {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", name, want, out.String())
			}
		}
	}
}

func TestAnUnusableConfigurationIsAStep(t *testing.T) {
	ready := make(chan string, 1)
	go func() {
		_ = Run(t.Context(), map[string]string{"WEB_ADDR": "127.0.0.1:0", "RETENTION": "soon"}, io.Discard, Host{Stay: true, Ready: func(_, web string) { ready <- web }})
	}()
	addr := <-ready
	var out strings.Builder
	if err := Check(t.Context(), map[string]string{"WEB_ADDR": addr}, &out, Host{}); !errors.Is(err, ErrBroken) || !strings.Contains(out.String(), "RETENTION") || strings.Contains(out.String(), "does not run") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
