package simulator

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Types of PowerResponse's webhooks. The vendor documents no names; these are
// made up, as is the delivery's body.
const (
	EventCreated   = "EVENT_CREATED"
	EventUpdated   = "EVENT_UPDATED"
	EventCancelled = "EVENT_CANCELLED"
)

// PowerResponse is the platform as one tenant sees it: the handler is its API,
// in the form of the vendor's own client
// (https://github.com/equiwatt/saas_client_python), and webhooks wait for
// Deliver. It is safe for concurrent use.
type PowerResponse struct {
	cloud
	key, tenant, token string

	events map[string]*Dispatch
	hooks  []subscription
	made   int    // UUIDs so far
	signed string // the header with the signature
	amt    bool   // subscribing tells the token
}

// Dispatch is one event of the platform. What Type, Status and the assets'
// states may be is not documented.
type Dispatch struct {
	Name, Type, Status string
	Start, End         time.Time // a zero End is null
	OptInRequired      bool
	Incentive          float64
	Assets             map[string]string // states by UUID
}

type subscription struct {
	UUID  string   `json:"uuid"`
	Name  string   `json:"name"`
	URL   string   `json:"url"`
	Types []string `json:"eventTypes"`
	Token string   `json:"amt,omitempty"`
}

// NewPowerResponse returns a platform without events, whose API takes that key
// and tenant and whose webhooks are signed with that token. Now is its clock;
// nil is time.Now.
func NewPowerResponse(key, tenant, token string, now func() time.Time) *PowerResponse {
	s := &PowerResponse{cloud: newCloud(now), key: key, tenant: tenant, token: token, events: map[string]*Dispatch{}, signed: "X-Equiwatt-Signature"}
	s.limits = []limit{{1, time.Second}}
	s.guard = s.mayAsk
	s.refuse = func(status int) said { return responseError(status, "") }
	s.handle("GET /api/v1/events/{uuid}", s.event)
	s.handle("GET /api/v1/events/{uuid}/assets", s.assets)
	s.handle("POST /api/v1/events/{uuid}/asset-optin", s.optIn)
	s.handle("GET /api/v1/event-schemes", func(*http.Request, []byte) said {
		return said{json: []map[string]string{{"uuid": responseUUID(0), "name": "Example scheme"}}}
	})
	s.handle("GET /api/v1/webhooks", s.webhooks)
	s.handle("POST /api/v1/webhooks/subscribe", s.subscribe)
	s.handle("DELETE /api/v1/webhooks/{uuid}/unsubscribe", s.unsubscribe)
	return s
}

// responseUUID is the n-th UUID that a platform gives away.
func responseUUID(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

func (s *PowerResponse) uuid() string {
	s.made++
	return responseUUID(s.made)
}

// Dispatch makes an event; the webhook waits.
func (s *PowerResponse) Dispatch(d Dispatch) (uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	uuid = s.uuid()
	s.events[uuid] = &d
	s.tell(EventCreated, uuid)
	return uuid
}

// Change changes an event; the webhook waits.
func (s *PowerResponse) Change(uuid string, change func(*Dispatch)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.events[uuid]; d != nil {
		change(d)
		s.tell(EventUpdated, uuid)
	}
}

// Cancel gives an event the status CANCELLED; the webhook waits.
func (s *PowerResponse) Cancel(uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.events[uuid]; d != nil {
		d.Status = "CANCELLED"
		s.tell(EventCancelled, uuid)
	}
}

// Forget makes an event answer 404, of which no webhook speaks.
func (s *PowerResponse) Forget(uuid string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.events, uuid)
}

// State is an asset's state in an event.
func (s *PowerResponse) State(uuid, asset string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if d := s.events[uuid]; d != nil {
		return d.Assets[asset]
	}
	return ""
}

// Subscribe is what an operator does in the console: that address is told of
// those types.
func (s *PowerResponse) Subscribe(address string, types ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooks = append(s.hooks, subscription{UUID: s.uuid(), Name: "console", URL: address, Types: types})
}

// Subscribed lists the addresses that are told of anything.
func (s *PowerResponse) Subscribed() (addresses []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.hooks {
		addresses = append(addresses, h.URL)
	}
	return addresses
}

// SignIn sets the header that carries the signature, which the vendor does not
// document.
func (s *PowerResponse) SignIn(header string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.signed = header
}

// TellToken makes the answer to subscribing tell the token of the signatures.
func (s *PowerResponse) TellToken(on bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.amt = on
}

// tell puts a delivery for each subscription among those that wait; the caller
// holds the lock.
func (s *PowerResponse) tell(kind, uuid string) {
	body := `{"eventType":"` + kind + `","eventUUID":"` + uuid + `"}`
	for _, h := range s.hooks {
		for _, t := range h.Types {
			if t == kind {
				s.post(letter{kind: kind, url: h.URL, header: s.sign(body), body: body})
			}
		}
	}
}

func (s *PowerResponse) sign(body string) http.Header {
	return http.Header{"Content-Type": {"application/json"}, http.CanonicalHeaderKey(s.signed): {s.hash(body)}}
}

func (s *PowerResponse) hash(text string) string {
	mac := hmac.New(sha256.New, []byte(s.token))
	mac.Write([]byte(text))
	return hex.EncodeToString(mac.Sum(nil))
}

// Send sends any body to an address, signed as the platform signs.
func (s *PowerResponse) Send(ctx context.Context, address, body string) Receipt {
	s.mu.Lock()
	l := letter{kind: "sent", url: address, header: s.sign(body), body: body}
	s.mu.Unlock()
	return s.send(ctx, l)
}

// Forge sends any body to an address as a stranger would, with a signature of
// another token.
func (s *PowerResponse) Forge(ctx context.Context, address, body string) Receipt {
	s.mu.Lock()
	h := s.sign(body + " ")
	s.mu.Unlock()
	return s.send(ctx, letter{kind: "forged", url: address, header: h, body: body})
}

// Challenge asks an address to prove that it knows the token, in the way of
// that method, GET or POST. It reports whether the answer was right.
func (s *PowerResponse) Challenge(ctx context.Context, method, address, text string) (r Receipt, proven bool) {
	l := letter{kind: "challenge", method: method, url: address}
	if method == http.MethodGet {
		l.url += "?" + url.Values{"challenge": {text}}.Encode()
	} else {
		l.header, l.body = http.Header{"Content-Type": {"application/json"}}, `{"challenge":"`+text+`"}`
	}
	r = s.send(ctx, l)
	right := s.hash(text)
	return r, r.Status == http.StatusOK && (r.Answer == right || strings.Contains(r.Answer, `{"challenge":"`+right+`"}`))
}
