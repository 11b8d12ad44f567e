package homeassistant

import (
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Config is read from variables that begin with MQTT_.
type Config struct {
	URL             string `env:"URL"`
	Username        string `env:"USERNAME"`
	Password        string `env:"PASSWORD"`
	CAFile          string `env:"CA_FILE"`
	BaseTopic       string `env:"BASE_TOPIC" envDefault:"grid2mqtt"`
	DiscoveryPrefix string `env:"DISCOVERY_PREFIX" envDefault:"homeassistant"`
}

// Validate names every variable that cannot be used, without its value.
func (c Config) Validate() error {
	var errs []error
	if c.URL != "" {
		if _, err := ParseBroker(c.URL); err != nil {
			errs = append(errs, fmt.Errorf("MQTT_URL %w", err))
		}
	}
	if c.CAFile != "" {
		if _, err := CertPool(c.CAFile); err != nil {
			errs = append(errs, err)
		}
	}
	if c.BaseTopic == c.DiscoveryPrefix || c.BaseTopic == "homeassistant" {
		errs = append(errs, errors.New("MQTT_BASE_TOPIC is Home Assistant's own topic"))
	}
	for _, t := range []struct{ name, topic string }{{"MQTT_BASE_TOPIC", c.BaseTopic}, {"MQTT_DISCOVERY_PREFIX", c.DiscoveryPrefix}} {
		if why := badTopic(t.topic); why != "" {
			errs = append(errs, fmt.Errorf("%s %s", t.name, why))
		}
	}
	return errors.Join(errs...)
}

func badTopic(t string) string {
	switch {
	case t == "" || !utf8.ValidString(t) || strings.ContainsFunc(t, unicode.IsControl):
		return "is no topic"
	case strings.ContainsAny(t, "+#"):
		return "contains a wildcard"
	case strings.HasPrefix(t, "/") || strings.HasSuffix(t, "/"):
		return "begins or ends with a slash"
	case strings.HasPrefix(t, "$"):
		return "begins with $"
	case len(t) > 200:
		return "is longer than 200 characters"
	}
	return ""
}
