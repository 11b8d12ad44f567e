package app

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
)

// unzipped is what a bundle holds, by name.
func unzipped(t *testing.T, bundle []byte) map[string]string {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = string(text)
	}
	return files
}

// TestBundleHoldsNoSecret plants one of each kind in every place there is, in
// every spelling, and looks for them.
func TestBundleHoldsNoSecret(t *testing.T) {
	env := map[string]string{
		"MQTT_URL": "mqtt://user-in-url-0451:pass-in-url-0451@127.0.0.1:1", "PUBLIC_URL": "https://my-home-0451.example.org",
		"MQTT_USERNAME": "username-0451", "POWERRESPONSE_TENANT": "0318df2f-7b9c-4b2e-bf8d-113919ab0451", "EQUIWATT_URL": "http://127.0.0.1:1/path-0451/",
	}
	secrets := []string{"user-in-url-0451", "pass-in-url-0451", "my-home-0451.example.org", "username-0451", env["POWERRESPONSE_TENANT"], "path-0451", "lent-pässword \"0451\"", "old-hook-token-0451-0451", "kept-token-0451"}
	for _, key := range variables() {
		if secret(key) && env[key] == "" {
			env[key] = strings.ReplaceAll(strings.ToLower(key), "_", "-") + "-0451-abcdefghijkl"
			if key == "MQTT_PASSWORD" {
				env[key] = "mqtt/<pass&wörd> \"0451\"\\"
			}
			secrets = append(secrets, env[key])
		}
	}
	if len(secrets) < 15 {
		t.Fatal("some variables are missing:", secrets)
	}
	a := live(t, env, func(a *App) {
		a.lent.Store(&homeassistant.Broker{Password: "lent-pässword \"0451\""})
		a.secrets.former.Tokens = []formerToken{{Token: "old-hook-token-0451-0451", Until: time.Now().Add(time.Hour)}}
		a.journal.SetSoon(responseToken, "kept-token-0451")
	})
	log := a.logger("hooks")
	for _, s := range secrets {
		quoted, _ := json.Marshal(s)
		for i, form := range []string{s, string(quoted), fmt.Sprintf("%q", s), url.QueryEscape(s), url.PathEscape(s), base64.StdEncoding.EncodeToString([]byte(s))} {
			if s == "user-in-url-0451" || s == "username-0451" || s == env["POWERRESPONSE_TENANT"] || s == "path-0451" {
				break // what is no secret in itself is in the settings only
			}
			if i == 0 {
				log.Warn().Str("field", s).Err(fmt.Errorf("error of %s", s)).Msg("word " + s)
				a.count("grid2mqtt_polls_total", "source", s, "outcome", "ok")
				a.refused("equiwatt", s)
				a.half = append(a.half, s)
			}
			log.Info().Msg(form)
		}
		body, _ := json.Marshal(map[string]any{"event": s, "status": s, "list": []any{s, map[string]string{"token": s, "type": s}}})
		for _, body := range []string{string(body), s, "event=" + url.QueryEscape(s), `{"event":"` + s} {
			d := event.Delivery{
				Received: a.clock.Now(), Source: "equiwatt", Kind: "started", Via: event.ViaHTTP, Query: "event=" + url.QueryEscape(s) + "&" + s, Body: []byte(body),
				Header: map[string]string{"User-Agent": s, "Content-Type": s},
			}
			if _, err := a.journal.Append(context.Background(), d, nil); err != nil {
				t.Fatal(err)
			}
		}
		bundle, err := a.Bundle(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for name, text := range unzipped(t, bundle) {
			for _, form := range append(forms(s), "0451") {
				if strings.Contains(text, form) {
					t.Fatalf("%s holds %q:\n%s", name, form, text)
				}
			}
		}
	}
}

func TestBundle(t *testing.T) {
	a := live(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "TZ": "Europe/London"}, nil)
	for i := range bundleDeliveries + 5 {
		post(t, a.hooks, i+1)
	}
	log := a.logger("hooks")
	for i := range bundleLines + 50 {
		log.Warn().Msg(fmt.Sprint("line ", i))
	}
	bundle, err := a.Bundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	files := unzipped(t, bundle)
	for name, want := range map[string]string{
		"about.txt":         "Europe/London",
		"settings.txt":      "EQUIWATT_HOOK_TRUST=believe\n",
		"check.txt":         "hook_listener",
		"log.txt":           fmt.Sprint("hooks line ", bundleLines+49, "\n"),
		"metrics.txt":       `grid2mqtt_deliveries_total{source="equiwatt",verdict="accepted"} 25`,
		"deliveries/25.txt": `{"start_time":25}`,
		"deliveries/6.txt":  "equiwatt started, by http, accepted",
	} {
		if !strings.Contains(files[name], want) {
			t.Errorf("%s does not say %q:\n%s", name, want, files[name])
		}
	}
	if n := strings.Count(files["log.txt"], "\n"); n != bundleLines {
		t.Errorf("%d lines", n)
	}
	if len(files) != 5+bundleDeliveries {
		t.Errorf("%d files", len(files))
	}
	for _, line := range []string{"EQUIWATT_TOKEN=(not set)", "HOOK_TOKEN=(set)", "EQUIWATT_URL=https://app.equiwatt.com/api/v3/equivents/", "MQTT_URL=(not set)"} {
		if !strings.Contains(files["settings.txt"], line+"\n") {
			t.Errorf("settings do not say %s:\n%s", line, files["settings.txt"])
		}
	}
}

func TestShortSecretsSpoilNothing(t *testing.T) {
	a := live(t, map[string]string{"EQUIWATT_TOKEN": "a", "EQUIWATT_URL": "http://127.0.0.1:1/"}, nil)
	if got := a.scrub("a plain text"); got != "a plain text" {
		t.Error(got)
	}
}
