package openvolt

import (
	"strings"
	"testing"
	"time"
)

func usual(change func(*Config)) Config {
	c := Config{URL: "https://api.openvolt.com/v1"}
	change(&c)
	return c
}

func TestValidate(t *testing.T) {
	for name, c := range map[string]struct {
		variable string // that is named; empty: all is well
		change   func(*Config)
	}{
		"the defaults":     {"", func(*Config) {}},
		"a key":            {"", func(c *Config) { c.APIKey = " " + secret + "\n" }},
		"this machine":     {"", func(c *Config) { c.URL = "http://127.0.0.1:8080/v1/" }},
		"ends":             {"", func(c *Config) { c.LabelOffset = -30 * time.Minute }},
		"a blank key":      {"OPENVOLT_API_KEY", func(c *Config) { c.APIKey = "  " }},
		"a blank inside":   {"OPENVOLT_API_KEY", func(c *Config) { c.APIKey = secret + " " + secret }},
		"a line end":       {"OPENVOLT_API_KEY", func(c *Config) { c.APIKey = secret + "\r\nX: y" }},
		"plain http":       {"OPENVOLT_URL", func(c *Config) { c.URL = "http://api.openvolt.com/" + secret }},
		"a password in it": {"OPENVOLT_URL", func(c *Config) { c.URL = "https://me:" + secret + "@api.openvolt.com" }},
		"an hour":          {"OPENVOLT_LABEL_OFFSET", func(c *Config) { c.LabelOffset = -time.Hour }},
		"the other way":    {"OPENVOLT_LABEL_OFFSET", func(c *Config) { c.LabelOffset = 30 * time.Minute }},
	} {
		err := usual(c.change).Validate()
		if (c.variable == "") != (err == nil) || err != nil && (!strings.HasPrefix(err.Error(), c.variable+": ") || strings.Contains(err.Error(), secret)) {
			t.Errorf("%s: %v, want %q", name, err, c.variable)
		}
	}
}

func TestOn(t *testing.T) {
	for _, c := range []struct {
		key            string
		hooks, on, ask bool
	}{{}, {hooks: true, on: true}, {key: secret, on: true, ask: true}, {key: secret, hooks: true, on: true, ask: true}, {key: " "}} {
		config := usual(func(u *Config) { u.APIKey, u.Hooks, u.LabelOffset = c.key, c.hooks, -HalfHour })
		client := config.Client()
		if config.On() != c.on || (client != nil) != c.ask {
			t.Errorf("%+v: on %v, client %v", c, config.On(), client)
		}
		if client != nil && (client.Key != secret || client.URL != config.URL || client.LabelOffset != -HalfHour) {
			t.Errorf("%+v", client)
		}
	}
}
