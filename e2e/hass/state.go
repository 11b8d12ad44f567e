package hass

import (
	"context"
	"fmt"
	"time"
)

// State of an entity.
type State struct {
	EntityID    string         `json:"entity_id"`
	State       string         `json:"state"`
	Attributes  map[string]any `json:"attributes"`
	LastChanged time.Time      `json:"last_changed"`
	LastUpdated time.Time      `json:"last_updated"`
}

// State of an entity now, or ErrNotFound.
func (h *Instance) State(ctx context.Context, entityID string) (State, error) {
	var s State
	err := h.ask(ctx, "GET", "/api/states/"+entityID, nil, &s)
	return s, err
}

// States of all entities.
func (h *Instance) States(ctx context.Context) ([]State, error) {
	var s []State
	err := h.ask(ctx, "GET", "/api/states", nil, &s)
	return s, err
}

// WaitState returns as soon as the entity's state satisfies ok. The error names the last state seen.
func (h *Instance) WaitState(ctx context.Context, entityID string, ok func(State) bool) (State, error) {
	p := h.process()
	if p == nil {
		return State{}, fmt.Errorf("hass: %s: stopped", entityID)
	}
	var last State
	err := p.Until(ctx, "as wanted", func() bool {
		s, err := h.State(ctx, entityID)
		if err != nil {
			return false
		}
		last = s
		return ok(s)
	})
	if err != nil {
		return last, fmt.Errorf("hass: %s is %q %v: %w", entityID, last.State, last.Attributes, err)
	}
	return last, nil
}

// Is makes a condition for WaitState.
func Is(state string) func(State) bool { return func(s State) bool { return s.State == state } }

// Call an action ("service").
func (h *Instance) Call(ctx context.Context, domain, service string, data map[string]any) error {
	if data == nil {
		data = map[string]any{}
	}
	return h.ask(ctx, "POST", "/api/services/"+domain+"/"+service, data, nil)
}

// Logbook is what the user reads about an entity since a time.
func (h *Instance) Logbook(ctx context.Context, since time.Time, entityID string) ([]map[string]any, error) {
	var l []map[string]any
	err := h.ask(ctx, "GET", "/api/logbook/"+since.UTC().Format(time.RFC3339)+"?entity="+entityID, nil, &l)
	return l, err
}

// Dashboard saves a dashboard of the user's own at /<path>; a path needs a hyphen.
func (h *Instance) Dashboard(ctx context.Context, path string, config map[string]any) error {
	err := h.Command(ctx, "lovelace/dashboards/create", map[string]any{"url_path": path, "title": path, "mode": "storage"}, nil)
	if err != nil {
		return err
	}
	return h.Command(ctx, "lovelace/config/save", map[string]any{"url_path": path, "config": config}, nil)
}

// Repairs are the issues shown under Settings.
func (h *Instance) Repairs(ctx context.Context) ([]map[string]any, error) {
	var r struct{ Issues []map[string]any }
	err := h.Command(ctx, "repairs/list_issues", nil, &r)
	return r.Issues, err
}
