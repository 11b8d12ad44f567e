package app

import (
	"context"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/capacitor"
)

func (g *garage) clerk(h hook) *capacitor.Client { return g.client(h.Agent, h.Wait, h.Get, h.Set) }

// list says which webhooks are registered, ours or not.
func (g *garage) list(ctx context.Context, h hook) (lines []string, err error) {
	all, err := g.clerk(h).Hooks(ctx)
	if err != nil {
		return nil, err
	}
	for _, w := range all {
		where, how := ", another's: "+hostOf(w.URL), "all seven events"
		if w.URL == h.URL {
			where = ", ours: " + w.URL
		}
		if why := w.Lacks(); why != "" {
			how = why
		}
		lines = append(lines, w.ID+where+" ("+how+")")
	}
	if len(all) == 0 {
		lines = append(lines, "no webhook is registered")
	}
	return lines, nil
}

func (g *garage) check(ctx context.Context, h hook) ([]string, error) {
	return g.clerk(h).Check(ctx, h.URL)
}

func (g *garage) register(ctx context.Context, h hook) ([]string, error) {
	lines, err := g.clerk(h).Register(ctx, h.URL, h.Former)
	if err == nil && strings.HasPrefix(h.URL, "http://") {
		lines = append(lines, "PUBLIC_URL is plain http: whoever listens on the way learns the secret address")
	}
	return lines, err
}

func (g *garage) remove(ctx context.Context, h hook) ([]string, error) {
	return g.clerk(h).Remove(ctx, h.URL)
}
