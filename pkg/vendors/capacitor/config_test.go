package capacitor

import (
	"strings"
	"testing"
)

func usual(change func(*Config)) Config {
	c := Config{URL: "https://api.capacitor.live/api/v1"}
	change(&c)
	return c
}

func TestValidate(t *testing.T) {
	const value = "s3cret"
	for name, c := range map[string]struct {
		want   string // the variable that is named; empty: all is well
		change func(*Config)
	}{
		"the defaults":      {"", func(*Config) {}},
		"all":               {"", func(c *Config) { *c = Config{key, secret, "http://127.0.0.1:8080/api/v1", true, "enforce", "hash"} }},
		"blank in a key":    {"CAPACITOR_API_KEY", func(c *Config) { c.APIKey = value + " " + value }},
		"line in a key":     {"CAPACITOR_API_KEY", func(c *Config) { c.APIKey = value + "\r\nX: y" }},
		"line in a secret":  {"CAPACITOR_SECRET", func(c *Config) { c.Secret = value + "\n" }},
		"plain http":        {"CAPACITOR_URL", func(c *Config) { c.URL = "http://capacitor.live/" + value }},
		"unknown signature": {"CAPACITOR_SIGNATURE", func(c *Config) { c.Signature = value }},
		"unknown rfid":      {"CAPACITOR_RFID", func(c *Config) { c.RFID = value }},
	} {
		err := usual(c.change).Validate()
		if (err == nil) != (c.want == "") || err != nil && (!strings.HasPrefix(err.Error(), c.want+": ") || strings.Contains(err.Error(), value)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOn(t *testing.T) {
	for name, c := range map[string]struct {
		on      bool
		missing string // a variable that the sentence names; empty: there is none
		change  func(*Config)
	}{
		"nothing":                  {false, "", func(*Config) {}},
		"a key":                    {true, "", func(c *Config) { c.APIKey = key }},
		"hooks":                    {true, "", func(c *Config) { c.Hooks = true }},
		"both and a secret":        {true, "", func(c *Config) { c.APIKey, c.Hooks, c.Secret = key, true, secret }},
		"a secret alone":           {false, "CAPACITOR_API_KEY", func(c *Config) { c.Secret = secret }},
		"enforce without a secret": {false, "CAPACITOR_SECRET", func(c *Config) { c.Hooks, c.Signature = true, "enforce" }},
		"enforce":                  {true, "", func(c *Config) { c.Hooks, c.Signature, c.Secret = true, "enforce", secret }},
		"only words":               {false, "", func(c *Config) { c.Signature, c.RFID = "enforce", "hash" }},
	} {
		on, missing := usual(c.change).On()
		if on != c.on || (missing == "") != (c.missing == "") || !strings.Contains(missing, c.missing) || strings.Contains(missing, secret) {
			t.Errorf("%s: %v %q", name, on, missing)
		}
	}
}
