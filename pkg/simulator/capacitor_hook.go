package simulator

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
)

// capacitorHook is a registered webhook. Its secret is told to nobody.
type capacitorHook struct {
	ID        string   `json:"id"`
	URL       string   `json:"url"`
	Events    []string `json:"events"`
	Active    bool     `json:"active"`
	CreatedAt any      `json:"createdAt"`
	secret    string
}

// Sign makes webhooks that were registered with a secret carry a header: the
// scheme "hmac" is the HMAC-SHA256 of the body in hex, "sha256=" the same
// behind those letters, "secret" the secret itself. What the vendor does is
// not documented; at first it is nothing.
func (s *Capacitor) Sign(header, scheme string) {
	s.with(func() { s.signature, s.scheme = header, scheme })
}

// OCPP makes updates carry OCPP's list of meter values instead of a number.
func (s *Capacitor) OCPP() { s.with(func() { s.ocpp = true }) }

// Texts makes webhooks tell numbers as texts.
func (s *Capacitor) Texts() { s.with(func() { s.texts = true }) }

// Without leaves these fields out of webhooks from now on.
func (s *Capacitor) Without(fields ...string) { s.with(func() { s.without = fields }) }

// Hooks returns the URLs of the registered webhooks.
func (s *Capacitor) Hooks() (urls []string) {
	s.with(func() {
		for _, h := range s.hooks {
			urls = append(urls, h.URL)
		}
	})
	return urls
}

// Hook registers a webhook for all events without the API, and without a
// secret where that is empty.
func (s *Capacitor) Hook(url, secret string) {
	s.with(func() {
		s.made++
		s.hooks = append(s.hooks, &capacitorHook{ID: capacitorID("wh", s.made), URL: url, Events: capacitorEvents(), Active: true, CreatedAt: capacitorTime(s.now()), secret: secret})
	})
}

func capacitorEvents() []string {
	return []string{
		"charger.connected", "charger.disconnected", "charger.boot", "connector.status_changed",
		"transaction.started", "transaction.stopped", "transaction.updated",
	}
}

// meterValues is the content of an update; the caller holds the lock.
func (s *Capacitor) meterValues(n *connector) map[string]any {
	data := map[string]any{"transactionId": n.session.number, "connectorId": n.id, "meterValue": n.meter}
	if s.ocpp {
		data["meterValue"] = []any{map[string]any{"timestamp": capacitorTime(s.now()), "sampledValue": []any{
			map[string]any{"value": strconv.FormatFloat(float64(n.meter)/1000, 'f', 3, 64), "measurand": "Energy.Active.Import.Register", "unit": "kWh"},
			map[string]any{"value": "7.2", "measurand": "Power.Active.Import", "unit": "kW"},
		}}}
	}
	return data
}

// tell posts a webhook to every hook that wants it; the caller holds the lock.
func (s *Capacitor) tell(name string, c *charger, data map[string]any) {
	if name == "" {
		return
	}
	data = maps.Clone(data)
	if data == nil {
		data = map[string]any{}
	}
	data["chargeBoxId"] = c.id
	for _, field := range s.without {
		delete(data, field)
	}
	if s.texts {
		for k, v := range data {
			if n, ok := v.(int); ok {
				data[k] = strconv.Itoa(n)
			}
		}
	}
	body, _ := json.Marshal(map[string]any{"event": name, "timestamp": capacitorTime(s.now()), "data": data}) // our own: cannot fail
	for _, h := range s.hooks {
		if h.Active && slices.Contains(h.Events, name) {
			s.post(letter{kind: name, url: h.URL, header: s.signed(h.secret, body), body: string(body)})
		}
	}
}

// signed is the header of a webhook.
func (s *Capacitor) signed(secret string, body []byte) http.Header {
	header := http.Header{"Content-Type": {"application/json"}}
	if secret == "" || s.signature == "" {
		return header
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	proof := hex.EncodeToString(mac.Sum(nil))
	switch s.scheme {
	case "secret":
		proof = secret
	case "sha256=":
		proof = s.scheme + proof
	}
	header.Set(s.signature, proof)
	return header
}

// hookWish is the body of a call that makes or changes a webhook.
type hookWish struct {
	URL    *string   `json:"url"`
	Events *[]string `json:"events"`
	Active *bool     `json:"active"`
	Secret string    `json:"secret"`
}

func (s *Capacitor) listHooks(*http.Request, []byte) said {
	return said{json: map[string]any{"webhooks": append([]*capacitorHook{}, s.hooks...)}}
}

func (s *Capacitor) addHook(_ *http.Request, body []byte) said {
	var w hookWish
	switch {
	case !s.tier.Hooks:
		return capacitorError(http.StatusForbidden, "FORBIDDEN", "Webhooks need the Starter tier or above")
	case json.Unmarshal(body, &w) != nil || w.URL == nil || w.Events == nil:
		return capacitorError(http.StatusBadRequest, "VALIDATION_ERROR", "url and events are required")
	}
	s.made++
	h := &capacitorHook{ID: capacitorID("wh", s.made), URL: *w.URL, Events: *w.Events, Active: true, CreatedAt: capacitorTime(s.now()), secret: w.Secret}
	s.hooks = append(s.hooks, h)
	return said{status: http.StatusCreated, json: h}
}

func (s *Capacitor) hook(id string) *capacitorHook {
	for _, h := range s.hooks {
		if h.ID == id {
			return h
		}
	}
	return nil
}

func (s *Capacitor) changeHook(r *http.Request, body []byte) said {
	var w hookWish
	h := s.hook(r.PathValue("hook"))
	switch {
	case h == nil:
		return capacitorLacks("Webhook", r.PathValue("hook"))
	case json.Unmarshal(body, &w) != nil:
		return capacitorError(http.StatusBadRequest, "VALIDATION_ERROR", "not JSON")
	}
	if w.URL != nil {
		h.URL = *w.URL
	}
	if w.Events != nil {
		h.Events = *w.Events
	}
	if w.Active != nil {
		h.Active = *w.Active
	}
	return said{json: h}
}

func (s *Capacitor) dropHook(r *http.Request, _ []byte) said {
	if s.hook(r.PathValue("hook")) == nil {
		return capacitorLacks("Webhook", r.PathValue("hook"))
	}
	s.hooks = slices.DeleteFunc(s.hooks, func(h *capacitorHook) bool { return h.ID == r.PathValue("hook") })
	return said{json: map[string]string{"message": "Webhook deleted successfully"}}
}
