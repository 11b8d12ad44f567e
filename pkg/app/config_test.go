package app

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const goodToken = "abcdefghijklmnopqrstuv" // 22 characters

func TestDefaults(t *testing.T) {
	c, err := load(map[string]string{"EQUIWATT_TOKEN": "", "LOG_LEVEL": ""}) // empty is unset
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]any{
		"base":      {c.MQTT.BaseTopic, "grid2mqtt"},
		"prefix":    {c.MQTT.DiscoveryPrefix, "homeassistant"},
		"wait":      {c.MomentsWait, true},
		"url":       {c.Equiwatt.URL, "https://app.equiwatt.com/api/v3/equivents/"},
		"interval":  {c.Equiwatt.PollInterval, time.Minute},
		"max":       {c.Equiwatt.MaxDuration, 4 * time.Hour},
		"hooks":     {c.HookAddr, ":8098"},
		"web":       {c.WebAddr, "127.0.0.1:8099"},
		"data":      {c.DataDir, "./data"},
		"retention": {c.Retention, 400 * 24 * time.Hour},
		"level":     {c.LogLevel, "info"},
		"format":    {c.LogFormat, "console"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestInvalidValuesAreNamedInOneLine(t *testing.T) {
	const secret = "hunter2-hunter2"
	for _, c := range []struct{ name, value string }{
		{"MQTT_URL", "http://u:" + secret + "@h"}, {"MQTT_URL", secret}, {"MQTT_URL", "mqtt://%zz" + secret},
		{"MQTT_CA_FILE", "/nowhere/ca.pem"},
		{"MQTT_BASE_TOPIC", "a/#"}, {"MQTT_BASE_TOPIC", "/a"}, {"MQTT_BASE_TOPIC", "a/"}, {"MQTT_BASE_TOPIC", "$a"},
		{"MQTT_DISCOVERY_PREFIX", "+"}, {"MQTT_DISCOVERY_PREFIX", "ha/"},
		{"MOMENTS_WAIT", "perhaps"},
		{"EQUIWATT_URL", "http://example.org/"}, {"EQUIWATT_URL", "nonsense"},
		{"EQUIWATT_POLL_INTERVAL", "often"}, {"EQUIWATT_MAX_DURATION", "0"}, {"EQUIWATT_MAX_DURATION", "4"},
		{"EQUIWATT_HOOK_TRUST", "blindly"},
		{"ECOMON_SECRET", secret + " "}, {"ECOMON_API_KEY", "Bearer " + secret}, {"ECOMON_URL", "http://example.org/"}, {"ECOMON_UNSIGNED", "perhaps"},
		{"HOOK_ADDR", "8098"}, {"HOOK_ADDR", ":99999"}, {"WEB_ADDR", "here"},
		{"HOOK_TOKEN", secret}, {"HOOK_TOKEN", goodToken + "!"},
		{"PUBLIC_URL", "example.org"}, {"PUBLIC_URL", "ftp://example.org"},
		{"RETENTION", "0d"}, {"RETENTION", "for ever"},
		{"LOG_LEVEL", "loud"}, {"LOG_FORMAT", "xml"}, {"TZ", "Europe/Atlantis"},
		{"EQUIWATT_TOKEN_FILE", "/nowhere/token"},
	} {
		_, err := load(map[string]string{c.name: c.value})
		switch {
		case err == nil:
			t.Errorf("%s=%s is taken", c.name, c.value)
		case !strings.Contains(err.Error(), c.name):
			t.Errorf("%s=%s: the error does not name it: %s", c.name, c.value, err)
		case strings.Contains(err.Error(), "\n"):
			t.Errorf("%s=%s: more than one line: %q", c.name, c.value, err)
		case strings.Contains(err.Error(), secret):
			t.Errorf("%s: the error holds the value: %s", c.name, err)
		}
	}
}

func TestEveryWrongVariableIsNamed(t *testing.T) {
	_, err := load(map[string]string{"RETENTION": "x", "EQUIWATT_MAX_DURATION": "y", "LOG_LEVEL": "z", "MQTT_BASE_TOPIC": "#"})
	for _, name := range []string{"RETENTION", "EQUIWATT_MAX_DURATION", "LOG_LEVEL", "MQTT_BASE_TOPIC"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named: %v", name, err)
		}
	}
}

func TestSecretsFromFiles(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte("mqtt://user:p%40ss@host\r\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load(map[string]string{"MQTT_URL_FILE": file})
	if err != nil || c.MQTT.URL != "mqtt://user:p%40ss@host" {
		t.Errorf("read %q, %v", c.MQTT.URL, err)
	}
	if _, err := load(map[string]string{"MQTT_URL_FILE": file, "MQTT_URL": "mqtt://other"}); err == nil {
		t.Error("both at once are taken")
	}
	twins := map[string]bool{}
	for _, key := range variables() {
		if secret(key) {
			twins[key] = true
		}
	}
	want := map[string]bool{"MQTT_URL": true, "MQTT_PASSWORD": true, "POWERRESPONSE_API_KEY": true, "POWERRESPONSE_TOKEN": true, "HOOK_TOKEN": true, "EQUIWATT_TOKEN": true, "ECOMON_API_KEY": true, "ECOMON_SECRET": true, "OPENVOLT_API_KEY": true, "CAPACITOR_API_KEY": true, "CAPACITOR_SECRET": true}
	if !maps.Equal(twins, want) {
		t.Errorf("twins of %v, want %v", twins, want)
	}
}

func TestDurations(t *testing.T) {
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{"400d": 400 * day, "1d12h": 36 * time.Hour, "90s": 90 * time.Second, "1h30m": 90 * time.Minute} {
		if got, err := parseDuration(text); err != nil || got != want {
			t.Errorf("%s is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "d", "-3d", "4 days", "99999999999999999999d", "1d1d"} {
		if got, err := parseDuration(text); err == nil {
			t.Errorf("%q is taken as %v", text, got)
		}
	}
}

// A value that cannot be read is not blamed a second time for being zero.
func TestEachVariableIsBlamedOnce(t *testing.T) {
	_, err := load(map[string]string{"RETENTION": "400", "EQUIWATT_MAX_DURATION": "4", "LOG_FORMAT": "xml"})
	want := "EQUIWATT_MAX_DURATION is no duration like 90s, 5m or 400d; RETENTION is no duration like 90s, 5m or 400d; LOG_FORMAT is neither console nor json"
	if err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestPublicURLLosesItsSlash(t *testing.T) {
	c, err := load(map[string]string{"PUBLIC_URL": "https://example.org/grid/"})
	if err != nil || c.PublicURL != "https://example.org/grid" {
		t.Errorf("%q, %v", c.PublicURL, err)
	}
}

func TestWhatIsOn(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		on   bool
		half string
	}{
		{map[string]string{}, false, ""},
		{map[string]string{"EQUIWATT_TOKEN": "x"}, true, ""},
		{map[string]string{"EQUIWATT_TOKEN": "Bearer x", "EQUIWATT_HOOK_TRUST": "confirm"}, true, ""},
		{map[string]string{"EQUIWATT_HOOK_TRUST": "believe"}, true, ""},
		{map[string]string{"EQUIWATT_HOOK_TRUST": "confirm"}, false, "EQUIWATT_TOKEN"},
	} {
		config, err := load(c.env)
		if err != nil {
			t.Fatal(err)
		}
		s := config.sources()[0]
		if s.on != c.on || !strings.Contains(s.missing, c.half) || (c.half == "") != (s.missing == "") {
			t.Errorf("%v: on %v, missing %q", c.env, s.on, s.missing)
		}
	}
}
