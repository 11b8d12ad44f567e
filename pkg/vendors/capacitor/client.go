package capacitor

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Client calls Capacitor's API. Every call costs one of the day's quota; Wait
// is where that is kept.
//
// There are two generations of the vendor's documents, which disagree about
// the address and about how a charge is started
// (https://portal.capacitor.live/docs, https://capacitor.live/docs). The first
// contact finds out which of them holds; Choice is what it found.
type Client struct {
	URL    string // up to /api/v1, without a slash behind; https, or loopback
	Key    string
	Secret string   // given to the vendor with a webhook; empty: none
	Other  []string // where the API may be instead

	Choice Choice       // what an earlier contact found
	Chosen func(Choice) // called where a contact found another one; may be nil
	Told   func(Quota)  // called with what each answer tells of the quota; may be nil

	HTTP  *http.Client                // nil: the default one
	Wait  func(context.Context) error // called before every request; nil: none waits
	Now   func() time.Time            // nil: time.Now
	Agent string                      // User-Agent; empty: "grid2mqtt"
	// Timeout of one request, its body included; zero: 10 s.
	Timeout time.Duration
}

// Choice is which generation of the vendor's documents holds.
type Choice struct {
	Of    string `json:"of,omitempty"`    // the Client's URL of which it was found
	URL   string `json:"url,omitempty"`   // where the API is; empty: not known yet
	Start string `json:"start,omitempty"` // "w" or "p": how a charge is started; empty: not known yet
}

// Other returns where the API is by the other generation of the vendor's
// documents; none where url is neither.
func Other(url string) []string {
	both := []string{"https://api.capacitor.live/api/v1", "https://capacitor.live/api/v1"}
	if !slices.Contains(both, strings.TrimRight(url, "/")) {
		return nil
	}
	return slices.DeleteFunc(both, func(u string) bool { return u == strings.TrimRight(url, "/") })
}

var (
	// ErrOffline says that the charger is not connected to Capacitor, which
	// itself is well.
	ErrOffline = errors.New("capacitor: the charger is not connected")
	// ErrUnknown says that Capacitor does not know what was asked for.
	ErrUnknown = errors.New("capacitor: it is not known to Capacitor")
)

// refusal is a *event.Refusal that callers tell from others.
type refusal struct {
	*event.Refusal
	is error
}

func (r refusal) Unwrap() []error { return []error{r.Refusal, r.is} }

func (c *Client) rest() *rest.Client {
	return &rest.Client{
		Vendor: "Capacitor", Header: http.Header{"X-Api-Key": {c.Key}}, Remedy: "make a new one in Capacitor's portal.",
		Secrets: slices.DeleteFunc([]string{c.Key, c.Secret}, func(s string) bool { return s == "" }),
		HTTP:    c.HTTP, Wait: c.Wait, Now: c.Now, Agent: c.Agent, Timeout: c.Timeout,
	}
}

// choice is what an earlier contact found of this URL.
func (c *Client) choice() Choice {
	if own := strings.TrimRight(c.URL, "/"); c.Choice.Of != own {
		return Choice{Of: own}
	}
	return c.Choice
}

func (c *Client) base() string {
	if known := c.choice(); slices.Contains(c.Other, known.URL) {
		return known.URL
	}
	return strings.TrimRight(c.URL, "/")
}

// call makes one call and returns a good answer. The error is a
// *event.Refusal wherever the vendor or the network is to blame.
func (c *Client) call(ctx context.Context, method, path string, body any) (rest.Answer, error) {
	var text []byte
	if body != nil {
		text, _ = json.Marshal(body) // texts and numbers only: cannot fail
	}
	a, err := c.send(ctx, method, c.base()+path, text)
	if c.choice().URL == "" && method == http.MethodGet && elsewhere(a, err) {
		if c.probe(ctx) {
			a, err = c.send(ctx, method, c.base()+path, text)
		}
	} else if err == nil && a.Good() {
		c.found(c.base())
	}
	switch {
	case err != nil:
		return a, err
	case !a.Good():
		return a, c.refuse(a)
	}
	return a, nil
}

