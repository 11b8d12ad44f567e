package openvolt

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// biggest is how many bytes of an answer are taken: 31 days of half hours are
// about 320 KiB in the published shape.
const biggest = 4 << 20

// Client asks Openvolt's API. The vendor documents no limits; Wait is where
// one call a second and one in flight are kept.
type Client struct {
	URL         string        // with its version, e.g. https://api.openvolt.com/v1
	Key         string        // from the developer dashboard
	LabelOffset time.Duration // added to an interval's label to get its start

	HTTP    *http.Client                // nil: the default one; only its Transport is used
	Wait    func(context.Context) error // called before every request; nil: none waits
	Now     func() time.Time            // nil: time.Now
	Agent   string                      // User-Agent; empty: "grid2mqtt"
	Timeout time.Duration               // of one request, its body included; zero: 10 s
}

// Meter is a meter of the account. It has more fields at the vendor; what is
// personal of them is not read.
type Meter struct {
	ID     string // of the record, which is a meter number with its customer
	Status string // the vendor's word, e.g. "active"; empty: not said
}

// Meters are the meters of the account, in the vendor's order.
type Meters struct {
	List []Meter
	Date time.Time // the vendor's clock as its Date header says; zero: not said
}

// Meters lists the account's meters, GET /meters
// (https://docs.openvolt.com/docs/getting-started). The vendor documents no
// envelope: a bare array, {"data": […]} and {"meters": […]} are read. The
// error is a *event.Refusal wherever the vendor or the network is to blame.
func (c *Client) Meters(ctx context.Context) (Meters, error) {
	a, err := c.get(ctx, "/meters", nil)
	if err != nil {
		return Meters{}, err
	}
	list, err := c.readMeters(a)
	return Meters{List: list, Date: a.Date}, err
}

func (c *Client) readMeters(a rest.Answer) ([]Meter, error) {
	r := c.rest()
	if !a.Good() {
		return nil, c.refuse(r, a)
	}
	if bad := r.NoJSON(a); bad != nil {
		return nil, bad
	}
	items, ok := array(rest.Text(a.Body), "data", "meters")
	if !ok {
		return nil, r.Garbled(a)
	}
	list, known := make([]Meter, 0, len(items)), map[string]bool{}
	for _, item := range items {
		var f struct {
			ID     json.RawMessage `json:"_id"`
			Status json.RawMessage `json:"status"`
		}
		_ = json.Unmarshal(item, &f) // what is no object has no fields
		if id := word(f.ID); id != "" && !known[id] {
			known[id] = true
			list = append(list, Meter{ID: id, Status: word(f.Status)})
		}
	}
	if len(items) > 0 && len(list) == 0 {
		return nil, r.Garbled(a)
	}
	return list, nil
}

// array is a bare array, or the one that stands under one of the names.
func array(text []byte, names ...string) (items []json.RawMessage, ok bool) {
	if text[0] == '[' {
		return items, json.Unmarshal(text, &items) == nil
	}
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(text, &fields) // what is no object has no fields
	for _, name := range names {
		if raw, there := fields[name]; there {
			return items, json.Unmarshal(raw, &items) == nil // null is an empty one
		}
	}
	return nil, false
}

func (c *Client) rest() *rest.Client {
	return &rest.Client{
		Vendor: "Openvolt", Header: http.Header{"X-Api-Key": {c.Key}}, Secrets: []string{c.Key},
		Remedy: "copy the newest one from Openvolt's dashboard.",
		HTTP:   c.HTTP, Wait: c.Wait, Now: c.Now, Agent: c.Agent, Timeout: c.Timeout, Biggest: biggest,
	}
}

func (c *Client) get(ctx context.Context, path string, query url.Values) (rest.Answer, error) {
	at := strings.TrimRight(c.URL, "/") + path
	if len(query) > 0 {
		at += "?" + query.Encode()
	}
	return c.rest().Do(ctx, http.MethodGet, at, nil)
}

// refuse quotes the vendor's own reason where a call itself is refused. The
// form of errors is not documented; {"message": "…"} is what is assumed.
func (c *Client) refuse(r *rest.Client, a rest.Answer) *event.Refusal {
	var f struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(rest.Text(a.Body), &f) // what cannot be read gives no reason
	switch a.Status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooManyRequests:
		return r.Refuse(a)
	}
	if a.Status >= 500 || r.Quote(f.Message) == "" {
		return r.Refuse(a)
	}
	return r.Failure(f.Message, a)
}
