package powerresponse

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Client asks the platform's API of generation 1.0. Its limits are not
// documented; a call a second is assumed to be within them, and Wait is where
// that is kept. Every error is a *event.Refusal where the vendor or the network
// is to blame, unless it is said otherwise.
type Client struct {
	URL     string // of the host, e.g. https://cloud.equiwatt.com
	APIKey  string
	Tenant  string   // a UUID
	Secrets []string // more of what no refusal may repeat

	HTTP  *http.Client                // nil: the default one
	Wait  func(context.Context) error // called before every request; nil: none waits
	Now   func() time.Time            // nil: time.Now
	Agent string                      // User-Agent; empty: "grid2mqtt"
	// Timeout of one request, its body included; zero: 10 s.
	Timeout time.Duration
}

// ErrGone says that the API knows no event of that UUID.
var ErrGone = errors.New("powerresponse: no such event")

const (
	pageSize = 100 // as the vendor's client asks
	// pages is how many are read of a list, so that one that never ends does.
	pages = 100
)

func (c *Client) rest() *rest.Client {
	return &rest.Client{
		Vendor: "PowerResponse", Credential: "API key or the tenant", Remedy: "are POWERRESPONSE_API_KEY and POWERRESPONSE_TENANT right, and of the same environment?",
		Header: http.Header{
			"X-Api-Key": {c.APIKey}, "Tenant": {c.Tenant}, "X-Api-Version": {"1.0"}, "Content-Type": {"application/json"},
		},
		Secrets: append([]string{c.APIKey}, c.Secrets...),
		HTTP:    c.HTTP, Wait: c.Wait, Now: c.Now, Agent: c.Agent, Timeout: c.Timeout,
	}
}

// call makes one call under /api/v1 and returns an answer with status 2xx.
func (c *Client) call(ctx context.Context, method, path string, body any) (rest.Answer, error) {
	var text []byte
	if body != nil {
		text = encode(body)
	}
	a, err := c.rest().Do(ctx, method, strings.TrimRight(c.URL, "/")+"/api/v1/"+path, text)
	if err != nil || a.Good() {
		return a, err
	}
	return a, c.refuse(a)
}

// refuse quotes why the vendor says no, where no reason of the status' own is
// known.
func (c *Client) refuse(a rest.Answer) *event.Refusal {
	r := c.rest().Refuse(a)
	own := r.Unauthorized || a.Status == http.StatusTooManyRequests || a.Status >= 500 || a.Status < 400
	if quote := c.rest().Quote(complaint(a.Body)); quote != "" && !own {
		r.Reason = "PowerResponse refuses the call (HTTP status " + strconv.Itoa(a.Status) + "): “" + quote + "”"
	}
	return r
}

// complaint is what an error says, in one of three forms: "message" and
// "error" of generation 1.0, "detail" of 0.9, or plain text.
func complaint(body []byte) string {
	v, ok := read(body)
	f := object(v)
	switch {
	case f != nil:
		message, detail := f.text("message", "detail"), f.text("error")
		if message == "" || detail == "" || message == detail {
			return cmp.Or(message, detail)
		}
		return message + ": " + detail
	case ok, strings.HasPrefix(strings.TrimSpace(string(body)), "<"):
		return "" // JSON, but no object; or a web page
	}
	return string(body)
}

// Event reads one event, by GET /api/v1/events/{uuid}. The error is ErrGone
// where the API knows none of that UUID.
func (c *Client) Event(ctx context.Context, uuid string) (Event, error) {
	e, _, err := c.event(ctx, uuid)
	return e, err
}

func (c *Client) event(ctx context.Context, uuid string) (Event, rest.Answer, error) {
	id := UUID(uuid)
	if id == "" {
		return Event{}, rest.Answer{}, errors.New("powerresponse: an event's id is a UUID")
	}
	a, err := c.call(ctx, http.MethodGet, "events/"+id, nil)
	switch {
	case a.Status == http.StatusNotFound && c.missing(a):
		return Event{}, a, ErrGone
	case err != nil:
		return Event{}, a, err
	}
	if r := c.rest().NoJSON(a); r != nil {
		return Event{}, a, r
	}
	e, ok := parseEvent(a.Body)
	if !ok || e.UUID != id {
		return Event{}, a, c.rest().Garbled(a)
	}
	return e, a, nil
}

// missing reports whether a 404 speaks of the event: the platform's errors are
// JSON or plain text, and a web page comes from a host that is not the API.
func (c *Client) missing(a rest.Answer) bool {
	return !strings.HasPrefix(string(rest.Text(a.Body)), "<")
}

// Read asks for one event and tells what is true of it; one that the API knows
// no more is told as Gone.
func (c *Client) Read(ctx context.Context, uuid string) (event.Answer, error) {
	e, a, err := c.event(ctx, uuid)
	answer := event.Answer{Received: c.now(), Date: a.Date, Body: a.Body}
	switch {
	case errors.Is(err, ErrGone):
		answer.Events = []event.Event{gone(UUID(uuid), answer.Received)}
	case err != nil:
		return event.Answer{}, err
	default:
		answer.Events = []event.Event{e.Told(answer.Received)}
	}
	return answer, nil
}

// Check makes the smallest call there is, GET /api/v1/event-schemes, which
// says whether the key and the tenant are taken. What it answers is not
// documented, and no events follow from it.
func (c *Client) Check(ctx context.Context) (event.Answer, error) {
	a, err := c.call(ctx, http.MethodGet, "event-schemes", nil)
	if err != nil {
		return event.Answer{}, err
	}
	if r := c.rest().NoJSON(a); r != nil {
		return event.Answer{}, r
	}
	return event.Answer{Received: c.now(), Date: a.Date, Body: a.Body}, nil
}

func (c *Client) now() time.Time {
	if c.Now == nil {
		return time.Now().UTC()
	}
	return c.Now().UTC()
}
