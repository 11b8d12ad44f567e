package equiwatt

import (
	"strings"
	"testing"
	"time"
)

func usual(change func(*Config)) Config {
	c := Config{URL: "https://app.equiwatt.com/api/v3/equivents/", PollInterval: time.Minute, MaxDuration: 4 * time.Hour}
	change(&c)
	return c
}

func TestValidateTakes(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"the defaults":       func(*Config) {},
		"a token":            func(c *Config) { c.Token = secret },
		"with Bearer":        func(c *Config) { c.Token = "bearer  " + secret + "\n" },
		"confirm":            func(c *Config) { c.HookTrust = "confirm" },
		"believe":            func(c *Config) { c.HookTrust = "believe" },
		"this machine":       func(c *Config) { c.URL = "http://127.0.0.1:8080/x/" },
		"this machine, IPv6": func(c *Config) { c.URL = "http://[::1]:8080/" },
		"localhost":          func(c *Config) { c.URL = "http://LOCALHOST/" },
		"a short interval":   func(c *Config) { c.PollInterval = time.Second },
	} {
		if err := usual(change).Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateNamesTheVariableAndNoValue(t *testing.T) {
	const value = "s3cret"
	for name, c := range map[string]struct {
		variable string
		change   func(*Config)
	}{
		"only the word":      {"EQUIWATT_TOKEN", func(c *Config) { c.Token = "Bearer " }},
		"only blanks":        {"EQUIWATT_TOKEN", func(c *Config) { c.Token = "  " }},
		"a blank inside":     {"EQUIWATT_TOKEN", func(c *Config) { c.Token = value + " " + value }},
		"a line end inside":  {"EQUIWATT_TOKEN", func(c *Config) { c.Token = value + "\r\nX: y" }},
		"not ASCII":          {"EQUIWATT_TOKEN", func(c *Config) { c.Token = value + "ü" }},
		"plain http":         {"EQUIWATT_URL", func(c *Config) { c.URL = "http://app.equiwatt.com/" + value }},
		"the local network":  {"EQUIWATT_URL", func(c *Config) { c.URL = "http://192.168.1.2/" + value }},
		"almost loopback":    {"EQUIWATT_URL", func(c *Config) { c.URL = "http://127.0.0.1.example/" + value }},
		"another scheme":     {"EQUIWATT_URL", func(c *Config) { c.URL = "ftp://" + value + "/" }},
		"no host":            {"EQUIWATT_URL", func(c *Config) { c.URL = "https:///" + value }},
		"a port alone":       {"EQUIWATT_URL", func(c *Config) { c.URL = "https://:443/" + value }},
		"no address":         {"EQUIWATT_URL", func(c *Config) { c.URL = "https://%zz" + value }},
		"a password in it":   {"EQUIWATT_URL", func(c *Config) { c.URL = "https://me:" + value + "@app.equiwatt.com/" }},
		"nothing":            {"EQUIWATT_URL", func(c *Config) { c.URL = "" }},
		"a negative time":    {"EQUIWATT_POLL_INTERVAL", func(c *Config) { c.PollInterval = -1 }},
		"no duration at all": {"EQUIWATT_MAX_DURATION", func(c *Config) { c.MaxDuration = 0 }},
		"an unknown word":    {"EQUIWATT_HOOK_TRUST", func(c *Config) { c.HookTrust = value }},
	} {
		err := usual(c.change).Validate()
		if err == nil || !strings.HasPrefix(err.Error(), c.variable+": ") {
			t.Errorf("%s: %v, want it to name %s", name, err, c.variable)
		} else if strings.Contains(err.Error(), value) {
			t.Errorf("%s: the value is repeated: %v", name, err)
		}
	}
}

func TestValidateNamesAll(t *testing.T) {
	err := Config{Token: "a b", URL: "x", PollInterval: -1, HookTrust: "y"}.Validate()
	for _, name := range []string{"TOKEN", "URL", "POLL_INTERVAL", "MAX_DURATION", "HOOK_TRUST"} {
		if err == nil || !strings.Contains(err.Error(), "EQUIWATT_"+name+": ") {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestOn(t *testing.T) {
	for _, c := range []struct {
		token, trust string
		on, half     bool
		believe      bool
	}{
		{},
		{token: secret, on: true},
		{token: secret, trust: "confirm", on: true},
		{token: secret, trust: "believe", on: true, believe: true},
		{trust: "believe", on: true, believe: true},
		{trust: "confirm", half: true},
		{token: " Bearer ", trust: "confirm", half: true},
	} {
		config := Config{Token: c.token, HookTrust: c.trust}
		on, missing := config.On()
		if on != c.on || (missing != "") != c.half || config.Believe() != c.believe {
			t.Errorf("%+v: on %v, missing %q, believe %v", c, on, missing, config.Believe())
		}
		if c.half && !strings.Contains(missing, "EQUIWATT_TOKEN") {
			t.Errorf("%q does not name the missing variable", missing)
		}
	}
}

func TestBearer(t *testing.T) {
	for given, want := range map[string]string{
		"abc": "abc", " abc\n": "abc", "Bearer abc": "abc", "bearer   abc ": "abc", "BEARER\tabc": "abc",
		"bearerabc": "bearerabc", "Bearer": "", "": "", "bear": "bear",
	} {
		if got := bearer(given); got != want {
			t.Errorf("%q is the token %q, want %q", given, got, want)
		}
	}
}
