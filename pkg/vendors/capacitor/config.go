package capacitor

import (
	"errors"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Config is what a household sets. The names are those of the environment,
// behind the prefix CAPACITOR_.
type Config struct {
	APIKey    string `env:"API_KEY"` // cap_live_… or cap_test_…; empty: the API is not asked
	Secret    string `env:"SECRET"`  // given to the vendor with the webhook; what he does with it is not documented
	URL       string `env:"URL" envDefault:"https://api.capacitor.live/api/v1"`
	Hooks     bool   `env:"HOOKS"`     // receive webhooks without an API key
	Signature string `env:"SIGNATURE"` // "observe", "enforce"; empty: observe
	RFID      string `env:"RFID"`      // "hide", "hash"; empty: hide
}

// What is done about signatures, and about RFID cards.
const (
	observe = "observe"
	enforce = "enforce"
	hide    = "hide"
	hash    = "hash"
)

// Validate names every variable whose value cannot be used, and repeats none
// of the values.
func (c Config) Validate() error {
	var errs []error
	bad := func(text string) { errs = append(errs, errors.New(text)) }
	if strings.ContainsFunc(c.APIKey, func(r rune) bool { return r <= ' ' || r > '~' }) {
		bad("CAPACITOR_API_KEY: it contains a blank or another character that no key has")
	}
	if strings.ContainsFunc(c.Secret, func(r rune) bool { return r < ' ' || r > '~' }) {
		bad("CAPACITOR_SECRET: it contains a character that cannot be in a header")
	}
	if why := rest.Unusable(c.URL); why != "" {
		bad("CAPACITOR_URL: " + why)
	}
	switch c.Signature {
	case "", observe, enforce:
	default:
		bad("CAPACITOR_SIGNATURE: it must be observe or enforce")
	}
	switch c.RFID {
	case "", hide, hash:
	default:
		bad("CAPACITOR_RFID: it must be hide or hash")
	}
	return errors.Join(errs...)
}

// On reports whether the source is on. Where it is only half configured,
// missing is one sentence that names the missing variable.
func (c Config) On() (on bool, missing string) {
	switch on = c.APIKey != "" || c.Hooks; {
	case c.Secret != "" && !on:
		return false, "Capacitor is off: CAPACITOR_SECRET needs CAPACITOR_API_KEY, the key from Capacitor's portal, or CAPACITOR_HOOKS=true to receive webhooks without one."
	case on && c.Enforce() && c.Secret == "":
		return false, "Capacitor is off: CAPACITOR_SIGNATURE is enforce, which needs CAPACITOR_SECRET, the secret that was given to Capacitor with the webhook."
	}
	return on, ""
}

// Enforce reports whether a webhook whose signature is wrong is refused.
func (c Config) Enforce() bool { return c.Signature == enforce }

// Hash reports whether RFID cards are told by a name that only this
// installation knows, instead of not at all.
func (c Config) Hash() bool { return c.RFID == hash }
