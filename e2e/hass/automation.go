package hass

import (
	"context"
	"encoding/json"
	"fmt"
)

// Trace of one run of an automation. Raw is all of it.
type Trace struct {
	RunID     string          `json:"run_id"`
	State     string          `json:"state"`
	Execution string          `json:"script_execution"`
	LastStep  string          `json:"last_step"`
	Error     string          `json:"error"`
	Trigger   string          `json:"trigger"`
	Raw       json.RawMessage `json:"-"`
}

// Automation saves an automation as the editor does and returns its entity id once it is loaded.
func (h *Instance) Automation(ctx context.Context, id string, config map[string]any) (string, error) {
	p := h.process()
	if p == nil {
		return "", fmt.Errorf("hass: automation %s: stopped", id)
	}
	if err := h.ask(ctx, "POST", "/api/config/automation/config/"+id, config, nil); err != nil {
		return "", err
	}
	var found State
	err := p.Until(ctx, "loaded: automation "+id, func() bool {
		states, err := h.States(ctx)
		if err != nil {
			return false
		}
		for _, s := range states {
			if s.Attributes["id"] == id {
				found = s
				return true
			}
		}
		return false
	})
	if err == nil && found.State == "unavailable" {
		err = fmt.Errorf("hass: automation %s: refused: %v", id, found.Attributes)
	}
	return found.EntityID, err
}

// DeleteAutomation removes an automation as the editor does.
func (h *Instance) DeleteAutomation(ctx context.Context, id string) error {
	return h.ask(ctx, "DELETE", "/api/config/automation/config/"+id, nil, nil)
}

// Blueprint saves an automation blueprint under a path such as "grid2mqtt/heating.yaml".
func (h *Instance) Blueprint(ctx context.Context, path, yaml string) error {
	args := map[string]any{"domain": "automation", "path": path, "yaml": yaml, "allow_override": true}
	return h.Command(ctx, "blueprint/save", args, nil)
}

// FromBlueprint makes an automation of a saved blueprint.
func (h *Instance) FromBlueprint(ctx context.Context, id, path string, input map[string]any) (string, error) {
	return h.Automation(ctx, id, map[string]any{"alias": id, "use_blueprint": map[string]any{"path": path, "input": input}})
}

// Traces of the newest runs of the automation with this id, oldest first. Home Assistant keeps five unless the automation says
// otherwise, and loses them in a power cut.
func (h *Instance) Traces(ctx context.Context, id string) ([]Trace, error) {
	var runs []Trace
	item := map[string]any{"domain": "automation", "item_id": id}
	if err := h.Command(ctx, "trace/list", item, &runs); err != nil {
		return nil, err
	}
	for i := range runs {
		item["run_id"] = runs[i].RunID
		if err := h.Command(ctx, "trace/get", item, &runs[i].Raw); err != nil {
			return nil, err
		}
	}
	return runs, nil
}
