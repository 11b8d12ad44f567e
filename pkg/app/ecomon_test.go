package app

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

const (
	ecomonSecret = "ecomon-secret-0451"
	ecomonAlert  = `{"data":{"alerts":[{"configuredLimitInWatts":5000,"consumptionThisFarInTheCurrentHourInWatts":3000,"deviceId":"A1B2C3D4"}]},` +
		`"event":"HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING"}`
)

func TestWhenEcomonIsOn(t *testing.T) {
	for _, c := range []struct {
		env     map[string]string
		on      bool
		half    string
		warning string
	}{
		{map[string]string{}, false, "", ""},
		{map[string]string{"ECOMON_SECRET": "x"}, true, "", ""},
		{map[string]string{"ECOMON_API_KEY": "x"}, false, "ECOMON_SECRET", ""},
		{map[string]string{"ECOMON_UNSIGNED": "true"}, true, "", "ECOMON_UNSIGNED"},
		{map[string]string{"ECOMON_UNSIGNED": "false"}, false, "", ""},
	} {
		config, err := load(c.env)
		if err != nil {
			t.Fatal(err)
		}
		s := config.ecomon()
		if s.on != c.on || !strings.Contains(s.missing, c.half) || (c.half == "") != (s.missing == "") || (c.warning == "") != (s.warning == "") {
			t.Errorf("%v: on %v, missing %q, warning %q", c.env, s.on, s.missing, s.warning)
		}
		if signed := s.hooks.Verify != nil; signed != (c.warning == "") || s.hooks.Limit != 64<<10 {
			t.Errorf("%v: signed is %v, %d bytes are taken", c.env, signed, s.hooks.Limit)
		}
		if config.rules(time.Now()).Ecomon != c.on {
			t.Errorf("%v: the state does not agree", c.env)
		}
	}
}

// ecomonPost sends a webhook and returns the status of the answer.
func ecomonPost(t *testing.T, hooks, secret, body string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, hooks+"/hook/ecomon/"+goodToken, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if secret != "" {
		h := hmac.New(sha1.New, []byte(secret))
		h.Write([]byte(body))
		req.Header.Set("X-Ecomon-Signature", "sha1="+hex.EncodeToString(h.Sum(nil)))
	}
	r, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	return r.StatusCode
}

func TestASignedAlertArrives(t *testing.T) {
	url := broker(t)
	all := listenAll(t, url)
	hooks, web := start(t, map[string]string{"ECOMON_SECRET": ecomonSecret, "MQTT_URL": url})
	eventually(t, "Ecomon's device", func() bool { return all.last("homeassistant/device/grid2mqtt_ecomon/config") != "" })
	for name, secret := range map[string]string{"no signature": "", "another secret": "x"} {
		if got := ecomonPost(t, hooks, secret, ecomonAlert); got != http.StatusUnauthorized {
			t.Errorf("%s: %d", name, got)
		}
	}
	if got := ecomonPost(t, hooks, ecomonSecret, ecomonAlert); got != http.StatusOK {
		t.Errorf("signed: %d", got)
	}
	eventually(t, "the warning", func() bool {
		return strings.Contains(all.text(), `"event_type":"limit_warning"`) && // the hour may just be over
			strings.Contains(all.text(), `grid2mqtt/ecomon/a1b2c3d4/state {"limit_warning":"ON","limit":5000,"consumption":3000,"projection":6000,"remaining":2000,`)
	})
	if got := ecomonPost(t, hooks, ecomonSecret, `{"event":"webhook:test"}`); got != http.StatusOK {
		t.Errorf("the test: %d", got)
	}
	eventually(t, "the test", func() bool { return strings.Contains(all.last("grid2mqtt/ecomon/event"), `"event_type":"test"`) })
	page := get(t, web)
	for _, want := range []string{"/hook/ecomon/" + goodToken, "wrong signature"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %s", want)
		}
	}
	if strings.Contains(all.last("grid2mqtt/bridge/state"), `"problem":"ON"`) {
		t.Error(all.last("grid2mqtt/bridge/state"))
	}
}

