package simulator

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// mayAsk wants the key, and a rest of the day's quota
// (https://portal.capacitor.live/docs/authentication).
func (s *Capacitor) mayAsk(r *http.Request, _ []byte) (no said, ok bool) {
	if r.Header.Get("X-API-Key") != s.key {
		return capacitorError(http.StatusUnauthorized, "UNAUTHORIZED", "Invalid or inactive API key"), false
	}
	s.today()
	if s.tier.Calls > 0 && s.used >= s.tier.Calls {
		if s.refused {
			s.violate("a call after the day's quota was said to be used up")
		}
		s.refused = true
		return capacitorRefusal(http.StatusTooManyRequests), false
	}
	s.used++
	return said{}, true
}

// quota is in the header of every answer.
func (s *Capacitor) quota(h http.Header) {
	s.today()
	if s.tier.Calls == 0 {
		return
	}
	h.Set("RateLimit-Limit", strconv.Itoa(s.tier.Calls))
	h.Set("RateLimit-Remaining", strconv.Itoa(max(0, s.tier.Calls-s.used)))
	h.Set("RateLimit-Reset", strconv.Itoa(int(s.day.Add(24*time.Hour).Sub(s.now())/time.Second)+1))
}

// capacitorRefusal words what no route answers
// (https://portal.capacitor.live/docs/errors).
func capacitorRefusal(status int) said {
	switch status {
	case http.StatusTooManyRequests:
		return capacitorError(status, "RATE_LIMIT_ERROR", "API rate limit exceeded. Upgrade your plan for higher limits.")
	case http.StatusNotFound:
		return said{status: status, json: json.RawMessage(`{"message":"Cannot find this path","statusCode":404}`)}
	}
	return said{status: status, json: json.RawMessage(`{"message":"Method not allowed","statusCode":405}`)}
}

func capacitorError(status int, code, message string) said {
	return said{status: status, json: map[string]any{"success": false, "error": map[string]string{"code": code, "message": message}}}
}

func capacitorLacks(what, id string) said {
	return capacitorError(http.StatusNotFound, "NOT_FOUND", what+" "+id+" not found")
}

// capacitorPage cuts what limit and offset of a query ask for out of a list.
func capacitorPage(r *http.Request, all []any, name string) said {
	number := func(key string, usual int) int {
		if n, err := strconv.Atoi(r.URL.Query().Get(key)); err == nil && n >= 0 {
			return n
		}
		return usual
	}
	limit, offset := min(number("limit", 50), 100), number("offset", 0)
	from := min(offset, len(all))
	some := append([]any{}, all[from:min(from+limit, len(all))]...)
	return said{json: map[string]any{name: some, "pagination": map[string]int{"total": len(all), "limit": limit, "offset": offset}}}
}

func (s *Capacitor) listChargers(r *http.Request, _ []byte) said {
	all := []any{}
	for _, c := range s.chargers {
		if want := r.URL.Query().Get("status"); want == "" || want == c.state() {
			all = append(all, c.shown())
		}
	}
	return capacitorPage(r, all, "chargers")
}

func (c *charger) state() string {
	if c.online {
		return "online"
	}
	return "offline"
}

func (c *charger) shown() map[string]any {
	return map[string]any{
		"id": "chg_" + c.id, "chargeBoxId": c.id, "name": "Office Parking Lot", "status": c.state(), "isOnline": c.online,
		"vendor": c.vendor, "model": c.model, "lastHeartbeat": capacitorTime(c.heartbeat),
	}
}

func (s *Capacitor) oneCharger(r *http.Request, _ []byte) said {
	c := s.charger(r.PathValue("charger"))
	if c == nil {
		return capacitorLacks("Charger", r.PathValue("charger"))
	}
	connectors := []any{}
	for _, n := range c.connectors {
		connectors = append(connectors, map[string]any{"connectorId": n.id, "status": n.status, "errorCode": n.code(), "lastUpdated": capacitorTime(n.updated)})
	}
	shown := c.shown()
	shown["serialNumber"], shown["firmwareVersion"] = "ABC12345", c.firmware
	shown["connectors"], shown["connectionUrl"] = connectors, "wss://capacitor.live/ocpp/"+c.id
	return said{json: shown}
}

func (n *connector) code() string {
	if n.fault == "" {
		return "NoError"
	}
	return n.fault
}

