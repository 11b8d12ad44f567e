package openvolt

import (
	"errors"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Config is what a household sets. The names are those of the environment,
// behind the prefix OPENVOLT_.
type Config struct {
	APIKey string `env:"API_KEY"` // empty: the API is not asked
	URL    string `env:"URL" envDefault:"https://api.openvolt.com/v1"`
	Hooks  bool   `env:"HOOKS"` // receive webhooks without an API key
	// LabelOffset is added to the label of an interval to get its start: zero,
	// or -30m where the labels are the ends.
	LabelOffset time.Duration `env:"LABEL_OFFSET" envDefault:"0s"`
}

// Validate names every variable whose value cannot be used, and repeats none
// of the values.
func (c Config) Validate() error {
	var errs []error
	bad := func(text string) { errs = append(errs, errors.New(text)) }
	if strings.ContainsFunc(c.key(), func(r rune) bool { return r <= ' ' || r > '~' }) {
		bad("OPENVOLT_API_KEY: it contains a blank or another character that no key has")
	} else if c.APIKey != "" && c.key() == "" {
		bad("OPENVOLT_API_KEY: there is no key in it")
	}
	if why := rest.Unusable(c.URL); why != "" {
		bad("OPENVOLT_URL: " + why)
	}
	if c.LabelOffset != 0 && c.LabelOffset != -HalfHour {
		bad("OPENVOLT_LABEL_OFFSET: it must be 0s or -30m")
	}
	return errors.Join(errs...)
}

// On reports whether the source is on; it is never half configured.
func (c Config) On() bool { return c.key() != "" || c.Hooks }

// Client asks the API of this configuration; nil: there is no key.
func (c Config) Client() *Client {
	if c.key() == "" {
		return nil
	}
	return &Client{URL: c.URL, Key: c.key(), LabelOffset: c.LabelOffset}
}

func (c Config) key() string { return strings.TrimSpace(c.APIKey) }
