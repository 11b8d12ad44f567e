package vendortest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

const (
	secret = "s3cret-of-the-vendor"
	body   = `{"kind":"alert"}`
)

var seen = time.Date(2025, 3, 30, 1, 0, 0, 0, time.UTC)

// honest is a vendor that keeps the contract; the tests break it bit by bit.
func honest() Vendor {
	return Vendor{
		Source:  "acme",
		Secrets: []string{secret, ""},
		Decode: func(name string, body []byte) ([]event.Event, error) {
			if !strings.HasPrefix(string(body), "{") {
				return nil, errors.New("that is no JSON")
			}
			return []event.Event{notice(name)}, nil
		},
		Verify: func(h http.Header, body []byte) ([]byte, error) {
			if !hmac.Equal([]byte(h.Get("X-Signature")), []byte(sign(body))) {
				return nil, errors.New("wrong signature")
			}
			return body, nil
		},
		Sign: func(body []byte) http.Header { return http.Header{"X-Signature": {sign(body)}} },
	}
}

func notice(key string) event.Event {
	return event.Event{Source: "acme", Key: key, By: event.Webhook, At: seen, Seen: seen, Notice: &event.Notice{Code: "alert"}}
}

func sign(body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}

// problems is all that the contract says of a vendor and one sample.
func problems(t *testing.T, v Vendor) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "alert.json")
	all := append(v.steady(path, []byte(body)), v.junk(path, []byte(body))...)
	return fmt.Sprint(errors.Join(append(all, v.proof([]byte(body))...)...))
}

func TestAnHonestVendorPasses(t *testing.T) {
	dir := t.TempDir()
	deep := filepath.Join(dir, "deep")
	if err := os.Mkdir(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	events := `[
    {
      "Seq": 0,
      "Source": "acme",
      "Subject": "",
      "Key": "alert.json",
      "By": "webhook",
      "At": "2025-03-30T01:00:00Z",
      "Seen": "2025-03-30T01:00:00Z",
      "Window": null,
      "Status": null,
      "Session": null,
      "Notice": {
        "code": "alert"
      },
      "Data": null
    }
  ]`
	write(t, filepath.Join(deep, "alert.json"), body)
	write(t, filepath.Join(deep, "alert.json.golden"), "{\n  \"Events\": "+events+"\n}\n")
	write(t, filepath.Join(dir, "junk.txt"), "junk")
	write(t, filepath.Join(dir, "junk.txt.golden"), "{\n  \"Refused\": \"that is no JSON\",\n  \"Events\": null\n}\n")
	Run(t, honest(), dir)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGolden(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "alert.json")
	if got := honest().golden(path, []byte(body)); len(got) != 1 || !strings.Contains(got[0].Error(), "-update") {
		t.Errorf("without a golden file: %v", got)
	}
	write(t, path+golden, "{}\n")
	if got := honest().golden(path, []byte(body)); len(got) != 1 || !strings.Contains(got[0].Error(), "want\n{}") {
		t.Errorf("with another golden file: %v", got)
	}
	if _, err := find(dir); err == nil || !strings.Contains(err.Error(), "without a sample") {
		t.Errorf("a golden file alone: %v", err)
	}
	if _, err := find(t.TempDir()); err == nil {
		t.Error("no samples prove nothing")
	}
	if _, err := find(filepath.Join(dir, "nowhere")); err == nil {
		t.Error("no folder proves nothing")
	}
}

func TestBreaches(t *testing.T) {
	n := 0
	changed := func(change func(*event.Event)) func(string, []byte) ([]event.Event, error) {
		return func(name string, _ []byte) ([]event.Event, error) {
			e := notice(name)
			change(&e)
			return []event.Event{e}, nil
		}
	}
	refusing := func(text string) func(string, []byte) ([]event.Event, error) {
		return func(string, []byte) ([]event.Event, error) { return nil, errors.New(text) }
	}
	for want, decode := range map[string]func(string, []byte) ([]event.Event, error){
		"event: no key":               changed(func(e *event.Event) { e.Key = "" }),
		"event: 0 shapes":             changed(func(e *event.Event) { e.Notice = nil }),
		`source is "other"`:           changed(func(e *event.Event) { e.Source = "other" }),
		"times are set and UTC: at 0": changed(func(e *event.Event) { e.At = time.Time{} }),
		"seen 2025-03-30 02:00:00":    changed(func(e *event.Event) { e.Seen = seen.In(time.FixedZone("", 3600)) }),
		"holds secret 0":              changed(func(e *event.Event) { e.Data = []byte(`{"a":"` + secret + `"}`) }),
		"cannot be written":           changed(func(e *event.Event) { e.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }),
		"the refusal holds secret 0":  refusing("no: " + secret),
		"one line":                    refusing("a\nb"),
		"200 characters":              refusing(strings.Repeat("x", 201)),
		"differently": func(name string, _ []byte) ([]event.Event, error) {
			n++
			return []event.Event{notice(fmt.Sprint(n))}, nil
		},
		"changed the body": func(name string, body []byte) ([]event.Event, error) {
			if len(body) > 0 {
				body[0] ^= 1
			}
			return nil, nil
		},
		"two events of one delivery": func(name string, _ []byte) ([]event.Event, error) {
			return []event.Event{notice(name), notice(name)}, nil
		},
		"damaged at byte": func(name string, b []byte) ([]event.Event, error) {
			if string(b) == body {
				return nil, nil
			}
			return []event.Event{notice("")}, nil
		},
	} {
		v := honest()
		v.Decode = decode
		if got := problems(t, v); !strings.Contains(got, want) {
			t.Errorf("%s: not found, but %.300s", want, got)
		}
	}
}

func TestBreachesOfProof(t *testing.T) {
	strict := honest().Verify
	for want, verify := range map[string]func(http.Header, []byte) ([]byte, error){
		"own signature is refused": func(http.Header, []byte) ([]byte, error) { return nil, errors.New("no") },
		"nothing is left": func(h http.Header, b []byte) ([]byte, error) {
			_, err := strict(h, b)
			return nil, err
		},
		"bytes come with the refusal": func(h http.Header, b []byte) ([]byte, error) {
			_, err := strict(h, b)
			return b, err
		},
		"without a header is believed": func(h http.Header, b []byte) ([]byte, error) {
			if len(h) == 0 {
				return b, nil
			}
			return strict(h, b)
		},
		"X-Signature empty is believed": func(h http.Header, b []byte) ([]byte, error) {
			if v, sent := h["X-Signature"]; sent && len(v) == 1 && v[0] == "" {
				return b, nil
			}
			return strict(h, b)
		},
		"changed at byte 0 is believed": func(_ http.Header, b []byte) ([]byte, error) { return b, nil },
		"of another body is believed":   func(_ http.Header, b []byte) ([]byte, error) { return b, nil },
		"tells the right X-Signature": func(h http.Header, b []byte) ([]byte, error) {
			if got, err := strict(h, b); err == nil {
				return got, nil
			}
			return nil, errors.New("want " + sign(b))
		},
		"holds secret 0": func(h http.Header, b []byte) ([]byte, error) {
			if got, err := strict(h, b); err == nil {
				return got, nil
			}
			return nil, errors.New("not signed with " + secret)
		},
	} {
		v := honest()
		v.Verify = verify
		if got := problems(t, v); !strings.Contains(got, want) {
			t.Errorf("%s: not found, but %.300s", want, got)
		}
	}
	if got := problems(t, honest()); got != "<nil>" {
		t.Errorf("an honest vendor: %s", got)
	}
}
