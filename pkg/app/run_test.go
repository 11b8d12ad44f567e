package app

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
)

// notes collects what is written, by many at a time.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// eventually waits until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(90 * time.Second) // a loaded machine may be slow
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer r.Body.Close()
	b, _ := io.ReadAll(r.Body)
	return string(b)
}

func TestAnUnusableConfigurationEndsAProcess(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, env := range map[string]map[string]string{
		"HOOK_ADDR": {"HOOK_ADDR": taken.Addr().String()},
		"WEB_ADDR":  {"HOOK_ADDR": "127.0.0.1:0", "WEB_ADDR": taken.Addr().String()},
		"DATA_DIR":  {"HOOK_ADDR": "127.0.0.1:0", "WEB_ADDR": "127.0.0.1:0", "DATA_DIR": filepath.Join(file, "sub")},
		"LOG_LEVEL": {"LOG_LEVEL": "loud"},
	} {
		err := Run(t.Context(), env, io.Discard, Host{})
		if err == nil || !strings.Contains(err.Error(), name) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAnAppStaysUpAndSaysWhatIsWrong(t *testing.T) {
	page := make(chan string, 1)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, map[string]string{"WEB_ADDR": "127.0.0.1:0", "RETENTION": "soon"}, io.Discard, Host{Stay: true, Ready: func(_, web string) { page <- web }})
	}()
	url := "http://" + <-page
	eventually(t, "the reason on the page", func() bool { return strings.Contains(get(t, url), "RETENTION") })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestWithoutAnythingThePageSaysWhatToDoFirst(t *testing.T) {
	_, web := start(t, nil)
	text := get(t, web)
	for _, want := range []string{"EQUIWATT_TOKEN", "MQTT_URL"} {
		if !strings.Contains(text, want) {
			t.Errorf("the page does not name %s", want)
		}
	}
	if get(t, web+"/healthz") == "" {
		t.Error("no /healthz")
	}
}

func TestAHalfConfiguredSourceIsNamed(t *testing.T) {
	url := broker(t)
	topics := listenAll(t, url)
	_, web := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "confirm", "MQTT_URL": url})
	eventually(t, "the problem in MQTT", func() bool {
		s := topics.last("grid2mqtt/bridge/state")
		return strings.Contains(s, `"problem":"ON"`) && strings.Contains(s, "EQUIWATT_TOKEN")
	})
	if !strings.Contains(get(t, web), "EQUIWATT_TOKEN") {
		t.Error("the page does not name the missing variable")
	}
}

