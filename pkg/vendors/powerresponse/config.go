package powerresponse

import (
	"errors"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Config is what a tenant of the platform sets. The names are those of the
// environment, behind the prefix POWERRESPONSE_.
type Config struct {
	APIKey string `env:"API_KEY"`
	Tenant string `env:"TENANT"` // a UUID
	Token  string `env:"TOKEN"`  // key of the webhooks' HMAC; empty: none can be verified
	URL    string `env:"URL" envDefault:"https://cloud.equiwatt.com"`

	// SignatureHeader carries a webhook's signature; empty: the first one that
	// is seen to, for the vendor does not document its name.
	SignatureHeader string `env:"SIGNATURE_HEADER"`
	Challenge       string `env:"CHALLENGE" envDefault:"text"` // how a challenge is answered: "text" or "json"
}

// Ways to answer a challenge, of which the vendor documents neither.
const (
	asText = "text"
	asJSON = "json"
)

// Validate names every variable whose value cannot be used, and repeats none
// of the values.
func (c Config) Validate() error {
	var errs []error
	bad := func(text string) { errs = append(errs, errors.New(text)) }
	for _, secret := range []struct{ name, value string }{{"API_KEY", c.APIKey}, {"TOKEN", c.Token}} {
		if strings.ContainsFunc(secret.value, func(r rune) bool { return r <= ' ' || r > '~' }) {
			bad("POWERRESPONSE_" + secret.name + ": it contains a blank or another character that none has")
		}
	}
	if c.Tenant != "" && UUID(c.Tenant) == "" {
		bad("POWERRESPONSE_TENANT: it is not a UUID like 00000000-0000-4000-8000-000000000001")
	}
	if why := rest.Unusable(c.URL); why != "" {
		bad("POWERRESPONSE_URL: " + why)
	} else if strings.ContainsAny(c.URL, "?#") {
		bad("POWERRESPONSE_URL: it must end with the host or a path")
	}
	if strings.ContainsFunc(c.SignatureHeader, func(r rune) bool { return !headerRune(r) }) {
		bad("POWERRESPONSE_SIGNATURE_HEADER: it is not the name of an HTTP header")
	}
	switch c.Challenge {
	case "", asText, asJSON:
	default:
		bad("POWERRESPONSE_CHALLENGE: it must be text or json")
	}
	return errors.Join(errs...)
}

// headerRune reports whether a header's name may hold r (RFC 9110, 5.6.2).
func headerRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// On reports whether the source is on. Where it is only half configured,
// missing is one sentence that names the missing variable.
func (c Config) On() (on bool, missing string) {
	switch {
	case c.APIKey != "" && c.Tenant != "":
		return true, ""
	case c.APIKey != "":
		return false, "PowerResponse is off: POWERRESPONSE_API_KEY needs POWERRESPONSE_TENANT, the UUID of your tenant."
	case c.Tenant != "":
		return false, "PowerResponse is off: POWERRESPONSE_TENANT needs POWERRESPONSE_API_KEY, the key of that tenant."
	}
	return false, ""
}

// Warning is what is missing while the source is on, one sentence; empty:
// nothing.
func (c Config) Warning() string {
	if on, _ := c.On(); on && c.Token == "" {
		return "PowerResponse's webhooks are all refused: POWERRESPONSE_TOKEN, the key of their signature, is missing."
	}
	return ""
}

// UUID is a UUID in lower case; empty: it is none.
func UUID(text string) string {
	text = strings.ToLower(strings.TrimSpace(text))
	if len(text) != len("00000000-0000-4000-8000-000000000001") {
		return ""
	}
	for i, r := range text {
		switch i {
		case 8, 13, 18, 23:
			if r != '-' {
				return ""
			}
		default:
			if (r < '0' || r > '9') && (r < 'a' || r > 'f') {
				return ""
			}
		}
	}
	return text
}
