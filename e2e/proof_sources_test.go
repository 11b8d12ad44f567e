package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// What the other sources have, by the names of docs/entities.md.
const (
	oneReader  = "A1B2C3D4"
	oneMeter   = "6514167223e3d1424bf82742"
	oneCharger = "BOX-1"

	capacitorKey = "cap_test_of_the_tests_0451"
)

// everyone is all sources, and ourselves.
var everyone = []string{"bridge", "equiwatt", "ecomon", "openvolt", "capacitor", "powerresponse"}

// vendors are the clouds of the other sources of a home.
type vendors struct {
	*home
	ecomon    *simulator.Ecomon
	openvolt  *simulator.Openvolt
	capacitor *simulator.Capacitor
	platform  *simulator.PowerResponse
}

// invite sets up every other source of a home that is not yet started.
func (m *home) invite(t *testing.T) *vendors {
	t.Helper()
	v := &vendors{
		home: m, ecomon: simulator.NewEcomon(ecomonSecret, nil), openvolt: simulator.NewOpenvolt(voltKey, nil),
		capacitor: simulator.NewCapacitor(capacitorKey, nil), platform: simulator.NewPowerResponse(responseKey, responseTenant, responseToken, nil),
	}
	open := func(name string, s interface {
		Open(string) (string, error)
		Close() error
	}) {
		url, err := s.Open("127.0.0.1:0")
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		m.app.Env[name+"_URL"] = url
	}
	open("ECOMON", v.ecomon)
	open("OPENVOLT", v.openvolt)
	open("CAPACITOR", v.capacitor)
	open("POWERRESPONSE", v.platform)
	for name, value := range map[string]string{
		"ECOMON_SECRET": ecomonSecret, "OPENVOLT_API_KEY": voltKey, "CAPACITOR_API_KEY": capacitorKey,
		"POWERRESPONSE_API_KEY": responseKey, "POWERRESPONSE_TENANT": responseTenant, "POWERRESPONSE_TOKEN": responseToken,
	} {
		m.app.Env[name] = value
	}
	hook := func(source string) string { return m.app.Hooks + "/hook/" + source + "/" + hookToken }
	v.ecomon.Sign(ecomonSecret)
	v.ecomon.Limit(simulator.HalfHourAlert, oneReader, 5000, hook("ecomon"))
	v.ecomon.Limit(simulator.ContinuousAlert, oneReader, 6000, hook("ecomon"))
	v.openvolt.Subscribe(hook("openvolt"))
	v.openvolt.Connect(oneMeter)
	v.capacitor.Add(oneCharger, 1)
	v.capacitor.Connect(oneCharger)
	v.capacitor.Status(oneCharger, 1, "Available")
	v.capacitor.Hook(hook("capacitor"), "")
	v.platform.Subscribe(hook("powerresponse"), simulator.EventCreated)
	for _, s := range []interface{ Lose(...string) int }{v.openvolt, v.capacitor} {
		s.Lose() // nobody is there to hear it
	}
	return v
}

// introduce makes everything known that a home has, of which an API or a first webhook tells.
func (v *vendors) introduce(t *testing.T) {
	t.Helper()
	v.ecomon.Use(oneReader, 3000)
	v.ecomon.HalfHour()
	v.tell(t)
	v.becomes(t, "binary_sensor.ecomon_a1b2c3d4_limit_warning", "on")
	v.becomes(t, "sensor.capacitor_box_1_1_status", "Available")
	v.becomes(t, "sensor.openvolt_6514167223e3d1424bf82742_status", "active")
}

// tell delivers what waits, twice: no vendor promises that it tells a thing once.
func (v *vendors) tell(t *testing.T) {
	t.Helper()
	for _, s := range []interface {
		Deliver(ctx context.Context, way simulator.Way, kinds ...string) []simulator.Receipt
	}{v.ecomon, v.openvolt, v.capacitor, v.platform} {
		for _, r := range s.Deliver(limit(t, patience), simulator.Doubled) {
			if r.Err != nil || r.Status != 200 {
				t.Errorf("%+v", r)
			}
		}
	}
}

