package equiwatt

import (
	"errors"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Config is what a household sets. The names are those of the environment,
// behind the prefix EQUIWATT_.
type Config struct {
	Token        string        `env:"TOKEN"` // with or without the word Bearer; empty: the API is not asked
	URL          string        `env:"URL" envDefault:"https://app.equiwatt.com/api/v3/equivents/"`
	PollInterval time.Duration `env:"POLL_INTERVAL" envDefault:"60s"`
	MaxDuration  time.Duration `env:"MAX_DURATION" envDefault:"4h"` // a window that is told no end is closed after this
	HookTrust    string        `env:"HOOK_TRUST"`                   // "confirm", "believe"; empty: confirm
}

// What a webhook's word is worth.
const (
	confirm = "confirm"
	believe = "believe"
)

// Validate names every variable whose value cannot be used, and repeats none
// of the values.
func (c Config) Validate() error {
	var errs []error
	bad := func(text string) { errs = append(errs, errors.New(text)) }
	switch token := bearer(c.Token); {
	case token == "" && c.Token != "":
		bad("EQUIWATT_TOKEN: there is no token in it")
	case strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }):
		bad("EQUIWATT_TOKEN: it contains a blank or another character that no token has")
	}
	if why := rest.Unusable(c.URL); why != "" {
		bad("EQUIWATT_URL: " + why)
	}
	if c.PollInterval < 0 {
		bad("EQUIWATT_POLL_INTERVAL: it must not be negative")
	}
	if c.MaxDuration <= 0 {
		bad("EQUIWATT_MAX_DURATION: it must be more than zero")
	}
	switch c.HookTrust {
	case "", confirm, believe:
	default:
		bad("EQUIWATT_HOOK_TRUST: it must be confirm or believe")
	}
	return errors.Join(errs...)
}

// On reports whether the source is on. Where it is only half configured,
// missing is one sentence that names the missing variable.
func (c Config) On() (on bool, missing string) {
	switch {
	case bearer(c.Token) != "" || c.Believe():
		return true, ""
	case c.HookTrust == confirm:
		return false, "Equiwatt is off: EQUIWATT_HOOK_TRUST is confirm, which needs EQUIWATT_TOKEN, the token from the Equiwatt app."
	}
	return false, ""
}

// Believe reports whether webhooks alone are the truth.
func (c Config) Believe() bool { return c.HookTrust == believe }

// bearer is the token without the word Bearer, which the app shows with it and
// people copy with or without.
func bearer(token string) string {
	token = strings.TrimSpace(token)
	if word := token[:min(len(token), len("bearer"))]; strings.EqualFold(word, "bearer") {
		rest := token[len(word):]
		if bare := strings.TrimSpace(rest); bare == "" || bare != rest {
			return bare
		}
	}
	return token
}
