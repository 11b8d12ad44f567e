package ecomon

import (
	"context"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// SetSecret gives the account the secret that its webhooks are signed with. An
// account has one, so a receiver with another secret hears no more. The
// mutation has one name on either page of the documentation.
func (c *Client) SetSecret(ctx context.Context, secret string) error {
	c.secrets = append(c.secrets, secret)
	return c.mutate(ctx, values{"secret": secret}, "setIntermediaryWebhookSetting", "addIntermediaryWebhookSetting")
}

// Test makes the vendor post a test to that URL.
func (c *Client) Test(ctx context.Context, url string) error {
	return c.mutate(ctx, values{"callbackUrl": url}, "testWebhookSetting")
}

// codes are what the kinds are called where a setting has an alertType.
var codes = map[Kind]string{Hourly: HourlyWarning, Estimated: EstimatedWarning}

// SetLimit makes a device warn by a limit in Wh of a clock hour: it adds a
// setting, or changes the first of that kind and device in have, as Settings
// told. Changed is false where it was so before.
func (c *Client) SetLimit(ctx context.Context, have []Setting, kind Kind, device string, wattHours float64) (changed bool, err error) {
	v := values{"deviceId": device, "limitInWatts": wattHours, "limitInWattHours": wattHours, "alertType": codes[kind]}
	for _, s := range have {
		if s.Kind != kind || s.Device != device {
			continue
		}
		if s.Limit != nil && *s.Limit == wattHours {
			return false, nil
		}
		return true, c.mutate(ctx, s.named(v), "update"+string(kind))
	}
	return true, c.mutate(ctx, v, "add"+string(kind))
}

// Attach makes a setting call a webhook too. Changed is false where it does.
func (c *Client) Attach(ctx context.Context, s Setting, url string) (changed bool, err error) {
	switch {
	case s.Calls(url):
		return false, nil
	case s.ID == "":
		return false, &event.Refusal{Reason: "Ecomon does not tell the ids of its alerts: attach the webhook in the Playground."}
	}
	v := s.named(values{"callbackUrl": url, "metadata": "Grid2MQTT"})
	return true, c.mutate(ctx, v, "addIntermediaryWebhookNotificationChannelToAlertSetting")
}

// named adds the setting's id under the names that it may have.
func (s Setting) named(v values) values {
	if s.ID != "" {
		v["id"], v["alertSettingId"] = s.ID, s.ID
	}
	return v
}
