package addon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Supervisor is asked over its API, version 1.
type Supervisor struct {
	URL   string       // empty: http://supervisor
	Token string       // SUPERVISOR_TOKEN, new for each start of the app
	HTTP  *http.Client // nil: http.DefaultClient
}

// Broker is where the MQTT broker app listens, and how to sign in there.
type Broker struct {
	URL      string // mqtt://host:port or mqtts://host:port
	Username string
	Password string
}

// number is a JSON number, or one within quotes; zero where it is neither.
type number int

func (n *number) UnmarshalJSON(raw []byte) error {
	i, err := strconv.Atoi(strings.Trim(string(raw), `"`))
	if err == nil && i > 0 && i <= 65535 {
		*n = number(i)
	}
	return nil
}

// MQTT asks for the broker app. The Supervisor forgets it at every boot until
// the broker has started again, so an error here may pass. Its text is one
// sentence for people.
func (s Supervisor) MQTT(ctx context.Context) (Broker, error) {
	var service struct {
		Host     string `json:"host"`
		Port     number `json:"port"`
		SSL      bool   `json:"ssl"`
		Username string `json:"username"`
		Password string `json:"password"`
	}
	status, err := s.get(ctx, "/services/mqtt", &service)
	switch {
	case status == http.StatusBadRequest:
		return Broker{}, errors.New("addon: no MQTT broker app is running yet: install and start the Mosquitto broker app, or fill in MQTT broker on the Configuration tab")
	case status == http.StatusUnauthorized, status == http.StatusForbidden:
		return Broker{}, fmt.Errorf("addon: the Supervisor does not tell this app the MQTT broker (%d): restart the app, or fill in MQTT broker on the Configuration tab", status)
	case err != nil:
		return Broker{}, fmt.Errorf("addon: ask for the MQTT broker: %w", err)
	case service.Host == "" || service.Port == 0:
		return Broker{}, errors.New("addon: the MQTT broker app gave no address: restart it, or fill in MQTT broker on the Configuration tab")
	}
	scheme := "mqtt"
	if service.SSL {
		scheme = "mqtts"
	}
	return Broker{
		URL:      scheme + "://" + net.JoinHostPort(service.Host, strconv.Itoa(int(service.Port))),
		Username: service.Username,
		Password: service.Password,
	}, nil
}

// PageURL asks for the address of the ingress page as Home Assistant's own
// links have it; empty where the answer lacks this app's slug.
func (s Supervisor) PageURL(ctx context.Context) (string, error) {
	// The answer holds all options, secrets included: nothing else is read.
	var self struct {
		Slug string `json:"slug"` // the full one, e.g. "a1b2c3d4_grid2mqtt"
	}
	if _, err := s.get(ctx, "/addons/self/info", &self); err != nil {
		return "", fmt.Errorf("addon: ask for this app's slug: %w", err)
	}
	if self.Slug == "" {
		return "", nil
	}
	return "homeassistant://hassio/ingress/" + self.Slug, nil
}

// answerTime is generous: the Supervisor is one hop away, but may be busy for
// seconds after a boot.
const answerTime = 10 * time.Second

func (s Supervisor) get(ctx context.Context, path string, data any) (status int, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, cmp.Or(s.URL, "http://supervisor")+path, nil)
	if err != nil {
		return 0, errors.New("the Supervisor's address is not a URL")
	}
	req.Header.Set("Authorization", "Bearer "+s.Token)
	res, err := cmp.Or(s.HTTP, http.DefaultClient).Do(req)
	if err != nil {
		return 0, fmt.Errorf("the Supervisor does not answer: %w", cause(err))
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return res.StatusCode, fmt.Errorf("the Supervisor answers %s", res.Status)
	}
	raw, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return 0, fmt.Errorf("the Supervisor's answer broke off: %w", cause(err))
	}
	envelope := struct {
		Result string `json:"result"`
		Data   any    `json:"data"`
	}{Data: data}
	// The decoder's own words may quote the answer, which holds secrets.
	if json.Unmarshal(raw, &envelope) != nil || envelope.Result != "ok" {
		return 0, errors.New("the Supervisor's answer cannot be read")
	}
	return res.StatusCode, nil
}

// cause is the innermost reason: the outer ones name addresses that change
// from try to try, so that the same trouble would look new each time.
func cause(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.New("no answer in time")
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return errors.New("its name cannot be looked up")
	}
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		err = inner
	}
}
