package powerresponse

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
)

const delivery = `{"eventType":"EXAMPLE","eventUUID":"00000000-0000-4000-8000-000000000001"}`

// TestSignature has the test values that were computed for the algorithm.
func TestSignature(t *testing.T) {
	for message, want := range map[string]string{
		"challenge-1234567890": "9d5cc9861514910442984fe53e914dd9df215da3b70eca5da2ad11faa30c6a95",
		delivery:               "27e7ce4955896b71a9334e7250fd783597846c042c6913d10da6da6b723f1c8a",
	} {
		if got := Signature(token, []byte(message)); got != want {
			t.Errorf("%s: %s, want %s", message, got, want)
		}
	}
}

func TestVerify(t *testing.T) {
	right := Signature(token, []byte(delivery))
	other := strings.Repeat("0", 64)
	for name, c := range map[string]struct {
		pinned string
		h      http.Header
		by     string
	}{
		"any header":              {"", http.Header{"X-Any": {right}}, "X-Any"},
		"with a prefix":           {"", http.Header{"X-Any": {"sha256=" + right}}, "X-Any"},
		"in capitals":             {"", http.Header{"X-Any": {" SHA256=" + strings.ToUpper(right) + " "}}, "X-Any"},
		"beside another":          {"", http.Header{"A": {other}, "B": {other, right}}, "B"},
		"two are right":           {"", http.Header{"B": {right}, "A": {right}}, "A"},
		"the pinned one":          {"x-any", http.Header{"X-Any": {right}, "A": {other}}, "X-Any"},
		"another than pinned":     {"X-Any", http.Header{"X-Other": {right}}, ""},
		"pinned, and it is wrong": {"X-Any", http.Header{"X-Any": {other}, "X-Other": {right}}, ""},
		"wrong":                   {"", http.Header{"X-Any": {other}}, ""},
		"more than a signature":   {"", http.Header{"X-Any": {right + "0"}}, ""},
		"half a prefix":           {"", http.Header{"X-Any": {"sha256" + right}}, ""},
		"none":                    {"", http.Header{}, ""},
	} {
		proven, by, err := Verify(token, c.pinned, c.h, []byte(delivery))
		if by != c.by || (err == nil) != (c.by != "") || err == nil && string(proven) != delivery || err != nil && proven != nil {
			t.Errorf("%s: by %q, %v", name, by, err)
		}
		if err != nil && err.Error() != errProof.Error() {
			t.Errorf("%s tells more: %v", name, err)
		}
	}
}

func TestNoTokenProvesNothing(t *testing.T) {
	body := []byte(delivery)
	if _, _, err := Verify("", "", http.Header{"X": {Signature("", body)}}, body); err == nil {
		t.Error("an empty token proves")
	}
}

func TestChallenge(t *testing.T) {
	long := strings.Repeat("x", longest)
	for challenge, ok := range map[string]bool{
		"challenge-1234567890": true, long: true, long + "x": false, "": false,
		`{"a":1}`: false, "[1]": false, " {": false, "\n[": false, "\ufeff{": false, "\x00{": false, "\xff": false, "a{": true,
	} {
		text, got := Challenge("GET", url.Values{"challenge": {challenge}, "x": {"y"}}.Encode(), nil)
		if got != ok || ok && text != challenge {
			t.Errorf("GET %q: %q %v", challenge, text, got)
		}
		if challenge == "\xff" {
			continue
		}
		text, got = Challenge("POST", "challenge=no", encode(map[string]any{"challenge": challenge, "type": "x"}))
		if got != ok || ok && text != challenge {
			t.Errorf("POST %q: %q %v", challenge, text, got)
		}
	}
	for _, body := range []string{"", "x", `"challenge"`, `{"challenge":7}`, `{"challenge":null}`, `{"data":{"challenge":"x"}}`, `["challenge"]`, delivery} {
		if text, ok := Challenge("POST", "", []byte(body)); ok {
			t.Errorf("%s: %q", body, text)
		}
	}
	if _, ok := Challenge("PUT", "challenge=x", []byte(`{"challenge":"x"}`)); ok {
		t.Error("PUT is answered")
	}
}

func TestRespond(t *testing.T) {
	const sum = "9d5cc9861514910442984fe53e914dd9df215da3b70eca5da2ad11faa30c6a95"
	for way, want := range map[string]string{"": sum, "text": sum, "json": `{"challenge":"` + sum + `"}`} {
		if got, kind := Respond(token, way, "challenge-1234567890"); string(got) != want || (way == "json") != (kind == "application/json") {
			t.Errorf("%s: %s (%s)", way, got, kind)
		}
	}
}
