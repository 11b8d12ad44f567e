package e2e

import (
	"encoding/base64"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// badConfiguration is one that cannot be used because of one variable.
type badConfiguration struct {
	name string // of the variable that must be named
	env  map[string]string
}

func badConfigurations(t *testing.T, secret string) []badConfiguration {
	t.Helper()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { taken.Close() })
	dir := t.TempDir()
	file, blank, certificate := filepath.Join(dir, "file"), filepath.Join(dir, "blank"), filepath.Join(dir, "ca.pem")
	must(t, os.WriteFile(file, []byte(secret+"\n"), 0o600))
	must(t, os.WriteFile(blank, nil, 0o600))
	must(t, os.WriteFile(certificate, []byte("-----BEGIN CERTIFICATE-----\n"+base64.StdEncoding.EncodeToString([]byte(secret))), 0o600))
	return []badConfiguration{
		{"MQTT_URL", map[string]string{"MQTT_URL": "http://user:" + secret + "@host"}},
		{"MQTT_URL", map[string]string{"MQTT_URL": secret}},
		{"MQTT_URL", map[string]string{"MQTT_URL": "mqtt://user:%zz" + secret + "@host"}},
		{"MQTT_URL", map[string]string{"MQTT_URL": "mqtt://user:" + secret + "@host:99999"}},
		{"MQTT_URL", map[string]string{"MQTT_URL": "mqtt://host", "MQTT_URL_FILE": file}},
		{"MQTT_URL", map[string]string{"MQTT_URL_FILE": filepath.Join(dir, "nothing")}},
		{"MQTT_URL", map[string]string{"MQTT_URL_FILE": dir}},
		{"MQTT_PASSWORD", map[string]string{"MQTT_PASSWORD": secret, "MQTT_PASSWORD_FILE": file}},
		{"MQTT_PASSWORD", map[string]string{"MQTT_PASSWORD_FILE": filepath.Join(dir, "nothing")}},
		{"MQTT_CA_FILE", map[string]string{"MQTT_CA_FILE": filepath.Join(dir, "nothing")}},
		{"MQTT_CA_FILE", map[string]string{"MQTT_CA_FILE": blank}},
		{"MQTT_CA_FILE", map[string]string{"MQTT_CA_FILE": certificate}},
		{"MQTT_BASE_TOPIC", map[string]string{"MQTT_BASE_TOPIC": "grid/#"}},
		{"MQTT_BASE_TOPIC", map[string]string{"MQTT_BASE_TOPIC": "+/grid"}},
		{"MQTT_BASE_TOPIC", map[string]string{"MQTT_BASE_TOPIC": "grid/"}},
		{"MQTT_BASE_TOPIC", map[string]string{"MQTT_BASE_TOPIC": "/grid"}},
		{"MQTT_BASE_TOPIC", map[string]string{"MQTT_BASE_TOPIC": "$SYS"}},
		{"MQTT_DISCOVERY_PREFIX", map[string]string{"MQTT_DISCOVERY_PREFIX": "ha/+"}},
		{"MQTT_DISCOVERY_PREFIX", map[string]string{"MQTT_DISCOVERY_PREFIX": "ha/"}},
		{"MOMENTS_WAIT", map[string]string{"MOMENTS_WAIT": "perhaps"}},
		{"EQUIWATT_TOKEN", map[string]string{"EQUIWATT_TOKEN": "Bearer two " + secret}},
		{"EQUIWATT_TOKEN", map[string]string{"EQUIWATT_TOKEN": secret, "EQUIWATT_TOKEN_FILE": file}},
		{"EQUIWATT_TOKEN", map[string]string{"EQUIWATT_TOKEN_FILE": filepath.Join(dir, "nothing")}},
		{"EQUIWATT_URL", map[string]string{"EQUIWATT_URL": "http://app.equiwatt.com/"}},
		{"EQUIWATT_URL", map[string]string{"EQUIWATT_URL": "https://user:" + secret + "@app.equiwatt.com/"}},
		{"EQUIWATT_URL", map[string]string{"EQUIWATT_URL": "app.equiwatt.com"}},
		{"EQUIWATT_POLL_INTERVAL", map[string]string{"EQUIWATT_POLL_INTERVAL": "often"}},
		{"EQUIWATT_POLL_INTERVAL", map[string]string{"EQUIWATT_POLL_INTERVAL": "60"}},
		{"EQUIWATT_MAX_DURATION", map[string]string{"EQUIWATT_MAX_DURATION": "0s"}},
		{"EQUIWATT_MAX_DURATION", map[string]string{"EQUIWATT_MAX_DURATION": "-1h"}},
		{"EQUIWATT_HOOK_TRUST", map[string]string{"EQUIWATT_HOOK_TRUST": "blindly"}},
		{"HOOK_ADDR", map[string]string{"HOOK_ADDR": taken.Addr().String()}},
		{"HOOK_ADDR", map[string]string{"HOOK_ADDR": "8098"}},
		{"HOOK_ADDR", map[string]string{"HOOK_ADDR": ":70000"}},
		{"HOOK_TOKEN", map[string]string{"HOOK_TOKEN": "short-secret-451"}},
		{"HOOK_TOKEN", map[string]string{"HOOK_TOKEN": secret + "/"}},
		{"HOOK_TOKEN", map[string]string{"HOOK_TOKEN": secret, "HOOK_TOKEN_FILE": file}},
		{"PUBLIC_URL", map[string]string{"PUBLIC_URL": "home.example"}},
		{"PUBLIC_URL", map[string]string{"PUBLIC_URL": "ftp://home.example"}},
		{"WEB_ADDR", map[string]string{"WEB_ADDR": taken.Addr().String()}},
		{"WEB_ADDR", map[string]string{"WEB_ADDR": "here"}},
		{"DATA_DIR", map[string]string{"DATA_DIR": filepath.Join(file, "below")}},
		{"DATA_DIR", map[string]string{"DATA_DIR": "/proc/self/nothing"}},
		{"RETENTION", map[string]string{"RETENTION": "for ever"}},
		{"RETENTION", map[string]string{"RETENTION": "0d"}},
		{"LOG_LEVEL", map[string]string{"LOG_LEVEL": "loud"}},
		{"LOG_FORMAT", map[string]string{"LOG_FORMAT": "xml"}},
		{"TZ", map[string]string{"TZ": "Europe/Atlantis"}},
	}
}

