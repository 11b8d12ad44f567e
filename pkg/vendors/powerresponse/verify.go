package powerresponse

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

var errProof = errors.New("powerresponse: no signature proves this delivery")

// Signature is lowercase hex of the HMAC-SHA256 of a body, or of a challenge,
// under a token, as the vendor's client computes it (hash_challenge).
func Signature(token string, message []byte) string {
	mac := hmac.New(sha256.New, []byte(token))
	mac.Write(message)
	return hex.EncodeToString(mac.Sum(nil))
}

// Verify proves a delivery. The signature stands in the header of that name,
// or where name is empty, for the vendor does not document it, in any whose
// value is 64 hex digits; "sha256=" may stand in front. It returns the proven
// bytes and the canonical name of the header that proved them. Without a token
// nothing is proven. The error is the same whatever is wrong.
func Verify(token, name string, h http.Header, body []byte) (proven []byte, by string, err error) {
	want := sha256.Sum256([]byte(Signature(token, body)))
	names := []string{http.CanonicalHeaderKey(name)}
	if name == "" {
		names = slices.Sorted(maps.Keys(h))
	}
	for _, n := range names {
		for _, value := range h[n] {
			if token != "" && same(want, value) && by == "" {
				by = n
			}
		}
	}
	if by == "" {
		return nil, "", errProof
	}
	return body, by, nil
}

// same compares a header's value in constant time.
func same(want [sha256.Size]byte, value string) bool {
	value = strings.TrimSpace(value)
	if prefix := value[:min(len(value), len("sha256="))]; strings.EqualFold(prefix, "sha256=") {
		value = value[len(prefix):]
	}
	if len(value) != hex.EncodedLen(sha256.Size) {
		return false
	}
	got := sha256.Sum256([]byte(strings.ToLower(value)))
	return hmac.Equal(got[:], want[:])
}
