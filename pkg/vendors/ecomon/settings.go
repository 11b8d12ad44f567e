package ecomon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Kind is a type of alert setting, as the API calls it
// (https://ecomon.no/docs/developers/alert-settings). Other kinds exist.
type Kind string

const (
	Hourly    Kind = "HourlyConsumptionLimitEstimationWarningAlertSetting" // looks once, at minute 30
	Estimated Kind = "EstimatedHourlyActiveEnergyLimitWarningAlertSetting" // looks all the time
)

// Setting is one alert setting of the account.
type Setting struct {
	Kind     Kind
	ID       string   // empty: the API does not tell it
	Device   string   // empty: it is not about one
	Limit    *float64 // Wh of a clock hour, also where the API says watts; nil: it has none
	Channels []string // URLs of the webhooks that it calls
}

// Calls reports whether the setting calls that webhook.
func (s Setting) Calls(url string) bool { return slices.Contains(s.Channels, url) }

// documented is the query of https://ecomon.no/docs/developers/alert-settings,
// for an API that does not tell what it can do.
const documented = `{currentIntermediary{alertSettings{__typename ` +
	`... on HourlyConsumptionLimitEstimationWarningAlertSetting{deviceId limitInWatts notificationChannels{` + channel + `}} ` +
	`... on EstimatedHourlyActiveEnergyLimitWarningAlertSetting{deviceId limitInWattHours notificationChannels{` + channel + `}}}}}`

const channel = "... on IntermediaryWebhookNotificationChannel{callbackUrl}"

// Settings lists the alert settings of the account, of every kind.
func (c *Client) Settings(ctx context.Context) ([]Setting, error) {
	query, err := c.settingsQuery(ctx)
	if err != nil {
		return nil, err
	}
	var data settingsData
	if err := c.ask(ctx, query, nil, &data); err != nil {
		return nil, err
	}
	if data.CurrentIntermediary == nil { // an account without alerts is one all the same
		return nil, &event.Refusal{Reason: "Ecomon has no account for the API key: is it the intermediary's?", Status: 200}
	}
	return data.settings(), nil
}

// settingsQuery asks for as much as the API has of each kind. The same field of
// two kinds may have two types, so that each has a name of its own.
func (c *Client) settingsQuery(ctx context.Context) (string, error) {
	if err := c.introspect(ctx); err != nil {
		if f := (failure{}); errors.As(err, &f) {
			return documented, nil
		}
		return "", err
	}
	kinds := []string{string(Hourly), string(Estimated)}
	for _, members := range c.unions {
		if slices.Contains(members, string(Hourly)) {
			kinds = members
		}
	}
	if err := c.types(ctx, kinds...); err != nil {
		return "", err
	}
	var query strings.Builder
	query.WriteString("{currentIntermediary{alertSettings{__typename")
	for i, kind := range kinds {
		var fields []string
		for _, name := range []string{"id", "deviceId", "limitInWatts", "limitInWattHours"} {
			if c.known[kind].kind(name) != "" {
				fields = append(fields, fmt.Sprintf("k%d_%s:%s", i, name, name))
			}
		}
		if composite(c.known[kind].kind("notificationChannels")) {
			fields = append(fields, fmt.Sprintf("k%d_notificationChannels:notificationChannels{%s}", i, channel))
		}
		if len(fields) > 0 {
			query.WriteString(" ... on " + kind + "{" + strings.Join(fields, " ") + "}")
		}
	}
	query.WriteString("}}}")
	return query.String(), nil
}

type settingsData struct {
	CurrentIntermediary *struct {
		AlertSettings []map[string]json.RawMessage
	}
}

var alias = regexp.MustCompile(`^k\d+_`)

// settings reads what can be read. A kind that is not known is kept, for it may
// call a webhook too.
func (d settingsData) settings() (list []Setting) {
	for _, raw := range d.CurrentIntermediary.AlertSettings {
		fields := map[string]json.RawMessage{}
		for name, value := range raw {
			fields[alias.ReplaceAllString(name, "")] = value
		}
		kind, ok := word(fields["__typename"])
		if !ok {
			continue
		}
		s := Setting{Kind: Kind(kind)}
		s.ID, _ = word(fields["id"])
		s.Device, _ = word(fields["deviceId"])
		for _, name := range []string{"limitInWatts", "limitInWattHours"} {
			var limit *float64
			if json.Unmarshal(fields[name], &limit) == nil && limit != nil {
				s.Limit = limit
			}
		}
		var channels []struct{ CallbackURL string }
		_ = json.Unmarshal(fields["notificationChannels"], &channels) // another shape calls no webhook that we know of
		for _, ch := range channels {
			if ch.CallbackURL != "" {
				s.Channels = append(s.Channels, ch.CallbackURL)
			}
		}
		list = append(list, s)
	}
	return list
}