// TestWhatEcomonMayNotMeanIsKept: 2xx, as it came, and shown for what it is.
func TestWhatEcomonMayNotMeanIsKept(t *testing.T) {
	url := broker(t)
	all := listenAll(t, url)
	dir := t.TempDir()
	t.Run("run", func(t *testing.T) {
		hooks, _ := start(t, map[string]string{"ECOMON_SECRET": ecomonSecret, "MQTT_URL": url, "DATA_DIR": dir})
		for _, body := range []string{"<html>", `{"event":"NEW_KIND","data":{"x":1}}`} {
			if got := ecomonPost(t, hooks, ecomonSecret, body); got != http.StatusOK {
				t.Errorf("%s: %d", body, got)
			}
		}
		eventually(t, "both as notices", func() bool {
			return strings.Contains(all.text(), `"kind":"undecodable"`) && strings.Contains(all.text(), `"data":{"x":1},"event_type":"notice"`)
		})
	})
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	kept, err := j.Deliveries(t.Context(), journal.Query{Source: "ecomon", Limit: 10})
	if err != nil || len(kept) != 2 {
		t.Fatal(kept, err)
	}
	if d := kept[1]; d.Verdict != event.Unread || string(d.Body) != "<html>" {
		t.Errorf("%+v", d)
	}
	if d := kept[0]; d.Verdict != event.Accepted {
		t.Errorf("%+v", d)
	}
}

func TestForwardedAlertsNeedUnsigned(t *testing.T) {
	url := broker(t)
	all := listenAll(t, url)
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp" + url[4:]).SetClientID("forwarder"))
	if tok := c.Connect(); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	t.Cleanup(func() { c.Disconnect(0) })
	forward := func() { c.Publish("grid2mqtt/hook/ecomon", 1, false, ecomonAlert).Wait() }

	t.Run("signed", func(t *testing.T) {
		_, web := start(t, map[string]string{"ECOMON_SECRET": ecomonSecret, "MQTT_URL": url})
		eventually(t, "online", func() bool { return all.last("grid2mqtt/status") == "online" })
		forward()
		eventually(t, "the refusal", func() bool { return strings.Contains(get(t, web), "wrong signature") })
	})
	if s := all.last("grid2mqtt/ecomon/a1b2c3d4/state"); s != "" {
		t.Errorf("it was believed: %s", s)
	}
	t.Run("unsigned", func(t *testing.T) {
		hooks, page := start(t, map[string]string{"ECOMON_UNSIGNED": "true", "MQTT_URL": url})
		if !strings.Contains(get(t, page+"/log"), "ECOMON_UNSIGNED") {
			t.Error("the log does not warn of it")
		}
		eventually(t, "the problem", func() bool {
			return all.last("grid2mqtt/status") == "online" && strings.Contains(all.last("grid2mqtt/bridge/state"), "ECOMON_UNSIGNED")
		})
		forward()
		eventually(t, "the warning", func() bool {
			return strings.Contains(all.text(), `grid2mqtt/ecomon/a1b2c3d4/state {"limit_warning":"ON"`)
		})
		if got := ecomonPost(t, hooks, "", ecomonAlert); got != http.StatusOK {
			t.Errorf("posted: %d", got)
		}
	})
}

// openEcomon is a cloud that sends its webhooks at once.
func openEcomon(t *testing.T) (cloud *simulator.Ecomon, api string) {
	t.Helper()
	cloud = simulator.NewEcomon("k-0451-0451", nil)
	cloud.Prompt(true)
	api, err := cloud.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := cloud.Close(); err != nil {
			t.Error(err)
		}
	})
	return cloud, api
}

