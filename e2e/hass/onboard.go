package hass

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
)

// onboard makes the user and the tokens as the frontend's first page does.
func (h *Instance) onboard(ctx context.Context, o Options) error {
	client := h.URL + "/"
	var user struct {
		AuthCode string `json:"auth_code"`
	}
	err := h.ask(ctx, "POST", "/api/onboarding/users", map[string]any{
		"client_id": client, "name": "Test", "username": "test", "password": "test", "language": "en",
	}, &user)
	if err != nil {
		return err
	}
	if h.Token, err = h.exchange(ctx, user.AuthCode, client); err != nil {
		return err
	}
	if err := h.connect(ctx); err != nil {
		return err
	}
	zone := o.TimeZone
	if zone == "" {
		zone = "Europe/London"
	}
	err = h.Command(ctx, "config/core/update", map[string]any{
		"location_name": "Home", "time_zone": zone, "country": "GB", "currency": "GBP", "language": "en", "unit_system": "metric",
		"latitude": 51.5, "longitude": -0.12, "elevation": 20,
	}, nil)
	if err != nil {
		return err
	}
	if err := h.ask(ctx, "POST", "/api/onboarding/analytics", map[string]any{}, nil); err != nil {
		return err
	}
	// The last step is refused to a long-lived token, which comes from no login.
	if err := h.ask(ctx, "POST", "/api/onboarding/integration", map[string]any{"client_id": client, "redirect_uri": client}, nil); err != nil {
		return err
	}
	return h.Command(ctx, "auth/long_lived_access_token", map[string]any{"client_name": "e2e", "lifespan": 365}, &h.Token)
}

func (h *Instance) exchange(ctx context.Context, code, client string) (string, error) {
	r, err := h.http.PostForm(h.URL+"/auth/token", url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "client_id": {client},
	})
	if err != nil {
		return "", err
	}
	defer r.Body.Close()
	var t struct {
		AccessToken string `json:"access_token"`
	}
	if err := json.NewDecoder(r.Body).Decode(&t); err != nil {
		return "", err
	}
	if r.StatusCode != http.StatusOK || t.AccessToken == "" {
		return "", fmt.Errorf("token: %s", r.Status)
	}
	return t.AccessToken, nil
}

// AddMQTT adds the MQTT integration as a user does and returns the id of its entry.
func (h *Instance) AddMQTT(ctx context.Context, host string, port int) (string, error) {
	return h.AddIntegration(ctx, "mqtt", map[string]any{"broker": host, "port": port, "protocol": "5", "other_settings": map[string]any{
		"set_client_cert": false, "set_ca_cert": "off", "transport": "tcp",
	}})
}

// AddIntegration answers the forms under "Add integration" one after the other and returns the id of the entry they make.
func (h *Instance) AddIntegration(ctx context.Context, domain string, forms ...map[string]any) (string, error) {
	const flows = "/api/config/config_entries/flow"
	var step struct {
		FlowID string            `json:"flow_id"`
		Type   string            `json:"type"`
		StepID string            `json:"step_id"`
		Errors map[string]string `json:"errors"`
		Reason string            `json:"reason"`
		Result struct {
			EntryID string `json:"entry_id"`
		} `json:"result"`
	}
	if err := h.ask(ctx, "POST", flows, map[string]any{"handler": domain}, &step); err != nil {
		return "", err
	}
	for _, form := range forms {
		if step.Type != "form" {
			break
		}
		if err := h.ask(ctx, "POST", flows+"/"+step.FlowID, form, &step); err != nil {
			return "", err
		}
	}
	if step.Type != "create_entry" {
		return "", fmt.Errorf("hass: add %s: %s %s %v %s", domain, step.Type, step.StepID, step.Errors, step.Reason)
	}
	return step.Result.EntryID, nil
}
