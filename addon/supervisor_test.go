package addon

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

const token = "supervisor-t0ken"

// supervisor answers one path as the Supervisor would, and refuses whoever
// does not show the token.
func supervisor(t *testing.T, path string, status int, body string) Supervisor {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet || r.URL.Path != path || r.Header.Get("Authorization") != "Bearer "+token {
			t.Errorf("asked %s %s with %q", r.Method, r.URL.Path, r.Header.Get("Authorization"))
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return Supervisor{URL: s.URL, Token: token}
}

func TestMQTT(t *testing.T) {
	for _, c := range []struct {
		name, data string
		want       Broker
	}{
		{"Mosquitto", `{"host":"core-mosquitto","port":1883,"ssl":false,"username":"addons","password":"s3cret","protocol":"3.1.1","addon":"core_mosquitto"}`,
			Broker{"mqtt://core-mosquitto:1883", "addons", "s3cret"}},
		{"port as text", `{"host":"core-mosquitto","port":"1883"}`, Broker{URL: "mqtt://core-mosquitto:1883"}},
		{"encrypted", `{"host":"broker.lan","port":8883,"ssl":true,"username":"u"}`, Broker{URL: "mqtts://broker.lan:8883", Username: "u"}},
		{"IPv6", `{"host":"fd00::1","port":1883}`, Broker{URL: "mqtt://[fd00::1]:1883"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := supervisor(t, "/services/mqtt", 200, `{"result":"ok","data":`+c.data+`}`).MQTT(t.Context())
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func TestMQTTSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int
		body   string
		says   string
	}{
		{"no broker", 400, `{"result":"error","message":"Service not enabled"}`, "no MQTT broker app is running yet"},
		{"not allowed", 403, `{"result":"error","message":"No access to mqtt service!"}`, "does not tell this app the MQTT broker (403)"},
		{"wrong token", 401, `401: Unauthorized`, "does not tell this app the MQTT broker (401)"},
		{"busy", 502, ``, "answers 502 Bad Gateway"},
		{"no JSON", 200, `<html>s3cret</html>`, "cannot be read"},
		{"cut", 200, `{"result":"ok","data":{"host":"h","port":1883,"password":"s3cr`, "cannot be read"},
		{"other shape", 200, `{"result":"ok","data":["s3cret"]}`, "cannot be read"},
		{"an error with 200", 200, `{"result":"error","message":"s3cret"}`, "cannot be read"},
		{"no host", 200, `{"result":"ok","data":{"port":1883,"password":"s3cret"}}`, "gave no address"},
		{"absurd port", 200, `{"result":"ok","data":{"host":"h","port":99999,"password":"s3cret"}}`, "gave no address"},
		{"no data", 200, `{"result":"ok","data":null}`, "gave no address"},
		{"endless", 200, `{"result":"ok","data":{"host":"` + strings.Repeat("h", 2<<20) + `"}}`, "cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := supervisor(t, "/services/mqtt", c.status, c.body).MQTT(t.Context())
			checkSentence(t, err, c.says)
			if got != (Broker{}) {
				t.Errorf("with an error, %+v", got)
			}
		})
	}
}

func checkSentence(t *testing.T, err error, says string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), "addon: ") || !strings.Contains(err.Error(), says) {
		t.Fatalf("error %v, want one with %q", err, says)
	}
	for _, bad := range []string{"\n", "s3cret", token} {
		if strings.Contains(err.Error(), bad) {
			t.Errorf("the error contains %q: %v", bad, err)
		}
	}
}

func TestSupervisorGone(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	_, err := Supervisor{URL: gone.URL, Token: token}.MQTT(t.Context())
	checkSentence(t, err, "does not answer: connection refused")

	_, err = Supervisor{URL: "http://super visor", Token: token}.MQTT(t.Context())
	checkSentence(t, err, "is not a URL")

	unknown := &http.Client{Transport: refusing{&net.DNSError{Err: "read udp 10.0.0.1:40123->10.0.0.1:53: connection refused", Name: "supervisor", Server: "10.0.0.1:40123"}}}
	_, err = Supervisor{Token: token, HTTP: unknown}.MQTT(t.Context())
	checkSentence(t, err, "does not answer: its name cannot be looked up")
}

func TestSupervisorHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := &http.Client{Transport: silent{}}
		_, err := Supervisor{Token: token, HTTP: client}.MQTT(t.Context())
		checkSentence(t, err, "does not answer: no answer in time")

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err = Supervisor{Token: token, HTTP: client}.PageURL(ctx)
		checkSentence(t, err, context.Canceled.Error())
	})
}

type refusing struct{ err error }

func (r refusing) RoundTrip(*http.Request) (*http.Response, error) { return nil, r.err }

type silent struct{}

func (silent) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "supervisor" {
		return nil, fmt.Errorf("asked %s", r.URL)
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestPageURL(t *testing.T) {
	for data, want := range map[string]string{
		`{"slug":"a1b2c3d4_grid2mqtt","network":{"8098/tcp":18098},"options":{"hook_token":"s3cret"}}`: "homeassistant://hassio/ingress/a1b2c3d4_grid2mqtt",
		`{}`: "",
	} {
		got, err := supervisor(t, "/addons/self/info", 200, `{"result":"ok","data":`+data+`}`).PageURL(t.Context())
		if err != nil || got != want {
			t.Errorf("%s: got %q, %v; want %q", data, got, err, want)
		}
	}
	_, err := supervisor(t, "/addons/self/info", 500, `s3cret`).PageURL(t.Context())
	checkSentence(t, err, "answers 500")
}
