package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// A button is there where something can be done with it.
func TestButtonsOfASource(t *testing.T) {
	const public = "https://home.example"
	tests := []struct {
		name, source string
		environ      map[string]string
		want         []string
	}{
		{"a token", "equiwatt", map[string]string{"EQUIWATT_TOKEN": "x", "PUBLIC_URL": public}, []string{"refresh"}},
		{"webhooks alone", "equiwatt", map[string]string{"EQUIWATT_HOOK_TRUST": "believe", "PUBLIC_URL": public}, nil},
		{"a key, and an address", "capacitor", map[string]string{"CAPACITOR_API_KEY": "x", "PUBLIC_URL": public}, []string{"refresh", "rehearse", "check", "register", "remove"}},
		{"a key, and nowhere to post to", "capacitor", map[string]string{"CAPACITOR_API_KEY": "x"}, []string{"refresh", "rehearse"}},
		{"no key", "capacitor", map[string]string{"CAPACITOR_HOOKS": "true", "PUBLIC_URL": public}, []string{"rehearse"}},
	}
	for _, tt := range tests {
		c, err := load(tt.environ)
		if err != nil {
			t.Fatal(err)
		}
		a := &App{config: c, table: c.sources()}
		var got []string
		for _, s := range a.table {
			if s.name != tt.source {
				continue
			}
			for _, action := range a.actions(s) {
				got = append(got, action.Name)
				if action.Label == "" || action.Tip == "" || action.Danger != (action.Name == "remove") {
					t.Errorf("%s: %+v", tt.name, action)
				}
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
}

// The last webhook is known after a restart, however many answers came since.
func TestTheLastHookIsFound(t *testing.T) {
	a := live(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe"}, nil)
	if at := a.lastHook("equiwatt"); !at.IsZero() {
		t.Error("there was none", at)
	}
	if s := a.shown(a.sources[0], a.house.view()); s.Health != "" || s.Reason != "No webhook has come yet, and nobody can be asked." {
		t.Errorf("%+v", s)
	}
	came := time.Now().Add(-time.Hour).Truncate(time.Second)
	if _, err := a.journal.Append(t.Context(), event.Delivery{Source: "equiwatt", Kind: "ended", Via: event.ViaMQTT, Received: came}, nil); err != nil {
		t.Fatal(err)
	}
	for range 60 {
		if _, err := a.journal.Append(t.Context(), event.Delivery{Source: "equiwatt", Via: event.ViaCommand, Received: came.Add(time.Minute)}, nil); err != nil {
			t.Fatal(err)
		}
	}
	a.heard.Delete("equiwatt")
	if at := a.lastHook("equiwatt"); !at.Equal(came) {
		t.Error(at)
	}
	if s := a.shown(a.sources[0], a.house.view()); s.Health != web.Quiet {
		t.Errorf("%+v", s)
	}
}

func TestCommandsOfThePage(t *testing.T) {
	a := live(t, map[string]string{"EQUIWATT_HOOK_TRUST": "believe"}, nil)
	for _, tt := range []struct {
		command web.Command
		problem string
	}{
		{web.Command{Source: "equiwatt", Name: "rehearse", Payload: "2"}, ""},
		{web.Command{Source: "equiwatt", Name: "rehearse", Payload: "0"}, ""},
		{web.Command{Source: "equiwatt", Name: "refresh"}, "nobody to ask"},
		{web.Command{Source: "capacitor", Name: "refresh"}, "not on"},
		{web.Command{Source: "nobody", Name: "start"}, "not on"},
		{web.Command{Source: "equiwatt", Name: "register"}, "set up in its app"},
		{web.Command{Source: "equiwatt", Name: "check", Payload: "limit=1"}, "too much"},
		{web.Command{Source: "powerresponse", Name: "enrol"}, "off"},
	} {
		_, err := a.command(t.Context(), tt.command)
		if (err == nil) != (tt.problem == "") || err != nil && !strings.Contains(err.Error(), tt.problem) {
			t.Errorf("%+v: %v, want %q", tt.command, err, tt.problem)
		}
	}
}

// What a vendor needs to be told to register a webhook can be written on the page.
func TestThePageRegistersWithSettings(t *testing.T) {
	c := &clerk{}
	a := office(t, c, nil)
	said, err := a.command(t.Context(), web.Command{Source: "capacitor", Name: "register", Payload: " device=a1b2 limit=2000 "})
	if err != nil || len(said) == 0 || len(c.seen) == 0 || c.seen[0].Settings["device"] != "a1b2" || c.seen[0].Settings["limit"] != "2000" {
		t.Errorf("%q, %v, told %+v", said, err, c.seen)
	}
	takes := map[string]string{}
	for _, s := range a.table {
		for _, action := range a.actions(s) {
			takes[action.Name] += action.Takes
		}
	}
	if takes["register"] != "device=… limit=…" || takes["check"] != "" || takes["remove"] != "" {
		t.Errorf("%q", takes)
	}
}

// TestTheLastWebhookIsFound: over a restart, and behind whatever came since.
func TestTheLastWebhookIsFound(t *testing.T) {
	a := live(t, map[string]string{"OPENVOLT_HOOKS": "true"}, nil)
	came := time.Now().Add(-time.Hour)
	add := func(via string, at time.Time) {
		e := event.Event{Source: "openvolt", Key: at.String(), By: event.API, At: at, Seen: at, Notice: &event.Notice{Code: "x"}}
		if _, err := a.journal.Append(t.Context(), event.Delivery{Received: at, Source: "openvolt", Via: via}, []event.Event{e}); err != nil {
			t.Fatal(err)
		}
	}
	add(event.ViaHTTP, came)
	for i := range 60 {
		add(event.ViaPoll, came.Add(time.Duration(i)*time.Second))
	}
	a.heard.Delete("openvolt") // as a new process
	if got := a.lastHook("openvolt"); !got.Equal(came) {
		t.Errorf("%v, want %v", got, came)
	}
	add(event.ViaMQTT, came.Add(time.Minute))
	a.heard.Delete("openvolt")
	if got := a.lastHook("openvolt"); !got.Equal(came.Add(time.Minute)) {
		t.Errorf("%v, want that of the broker", got)
	}
}