func (c *Client) send(ctx context.Context, method, url string, body []byte) (rest.Answer, error) {
	a, err := c.rest().Do(ctx, method, url, body)
	if err == nil && c.Told != nil {
		if q, told := quotaOf(a.Header, c.clock(a)); told {
			c.Told(q)
		}
	}
	return a, err
}

// clock is the vendor's clock, where he tells the time, else ours.
func (c *Client) clock(a rest.Answer) time.Time {
	switch {
	case !a.Date.IsZero():
		return a.Date
	case c.Now != nil:
		return c.Now().UTC()
	}
	return time.Now().UTC()
}

// elsewhere reports whether the API may be at another address.
func elsewhere(a rest.Answer, err error) bool {
	var r *event.Refusal
	return errors.As(err, &r) && r.Status == 0 || err == nil && a.Status == http.StatusNotFound
}

// probe looks for the API elsewhere.
func (c *Client) probe(ctx context.Context) bool {
	for _, url := range c.Other {
		a, err := c.send(ctx, http.MethodGet, url+"/chargers?limit=1", nil)
		if err == nil && a.Good() {
			c.found(url)
			return true
		}
	}
	return false
}

// found notes where the API answers. How a charge is started there is another
// matter than elsewhere.
func (c *Client) found(url string) {
	now := c.choice()
	if now.URL != "" && now.URL != url {
		now.Start = ""
	}
	now.URL = url
	c.choose(now)
}

func (c *Client) choose(now Choice) {
	if now != c.Choice {
		c.Choice = now
		if c.Chosen != nil {
			c.Chosen(now)
		}
	}
}

// refuse says why an answer is not what was asked for
// (https://portal.capacitor.live/docs/errors).
func (c *Client) refuse(a rest.Answer) error {
	top, _ := object(rest.Text(a.Body))
	why := top.in("error")
	code, message := why.text("code"), c.rest().Quote(why.text("message"))
	r := c.rest().Refuse(a)
	quoted := func(text string) {
		if r.Reason = text + "."; message != "" {
			r.Reason = text + ": “" + message + "”"
		}
	}
	switch a.Status {
	case http.StatusUnauthorized: // what it is about is said already
	case http.StatusForbidden:
		quoted("Capacitor does not allow this to your account")
	case http.StatusNotFound:
		if code != "" {
			quoted("Capacitor does not know it")
			return refusal{r, ErrUnknown}
		}
	case http.StatusServiceUnavailable:
		if code != "" {
			quoted("The charger is not connected to Capacitor")
			return refusal{r, ErrOffline}
		}
	case http.StatusTooManyRequests:
		if strings.Contains(strings.ToLower(message), "charger limit") { // the same code says this, too
			quoted("Capacitor refuses")
			r.RetryAfter = 0
			return r
		}
		now := c.clock(a)
		r.RetryAfter = max(r.RetryAfter, reset(a.Header.Get("RateLimit-Reset"), now).Sub(now))
		r.Reason = "Capacitor's calls for today are used up: it is asked again at " + now.Add(r.RetryAfter).UTC().Format("15:04") + " UTC."
	default:
		if message != "" && a.Status < http.StatusInternalServerError { // what it says of a fault may be new each time
			quoted("Capacitor refuses (HTTP status " + strconv.Itoa(a.Status) + ")")
		}
	}
	return r
}

const (
	page  = 50  // chargers of one call
	pages = 100 // are read of a list, so that one that never ends does
)

// Chargers asks for all chargers, fifty a call
// (https://portal.capacitor.live/docs/chargers). Their connectors are not in it.
func (c *Client) Chargers(ctx context.Context) (list []Charger, answers []rest.Answer, err error) {
	seen := map[string]bool{}
	for n := range pages {
		a, err := c.call(ctx, http.MethodGet, "/chargers?limit="+strconv.Itoa(page)+"&offset="+strconv.Itoa(n*page), nil)
		if err != nil {
			return nil, nil, err
		}
		items, total, ok := items(a.Body, "chargers")
		if !ok {
			return nil, nil, c.unread(a)
		}
		answers = append(answers, a)
		news := 0
		for _, f := range items {
			if ch := chargerOf(f); ch.ID != "" && !seen[ch.ID] {
				seen[ch.ID] = true
				list = append(list, ch)
				news++
			}
		}
		if news == 0 || len(items) < page && (total < 0 || len(list) >= total) || total >= 0 && (n+1)*page >= total {
			break
		}
	}
	return list, answers, nil
}

