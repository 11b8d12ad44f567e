package app

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/powerresponse"
)

// registrar manages the tenant's webhook. The vendor documents no test, and
// cannot change a webhook that is there.
func (p *responder) registrar() *registrar {
	return &registrar{list: p.listHooks, check: p.checkHook, register: p.registerHook, remove: p.removeHook, takes: []string{"types"}}
}

// hooksOf returns the tenant's webhooks, and those of them that are ours.
func (p *responder) hooksOf(ctx context.Context, h hook) (all, ours []powerresponse.Webhook, err error) {
	all, err = p.client(h.Agent, h.Wait).Webhooks(ctx)
	for _, w := range all {
		if strings.TrimRight(w.URL, "/") == strings.TrimRight(h.URL, "/") && w.URL != "" {
			ours = append(ours, w)
		}
	}
	return all, ours, err
}

func (p *responder) listHooks(ctx context.Context, h hook) (lines []string, err error) {
	all, ours, err := p.hooksOf(ctx, h)
	for _, w := range all {
		whose := "another's"
		if slices.ContainsFunc(ours, func(o powerresponse.Webhook) bool { return o.UUID == w.UUID }) {
			whose = "ours"
		}
		lines = append(lines, fmt.Sprintf("webhook %s (%s) at %s, told of %s: %s", w.UUID, w.Name, hostOf(w.URL), types(w.Types), whose))
	}
	if err == nil && len(all) == 0 {
		lines = append(lines, "no webhook is registered")
	}
	return lines, err
}

func types(names []string) string {
	if len(names) == 0 {
		return "nothing that it names"
	}
	return strings.Join(names, ", ")
}

func (p *responder) checkHook(ctx context.Context, h hook) (lines []string, err error) {
	_, ours, err := p.hooksOf(ctx, h)
	switch {
	case err != nil:
		return nil, err
	case len(ours) == 0:
		return nil, errors.New("our webhook is not registered")
	}
	lines = append(lines, "our webhook is registered, and told of "+types(ours[0].Types))
	switch {
	case len(ours) > 1:
		return lines, fmt.Errorf("it is registered %d times: register it again, and the others are removed", len(ours))
	case p.key(h) == "":
		return lines, errors.New(p.config.Warning())
	}
	return lines, nil
}

// key is the token of the signatures.
func (p *responder) key(h hook) string {
	if p.config.Token != "" {
		return p.config.Token
	}
	kept, _ := h.Get(responseToken)
	return kept
}

// registerHook subscribes our webhook once. One that is there stays, unless it
// is to be told of other types.
func (p *responder) registerHook(ctx context.Context, h hook) (lines []string, err error) {
	all, ours, err := p.hooksOf(ctx, h)
	if err != nil {
		return nil, err
	}
	wanted := splitTypes(h.Settings["types"])
	for _, w := range all {
		if h.Former != "" && w.URL == h.Former && len(wanted) == 0 {
			wanted = w.Types // the new one is told what the former was
		}
	}
	keep := slices.IndexFunc(ours, func(w powerresponse.Webhook) bool {
		return len(wanted) == 0 || len(w.Types) == len(wanted) && !slices.ContainsFunc(wanted, func(t string) bool { return !slices.Contains(w.Types, t) })
	})
	if keep < 0 && len(wanted) == 0 {
		return nil, errors.New("PowerResponse does not document the names of its event types: say which, as your console shows them, with types=NAME,NAME")
	}
	if keep >= 0 {
		lines = append(lines, "our webhook is registered already, and told of "+types(ours[keep].Types))
		ours = slices.Delete(ours, keep, keep+1)
	} else {
		line, err := p.subscribe(ctx, h, wanted)
		if err != nil {
			return lines, err
		}
		lines = append(lines, line)
	}
	more, err := p.unsubscribe(ctx, h, ours)
	return append(lines, more...), err
}

func splitTypes(text string) (names []string) {
	for name := range strings.SplitSeq(text, ",") {
		if name = strings.TrimSpace(name); name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// subscribe registers our webhook. Where the answer tells the token of its
// signatures and nobody else did, that is kept; where it cannot be, the webhook
// is taken back, for it may never be told again.
func (p *responder) subscribe(ctx context.Context, h hook, wanted []string) (line string, err error) {
	client := p.client(h.Agent, h.Wait)
	made, err := client.Subscribe(ctx, "grid2mqtt", h.URL, wanted)
	if err != nil {
		return "", err
	}
	line = "our webhook is registered, and told of " + types(wanted)
	if made.Token == "" || p.config.Token != "" {
		return line, nil
	}
	h.Set(responseToken, made.Token)
	if kept, _ := h.Get(responseToken); kept == made.Token {
		return line + "; the token of its signatures is kept", nil
	}
	if err := client.Unsubscribe(ctx, made.UUID); err != nil {
		return "", err
	}
	return "", errors.New("PowerResponse told the token of the signatures, which cannot be kept from here, so our webhook was removed again: register on the page of the running app")
}

func (p *responder) removeHook(ctx context.Context, h hook) (lines []string, err error) {
	_, ours, err := p.hooksOf(ctx, h)
	if err == nil && len(ours) == 0 {
		return []string{"our webhook is not registered"}, nil
	}
	if err != nil {
		return nil, err
	}
	return p.unsubscribe(ctx, h, ours)
}

func (p *responder) unsubscribe(ctx context.Context, h hook, hooks []powerresponse.Webhook) (lines []string, err error) {
	client := p.client(h.Agent, h.Wait)
	for _, w := range hooks {
		if err := client.Unsubscribe(ctx, w.UUID); err != nil {
			return lines, err
		}
		lines = append(lines, "webhook "+w.UUID+" is removed")
	}
	return lines, nil
}
