package powerresponse

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// longest is how many bytes a challenge may have.
const longest = 256

// Challenge finds the text that the vendor wants signed to prove that an
// address is ours: the query's value, or at the top of a posted JSON object
// the string, called "challenge". How it really comes is not documented.
//
// A challenge is signed with the key and the algorithm of deliveries. One that
// could be a delivery is therefore none: longer than 256 bytes, or beginning
// with { or [.
func Challenge(method, query string, body []byte) (text string, ok bool) {
	switch method {
	case http.MethodGet:
		values, _ := url.ParseQuery(query) // what can be read of it
		text = values.Get("challenge")
	case http.MethodPost:
		var top map[string]json.RawMessage
		if json.Unmarshal(body, &top) != nil || json.Unmarshal(top["challenge"], &text) != nil {
			return "", false
		}
	}
	begin := strings.TrimLeftFunc(text, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) || r == '\ufeff' })
	switch {
	case text == "" || len(text) > longest || !utf8.ValidString(text):
		return "", false
	case strings.HasPrefix(begin, "{") || strings.HasPrefix(begin, "["):
		return "", false
	}
	return text, true
}

// Respond is the answer to a challenge, in the way of Config.Challenge.
func Respond(token, way, challenge string) (answer []byte, contentType string) {
	sum := Signature(token, []byte(challenge))
	if way == asJSON {
		return []byte(`{"challenge":"` + sum + `"}`), "application/json"
	}
	return []byte(sum), "text/plain; charset=utf-8"
}
