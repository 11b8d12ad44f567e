package ecomon

import (
	"strings"
	"testing"
)

const address = "https://api.hark.eco"

func TestValidateTakes(t *testing.T) {
	for name, c := range map[string]Config{
		"the defaults":  {URL: address},
		"all":           {URL: address, Secret: "a secret with blanks, ø and <", APIKey: "intermediary-api-key_0451", Unsigned: true},
		"this machine":  {URL: "http://127.0.0.1:8080"},
		"older address": {URL: "https://api.ecomon.no"},
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestValidateNamesTheVariableAndNoValue(t *testing.T) {
	const value = "s3cret"
	for name, c := range map[string]struct {
		variable string
		config   Config
	}{
		"a blank behind":      {"ECOMON_SECRET", Config{URL: address, Secret: value + " "}},
		"a line end in front": {"ECOMON_SECRET", Config{URL: address, Secret: "\n" + value}},
		"only blanks":         {"ECOMON_SECRET", Config{URL: address, Secret: "  "}},
		"a key with a blank":  {"ECOMON_API_KEY", Config{URL: address, APIKey: "Bearer " + value}},
		"a key with a line":   {"ECOMON_API_KEY", Config{URL: address, APIKey: value + "\r\nX: y"}},
		"plain http":          {"ECOMON_URL", Config{URL: "http://api.hark.eco/" + value}},
		"no address":          {"ECOMON_URL", Config{}},
	} {
		err := c.config.Validate()
		if err == nil || !strings.HasPrefix(err.Error(), c.variable+": ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v, want it to name %s", name, err, c.variable)
		} else if strings.Contains(err.Error(), value) {
			t.Errorf("%s: the value is repeated: %v", name, err)
		}
	}
	err := Config{Secret: " ", APIKey: " "}.Validate()
	for _, name := range []string{"SECRET", "API_KEY", "URL"} {
		if err == nil || !strings.Contains(err.Error(), "ECOMON_"+name+": ") {
			t.Errorf("%v does not name %s", err, name)
		}
	}
}

func TestOn(t *testing.T) {
	for _, c := range []struct {
		secret, key   string
		unsigned      bool
		on, half, bad bool
	}{
		{},
		{secret: "s", on: true},
		{secret: "s", key: "k", on: true},
		{key: "k", half: true},
		{unsigned: true, on: true, bad: true},
		{key: "k", unsigned: true, on: true, bad: true},
		{secret: "s", unsigned: true, on: true, bad: true},
	} {
		config := Config{Secret: c.secret, APIKey: c.key, Unsigned: c.unsigned}
		on, missing := config.On()
		if on != c.on || strings.Contains(missing, "ECOMON_SECRET") != c.half || (config.Warning() != "") != c.bad {
			t.Errorf("%+v: %v %q %q", c, on, missing, config.Warning())
		}
	}
}