// everySource is what automations are made of with each source: its device triggers, once a moment, though each webhook comes twice.
func everySource(t *testing.T, v *vendors) {
	enoughOfTheHour(t)
	v.ecomon.FullHour() // it may be another one than at first
	v.introduce(t)
	const reader, meter, charger, platform = "grid2mqtt_ecomon_a1b2c3d4", "grid2mqtt_openvolt_6514167223e3d1424bf82742", "grid2mqtt_capacitor_box_1", "grid2mqtt_powerresponse"
	v.listenTo(t, reader, "limit_warning", "cleared")
	v.listenTo(t, "grid2mqtt_ecomon", "test")
	v.listenTo(t, meter, "meter_data_received")
	v.listenTo(t, "grid2mqtt_openvolt", "customer_created")
	v.listenTo(t, charger, "connector_status_changed", "transaction_started", "transaction_updated", "transaction_stopped", "charger_disconnected", "charger_connected")
	v.listenTo(t, platform, "announced", "started", "ended")
	v.settle(t)

	start := time.Now().Add(20 * time.Second).Truncate(time.Second)
	v.platform.Dispatch(simulator.Dispatch{Name: "Evening", Type: "TURN_DOWN", Status: "SCHEDULED", Start: start, End: start.Add(4 * time.Second)})
	v.ecomon.Use(oneReader, 3500)
	v.ecomon.Test(v.app.Hooks + "/hook/ecomon/" + hookToken)
	day := time.Now().UTC().Truncate(24 * time.Hour)
	v.openvolt.Fill(oneMeter, day.AddDate(0, 0, -3), day)
	v.openvolt.Say(simulator.CustomerCreated, map[string]string{"name": "Nobody's business"})
	v.tell(t)
	v.becomes(t, "sensor.powerresponse_next_start", hassTime(start))
	v.shows(t, map[string]string{"binary_sensor.ecomon_a1b2c3d4_limit_warning": "on", "sensor.ecomon_a1b2c3d4_limit": "6000",
		"sensor.ecomon_a1b2c3d4_remaining": "3000", "sensor.ecomon_a1b2c3d4_projection": "6000"})
	v.charge(t)
	_, err := v.hass.WaitState(limit(t, patience), "sensor.openvolt_6514167223e3d1424bf82742_last_day_energy", speaks)
	must(t, err)
	v.shows(t, map[string]string{"binary_sensor.powerresponse_active": "off", "sensor.powerresponse_last_end": hassTime(start.Add(4 * time.Second))})
	want := map[string]int{}
	for device, ran := range map[string]map[string]int{
		reader:               {"limit_warning": 1, "cleared": 0},
		"grid2mqtt_ecomon":   {"test": 1},
		meter:                {"meter_data_received": 1},
		"grid2mqtt_openvolt": {"customer_created": 1},
		charger: {"connector_status_changed": 3, "transaction_started": 1, "transaction_updated": 2, "transaction_stopped": 1,
			"charger_disconnected": 1, "charger_connected": 1},
		platform: {"announced": 1, "started": 1, "ended": 1},
	} {
		for kind, n := range ran {
			want["on_"+device+"_"+kind] = n
		}
	}
	v.ran(t, want)
}

// enoughOfTheHour waits for the next one where this one is over in a moment: an alert is of its hour.
func enoughOfTheHour(t *testing.T) {
	t.Helper()
	until(t, 6*time.Minute, "time enough in this hour", func() bool { return time.Now().Minute() < 55 })
}

// charge is a car that is plugged in, charges and leaves; and a charger that was gone for a moment.
func (v *vendors) charge(t *testing.T) {
	t.Helper()
	const at = "capacitor_box_1_1_"
	then := func(happens func(), want map[string]string) {
		t.Helper()
		happens()
		v.tell(t)
		v.shows(t, want)
	}
	then(func() { v.capacitor.Status(oneCharger, 1, "Preparing") }, map[string]string{"sensor." + at + "status": "Preparing", "binary_sensor." + at + "plugged": "on"})
	then(func() { v.capacitor.Begin(oneCharger, 1, "04A1B2C3") }, map[string]string{"binary_sensor." + at + "charging": "on"})
	then(func() { v.capacitor.Charge(oneCharger, 1, 1500) }, map[string]string{"sensor." + at + "session_energy": "1.5"})
	then(func() { v.capacitor.Charge(oneCharger, 1, 1000) }, map[string]string{"sensor." + at + "session_energy": "2.5"})
	then(func() { v.capacitor.End(oneCharger, 1, "EVDisconnected") }, map[string]string{"binary_sensor." + at + "charging": "off", "sensor." + at + "session_energy": "2.5"})
	then(func() { v.capacitor.Disconnect(oneCharger) }, map[string]string{"binary_sensor.capacitor_box_1_online": "off"})
	then(func() { v.capacitor.Connect(oneCharger) }, map[string]string{"binary_sensor.capacitor_box_1_online": "on"})
}

// hassTime is an instant as Home Assistant writes it.
func hassTime(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05+00:00") }
