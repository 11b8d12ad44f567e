package simulator

import (
	"slices"
	"strconv"
	"time"
)

// Tier is what an organisation pays Capacitor for
// (https://portal.capacitor.live/docs/billing).
type Tier struct {
	Calls int  // a day; zero: as many as it likes, and no quota is told
	Hooks bool // webhooks may be registered
}

// The tiers of the vendor's price list.
var (
	Free    = Tier{Calls: 50}
	Starter = Tier{Calls: 1000, Hooks: true}
	Growth  = Tier{Calls: 10_000, Hooks: true}
	Scale   = Tier{Hooks: true}
)

// Capacitor is the cloud of one organisation with its chargers, which do what
// they are told to: its API is the handler, its webhooks go out with Deliver
// or Prompt, once and never again. It is safe for concurrent use.
type Capacitor struct {
	cloud
	key      string
	tier     Tier
	older    bool // the older generation of its documents holds
	used     int  // calls of the day
	day      time.Time
	refused  bool // somebody was told today that the quota is used up
	chargers []*charger
	sessions []*session
	number   int // of the newest transaction
	hooks    []*capacitorHook
	made     int // hooks so far

	signature, scheme string
	ocpp, texts       bool
	without           []string
}

// charger is a charger and its connectors.
type charger struct {
	id, vendor, model, firmware string
	online                      bool
	heartbeat                   time.Time
	connectors                  []*connector
}

type connector struct {
	id            int
	status, fault string
	updated       time.Time
	meter         int // Wh, the register
	session       *session
}

// session is a transaction.
type session struct {
	number           int
	charger          string
	connector        int
	card             string
	remote           bool
	started, stopped time.Time // stopped is zero while it runs
	first, last      int       // Wh, the register
	reason           string
}

// NewCapacitor returns a cloud without chargers, of the Starter tier and the
// newer generation of the vendor's documents, whose API takes that key. Now is
// its clock; nil is time.Now.
func NewCapacitor(key string, now func() time.Time) *Capacitor {
	s := &Capacitor{cloud: newCloud(now), key: key, tier: Starter, number: 12344}
	s.base = "/api/v1"
	s.guard, s.refuse, s.stamp = s.mayAsk, capacitorRefusal, s.quota
	s.handle("GET /api/v1/chargers", s.listChargers)
	s.handle("GET /api/v1/chargers/{charger}", s.oneCharger)
	s.handle("POST /api/v1/transactions/start", s.start)
	s.handle("POST /api/v1/chargers/{charger}/remote-start", s.remoteStart)
	s.handle("POST /api/v1/transactions/{transaction}/stop", s.stop)
	s.handle("GET /api/v1/transactions", s.listTransactions)
	s.handle("GET /api/v1/transactions/{transaction}", s.oneTransaction)
	s.handle("GET /api/v1/webhooks", s.listHooks)
	s.handle("POST /api/v1/webhooks", s.addHook)
	s.handle("PATCH /api/v1/webhooks/{hook}", s.changeHook)
	s.handle("DELETE /api/v1/webhooks/{hook}", s.dropHook)
	return s
}

// Buy changes the tier.
func (s *Capacitor) Buy(t Tier) { s.with(func() { s.tier = t }) }

// Older makes the older generation of the vendor's documents hold: where a
// charge is started, and what is answered.
func (s *Capacitor) Older() { s.with(func() { s.older = true }) }

// Spend makes calls of the day's quota that are somebody else's.
func (s *Capacitor) Spend(calls int) {
	s.with(func() {
		s.today()
		s.used += calls
	})
}

// Left is how many calls of the day's quota are left.
func (s *Capacitor) Left() (n int) {
	s.with(func() {
		s.today()
		n = max(0, s.tier.Calls-s.used)
	})
	return n
}

