package capacitor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Hook is a webhook that is registered at Capacitor. Its secret is never told.
type Hook struct {
	ID     string // "wh_…"
	URL    string
	Events []string // sorted
	Active *bool    // nil: not told
}

// Lacks are those of the seven events that a hook is not told of, and why it
// would be told of none; empty: it is as it should be.
func (h Hook) Lacks() string {
	var missing []string
	for _, name := range Events() {
		if !slices.Contains(h.Events, name) {
			missing = append(missing, name)
		}
	}
	switch {
	case h.Active != nil && !*h.Active:
		return "it is switched off"
	case len(missing) > 0:
		return "it lacks " + strings.Join(missing, ", ")
	case len(h.Events) > len(Events()):
		return "it has events that nobody asked for"
	}
	return ""
}

// Hooks asks which webhooks are registered
// (https://portal.capacitor.live/docs/webhooks). They need the Starter tier.
func (c *Client) Hooks(ctx context.Context) (list []Hook, err error) {
	a, err := c.call(ctx, http.MethodGet, "/webhooks", nil)
	if err != nil {
		return nil, err
	}
	found, _, ok := items(a.Body, "webhooks")
	if !ok {
		return nil, c.unread(a)
	}
	for _, f := range found {
		if h := hookOf(f); h.ID != "" {
			list = append(list, h)
		}
	}
	return list, nil
}

func hookOf(f fields) Hook {
	h := Hook{ID: f.text("id"), Active: f.truth("active")}
	h.URL, _ = f["url"].(string)
	names, _ := f["events"].([]any)
	for _, v := range names {
		if name, ok := v.(string); ok && !slices.Contains(h.Events, name) {
			h.Events = append(h.Events, name)
		}
	}
	slices.Sort(h.Events)
	return h
}

// Register makes Capacitor send the seven events to that URL, and to no second
// hook of it: it looks first, mends what is there, moves what is at the former
// URL (empty: there was none), and adds only where there is nothing. done says
// what it found or did, a line each.
func (c *Client) Register(ctx context.Context, hook, former string) (done []string, err error) {
	all, err := c.Hooks(ctx)
	if err != nil {
		return nil, err
	}
	mine := at(all, hook)
	if len(mine) == 0 && former != "" {
		mine = at(all, former)
	}
	if len(mine) == 0 {
		return c.add(ctx, hook)
	}
	for _, h := range mine[1:] {
		if err := c.drop(ctx, h.ID); err != nil {
			return done, err
		}
		done = append(done, "removed the second webhook "+h.ID+" of the same address")
	}
	h := mine[0]
	why := h.Lacks()
	if h.URL != hook {
		why = "it had the old address"
	}
	if why == "" {
		return append(done, "the webhook "+h.ID+" is there, with all seven events: nothing to do"), nil
	}
	a, err := c.call(ctx, http.MethodPatch, "/webhooks/"+url.PathEscape(h.ID), map[string]any{"url": hook, "events": Events(), "active": true})
	if err != nil {
		return done, err
	}
	done = append(done, "mended the webhook "+h.ID+": "+why)
	return append(done, echo(hookOf(one(a.Body, "webhook", "id")))...), nil
}

func (c *Client) add(ctx context.Context, hook string) ([]string, error) {
	wanted := map[string]any{"url": hook, "events": Events()}
	with := "without a secret"
	if c.Secret != "" {
		wanted["secret"], with = c.Secret, "with your secret"
	}
	a, err := c.call(ctx, http.MethodPost, "/webhooks", wanted)
	var r *event.Refusal
	switch {
	case errors.As(err, &r) && r.Status == http.StatusConflict:
		return []string{"Capacitor says that the webhook is there already"}, nil
	case err != nil:
		return nil, err
	}
	h := hookOf(one(a.Body, "webhook", "id"))
	return append([]string{fmt.Sprintf("added the webhook %s %s", h.ID, with)}, echo(h)...), nil
}

// echo says what the answer to a change lacks: the vendor's own sample has
// fewer events in it than were asked for.
func echo(h Hook) []string {
	if why := h.Lacks(); why != "" && h.ID != "" {
		return []string{"Capacitor's answer shows the webhook " + h.ID + " otherwise: " + why + "; check it again"}
	}
	return nil
}

// Check says whether the webhook is as it should be; a *Missing error says
// that it is not.
func (c *Client) Check(ctx context.Context, hook string) (found []string, err error) {
	mine, err := c.mine(ctx, hook)
	if err != nil {
		return nil, err
	}
	switch {
	case len(mine) == 0:
		return nil, Missing("Capacitor has no webhook to this address")
	case len(mine) > 1:
		return nil, Missing(fmt.Sprintf("Capacitor has %d webhooks to this address: everything would come twice", len(mine)))
	case mine[0].Lacks() != "":
		return nil, Missing("the webhook " + mine[0].ID + " is not as it should be: " + mine[0].Lacks())
	}
	return []string{"the webhook " + mine[0].ID + " is there, with all seven events"}, nil
}

// Missing says in one sentence what is wrong with a webhook, which Register mends.
type Missing string

func (m Missing) Error() string { return string(m) }

// Remove takes every webhook to that URL away, and no other.
func (c *Client) Remove(ctx context.Context, hook string) (done []string, err error) {
	mine, err := c.mine(ctx, hook)
	if err != nil {
		return nil, err
	}
	if len(mine) == 0 {
		return []string{"Capacitor has no webhook to this address: nothing to do"}, nil
	}
	for _, h := range mine {
		if err := c.drop(ctx, h.ID); err != nil {
			return done, err
		}
		done = append(done, "removed the webhook "+h.ID)
	}
	return done, nil
}

func (c *Client) drop(ctx context.Context, id string) error {
	_, err := c.call(ctx, http.MethodDelete, "/webhooks/"+url.PathEscape(id), nil)
	if errors.Is(err, ErrUnknown) {
		return nil
	}
	return err
}

// mine are the registered hooks with that URL.
func (c *Client) mine(ctx context.Context, hook string) ([]Hook, error) {
	all, err := c.Hooks(ctx)
	return at(all, hook), err
}

func at(all []Hook, url string) (some []Hook) {
	for _, h := range all {
		if h.URL == url {
			some = append(some, h)
		}
	}
	return some
}
