package ecomon

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// Header is where Ecomon's signature stands: "sha1=" and the HMAC-SHA1 in
// hexadecimal digits, by https://ecomon.no/docs/developers/webhook/.
const Header = "X-Ecomon-Signature"

var errSignature = errors.New("ecomon: the signature does not prove the body")

// Verify proves a delivery and returns the bytes that are proven: the body as
// it came, or else the body without the blanks between its tokens, which is
// what the vendor's own JSON.stringify makes of it. No part of a body is ever
// proof of the whole. The error is the same whatever is wrong, and so is the
// work that is done for it.
func (c Config) Verify(h http.Header, body []byte) ([]byte, error) {
	digits, prefixed := strings.CutPrefix(h.Get(Header), "sha1=")
	want, err := hex.DecodeString(digits)
	readable := prefixed && err == nil && len(want) == sha1.Size && c.Secret != ""
	whole := hmac.Equal(want, mac(c.Secret, body))
	var compact bytes.Buffer
	valid := json.Compact(&compact, body) == nil
	bare := hmac.Equal(want, mac(c.Secret, compact.Bytes())) && valid
	switch {
	case readable && whole:
		return body, nil
	case readable && bare:
		return compact.Bytes(), nil
	}
	return nil, errSignature
}

func mac(secret string, body []byte) []byte {
	h := hmac.New(sha1.New, []byte(secret))
	h.Write(body)
	return h.Sum(nil)
}