// Charger asks for one charger and its connectors. ErrUnknown: there is none
// of that id; ErrOffline: it is not connected.
func (c *Client) Charger(ctx context.Context, id string) (Charger, rest.Answer, error) {
	a, err := c.call(ctx, http.MethodGet, "/chargers/"+url.PathEscape(id), nil)
	if err != nil {
		return Charger{}, a, err
	}
	ch := chargerOf(one(a.Body, "charger", "chargeboxid"))
	if ch.ID == "" {
		return ch, a, c.unread(a)
	}
	return ch, a, nil
}

// Transaction asks for one transaction, running or not
// (https://portal.capacitor.live/docs/transactions). ErrUnknown: there is none
// of that number.
func (c *Client) Transaction(ctx context.Context, id string) (Transaction, rest.Answer, error) {
	a, err := c.call(ctx, http.MethodGet, "/transactions/"+url.PathEscape(id), nil)
	if err != nil {
		return Transaction{}, a, err
	}
	t := transactionOf(one(a.Body, "transaction", "transactionid"))
	if t.ID == "" {
		return t, a, c.unread(a)
	}
	return t, a, nil
}

// Transactions asks for the newest transactions of a charger, fifty at most.
// The envelope of the answer is not documented.
func (c *Client) Transactions(ctx context.Context, charger string) ([]Transaction, rest.Answer, error) {
	a, err := c.call(ctx, http.MethodGet, "/transactions?chargeBoxId="+url.QueryEscape(charger)+"&limit=50", nil)
	if err != nil {
		return nil, a, err
	}
	found, _, ok := items(a.Body, "transactions")
	if !ok {
		return nil, a, c.unread(a)
	}
	var list []Transaction
	for _, f := range found {
		t := transactionOf(f)
		if t.Charger == "" {
			t.Charger = charger
		}
		if t.ID != "" && t.Charger == charger {
			list = append(list, t)
		}
	}
	return list, a, nil
}

func (c *Client) unread(a rest.Answer) error {
	if r := c.rest().NoJSON(a); r != nil {
		return r
	}
	return c.rest().Garbled(a)
}

// tag is the card by which a charge is started from here, as the vendor's
// newer documents have it by default (https://www.capacitor.live/docs/transactions).
const tag = "CAPACITOR"

// Start starts a charge at a connector, where a cable is plugged
// (status Preparing). No error: the charger has accepted, and may begin soon.
// ErrOffline: it is not connected.
func (c *Client) Start(ctx context.Context, charger string, connector int) error {
	newer := func() error {
		_, err := c.call(ctx, http.MethodPost, "/transactions/start", map[string]any{"chargeBoxId": charger, "connectorId": connector, "idTag": tag})
		return err
	}
	older := func() error {
		_, err := c.call(ctx, http.MethodPost, "/chargers/"+url.PathEscape(charger)+"/remote-start", map[string]any{"connectorId": connector, "idTag": tag})
		return err
	}
	starts := func(how string) {
		now := c.choice()
		now.Start = how
		c.choose(now)
	}
	known := c.choice().Start
	if known == "p" {
		return older()
	}
	err := newer()
	if known == "" && notThere(err) {
		again := older()
		switch {
		case again == nil || errors.Is(again, ErrOffline):
			starts("p")
		case notThere(again):
			return err
		}
		return again
	}
	if err == nil {
		starts("w")
	}
	return err
}

// notThere reports whether a path may be the other generation's.
func notThere(err error) bool {
	var r *event.Refusal
	return errors.As(err, &r) && (r.Status == http.StatusNotFound || r.Status == http.StatusMethodNotAllowed)
}

// Stop stops a transaction. No error: the charger has accepted, and will stop
// soon. ErrUnknown: there is no such transaction; ErrOffline: the charger is
// not connected.
func (c *Client) Stop(ctx context.Context, transaction string) error {
	_, err := c.call(ctx, http.MethodPost, "/transactions/"+url.PathEscape(transaction)+"/stop", nil)
	return err
}