func TestAnyBodyIsTaken(t *testing.T) {
	hooks, web := start(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe"})
	for _, body := range []string{
		"", "x", "{", "null", "[1]", `{"start_time":99999999999}`, `{"start_time":-1,"end_time":1e999}`, `{"start_time":"9999-12-31T23:59:59Z"}`,
		`{"start_time":7258118399,"duration":31536000}`, "\xff\x00\xfe", `{"\u0000":"\ud800"}`, strings.Repeat("[", 60<<10),
	} {
		r, err := http.Post(hooks+"/hook/equiwatt/"+goodToken+"/started", "", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != http.StatusOK {
			t.Errorf("%.40q: status %d", body, r.StatusCode)
		}
	}
	if get(t, web) == "" {
		t.Error("the page does not open")
	}
}

func TestAbsurdTimesOfTheAPIHideNothing(t *testing.T) {
	now := time.Now().Unix()
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"success":true,"msg":null,"data":{"current_event":null,"previous_events":[{"start_time":99999999999,"end_time":null},
			{"start_time":7258118399,"end_time":null},{"start_time":%d,"end_time":null},{"start_time":-5,"end_time":7}]}}`, now-60)
	}))
	defer cloud.Close()
	url := broker(t)
	all := listenAll(t, url)
	start(t, map[string]string{"EQUIWATT_TOKEN": "x", "EQUIWATT_URL": cloud.URL + "/", "MQTT_URL": url})
	eventually(t, "the equivent that runs", func() bool {
		return strings.Contains(all.last("grid2mqtt/equiwatt/state"), `"equivent":"ON"`) && strings.Contains(all.last("grid2mqtt/equiwatt/event"), `"started"`)
	})
}

// topics is everything a broker said.
type topics struct {
	mu   sync.Mutex
	seen map[string]string
	all  strings.Builder
}

func listenAll(t *testing.T, url string) *topics {
	t.Helper()
	s := &topics{seen: map[string]string{}}
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp" + url[4:]).SetClientID("all"))
	if tok := c.Connect(); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	t.Cleanup(func() { c.Disconnect(0) })
	c.Subscribe("#", 1, func(_ mqtt.Client, m mqtt.Message) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.seen[m.Topic()] = string(m.Payload())
		s.all.WriteString(m.Topic() + " " + string(m.Payload()) + "\n")
	}).Wait()
	return s
}

func (s *topics) last(topic string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[topic]
}

func (s *topics) text() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all.String()
}

func TestAHookTokenIsMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	token := regexp.MustCompile(`/hook/equiwatt/([A-Za-z0-9_-]{22,})/started`)
	read := func() string {
		var found string
		t.Run("run", func(t *testing.T) {
			_, web := start(t, map[string]string{"DATA_DIR": dir, "HOOK_TOKEN": "", "EQUIWATT_HOOK_TRUST": "believe"})
			if m := token.FindStringSubmatch(get(t, web)); m != nil {
				found = m[1]
			}
		})
		return found
	}
	if first, second := read(), read(); first == "" || first != second {
		t.Errorf("the token was %q, then %q", first, second)
	}
}

// TestNoSecretLeaves plants a secret in every place there is for one, lets
// everything go wrong that can, and looks for them in the log, in every topic,
// on the page and in every answer.
func TestNoSecretLeaves(t *testing.T) {
	const token, user, password, other = "equiwatt-token-0451", "mqtt-user-in-url", "mqtt-password-0451", "url-password-0451"
	const ecomonSecret, ecomonKey = "ecomon-secret-0451", "intermediary-api-key-0451"
	const responseKey, responseSecret = "powerresponse-key-0451", "powerresponse-hmac-token-0451"
	var mode sync.Map
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		how, _ := mode.Load("how")
		auth := r.Header.Get("Authorization")
		switch how {
		case "echo":
			io.WriteString(w, `{"success":false,"msg":"bad token `+auth+`","data":null}`)
		case "html":
			io.WriteString(w, "<html>"+auth)
		case "401":
			w.WriteHeader(401)
			io.WriteString(w, auth)
		default:
			io.WriteString(w, `{"success":true,"msg":null,"data":{"current_event":null,"previous_events":[]}}`)
		}
	}))
	defer cloud.Close()
	mqttURL := broker(t)
	all := listenAll(t, mqttURL)
	log := &notes{}
	ready := make(chan [2]string, 1)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	var told strings.Builder
	withLogin := "mqtt://" + user + ":" + other + "@" + strings.TrimPrefix(mqttURL, "mqtt://")
	go func() {
		done <- Run(ctx, map[string]string{
			"EQUIWATT_TOKEN": token, "EQUIWATT_URL": cloud.URL + "/", "MQTT_URL": withLogin, "MQTT_PASSWORD": password, "HOOK_TOKEN": goodToken,
			"ECOMON_SECRET": ecomonSecret, "ECOMON_API_KEY": ecomonKey, "ECOMON_URL": cloud.URL,
			"POWERRESPONSE_API_KEY": responseKey, "POWERRESPONSE_TENANT": "11111111-2222-4333-8444-555555555555", "POWERRESPONSE_TOKEN": responseSecret, "POWERRESPONSE_URL": cloud.URL,
			"HOOK_ADDR": "127.0.0.1:0", "WEB_ADDR": "127.0.0.1:0", "DATA_DIR": t.TempDir(), "LOG_LEVEL": "trace",
		}, log, Host{Ready: func(h, w string) { ready <- [2]string{"http://" + h, "http://" + w} }})
	}()
	at := <-ready
	for _, how := range []string{"", "echo", "html", "401"} {
		mode.Store("how", how)
		get(t, at[0]+"/hook/equiwatt/"+goodToken+"/started")
		before := log.String()
		post(t, at[0], 0)
		if how != "" {
			eventually(t, "a word about "+how, func() bool {
				return len(log.String()) > len(before)+100 || strings.Contains(log.String()[len(before):], "WRN")
			})
		}
		told.WriteString(get(t, at[1]) + get(t, at[1]+"/metrics"))
	}
	for _, path := range []string{"/hook/ecomon/" + goodToken, "/hook/powerresponse/" + goodToken, "/hook/equiwatt/wrong/started", "/", "/hook/other/" + goodToken, "/hook/equiwatt/" + goodToken + "/other"} {
		r, err := http.Post(at[0]+path, "text/plain", strings.NewReader(token))
		if err != nil {
			t.Fatal(err)
		}
		b, _ := io.ReadAll(r.Body)
		r.Body.Close()
		told.WriteString(string(b))
	}
	eventually(t, "states", func() bool { return all.last("grid2mqtt/status") == "online" })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, secret := range []string{token, user, password, other, ecomonSecret, ecomonKey, responseKey, responseSecret} {
		for where, text := range map[string]string{"the log": log.String(), "a topic": all.text(), "the page": told.String()} {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in %s", secret, where)
			}
		}
	}
	for where, text := range map[string]string{"the log": log.String(), "a topic": all.text()} {
		if strings.Contains(text, goodToken) {
			t.Errorf("the hook token is in %s", where)
		}
	}
	if !strings.Contains(told.String(), goodToken) {
		t.Error("the hook token is not on the page, so this test does not look where it should")
	}
}

func TestTheHostsBrokerIsAskedAnewWhenItRefuses(t *testing.T) {
	url := broker(t)
	all := listenAll(t, url)
	asked := 0
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, map[string]string{"HOOK_ADDR": "127.0.0.1:0", "WEB_ADDR": "127.0.0.1:0", "DATA_DIR": t.TempDir()}, io.Discard, Host{
			Broker: func(context.Context) (homeassistant.Broker, error) {
				asked++
				if asked == 1 {
					return homeassistant.Broker{}, homeassistant.ErrNoBroker // the broker app is not up yet
				}
				return homeassistant.Broker{URL: url}, nil
			},
		})
	}()
	eventually(t, "online", func() bool { return all.last("grid2mqtt/status") == "online" })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	eventually(t, "offline", func() bool { return all.last("grid2mqtt/status") == "offline" })
}

// Strangers can fill the door, but not the memory behind it.
func TestSoManyCallersAtATime(t *testing.T) {
	addrs := make(chan string, 1)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		done <- Run(ctx, map[string]string{"HOOK_ADDR": "127.0.0.1:0", "WEB_ADDR": "127.0.0.1:0", "DATA_DIR": t.TempDir()}, io.Discard, Host{Ready: func(hooks, _ string) { addrs <- hooks }})
	}()
	addr := <-addrs
	call := func() net.Conn {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	ask := func(c net.Conn) error {
		if _, err := io.WriteString(c, "GET /nothing HTTP/1.1\r\nHost: home\r\n\r\n"); err != nil {
			return err
		}
		r, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err == nil {
			_, err = io.Copy(io.Discard, r.Body)
		}
		return err
	}
	inside := make([]net.Conn, intake.Callers)
	for i := range inside {
		inside[i] = call()
		if err := ask(inside[i]); err != nil {
			t.Fatalf("%d: %v", i, err)
		}
	}
	outside, let := call(), make(chan error, 1)
	go func() { let <- ask(outside) }()
	for range 100 { // others are answered meanwhile
		if err := ask(inside[0]); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-let:
		t.Fatalf("caller %d was let in", intake.Callers+1)
	default:
	}
	inside[1].Close()
	if err := <-let; err != nil {
		t.Error(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