func (x *session) shown(older bool) map[string]any {
	shown := map[string]any{
		"id": capacitorID("txn", x.number), "transactionId": x.number, "chargeBoxId": x.charger, "connectorId": x.connector, "idTag": x.card,
		"status": x.status(older), "meterStart": x.first, "startTime": capacitorTime(x.started), "remoteStarted": x.remote,
	}
	if !x.stopped.IsZero() {
		shown["meterStop"], shown["energyDelivered"] = x.last, float64(x.last-x.first)/1000
		shown["durationMinutes"] = int(x.stopped.Sub(x.started) / time.Minute)
		shown["stopTime"], shown["stopReason"] = capacitorTime(x.stopped), x.reason
	}
	return shown
}

func (s *Capacitor) listTransactions(r *http.Request, _ []byte) said {
	all := []any{}
	want := r.URL.Query()
	for i := len(s.sessions) - 1; i >= 0; i-- {
		x := s.sessions[i]
		if id := want.Get("chargeBoxId"); id != "" && id != x.charger {
			continue
		}
		if status := want.Get("status"); status == "" || status == x.status(s.older) {
			all = append(all, x.shown(s.older))
		}
	}
	return capacitorPage(r, all, "transactions")
}

func (s *Capacitor) session(number string) *session {
	for _, x := range s.sessions {
		if strconv.Itoa(x.number) == number {
			return x
		}
	}
	return nil
}

func (s *Capacitor) oneTransaction(r *http.Request, _ []byte) said {
	x := s.session(r.PathValue("transaction"))
	if x == nil {
		return capacitorLacks("Transaction", r.PathValue("transaction"))
	}
	return said{json: x.shown(s.older)}
}

// remoteWish is what the body of a remote start holds.
type remoteWish struct {
	Charger   string `json:"chargeBoxId"`
	Connector int    `json:"connectorId"`
	Card      string `json:"idTag"`
}

// start is a remote start of the newer generation
// (https://www.capacitor.live/docs/transactions).
func (s *Capacitor) start(_ *http.Request, body []byte) said {
	var c remoteWish
	if s.older {
		return capacitorRefusal(http.StatusNotFound)
	}
	if json.Unmarshal(body, &c) != nil || c.Charger == "" || c.Connector == 0 {
		return capacitorError(http.StatusBadRequest, "VALIDATION_ERROR", "chargeBoxId and connectorId are required")
	}
	if c.Card == "" {
		c.Card = "CAPACITOR"
	}
	if no, ok := s.obey(c); !ok {
		return no
	}
	return said{status: http.StatusAccepted, json: map[string]any{
		"message": "Remote start accepted by charger", "chargeBoxId": c.Charger, "connectorId": c.Connector, "status": "accepted",
	}}
}

// remoteStart is one of the older generation
// (https://portal.capacitor.live/docs/transactions).
func (s *Capacitor) remoteStart(r *http.Request, body []byte) said {
	var c remoteWish
	if !s.older {
		return capacitorRefusal(http.StatusNotFound)
	}
	if json.Unmarshal(body, &c) != nil || c.Card == "" || c.Connector == 0 {
		return capacitorError(http.StatusBadRequest, "VALIDATION_ERROR", "connectorId and idTag are required")
	}
	c.Charger = r.PathValue("charger")
	if no, ok := s.obey(c); !ok {
		return no
	}
	return said{status: http.StatusAccepted, json: map[string]any{
		"message": "Remote start accepted by charger", "transactionId": s.number, "chargeBoxId": c.Charger, "connectorId": c.Connector, "status": "pending",
	}}
}

// obey makes a charger begin a charge.
func (s *Capacitor) obey(c remoteWish) (no said, ok bool) {
	ch := s.charger(c.Charger)
	if ch == nil {
		return capacitorLacks("Charger", c.Charger), false
	}
	if !ch.online {
		return capacitorError(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "Charger "+c.Charger+" is not connected"), false
	}
	n := ch.connector(c.Connector)
	if n == nil || n.status != "Preparing" {
		return capacitorError(http.StatusBadRequest, "VALIDATION_ERROR", "Remote start rejected by charger"), false
	}
	s.begin(ch, c.Connector, c.Card, true)
	return said{}, true
}

func (s *Capacitor) stop(r *http.Request, _ []byte) said {
	x := s.session(r.PathValue("transaction"))
	if x == nil || !x.stopped.IsZero() {
		return capacitorLacks("Transaction", r.PathValue("transaction"))
	}
	ch := s.charger(x.charger)
	if ch == nil || !ch.online {
		return capacitorError(http.StatusServiceUnavailable, "SERVICE_UNAVAILABLE", "Charger "+x.charger+" is not connected")
	}
	s.end(ch, x.connector, "Remote")
	return said{status: http.StatusAccepted, json: map[string]any{
		"message": "Remote stop accepted by charger", "transactionId": x.number, "chargeBoxId": x.charger, "status": "stopping",
	}}
}
