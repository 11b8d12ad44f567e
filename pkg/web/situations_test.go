package web

import (
	"maps"
	"strings"
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

var noon = time.Date(2026, 11, 21, 14, 23, 40, 0, time.UTC)

func ago(d time.Duration) time.Time { return noon.Add(-d) }

func ptr[T any](v T) *T { return &v }

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

const hookToken = "AhR4-9xk_QmZ2vT7bLpW0e"

// calm is a household with one source and nothing going on.
func calm(t testing.TB) Page {
	return Page{
		View: state.View{At: noon, Equiwatt: &state.Equivents{
			Active: ptr(false), Month: ptr(3), Cloud: ptr(true), LastPoll: ago(34 * time.Second), LastHook: ago(26 * time.Hour),
			Last: &state.Equivent{Start: ago(27 * time.Hour), End: ago(27*time.Hour - 3586*time.Second), Source: "webhook", Confirmed: true, Direction: "powerDOWN"},
		}},
		Version: "0.1.0", Zone: zone(t, "Europe/London"),
		Sources: []Source{
			{Name: "equiwatt", Title: "Equiwatt", On: true, Health: Fresh, LastPoll: ago(34 * time.Second), LastHook: ago(26 * time.Hour), NextPoll: noon.Add(26 * time.Second)},
			{Name: "ecomon", Title: "Ecomon"}, {Name: "openvolt", Title: "Openvolt"},
		},
		Hooks: []Hook{
			{Title: "Equiwatt, equivent started", URL: "https://home.example.org/hook/equiwatt/" + hookToken + "/started", Template: "{\n  \"direction\": \"\"\n}"},
			{Title: "Equiwatt, equivent ended", URL: "https://home.example.org/hook/equiwatt/" + hookToken + "/ended"},
		},
		PublicURL:  true,
		Deliveries: arrived(),
		Refused:    map[string]int{"equiwatt/wrong path or token": 3, "equiwatt/too big": 1},
	}
}

func arrived() []event.Delivery {
	return []event.Delivery{
		{ID: 912, Received: ago(50 * time.Minute), Source: "equiwatt", Via: event.ViaPoll, Verdict: event.Accepted, Header: map[string]string{"Date": "Sat, 21 Nov 2026 13:33:40 GMT", "Content-Type": "application/json"},
			News: 2, Spoken: ago(50*time.Minute - 21*time.Millisecond), Body: []byte(`{"success":true,"msg":null,"data":{"current_event":null,"previous_events":[{"start_time":1795172620,"end_time":1795176206}]}}`)},
		{ID: 911, Received: ago(51 * time.Minute), Source: "equiwatt", Kind: "ended", Via: event.ViaHTTP, Verdict: event.Duplicate, Header: map[string]string{"Content-Type": "application/json", "User-Agent": "Equiwatt/1.0"}, Query: "from=app&n=1", Body: []byte(`{"action":"End","event_finished":"2026-11-20T12:23:26+00:00"}`)},
		{ID: 910, Received: ago(26 * time.Hour), Source: "equiwatt", Kind: "ended", Via: event.ViaMQTT, Verdict: event.Accepted, Body: []byte("It is over.\nThanks!")},
		{ID: 909, Received: ago(27 * time.Hour), Source: "equiwatt", Kind: "started", Via: event.ViaHTTP, Verdict: event.Accepted, News: 1, Unconfirmed: true},
		{ID: 908, Received: ago(11 * 24 * time.Hour), Source: "equiwatt", Kind: "started", Via: event.ViaHTTP, Verdict: event.Unread, Body: []byte("\x00\x01\xff\xfe grid")},
		{ID: 907, Received: ago(400 * 24 * time.Hour), Source: "equiwatt", Kind: "rehearse", Via: event.ViaCommand, Verdict: event.Accepted, Body: []byte("5")},
	}
}

// situations are what a household may see, by the name of the golden file.
func situations(t testing.TB) map[string]Page {
	all := running(t)
	maps.Copy(all, resting(t))
	return all
}

// from changes a calm household.
func from(t testing.TB) func(func(p *Page, e *state.Equivents)) Page {
	return func(change func(p *Page, e *state.Equivents)) Page {
		p := calm(t)
		change(&p, p.View.Equiwatt)
		return p
	}
}

// running are the situations in which Equiwatt has something going on.
func running(t testing.TB) map[string]Page {
	with := from(t)
	run := func(e *state.Equivents, running state.Equivent) {
		running.Running = true
		e.Active, e.Running = ptr(true), &running
	}
	return map[string]Page{
		"running": with(func(_ *Page, e *state.Equivents) {
			run(e, state.Equivent{Start: ago(22 * time.Minute), End: noon.Add(38 * time.Minute), Planned: true, Source: "webhook", Confirmed: true, Direction: "powerDOWN", Heard: ago(22*time.Minute - 2*time.Second)})
		}),
		"running_unsure": with(func(p *Page, e *state.Equivents) {
			run(e, state.Equivent{Start: ago(72 * time.Minute), Source: "webhook", Direction: "powerUP", Heard: ago(69 * time.Minute)})
			e.Rehearsal, e.CloudError = true, "Equiwatt did not answer within 10 seconds."
			p.View.Skew = 61 * time.Minute
		}),
		"running_overrun": with(func(_ *Page, e *state.Equivents) {
			run(e, state.Equivent{Start: ago(61 * time.Minute), End: ago(time.Minute), Planned: true, Source: "api", Confirmed: true, Heard: ago(61 * time.Minute)})
		}),
		"rehearsal": with(func(p *Page, e *state.Equivents) {
			run(e, state.Equivent{Start: ago(time.Minute), End: noon.Add(4 * time.Minute), Source: "rehearsal", Heard: ago(time.Minute)})
			e.Rehearsal = true
			p.Rehearsal = &Rehearsal{Source: "equiwatt", Title: "Equiwatt", Began: ago(time.Minute), End: noon.Add(4 * time.Minute), Running: true, Stages: []Stage{
				{Title: "The journal has it", At: ago(time.Minute - 4*time.Millisecond)}, {Title: "The broker has it", At: ago(time.Minute - 23*time.Millisecond)},
				{Title: "The state came back", Note: "The broker is away."}, {Title: "Home Assistant has it"},
			}}
		}),
	}
}

// resting are those in which it has not.
func resting(t testing.TB) map[string]Page {
	with := from(t)
	return map[string]Page{
		"idle": calm(t),
		"rehearsed": with(func(p *Page, e *state.Equivents) {
			p.Rehearsal = &Rehearsal{Source: "equiwatt", Title: "Equiwatt", Began: ago(10 * time.Minute), End: ago(5 * time.Minute), Stages: []Stage{{Title: "The journal has it", At: ago(10*time.Minute - 8*time.Millisecond)}, {Title: "Home Assistant has it", At: ago(10*time.Minute - 1234*time.Millisecond)}}}
		}),
		"rotated": with(func(p *Page, e *state.Equivents) {
			p.Rotation = &Rotation{Until: noon.Add(6 * 24 * time.Hour), Uses: []Use{{"Equiwatt", 2}, {"Ecomon", 1}}, Last: ago(time.Hour)}
			p.Sources[0].Actions = []Action{{Label: "Ask now", Tip: "Asks Equiwatt's cloud.", Name: "refresh"}, {Label: "Register the webhook", Tip: "Registers ours.", Name: "register", Takes: "device=… limit=…", Hook: true}, {Label: "Remove the webhook", Tip: "Take the webhook away?", Name: "remove", Payload: "x", Danger: true, Hook: true}}
		}),
		"pending": with(func(p *Page, e *state.Equivents) {
			p.Sources[0].LastHook = ago(12 * time.Second)
			e.Pending, e.Urgent, e.LastHook = ago(12*time.Second), true, ago(12*time.Second)
		}),
		"unknown": with(func(p *Page, e *state.Equivents) {
			e.Active, e.Month, e.Last, e.Cloud, e.LastPoll = nil, nil, nil, nil, time.Time{}
			p.Sources[0].Health, p.Sources[0].LastPoll, p.Deliveries, p.Refused, p.PublicURL = "", time.Time{}, nil, nil, false
			for i := range p.Hooks {
				p.Hooks[i].URL = strings.TrimPrefix(p.Hooks[i].URL, "https://home.example.org")
			}
		}),
		"broken": with(func(p *Page, e *state.Equivents) {
			reason := "Equiwatt refuses the token: ask for a new one in the Equiwatt app."
			e.Active, e.Cloud, e.CloudError, e.LastPoll = nil, ptr(false), reason, ago(3*time.Hour)
			p.Broker = "The broker refused the user “grid2mqtt”: not authorized. Check MQTT_USERNAME and MQTT_PASSWORD."
			p.Problems = []string{"The disk is full: what arrives cannot be stored.", reason}
			p.View.Skew = -61 * time.Second
			p.Sources[0].Health, p.Sources[0].Reason, p.Sources[0].LastPoll = Broken, reason, ago(3*time.Hour)
			p.Sources[1].Missing = "ECOMON_API_KEY is set, but ECOMON_SECRET is not: set both or neither."
		}),
		"believing": with(func(p *Page, e *state.Equivents) {
			e.Cloud, e.LastPoll, p.Zone = nil, time.Time{}, zone(t, "America/New_York")
			p.Sources[0].Health, p.Sources[0].Reason = Quiet, "No webhook for 26 h, and that is as expected."
			p.Sources[0].LastPoll, p.Sources[0].NextPoll = time.Time{}, time.Time{}
		}),
		"busy":  busy(t, 1),
		"crowd": busy(t, 1000),
		"limits": with(func(p *Page, e *state.Equivents) {
			p.View.Equiwatt, p.Sources[0] = nil, Source{Name: "equiwatt", Title: "Equiwatt"}
			p.Sources[1].On, p.Sources[1].Health = true, Quiet
			p.View.Sources = []state.Source{{Name: "ecomon", Devices: state.DevicesOf(
				&state.Device{Source: "ecomon", State: &state.Readers{}}, &state.Device{Source: "ecomon", ID: "flat-7", State: &state.Reader{Warning: true, Limit: ptr(5000.), Consumption: ptr(3000.), Projection: ptr(6000.), LastAlert: ago(4 * time.Minute)}}, &state.Device{Source: "ecomon", ID: "flat-8", State: &state.Reader{}},
			)}}
		}),
		"plays": with(func(p *Page, e *state.Equivents) { // what is rehearsed is nothing that happens
			p.View.Sources = []state.Source{
				{Name: "ecomon", Rehearsal: &state.Rehearsal{Start: ago(time.Minute), End: noon.Add(4 * time.Minute)}, Devices: state.DevicesOf(&state.Device{Source: "ecomon", ID: "flat-7", State: &state.Reader{Warning: true, Rehearsal: true, Limit: ptr(5000.), LastAlert: ago(25 * time.Hour)}})},
				{Name: "capacitor", Devices: state.DevicesOf(&state.Device{Source: "capacitor", State: &state.Connector{ID: 1, Charger: "CP-0001", Charging: ptr(true), Rehearsal: true, SessionID: "rehearsal"}})},
			}
		}),
		"nothing": untouched(),
	}
}

// busy is a household in which a dispatch event runs, and chargers charge.
func busy(t testing.TB, chargers int) Page {
	p := calm(t)
	p.Sources = append(p.Sources, Source{Name: "capacitor", Title: "Capacitor", On: true, Health: Fresh}, Source{Name: "powerresponse", Title: "PowerResponse", On: true, Health: Fresh})
	cars := state.Source{Name: "capacitor", Devices: state.DevicesOf(&state.Device{Source: "capacitor", State: &state.Chargers{Quota: ptr(812), Limit: ptr(1000), Reset: noon.Add(9 * time.Hour)}})}
	for range chargers {
		cars.Devices = state.DevicesOf(append(cars.Devices.List(), &state.Device{Source: "capacitor", ID: "CP-0001", State: &state.Charger{}},
			&state.Device{Source: "capacitor", State: &state.Connector{ID: 1, Charger: "CP-0001", Charging: ptr(true), SessionEnergy: ptr(7.25), SessionStart: ago(90 * time.Minute)}},
			&state.Device{Source: "capacitor", State: &state.Connector{ID: 2, Charger: "CP-0001", Charging: ptr(false)}})...)
	}
	p.View.Sources = []state.Source{cars}
	if chargers == 1 {
		response := &state.Response{Active: ptr(true), Running: &state.Dispatch{UUID: "x", Name: "Evening peak", Direction: "powerDOWN", Start: ago(10 * time.Minute), End: noon.Add(50 * time.Minute)}}
		p.View.Sources = append(p.View.Sources, state.Source{Name: "powerresponse", Devices: state.DevicesOf(&state.Device{Source: "powerresponse", State: response})})
	}
	return p
}

// untouched is the first start, with nothing set up.
func untouched() Page {
	return Page{
		View: state.View{At: noon}, Version: "0.1.0",
		Broker: "No broker is configured: set MQTT_URL, for example mqtt://localhost:1883.",
		Steps: []string{
			"Switch on the Open API in the Equiwatt app (Add device, API Integration) and copy the token.",
			"Set EQUIWATT_TOKEN to it and start Grid2MQTT again.",
			"Set MQTT_URL to your broker.",
		},
		Sources: []Source{{Name: "equiwatt", Title: "Equiwatt"}, {Name: "ecomon", Title: "Ecomon"}},
	}
}
