package powerresponse

import (
	"strings"
	"testing"
)

func usual(change func(*Config)) Config {
	c := Config{URL: "https://cloud.equiwatt.com", Challenge: "text"}
	change(&c)
	return c
}

func TestValidate(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"the defaults": func(*Config) {},
		"everything": func(c *Config) {
			c.APIKey, c.Tenant, c.Token, c.SignatureHeader, c.Challenge = secret, strings.ToUpper(tenant), token, "X-Signature", "json"
		},
		"this machine": func(c *Config) { c.URL = "http://127.0.0.1:8080/x/" },
	} {
		if err := usual(change).Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	const value = "s3cret"
	for name, c := range map[string]struct {
		variable string
		change   func(*Config)
	}{
		"a blank in the key": {"POWERRESPONSE_API_KEY", func(c *Config) { c.APIKey = value + " " + value }},
		"a line end":         {"POWERRESPONSE_TOKEN", func(c *Config) { c.Token = value + "\n" }},
		"a short tenant":     {"POWERRESPONSE_TENANT", func(c *Config) { c.Tenant = value }},
		"no UUID":            {"POWERRESPONSE_TENANT", func(c *Config) { c.Tenant = strings.Repeat("x", 36) }},
		"plain http":         {"POWERRESPONSE_URL", func(c *Config) { c.URL = "http://cloud.equiwatt.com/" + value }},
		"a query":            {"POWERRESPONSE_URL", func(c *Config) { c.URL += "/?" + value }},
		"no address":         {"POWERRESPONSE_URL", func(c *Config) { c.URL = "" }},
		"a colon":            {"POWERRESPONSE_SIGNATURE_HEADER", func(c *Config) { c.SignatureHeader = value + ":" }},
		"an unknown word":    {"POWERRESPONSE_CHALLENGE", func(c *Config) { c.Challenge = value }},
	} {
		err := usual(c.change).Validate()
		if err == nil || !strings.HasPrefix(err.Error(), c.variable+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want it to name %s alone", name, err, c.variable)
		} else if strings.Contains(err.Error(), value) {
			t.Errorf("%s: the value is repeated: %v", name, err)
		}
	}
}

func TestOn(t *testing.T) {
	for _, c := range []struct {
		key, tenant, token string
		on                 bool
		missing, warning   string
	}{
		{},
		{token: token},
		{key: secret, tenant: tenant, token: token, on: true},
		{key: secret, tenant: tenant, on: true, warning: "POWERRESPONSE_TOKEN"},
		{key: secret, missing: "needs POWERRESPONSE_TENANT"},
		{tenant: tenant, token: token, missing: "needs POWERRESPONSE_API_KEY"},
	} {
		config := Config{APIKey: c.key, Tenant: c.tenant, Token: c.token}
		on, missing := config.On()
		if on != c.on || (missing == "") != (c.missing == "") || !strings.Contains(missing, c.missing) {
			t.Errorf("%+v: on %v, missing %q", c, on, missing)
		}
		if w := config.Warning(); (w == "") != (c.warning == "") || !strings.Contains(w, c.warning) {
			t.Errorf("%+v: warning %q", c, w)
		}
	}
}
