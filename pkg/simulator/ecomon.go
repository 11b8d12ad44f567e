package simulator

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"time"
)

// What Ecomon calls its alerts. That the second one's `event` is this is
// assumed by analogy with its setting.
const (
	HalfHourAlert   = "HOURLY_CONSUMPTION_LIMIT_ESTIMATION_WARNING"
	ContinuousAlert = "ESTIMATED_HOURLY_ACTIVE_ENERGY_LIMIT_WARNING"
	EcomonTest      = "webhook:test"
)

// Ecomon is the cloud of one intermediary: its GraphQL API is the handler, and
// its alerts wait to be delivered to the webhooks that are attached to the
// settings they come from. It is safe for concurrent use.
type Ecomon struct {
	cloud
	key    string
	bearer bool
	graph  *graph

	secret   string
	settings []*alertSetting
	used     map[string]float64 // Wh of each device in this clock hour
	warned   map[string]bool    // settings that have warned in this clock hour
	number   int                // of ids given
}

// alertSetting is a limit of one device.
type alertSetting struct {
	id, kind, device string
	limit            float64 // Wh of a clock hour
	channels         []alertChannel
}

type alertChannel struct{ id, url, metadata string }

// NewEcomon returns a cloud without secret and settings, whose API takes that
// key as X-API-KEY. Now is its clock; nil is time.Now.
func NewEcomon(key string, now func() time.Time) *Ecomon {
	s := &Ecomon{cloud: newCloud(now), key: key, used: map[string]float64{}, warned: map[string]bool{}}
	s.graph = s.newer()
	s.guard = s.mayAsk
	s.refuse = func(status int) said {
		return said{status: status, json: things{"errors": []any{things{"message": http.StatusText(status)}}}}
	}
	s.handle("POST /", func(_ *http.Request, body []byte) said {
		status, reply := s.graph.answer(body)
		return said{status: status, json: reply}
	})
	return s
}

func (s *Ecomon) mayAsk(r *http.Request, _ []byte) (no said, ok bool) {
	no = said{status: http.StatusUnauthorized, json: things{"errors": []any{things{"message": "Not authorized", "extensions": things{"code": "UNAUTHENTICATED"}}}}}
	if s.bearer {
		return no, r.Header.Get("Authorization") == "Bearer "+s.key
	}
	return no, r.Header.Get("X-API-KEY") == s.key
}

// Bearer makes the API take its key as "Authorization: Bearer" alone.
func (s *Ecomon) Bearer() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bearer = true
}

// Older makes the API that of the older documentation, whose mutations have
// other names and take plain arguments.
func (s *Ecomon) Older() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.graph = s.older()
}

// Closed makes the API refuse introspection.
func (s *Ecomon) Closed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.graph.closed = true
}

// Sign sets the secret, as the API does.
func (s *Ecomon) Sign(secret string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.secret = secret
}

// Secret is what webhooks are signed with; empty: they are not.
func (s *Ecomon) Secret() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.secret
}

// Limit adds an alert setting, HalfHourAlert or ContinuousAlert, that calls
// these webhooks.
func (s *Ecomon) Limit(alert, device string, wattHours float64, urls ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.add(settingOf[alert], device, wattHours)
	for _, url := range urls {
		s.attach(a, url, "")
	}
}

// Limits says for each setting its alert, device, limit in Wh and webhooks.
func (s *Ecomon) Limits() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.settings {
		text := fmt.Sprint(alertOf[a.kind], " ", a.device, " ", a.limit)
		for _, ch := range a.channels {
			text += " " + ch.url
		}
		list = append(list, text)
	}
	return list
}

// Use adds to what a device has used in this clock hour, in Wh. A setting that
// looks all the time warns, once an hour, where the limit is passed.
func (s *Ecomon) Use(device string, wattHours float64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used[device] += wattHours
	for _, a := range s.settings {
		if a.kind == settingOf[ContinuousAlert] && a.device == device && s.used[device] > a.limit && !s.warned[a.id] {
			s.warned[a.id] = true
			s.alert(ContinuousAlert, a)
		}
	}
}

// HalfHour is minute 30: settings that look then warn where twice what was used
// is more than the limit, one webhook for all devices of a URL.
func (s *Ecomon) HalfHour() {
	s.mu.Lock()
	defer s.mu.Unlock()
	var over []*alertSetting
	for _, a := range s.settings {
		if a.kind == settingOf[HalfHourAlert] && 2*s.used[a.device] > a.limit {
			over = append(over, a)
		}
	}
	s.alert(HalfHourAlert, over...)
}

// FullHour is when a new clock hour begins. Nobody is told.
func (s *Ecomon) FullHour() {
	s.mu.Lock()
	defer s.mu.Unlock()
	clear(s.used)
	clear(s.warned)
}

// Say posts any body, signed, to every webhook that is attached.
func (s *Ecomon) Say(kind, body string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, url := range s.urls(s.settings) {
		s.write(kind, url, body)
	}
}

// Test posts the vendor's test to that URL, as testWebhookSetting does.
func (s *Ecomon) Test(url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write(EcomonTest, url, `{"event":"webhook:test"}`)
}

func (s *Ecomon) urls(settings []*alertSetting) (list []string) {
	seen := map[string]bool{}
	for _, a := range settings {
		for _, ch := range a.channels {
			if !seen[ch.url] {
				seen[ch.url] = true
				list = append(list, ch.url)
			}
		}
	}
	return list
}

type ecomonAlert struct {
	LimitWatts     *float64 `json:"configuredLimitInWatts,omitempty"`
	LimitWattHours *float64 `json:"configuredLimitInWattHours,omitempty"`
	Used           *float64 `json:"consumptionThisFarInTheCurrentHourInWatts,omitempty"`
	Device         string   `json:"deviceId"`
}

// alert posts what the settings warn of; the caller holds the lock.
func (s *Ecomon) alert(event string, settings ...*alertSetting) {
	for _, url := range s.urls(settings) {
		var body struct {
			Data struct {
				Alerts []ecomonAlert `json:"alerts"`
			} `json:"data"`
			Event string `json:"event"`
		}
		body.Event = event
		for _, a := range settings {
			for _, ch := range a.channels {
				if ch.url == url {
					body.Data.Alerts = append(body.Data.Alerts, s.item(event, a))
				}
			}
		}
		text, _ := json.Marshal(body) // numbers and texts: cannot fail
		s.write(event, url, string(text))
	}
}

func (s *Ecomon) item(event string, a *alertSetting) ecomonAlert {
	limit, used := a.limit, s.used[a.device]
	if event == ContinuousAlert {
		return ecomonAlert{LimitWattHours: &limit, Device: a.device} // what else it tells is not documented
	}
	return ecomonAlert{LimitWatts: &limit, Used: &used, Device: a.device}
}

// write posts a body with its signature; the caller holds the lock.
func (s *Ecomon) write(kind, url, body string) {
	h := http.Header{"Content-Type": {"application/json"}}
	if s.secret != "" {
		mac := hmac.New(sha1.New, []byte(s.secret))
		mac.Write([]byte(body))
		h.Set("X-Ecomon-Signature", "sha1="+hex.EncodeToString(mac.Sum(nil)))
	}
	s.post(letter{kind: kind, url: url, header: h, body: body})
}
