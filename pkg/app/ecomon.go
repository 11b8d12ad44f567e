package app

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/ecomon"
)

func (c Config) ecomon() source {
	on, missing := c.Ecomon.On()
	s := source{
		name: "ecomon", title: "Ecomon", on: on, missing: missing, warning: c.Ecomon.Warning(),
		hooks:  intake.Source{Name: "ecomon", Limit: 64 << 10, Verify: c.Ecomon.Verify, Decode: ecomon.Decode},
		stage:  stageReader,
		byHand: "Ecomon's webhooks are set up in its Playground, or from here with its API key (ECOMON_API_KEY).",
	}
	if c.Ecomon.Unsigned {
		s.hooks.Verify = nil
	}
	if c.Ecomon.APIKey != "" {
		clerk := ecomonClerk{c.Ecomon}
		s.registrar = &registrar{
			list: clerk.list, check: clerk.check, register: clerk.register, test: clerk.test,
			takes: []string{"device", "limit"}, proves: true,
		}
	}
	return s
}

// stageReader is the reader on which an alert is rehearsed: the one with the
// newest alert of those that no alert holds of.
func stageReader(v state.Source) (on *state.Device) {
	var last time.Time
	for _, d := range v.Devices.All() {
		if r, ok := d.State.(*state.Reader); ok && !r.Warning && (on == nil || r.LastAlert.After(last)) {
			on, last = d, r.LastAlert
		}
	}
	return on
}

// ecomonClerk manages Ecomon's alerts and their webhooks.
type ecomonClerk struct{ config ecomon.Config }

// speak lets do use the API, and remembers which form of the key is right.
func (k ecomonClerk) speak(h hook, do func(*ecomon.Client) error) error {
	const key = "ecomon.bearer"
	was, _ := h.Get(key)
	client := &ecomon.Client{URL: k.config.URL, Key: k.config.APIKey, Bearer: was == "true", HTTP: &http.Client{}, Wait: h.Wait, Agent: h.Agent}
	err := do(client)
	if is := strconv.FormatBool(client.Bearer); err == nil && is != was {
		h.Set(key, is)
	}
	return err
}

func (k ecomonClerk) list(ctx context.Context, h hook) (lines []string, err error) {
	err = k.speak(h, func(client *ecomon.Client) error {
		all, err := client.Settings(ctx)
		for _, s := range all {
			calls := "no webhook"
			if len(s.Channels) > 0 {
				calls = strings.Join(s.Channels, " and ")
			}
			lines = append(lines, alertNamed(s)+" calls "+calls)
		}
		if err == nil && len(all) == 0 {
			lines = append(lines, "there is no alert")
		}
		return err
	})
	return lines, err
}

// alertNamed says which alert it is.
func alertNamed(s ecomon.Setting) string {
	text := "the alert " + string(s.Kind)
	switch s.Kind {
	case ecomon.Hourly:
		text = "the alert at half the hour"
	case ecomon.Estimated:
		text = "the alert at any time"
	}
	if s.Device != "" {
		text += " of " + s.Device
	}
	if s.Limit != nil {
		text += fmt.Sprintf(" (%g Wh)", *s.Limit)
	}
	return text
}

// ofDevices are the alerts that are about a device: those that belong here.
func ofDevices(ctx context.Context, client *ecomon.Client) (list []ecomon.Setting, err error) {
	all, err := client.Settings(ctx)
	for _, s := range all {
		if s.Device != "" {
			list = append(list, s)
		}
	}
	if err == nil && len(list) == 0 {
		err = errors.New("no device has an alert at Ecomon: register it with device=… limit=… (in Wh of an hour)")
	}
	return list, err
}

func (k ecomonClerk) check(ctx context.Context, h hook) (lines []string, err error) {
	err = k.speak(h, func(client *ecomon.Client) error {
		list, err := ofDevices(ctx, client)
		missing := 0
		for _, s := range list {
			if s.Calls(h.URL) {
				lines = append(lines, alertNamed(s)+" calls here")
			} else {
				lines = append(lines, alertNamed(s)+" does not call here")
				missing++
			}
		}
		if missing > 0 {
			return fmt.Errorf("%d of %d alerts do not call here: register attaches them", missing, len(list))
		}
		return err
	})
	return lines, err
}

// register sets the secret, the limits of a device if it is given one, and
// makes all alerts of devices call here.
func (k ecomonClerk) register(ctx context.Context, h hook) (lines []string, err error) {
	device, limit := h.Settings["device"], 0.0
	if text := h.Settings["limit"]; device != "" || text != "" {
		limit, err = strconv.ParseFloat(text, 64)
		if device == "" || err != nil || !(limit > 0 && limit < 1e6) {
			return nil, errors.New("device and limit come together, such as device=a1b2c3d4 limit=5000 (Wh of an hour)")
		}
	}
	err = k.speak(h, func(client *ecomon.Client) error {
		if k.config.Secret == "" {
			lines = append(lines, "no secret is set: ECOMON_SECRET is empty")
		} else if err := client.SetSecret(ctx, k.config.Secret); err != nil {
			return err
		} else {
			lines = append(lines, "the secret is set")
		}
		if device != "" {
			if err := k.limit(ctx, client, device, limit, &lines); err != nil {
				return err
			}
		}
		return k.attach(ctx, client, h.URL, &lines)
	})
	return lines, err
}

// limit makes both alerts of a device warn by that many Wh of an hour.
func (k ecomonClerk) limit(ctx context.Context, client *ecomon.Client, device string, wattHours float64, lines *[]string) error {
	have, err := client.Settings(ctx)
	if err != nil {
		return err
	}
	for _, kind := range []ecomon.Kind{ecomon.Hourly, ecomon.Estimated} {
		changed, err := client.SetLimit(ctx, have, kind, device, wattHours)
		if err != nil {
			return err
		}
		done := " was there already"
		if changed {
			done = " is set"
		}
		*lines = append(*lines, alertNamed(ecomon.Setting{Kind: kind, Device: device, Limit: &wattHours})+done)
	}
	return nil
}

func (k ecomonClerk) attach(ctx context.Context, client *ecomon.Client, url string, lines *[]string) error {
	list, err := ofDevices(ctx, client)
	if err != nil {
		return err
	}
	for _, s := range list {
		changed, err := client.Attach(ctx, s, url)
		if err != nil {
			return err
		}
		done := " called here already"
		if changed {
			done = " calls here now"
		}
		*lines = append(*lines, alertNamed(s)+done)
	}
	return nil
}

func (k ecomonClerk) test(ctx context.Context, h hook) ([]string, error) {
	err := k.speak(h, func(client *ecomon.Client) error { return client.Test(ctx, h.URL) })
	if err != nil {
		return nil, err
	}
	return []string{"asked Ecomon for its test"}, nil
}
