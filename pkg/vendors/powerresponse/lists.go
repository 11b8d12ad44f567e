package powerresponse

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
)

// list reads every page of a list, and calls each with every item.
func (c *Client) list(ctx context.Context, path string, each func(fields)) error {
	for page := 1; page <= pages; page++ {
		query := url.Values{"page": {strconv.Itoa(page)}, "pageSize": {strconv.Itoa(pageSize)}}
		a, err := c.call(ctx, http.MethodGet, path+"?"+query.Encode(), nil)
		if err != nil {
			return err
		}
		if r := c.rest().NoJSON(a); r != nil {
			return r
		}
		items, more, ok := parsePage(a.Body)
		if !ok {
			return c.rest().Garbled(a)
		}
		for _, item := range items {
			each(item)
		}
		if !more || len(items) == 0 {
			return nil
		}
	}
	return nil
}

// parsePage reads one page: the vendor's envelope, or a bare list. There are
// more only where the envelope says so in every way it has.
func parsePage(body []byte) (items []fields, more, ok bool) {
	v, _ := read(body)
	list, bare := v.([]any)
	if !bare {
		f := object(v)
		if list, ok = f["items"].([]any); !ok {
			return nil, false, false
		}
		p := object(f["pagination"])
		current, total := p.number("currentpage"), p.number("totalpages")
		goesOn := p.truth("hasmore")
		more = p != nil && (goesOn == nil || *goesOn) && (current == nil || total == nil || *current < *total) &&
			(goesOn != nil || total != nil)
	}
	for _, item := range list {
		if f := object(item); f != nil {
			items = append(items, f)
		}
	}
	return items, more, true
}

// Asset is a meter's part in an event.
type Asset struct {
	UUID  string // the vendor's
	ID    string // the tenant's own
	State string // the vendor's word
}

// Assets lists the assets of an event, by GET /api/v1/events/{uuid}/assets.
func (c *Client) Assets(ctx context.Context, uuid string) (assets []Asset, err error) {
	id := UUID(uuid)
	if id == "" {
		return nil, errors.New("powerresponse: an event's id is a UUID")
	}
	err = c.list(ctx, "events/"+id+"/assets", func(item fields) {
		asset := object(item["asset"])
		if a := (Asset{UUID: asset.uuid("uuid"), ID: asset.text("assetid"), State: item.text("state")}); a.UUID != "" {
			assets = append(assets, a)
		}
	})
	return assets, err
}

type optIn struct {
	Statuses []optInStatus `json:"statuses"`
}

type optInStatus struct {
	AssetUUIDs []string `json:"assetUUIDs"`
	Status     string   `json:"status"`
}

// OptIn lets assets take part in an event, or with in false leaves them out of
// it, by POST /api/v1/events/{uuid}/asset-optin. Money hangs on it: call it
// only where somebody asked for just that.
func (c *Client) OptIn(ctx context.Context, uuid string, assets []string, in bool) error {
	id := UUID(uuid)
	if id == "" || len(assets) == 0 {
		return errors.New("powerresponse: opting in or out takes an event's UUID and its assets")
	}
	status := "OPT_OUT"
	if in {
		status = "OPT_IN"
	}
	_, err := c.call(ctx, http.MethodPost, "events/"+id+"/asset-optin", optIn{[]optInStatus{{assets, status}}})
	return err
}

// Webhook is a subscription of the tenant's.
type Webhook struct {
	UUID  string
	Name  string
	URL   string
	Types []string // in the vendor's words

	// Token is the key of its signatures, where an answer tells it; the vendor
	// documents neither that nor its field's name. It is a secret.
	Token string
}

// Webhooks lists the subscriptions, by GET /api/v1/webhooks. The vendor's own
// client cannot make this call, so the answer's fields are assumed.
func (c *Client) Webhooks(ctx context.Context) (hooks []Webhook, err error) {
	err = c.list(ctx, "webhooks", func(item fields) { hooks = append(hooks, webhook(item)) })
	return hooks, err
}

func webhook(f fields) Webhook {
	w := Webhook{UUID: f.uuid("uuid", "webhookuuid", "id"), Name: f.text("name"), Token: f.text("amt", "token", "secret", "signingtoken")}
	w.URL, _ = f["url"].(string)
	types, _ := f["eventtypes"].([]any)
	for _, t := range types {
		if text, ok := t.(string); ok {
			w.Types = append(w.Types, line(text))
		}
	}
	return w
}

// Subscribe lets the platform call an address, by POST
// /api/v1/webhooks/subscribe. What of the Webhook the answer does not tell
// stays empty.
func (c *Client) Subscribe(ctx context.Context, name, address string, types []string) (Webhook, error) {
	a, err := c.call(ctx, http.MethodPost, "webhooks/subscribe", struct {
		Name  string   `json:"name"`
		URL   string   `json:"url"`
		Types []string `json:"eventTypes"`
	}{name, address, types})
	if err != nil {
		return Webhook{}, err
	}
	v, _ := read(a.Body)
	f := object(v)
	for _, wrapper := range []string{"webhook", "data"} {
		if inner := object(f[wrapper]); inner != nil && f.uuid("uuid", "webhookuuid", "id") == "" {
			f = inner
		}
	}
	return webhook(f), nil
}

// Unsubscribe ends a subscription, by DELETE
// /api/v1/webhooks/{uuid}/unsubscribe.
func (c *Client) Unsubscribe(ctx context.Context, uuid string) error {
	id := UUID(uuid)
	if id == "" {
		return errors.New("powerresponse: a webhook's id is a UUID")
	}
	_, err := c.call(ctx, http.MethodDelete, "webhooks/"+id+"/unsubscribe", nil)
	return err
}

// Scheme is a programme whose events the tenant takes part in.
type Scheme struct {
	UUID string
	Name string
}

// Schemes lists the event schemes, by GET /api/v1/event-schemes. Its answer is
// not documented: a list and the usual envelope are both understood.
func (c *Client) Schemes(ctx context.Context) (schemes []Scheme, err error) {
	a, err := c.call(ctx, http.MethodGet, "event-schemes", nil)
	if err != nil {
		return nil, err
	}
	items, _, ok := parsePage(a.Body)
	if !ok {
		return nil, c.rest().Garbled(a)
	}
	for _, item := range items {
		schemes = append(schemes, Scheme{UUID: item.uuid("uuid", "id"), Name: item.text("name")})
	}
	return schemes, nil
}
