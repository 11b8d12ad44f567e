package ecomon

import (
	"errors"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Config is what a household sets. The names are those of the environment,
// behind the prefix ECOMON_.
type Config struct {
	Secret   string `env:"SECRET"`  // the webhooks' HMAC key, byte for byte as Ecomon has it
	APIKey   string `env:"API_KEY"` // empty: the API is not spoken to, and webhooks are set up at Ecomon by hand
	URL      string `env:"URL" envDefault:"https://api.hark.eco"`
	Unsigned bool   `env:"UNSIGNED"` // webhooks are believed without a signature
}

// Validate names every variable whose value cannot be used, and repeats none
// of the values.
func (c Config) Validate() error {
	var errs []error
	bad := func(text string) { errs = append(errs, errors.New(text)) }
	if strings.TrimSpace(c.Secret) != c.Secret {
		bad("ECOMON_SECRET: it begins or ends with a blank")
	}
	if strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		bad("ECOMON_API_KEY: it contains a blank or another character that no key has")
	}
	if why := rest.Unusable(c.URL); why != "" {
		bad("ECOMON_URL: " + why)
	}
	return errors.Join(errs...)
}

// On reports whether the source is on. Where it is only half configured,
// missing is one sentence that names the missing variable.
func (c Config) On() (on bool, missing string) {
	switch {
	case c.Secret != "" || c.Unsigned:
		return true, ""
	case c.APIKey != "":
		return false, "Ecomon is off: ECOMON_API_KEY needs ECOMON_SECRET, the secret by which Ecomon's webhooks are proven."
	}
	return false, ""
}

// Warning is what is wrong while the source is on, in one sentence; empty:
// nothing.
func (c Config) Warning() string {
	if c.Unsigned {
		return "Ecomon's webhooks are believed without a signature (ECOMON_UNSIGNED): whoever knows the address can pretend."
	}
	return ""
}
