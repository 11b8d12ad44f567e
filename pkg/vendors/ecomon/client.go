package ecomon

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// Client speaks Ecomon's GraphQL API, by which an intermediary's alerts and
// webhooks are set up. What its mutations are called and want is not documented
// in full and has changed, so it asks the API itself, once a Client. Errors are
// *event.Refusal wherever the vendor or the network is to blame. It is not for
// use by many at once.
type Client struct {
	URL string // https, or loopback; https://docs.hark.eco/docs/developers/delivery-charge-api
	Key string // of the intermediary

	// Bearer: the key goes as "Authorization: Bearer", and not as "X-API-KEY".
	// Both are published; where the one is refused the other is tried, and
	// Bearer then says which one is right.
	Bearer bool

	HTTP    *http.Client                // nil: the default one
	Wait    func(context.Context) error // called before every request; nil: none waits
	Now     func() time.Time            // nil: time.Now
	Agent   string                      // User-Agent; empty: "grid2mqtt"
	Timeout time.Duration               // of one request; zero: 10 s

	secrets   []string            // beside the key
	mutations []field             // as the API tells; nil: not asked yet
	unions    map[string][]string // … and which types each one has
	known     map[string]object   // types that were asked for
}

// ask makes one call and reads its data. Partial data is no data.
func (c *Client) ask(ctx context.Context, query string, variables map[string]any, data any) error {
	if variables == nil {
		variables = map[string]any{}
	}
	body, err := json.Marshal(map[string]any{"query": query, "variables": variables})
	if err != nil {
		return err // cannot be: texts and numbers only
	}
	err = c.call(ctx, body, data)
	var refused *event.Refusal
	if errors.As(err, &refused) && refused.Unauthorized {
		c.Bearer = !c.Bearer
		err = c.call(ctx, body, data)
		if errors.As(err, &refused) && refused.Unauthorized {
			c.Bearer = !c.Bearer
		}
	}
	return err
}

// reply is what GraphQL answers.
type reply struct {
	Data   json.RawMessage
	Errors []struct {
		Message    string
		Extensions struct{ Code string }
	}
}

// failure is a refusal in GraphQL's own words: the vendor understood that it was
// asked something, and said no.
type failure struct{ *event.Refusal }

func (f failure) Unwrap() error { return f.Refusal }

func (c *Client) call(ctx context.Context, body []byte, data any) error {
	api := &rest.Client{
		Vendor: "Ecomon", Header: http.Header{"X-Api-Key": {c.Key}}, Secrets: append([]string{c.Key}, c.secrets...),
		HTTP: c.HTTP, Wait: c.Wait, Now: c.Now, Agent: c.Agent, Timeout: c.Timeout,
	}
	if c.Bearer {
		api.Header = http.Header{"Authorization": {"Bearer " + c.Key}}
	}
	a, err := api.Do(ctx, http.MethodPost, c.URL, body)
	if err != nil {
		return err
	}
	var r reply
	text := rest.Text(a.Body)
	garbled := json.Unmarshal(text, &r) != nil
	switch {
	case !a.Good() && (a.Status != http.StatusBadRequest || garbled || len(r.Errors) == 0):
		return api.Refuse(a)
	case len(r.Errors) > 0 && slices.Contains([]string{"UNAUTHENTICATED", "FORBIDDEN"}, r.Errors[0].Extensions.Code):
		a.Status = http.StatusUnauthorized
		return api.Refuse(a)
	case len(r.Errors) > 0:
		return failure{api.Failure(r.Errors[0].Message, a)}
	}
	if no := api.NoJSON(a); no != nil {
		return no
	}
	if garbled || len(r.Data) == 0 || string(r.Data) == "null" || json.Unmarshal(r.Data, data) != nil {
		return api.Garbled(a)
	}
	return nil
}