// TestBadConfiguration ends a plain process with 2 and exactly one line that names the variable and tells no secret.
func TestBadConfiguration(t *testing.T) {
	t.Parallel()
	binary, err := build()
	must(t, err)
	const secret = "hunter2-hunter2-hunter2-hunter2"
	for _, c := range badConfigurations(t, secret) {
		p, err := binary.Install(c.env)
		must(t, err)
		got, err := p.Run(limit(t, soon))
		must(t, err)
		if got.Code != 2 || strings.Count(got.Stderr, "\n") != 1 || !strings.HasSuffix(got.Stderr, "\n") || !strings.Contains(got.Stderr, c.name) {
			t.Errorf("%v: %d %q", c.env, got.Code, got.Stderr)
		}
		for _, s := range []string{secret, "short-secret"} {
			if strings.Contains(got.Stderr+got.Stdout, s) {
				t.Errorf("%v tells the secret: %q", c.env, got.Stderr)
			}
		}
		if got.Stdout != "" {
			t.Errorf("%v: also on the standard output: %q", c.env, got.Stdout)
		}
		must(t, p.Close())
	}
}

// TestEverythingWrongIsOneLine that names all of it.
func TestEverythingWrongIsOneLine(t *testing.T) {
	t.Parallel()
	binary, err := build()
	must(t, err)
	env := map[string]string{"RETENTION": "x", "LOG_LEVEL": "y", "HOOK_TOKEN": "z", "EQUIWATT_URL": "ftp://a", "TZ": "Nowhere"}
	p, err := binary.Install(env)
	must(t, err)
	got, err := p.Run(limit(t, soon))
	must(t, err)
	if got.Code != 2 || strings.Count(got.Stderr, "\n") != 1 {
		t.Errorf("%d %q", got.Code, got.Stderr)
	}
	for name := range env {
		if !strings.Contains(got.Stderr, name) {
			t.Errorf("%s is not named: %q", name, got.Stderr)
		}
	}
	must(t, p.Close())
}

// TestNothingConfigured runs, and its page says what to do first. Empty variables are unset ones.
func TestNothingConfigured(t *testing.T) {
	t.Parallel()
	binary, err := build()
	must(t, err)
	for name, c := range map[string]struct {
		env   map[string]string
		named []string
	}{
		"nothing": {nil, []string{"Equiwatt", "EQUIWATT_TOKEN", "MQTT_URL"}},
		"empty":   {map[string]string{"EQUIWATT_TOKEN": "", "EQUIWATT_HOOK_TRUST": "", "LOG_LEVEL": "", "RETENTION": "", "MQTT_URL": "", "TZ": ""}, []string{"EQUIWATT_TOKEN", "MQTT_URL"}},
		"half":    {map[string]string{"EQUIWATT_HOOK_TRUST": "confirm"}, []string{"EQUIWATT_TOKEN", "MQTT_URL"}},
	} {
		p, err := binary.Open(limit(t, soon), c.env)
		must(t, err)
		r := &rig{app: p}
		page := r.page(t)
		for _, want := range c.named {
			if !strings.Contains(page, want) {
				t.Errorf("%s: the page does not name %s", name, want)
			}
		}
		if name == "half" && !strings.Contains(p.Log(), "EQUIWATT_TOKEN") {
			t.Errorf("the log does not name what is missing:\n%s", p.Log())
		}
		must(t, p.Stop())
		if p.Stderr() != "" {
			t.Errorf("%s: on the standard error: %s", name, p.Stderr())
		}
		must(t, p.Close())
	}
}
