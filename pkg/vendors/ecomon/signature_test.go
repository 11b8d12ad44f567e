package ecomon

import (
	"encoding/hex"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
)

// TestVectors: twelve cases that were computed with other programs.
func TestVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/signature_vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Secret  string
		Vectors []struct{ Name, Body, Header, Signed, Expect string }
	}
	if err := json.Unmarshal(text, &all); err != nil || len(all.Vectors) != 12 {
		t.Fatal(len(all.Vectors), err)
	}
	for _, v := range all.Vectors {
		proven, err := Config{Secret: all.Secret}.Verify(http.Header{Header: {v.Header}}, []byte(v.Body))
		switch {
		case v.Expect != "accept":
			if err == nil || proven != nil {
				t.Errorf("%s: %s is believed", v.Name, proven)
			}
		case err != nil:
			t.Errorf("%s: %v", v.Name, err)
		case v.Signed == "whole_body" && string(proven) != v.Body:
			t.Errorf("%s: proven is %s", v.Name, proven)
		case v.Signed == "whole_body_compacted" && (len(proven) >= len(v.Body) || !strings.HasPrefix(string(proven), `{"data":{"alerts":[{"configured`)):
			t.Errorf("%s: proven is %s, not the compact form", v.Name, proven)
		}
	}
}

// TestProvenBytesAreDecoded: what was not signed says nothing, not even by how
// it is written.
func TestProvenBytesAreDecoded(t *testing.T) {
	compact := []byte(`{"event":"a b","data":{"alerts":[{"deviceId":"x","n":1.0,"t":"<&>"}]}}`)
	spread := []byte("\n{ \"event\":\t\"a b\" , \"data\": {\"alerts\": [{\"deviceId\": \"x\", \"n\": 1.0, \"t\": \"<&>\"}]}}\r\n")
	proven, err := Config{Secret: secret}.Verify(sign(compact), spread)
	if err != nil || string(proven) != string(compact) {
		t.Fatalf("%s %v", proven, err)
	}
	if a, b := hook(proven), hook(compact); a[0].Key != b[0].Key || !a[0].Same(b[0]) {
		t.Errorf("%+v is not %+v", a, b)
	}
	for name, forged := range map[string]string{
		"other spelling of a number": strings.Replace(string(spread), "1.0", "1.00", 1),
		"other order":                `{"data":{"alerts":[{"deviceId":"x","n":1.0,"t":"<&>"}]},"event":"a b"}`,
		"a member more":              strings.Replace(string(spread), `"n"`, `"m": 2, "n"`, 1),
		"escaped":                    strings.Replace(string(spread), "<", `\u003c`, 1),
		"a blank in a text":          strings.Replace(string(spread), "a b", "a  b", 1),
		"two of them":                string(spread) + string(compact),
	} {
		if proven, err := (Config{Secret: secret}).Verify(sign(compact), []byte(forged)); err == nil {
			t.Errorf("%s is believed: %s", name, proven)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	body := []byte(`{"event":"webhook:test"}`)
	right := sign(body).Get(Header)
	for name, h := range map[string]string{
		"none": "", "no prefix": strings.TrimPrefix(right, "sha1="), "other prefix": "sha256=" + right[5:], "upper prefix": "SHA1=" + right[5:],
		"short": right[:43], "long": right + "00", "no digits": "sha1=" + strings.Repeat("x", 40), "two": right + ", " + right, "blank": "sha1= " + right[5:],
	} {
		if _, err := (Config{Secret: secret}).Verify(http.Header{Header: {h}}, body); err != errSignature {
			t.Errorf("%s: %v", name, err)
		}
	}
	empty := "sha1=" + hex.EncodeToString(mac("", body))
	for _, h := range []string{empty, right} {
		if _, err := (Config{}).Verify(http.Header{Header: {h}}, body); err == nil {
			t.Error("an empty secret proves something")
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add("sha1=2a58f9477ae66ea3e89bd01456bcb7ba65d170fe", []byte(`{"event":"webhook:test"}`))
	f.Add("sha1=", []byte("{ }"))
	f.Fuzz(func(t *testing.T, header string, body []byte) {
		proven, err := Config{Secret: secret}.Verify(http.Header{Header: {header}}, body)
		if (err == nil) != strings.EqualFold(header, sign(proven).Get(Header)) || err != nil && proven != nil {
			t.Errorf("%q %q: %q %v", header, body, proven, err)
		}
	})
}

// TestRefusalsCostTheSame: how long a refusal takes does not tell what is
// wrong. The work is counted by what it allocates, for clocks waver.
func TestRefusalsCostTheSame(t *testing.T) {
	body := []byte(`{"event": "webhook:test"}`)
	work := func(header string) float64 {
		h := http.Header{Header: {header}}
		return testing.AllocsPerRun(100, func() { _, _ = Config{Secret: secret}.Verify(h, body) })
	}
	wrong := work("sha1=" + strings.Repeat("0", 40))
	for _, header := range []string{"", "sha1=", "sha1=" + strings.Repeat("x", 40), strings.Repeat("0", 40), "sha1=00"} {
		if got := work(header); got < wrong-2 || got > wrong+2 {
			t.Errorf("%q: %.0f allocations, and %.0f for a wrong signature", header, got, wrong)
		}
	}
}
