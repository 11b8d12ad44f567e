package capacitor

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"testing"
)

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

func TestObserve(t *testing.T) {
	body := []byte(`{"event":"charger.connected"}`)
	right := sign(secret, body)
	for name, c := range map[string]struct {
		header http.Header
		want   Signature
	}{
		"hex":                {http.Header{"X-Signature": {right}}, Signature{"X-Signature", hmacScheme}},
		"capitals":           {http.Header{"X-Signature": {strings.ToUpper(right)}}, Signature{"X-Signature", hmacScheme}},
		"prefixed":           {http.Header{"X-Hub-Signature-256": {"sha256=" + right}}, Signature{"X-Hub-Signature-256", hmacScheme}},
		"the secret":         {http.Header{"X-Webhook-Secret": {secret}}, Signature{"X-Webhook-Secret", secretScheme}},
		"both":               {http.Header{"A": {secret}, "B": {right}}, Signature{"B", hmacScheme}},
		"of another body":    {http.Header{"X-Signature": {sign(secret, []byte("{}"))}}, Signature{}},
		"by another secret":  {http.Header{"X-Signature": {sign("other", body)}}, Signature{}},
		"twice":              {http.Header{"X-Signature": {right, right}}, Signature{}},
		"cut":                {http.Header{"X-Signature": {right[:63]}}, Signature{}},
		"behind other words": {http.Header{"X-Signature": {"v1=" + right}}, Signature{}},
		"nothing":            {http.Header{"X-Signature": {""}}, Signature{}},
		"no header":          {nil, Signature{}},
	} {
		got, ok := Observe(secret, c.header, body)
		if got != c.want || ok != (c.want != Signature{}) {
			t.Errorf("%s: %+v %v", name, got, ok)
		}
		if _, ok := Observe("", c.header, body); ok {
			t.Errorf("%s: without a secret there is nothing to prove", name)
		}
		if !ok {
			continue
		}
		if proven, err := got.Verify(secret, c.header, body); err != nil || string(proven) != string(body) {
			t.Errorf("%s: %q %v", name, proven, err)
		}
		if proven, err := got.Verify("", c.header, body); err == nil || proven != nil {
			t.Errorf("%s: an empty secret proves", name)
		}
	}
}

// TestEnforceTheSecret: a header that repeats the secret proves as well, and
// no other does.
func TestEnforceTheSecret(t *testing.T) {
	s := Signature{Header: "X-Secret", Scheme: secretScheme}
	for value, want := range map[string]bool{secret: true, secret + " ": false, "": false, strings.ToUpper(secret): false} {
		if _, err := s.Verify(secret, http.Header{"X-Secret": {value}}, nil); (err == nil) != want {
			t.Errorf("%q: %v", value, err)
		}
	}
	if _, err := (Signature{Header: "X-Secret", Scheme: "none"}).Verify(secret, http.Header{"X-Secret": {secret}}, nil); err == nil {
		t.Error("an unknown scheme proves")
	}
}

// TestRefusalsCostTheSame: how long a refusal takes does not tell what is
// wrong. The work is counted by what it allocates, for clocks waver.
func TestRefusalsCostTheSame(t *testing.T) {
	body := []byte(`{"event":"charger.connected"}`)
	work := func(values ...string) float64 {
		h := http.Header{"X-Signature": values}
		return testing.AllocsPerRun(100, func() { _, _ = Signature{"X-Signature", hmacScheme}.Verify(secret, h, body) })
	}
	wrong := work("sha256=" + strings.Repeat("0", 64))
	for _, values := range [][]string{nil, {""}, {"sha256="}, {strings.Repeat("x", 64)}, {"00"}, {sign(secret, body), "x"}} {
		if got := work(values...); got < wrong-3 || got > wrong+3 {
			t.Errorf("%q: %.0f allocations, and %.0f for a wrong signature", values, got, wrong)
		}
	}
}
