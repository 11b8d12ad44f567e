package app

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	chargerKey    = "cap_live_0451"
	chargerSecret = "capacitor-secret-0451"
	cardID        = "CARD-0451"
)

// driveway is a running app whose Capacitor is simulated, with one charger of
// one connector.
type driveway struct {
	*simulator.Capacitor
	all  *topics
	say  mqtt.Client
	log  *notes
	hook string
	web  string
}

func openDriveway(t *testing.T, env map[string]string) driveway {
	t.Helper()
	s := simulator.NewCapacitor(chargerKey, nil)
	url, err := s.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.Add("BOX-1", 1)
	r := driveway{Capacitor: s, log: &notes{}}
	all := map[string]string{"CAPACITOR_URL": url, "MQTT_URL": broker(t), "DATA_DIR": t.TempDir(), "LOG_LEVEL": "debug"}
	for k, v := range env {
		all[k] = v
	}
	r.all = listenAll(t, all["MQTT_URL"])
	r.say = mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp" + all["MQTT_URL"][4:]).SetClientID("household"))
	if tok := r.say.Connect(); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	t.Cleanup(func() { r.say.Disconnect(0) })
	var hooks string
	hooks, r.web = startWith(t, r.log, all)
	r.hook = hooks + "/hook/capacitor/" + goodToken
	r.Hook(r.hook, chargerSecret)
	r.Prompt(true)
	return r
}

func (r *driveway) shows(t *testing.T, topic string, texts ...string) {
	t.Helper()
	eventually(t, fmt.Sprint(topic, texts), func() bool {
		s := r.all.last("grid2mqtt/capacitor/" + topic)
		for _, text := range texts {
			if !strings.Contains(s, text) {
				return false
			}
		}
		return s != ""
	})
}

// TestCapacitorByWebhooksAlone: all is known that was told, nobody is asked,
// and a button says why it does nothing.
func TestCapacitorByWebhooksAlone(t *testing.T) {
	r := openDriveway(t, map[string]string{"CAPACITOR_HOOKS": "true"})
	r.OCPP()
	r.Texts()
	r.Boot("BOX-1")
	r.shows(t, "box_1/state", `"online":"ON"`, `"vendor":"ABB"`, `"firmware":"1.6.0"`)
	r.Begin("BOX-1", 1, cardID)
	r.Charge("BOX-1", 1, 2500)
	r.shows(t, "box_1_1/state", `"status":"Charging","plugged":"ON","charging":"ON","fault":"OFF","session_energy":2.5`, `"session_id":"12345"`)
	r.End("BOX-1", 1, "Local")
	r.shows(t, "box_1_1/state", `"charging":"OFF"`, `"stop_reason":"Local"`)
	r.shows(t, "box_1/event", `"event_type":"connector_status_changed"`, `"connector_id":1`, `"status":"Finishing"`)
	r.say.Publish("grid2mqtt/hook/capacitor", 1, false, `{"event":"connector.status_changed","data":{"chargeBoxId":"BOX-1","connectorId":1,"status":"Faulted","errorCode":"GroundFailure"}}`).Wait()
	r.shows(t, "box_1_1/state", `"status":"Faulted"`, `"fault":"ON"`)
	r.say.Publish("grid2mqtt/hook/capacitor", 1, false, `{"event":"charger.firmware","data":{"chargeBoxId":"BOX-1","owner":"Jane Doe"}}`).Wait()
	r.shows(t, "event", `"event_type":"notice"`, `"code":"charger.firmware"`)
	r.say.Publish("grid2mqtt/capacitor/box_1_1/set/start", 1, false, "PRESS").Wait()
	r.shows(t, "state", `"quota":null`, `"problem_text":"Connector 1 of BOX-1: start was not carried out: `, "CAPACITOR_API_KEY")
	if calls := r.Calls(); len(calls) > 0 {
		t.Errorf("%+v", calls)
	}
	if strings.Contains(r.all.last("grid2mqtt/capacitor/event"), "Jane Doe") {
		t.Error("a name is told")
	}
	for _, secret := range []string{cardID, chargerSecret} {
		if strings.Contains(r.all.text(), secret) || strings.Contains(r.log.String(), secret) {
			t.Errorf("%s is told", secret)
		}
	}
}

// TestCardsByAName: the same card has the same name, which is not its id.
func TestCardsByAName(t *testing.T) {
	r := openDriveway(t, map[string]string{"CAPACITOR_HOOKS": "true", "CAPACITOR_RFID": "hash"})
	r.Boot("BOX-1")
	r.Begin("BOX-1", 1, cardID)
	eventually(t, "a card's name", func() bool { return strings.Contains(r.all.text(), `"idTag":"rfid_`) })
	if strings.Contains(r.all.text(), cardID) {
		t.Error("the card's id is told")
	}
}