// TestEcomonHooks: from nothing to a signed test that arrived, by the command's
// own functions in the running app.
func TestEcomonHooks(t *testing.T) {
	cloud, api := openEcomon(t)
	cloud.Bearer()
	dir := t.TempDir()
	env := map[string]string{"ECOMON_SECRET": ecomonSecret, "ECOMON_API_KEY": "k-0451-0451", "ECOMON_URL": api, "DATA_DIR": dir, "HOOK_TOKEN": goodToken}
	hooks, _ := start(t, env)
	env["PUBLIC_URL"] = hooks
	for _, step := range []struct{ args, says, fails string }{
		{"list ecomon", "ecomon: the alert PriceWarningAlertSetting calls no webhook\n", ""},
		{"check ecomon", "", "no device has an alert at Ecomon: register it with device=… limit=…"},
		{"register ecomon", "ecomon: the secret is set\n", "no device has an alert"},
		{"register ecomon device=a1b2c3d4", "", "device and limit come together"},
		{"register ecomon limit=5000", "", "device and limit come together"},
		{"register ecomon device=a1b2c3d4 limit=NaN", "", "device and limit come together"},
		{"register ecomon device=a1b2c3d4 limit=5000", "ecomon: the secret is set\n" +
			"ecomon: the alert at half the hour of a1b2c3d4 (5000 Wh) is set\necomon: the alert at any time of a1b2c3d4 (5000 Wh) is set\n" +
			"ecomon: the alert at half the hour of a1b2c3d4 (5000 Wh) calls here now\necomon: the alert at any time of a1b2c3d4 (5000 Wh) calls here now\n", ""},
		{"register ecomon device=a1b2c3d4 limit=5000", "ecomon: the secret is set\n" +
			"ecomon: the alert at half the hour of a1b2c3d4 (5000 Wh) was there already\necomon: the alert at any time of a1b2c3d4 (5000 Wh) was there already\n" +
			"ecomon: the alert at half the hour of a1b2c3d4 (5000 Wh) called here already\necomon: the alert at any time of a1b2c3d4 (5000 Wh) called here already\n", ""},
		{"list ecomon", "ecomon: the alert PriceWarningAlertSetting calls no webhook\n" +
			"ecomon: the alert at half the hour of a1b2c3d4 (5000 Wh) calls " + hooks + "/hook/ecomon/…\n" +
			"ecomon: the alert at any time of a1b2c3d4 (5000 Wh) calls " + hooks + "/hook/ecomon/…\n", ""},
		{"check ecomon", "ecomon: the alert at half the hour of a1b2c3d4 (5000 Wh) calls here\necomon: the alert at any time of a1b2c3d4 (5000 Wh) calls here\n" +
			"ecomon: asked Ecomon for its test\necomon: its test webhook arrived: accepted\n", ""},
		{"remove ecomon", "", "Ecomon offers no way to remove its webhooks."},
		{"another", "", ""},
		{"check ecomon", "ecomon: the alert at half the hour of a1b2c3d4 (5000 Wh) calls here\necomon: the alert at any time of a1b2c3d4 (5000 Wh) calls here\n" +
			"ecomon: the alert at half the hour of e5f6 (1 Wh) does not call here\n", "1 of 3 alerts do not call here: register attaches them"},
	} {
		if step.args == "another" {
			cloud.Limit(simulator.HalfHourAlert, "e5f6", 1)
			continue
		}
		var said strings.Builder
		err := Hooks(t.Context(), strings.Fields(step.args), env, &said, Host{})
		if said.String() != step.says || (err == nil) != (step.fails == "") || err != nil && !strings.Contains(err.Error(), step.fails) {
			t.Errorf("%s: said\n%s%v\nwant\n%s%s", step.args, said.String(), err, step.says, step.fails)
		}
	}
	if cloud.Secret() != ecomonSecret {
		t.Errorf("the secret is %q", cloud.Secret())
	}
}

// TestEcomonAnotherSecret: the check tells where the vendor signs with another
// secret, whatever its API says.
func TestEcomonAnotherSecret(t *testing.T) {
	cloud, api := openEcomon(t)
	hooks, web := start(t, map[string]string{"ECOMON_SECRET": ecomonSecret})
	cloud.Sign("another")
	cloud.Limit(simulator.HalfHourAlert, "a1b2c3d4", 5000, hooks+"/hook/ecomon/"+goodToken)
	c, err := load(map[string]string{"ECOMON_SECRET": ecomonSecret, "ECOMON_API_KEY": "k-0451-0451", "ECOMON_URL": api})
	if err != nil {
		t.Fatal(err)
	}
	s := c.ecomon()
	s.registrar.arrival = 100 * time.Millisecond
	a := office(t, &clerk{}, func(a *App) { a.config.PublicURL, a.secrets.newest, a.table = hooks, goodToken, []source{s} })
	if _, err := a.Hooks(t.Context(), "check", "ecomon", nil); err == nil || !strings.Contains(err.Error(), "is the secret the vendor's?") {
		t.Error(err)
	}
	eventually(t, "the refusal on the page", func() bool { return strings.Contains(get(t, web), "wrong signature") })
	if _, keys := a.journal.Setting("ecomon.bearer"); !keys {
		t.Error("the form of the key is not remembered")
	}
}
