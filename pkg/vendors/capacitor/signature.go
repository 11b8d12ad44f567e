package capacitor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Signature is how a webhook proved that its sender knows the secret. What
// Capacitor does with the secret is not documented, so a scheme is what was
// seen to verify.
type Signature struct {
	Header string `json:"header"`
	Scheme string `json:"scheme"` // "hmac-sha256": of the raw body, in hex, perhaps behind "sha256="; "secret": the secret itself
}

const (
	hmacScheme   = "hmac-sha256"
	secretScheme = "secret"
)

// Observe looks whether a header of a webhook proves that its sender knows the
// secret; ok: it does, in that way. An HMAC goes before the secret itself.
func Observe(secret string, h http.Header, body []byte) (found Signature, ok bool) {
	if secret == "" {
		return found, false
	}
	for _, scheme := range []string{hmacScheme, secretScheme} {
		for _, name := range slices.Sorted(maps.Keys(h)) {
			s := Signature{Header: name, Scheme: scheme}
			if s.proves(secret, h, body) {
				return s, true
			}
		}
	}
	return found, false
}

var errSignature = errors.New("capacitor: the signature is missing or wrong")

// Verify proves a webhook by a signature that was seen to verify before, and
// returns the bytes that are proven. The error is the same whatever is wrong,
// and so is the work that is done for it.
func (s Signature) Verify(secret string, h http.Header, body []byte) ([]byte, error) {
	if proven := s.proves(secret, h, body); !proven || secret == "" {
		return nil, errSignature
	}
	return body, nil
}

// proves does the same work whatever is wrong.
func (s Signature) proves(secret string, h http.Header, body []byte) bool {
	values := h.Values(s.Header)
	single := len(values) == 1
	value := strings.Join(values, "")
	switch s.Scheme {
	case hmacScheme:
		given, err := hex.DecodeString(strings.TrimPrefix(value, "sha256="))
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		return hmac.Equal(given, mac.Sum(nil)) && single && err == nil
	case secretScheme:
		given, want := sha256.Sum256([]byte(value)), sha256.Sum256([]byte(secret))
		return hmac.Equal(given[:], want[:]) && single
	}
	return false
}