// TestASignatureIsSeen: what proves a webhook is found out and said, and
// nothing is refused for the lack of it.
func TestASignatureIsSeen(t *testing.T) {
	r := openDriveway(t, map[string]string{"CAPACITOR_HOOKS": "true", "CAPACITOR_SECRET": chargerSecret})
	r.Boot("BOX-1")
	r.shows(t, "box_1_1/state", `"status":"Available"`)
	if strings.Contains(r.log.String(), "are proven") {
		t.Error("nothing is signed yet")
	}
	r.Sign("X-Capacitor-Signature", "hmac")
	r.Status("BOX-1", 1, "Preparing")
	eventually(t, "the header", func() bool {
		return strings.Contains(r.log.String(), "Capacitor's webhooks are proven by this header; CAPACITOR_SIGNATURE=enforce refuses those without it") &&
			strings.Contains(r.log.String(), "X-Capacitor-Signature")
	})
	r.Sign("", "")
	r.Status("BOX-1", 1, "Charging")
	r.shows(t, "box_1_1/state", `"status":"Charging"`)
	if n := strings.Count(r.log.String(), "are proven"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// TestCapacitorsTrouble: a key that is refused is a problem, and so is one word
// of it for as long as it is the same.
func TestCapacitorsTrouble(t *testing.T) {
	r := openDriveway(t, map[string]string{"CAPACITOR_API_KEY": "cap_live_wrong"})
	eventually(t, "the problem", func() bool {
		return strings.Contains(r.all.last("grid2mqtt/bridge/state"), "Capacitor refuses the API key: make a new one in Capacitor's portal.")
	})
	r.Boot("BOX-1") // webhooks are taken all the same
	r.shows(t, "box_1_1/state", `"status":"Available"`)
	answer, err := http.Post(r.hook, "", strings.NewReader("<html>"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	r.shows(t, "event", `"code":"undecodable"`)
	if n := strings.Count(r.log.String(), "refuses the API key"); n != 1 || answer.StatusCode != http.StatusOK {
		t.Errorf("said %d times, undecodable is answered %d", n, answer.StatusCode)
	}
	if text := r.log.String() + r.all.text() + get(t, r.web); strings.Contains(text, "cap_live_wrong") {
		t.Error("the key is told")
	}
	if v := r.Violations(); len(v) > 0 {
		t.Error(v)
	}
}

// TestOthersWebhooks: of one that is not ours only the host is shown, for its
// path may be somebody's secret.
func TestOthersWebhooks(t *testing.T) {
	s := simulator.NewCapacitor(chargerKey, nil)
	url, err := s.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	s.Hook("https://other.example/hook/their-secret", "")
	s.Hook("https://home.example/hook/ours", "")
	config, err := load(map[string]string{"CAPACITOR_URL": url, "CAPACITOR_API_KEY": chargerKey})
	if err != nil {
		t.Fatal(err)
	}
	lines, err := config.capacitor().registrar.list(t.Context(), hook{URL: "https://home.example/hook/ours", Get: func(string) (string, bool) { return "", false }, Set: func(string, string) {}})
	if text := strings.Join(lines, "\n"); err != nil || len(lines) != 2 || !strings.Contains(lines[0], ", another's: other.example (") || !strings.Contains(lines[1], ", ours: https://home.example/hook/ours (") {
		t.Errorf("%s, %v", text, err)
	}
}

// TestWhenCapacitorIsOn names what is missing where it is half configured.
func TestWhenCapacitorIsOn(t *testing.T) {
	for name, c := range map[string]struct {
		env     map[string]string
		on      bool
		missing string
	}{
		"nothing":     {nil, false, ""},
		"a key":       {map[string]string{"CAPACITOR_API_KEY": "k"}, true, ""},
		"hooks":       {map[string]string{"CAPACITOR_HOOKS": "true"}, true, ""},
		"a secret":    {map[string]string{"CAPACITOR_SECRET": "s"}, false, "CAPACITOR_API_KEY"},
		"no secret":   {map[string]string{"CAPACITOR_API_KEY": "k", "CAPACITOR_SIGNATURE": "enforce"}, false, "CAPACITOR_SECRET"},
		"all of them": {map[string]string{"CAPACITOR_API_KEY": "k", "CAPACITOR_SECRET": "s", "CAPACITOR_SIGNATURE": "enforce"}, true, ""},
	} {
		config, err := load(c.env)
		if err != nil {
			t.Fatal(err)
		}
		s := config.capacitor()
		if s.on != c.on || (s.missing == "") != (c.missing == "") || !strings.Contains(s.missing, c.missing) || (config.capacitorRules() != nil) != c.on {
			t.Errorf("%s: on %v, missing %q", name, s.on, s.missing)
		}
		if (s.poll != nil) != (config.Capacitor.APIKey != "") || (s.registrar != nil) != (s.poll != nil) || (s.hooks.Verify != nil) != config.Capacitor.Enforce() {
			t.Errorf("%s: %+v", name, s)
		}
	}
	_, err := load(map[string]string{"CAPACITOR_HOOKS": "perhaps", "OPENVOLT_HOOKS": "true"})
	if err == nil || !strings.HasPrefix(err.Error(), "CAPACITOR_HOOKS ") {
		t.Errorf("%v", err)
	}
}