func (s *Capacitor) with(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

// Add makes a charger with that many connectors known. It is not connected.
func (s *Capacitor) Add(id string, connectors int) {
	s.with(func() {
		c := &charger{id: id, vendor: "ABB", model: "Terra AC", firmware: "1.6.0"}
		for i := range connectors {
			c.connectors = append(c.connectors, &connector{id: i + 1, status: "Unavailable", updated: s.now(), meter: 1000})
		}
		s.chargers = append(s.chargers, c)
	})
}

// Forget takes a charger away.
func (s *Capacitor) Forget(id string) {
	s.with(func() { s.chargers = slices.DeleteFunc(s.chargers, func(c *charger) bool { return c.id == id }) })
}

// on does something to a charger that is known; the vendor's word for it is
// told where tell is not empty.
func (s *Capacitor) on(id, tell string, data map[string]any, f func(*charger)) {
	s.with(func() {
		if c := s.charger(id); c != nil {
			f(c)
			s.tell(tell, c, data)
		}
	})
}

func (s *Capacitor) charger(id string) *charger {
	for _, c := range s.chargers {
		if c.id == id {
			return c
		}
	}
	return nil
}

func (c *charger) connector(id int) *connector {
	for _, n := range c.connectors {
		if n.id == id {
			return n
		}
	}
	return nil
}

// Connect opens a charger's connection.
func (s *Capacitor) Connect(id string) {
	s.on(id, "charger.connected", nil, func(c *charger) { c.online, c.heartbeat = true, s.now() })
}

// Disconnect ends a charger's connection.
func (s *Capacitor) Disconnect(id string) {
	s.on(id, "charger.disconnected", nil, func(c *charger) { c.online = false })
}

// Boot starts a charger anew: it connects, says what it is, and how each of its
// connectors is, which is Available.
func (s *Capacitor) Boot(id string) {
	s.Connect(id)
	var connectors []int
	s.with(func() {
		if c := s.charger(id); c != nil {
			s.tell("charger.boot", c, map[string]any{"vendor": c.vendor, "model": c.model, "firmwareVersion": c.firmware})
			for _, n := range c.connectors {
				connectors = append(connectors, n.id)
			}
		}
	})
	for _, n := range connectors {
		s.Status(id, n, "Available")
	}
}

// Status sets a connector's status, in OCPP's words.
func (s *Capacitor) Status(id string, connector int, status string) {
	s.Fault(id, connector, status, "NoError")
}

// Fault sets a connector's status and error code. Connector 0 is the charger.
func (s *Capacitor) Fault(id string, connector int, status, code string) {
	s.on(id, "connector.status_changed", map[string]any{"connectorId": connector, "status": status, "errorCode": code}, func(c *charger) {
		c.heartbeat = s.now()
		if n := c.connector(connector); n != nil {
			n.status, n.fault, n.updated = status, code, s.now()
		}
	})
}

// Begin begins a charge with a card and returns the transaction's number.
func (s *Capacitor) Begin(id string, connector int, card string) (number int) {
	s.with(func() {
		if c := s.charger(id); c != nil {
			number = s.begin(c, connector, card, false)
		}
	})
	return number
}

// begin is Begin; the caller holds the lock.
func (s *Capacitor) begin(c *charger, connector int, card string, remote bool) int {
	n := c.connector(connector)
	s.number++
	x := &session{number: s.number, charger: c.id, connector: connector, card: card, remote: remote, started: s.now(), first: n.meter, last: n.meter}
	s.sessions = append(s.sessions, x)
	n.session, n.status, n.updated, c.heartbeat = x, "Charging", s.now(), s.now()
	s.tell("transaction.started", c, map[string]any{"transactionId": x.number, "connectorId": connector, "idTag": card, "meterStart": x.first})
	s.tell("connector.status_changed", c, map[string]any{"connectorId": connector, "status": n.status, "errorCode": "NoError"})
	return x.number
}

// Charge puts energy into the car of a running charge, in Wh, which is told.
func (s *Capacitor) Charge(id string, connector, wattHours int) {
	s.with(func() {
		c := s.charger(id)
		if c == nil || c.connector(connector).session == nil {
			return
		}
		n := c.connector(connector)
		n.meter += wattHours
		n.session.last, c.heartbeat = n.meter, s.now()
		s.tell("transaction.updated", c, s.meterValues(n))
	})
}

// End ends a running charge for that reason, in OCPP's words.
func (s *Capacitor) End(id string, connector int, reason string) {
	s.with(func() {
		if c := s.charger(id); c != nil {
			s.end(c, connector, reason)
		}
	})
}

// end is End; the caller holds the lock.
func (s *Capacitor) end(c *charger, connector int, reason string) {
	n := c.connector(connector)
	x := n.session
	if x == nil {
		return
	}
	x.stopped, x.reason, n.session = s.now(), reason, nil
	n.status, n.updated, c.heartbeat = "Finishing", s.now(), s.now()
	s.tell("transaction.stopped", c, map[string]any{"transactionId": x.number, "connectorId": connector, "idTag": x.card, "meterStop": x.last, "reason": reason})
	s.tell("connector.status_changed", c, map[string]any{"connectorId": connector, "status": n.status, "errorCode": "NoError"})
}

// Beat lets a charger give a sign of life, of which no webhook speaks.
func (s *Capacitor) Beat(id string) { s.on(id, "", nil, func(c *charger) { c.heartbeat = s.now() }) }

// today begins a new day's quota at midnight UTC; the caller holds the lock.
func (s *Capacitor) today() {
	if day := s.now().UTC().Truncate(24 * time.Hour); !day.Equal(s.day) {
		s.day, s.used, s.refused = day, 0, false
	}
}

func (x *session) status(older bool) string {
	switch {
	case !x.stopped.IsZero():
		return "completed"
	case older:
		return "active"
	}
	return "in_progress"
}

func capacitorTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.UTC().Format("2006-01-02T15:04:05.000Z")
}

func capacitorID(kind string, n int) string { return kind + "_" + strconv.Itoa(n) }
