package e2e

import (
	"database/sql"
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/hass"
	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// nothingKnown is the time before Equiwatt's first answer. The program waits ten seconds for one, Home Assistant may need longer to
// look: so it is killed, and somebody else says that it is online.
func nothingKnown(t *testing.T, m *home, v *vendors) {
	m.cloud.Break(simulator.Slow())
	m.open(t)
	mark := m.mark(t)
	m.app.Kill()
	_, err := m.air.Next(limit(t, patience), mark, observer.Says(m.id+"/status", "offline"))
	must(t, err)
	m.say(t, m.id+"/status", "online", true)
	for _, r := range catalogue(t)[1].rows {
		switch {
		case r.first == "disabled":
		case r.entity == m.entity("switch", "rehearse"):
			m.becomes(t, r.entity, "off") // we are who knows
		default:
			m.becomes(t, r.entity, "unknown")
		}
	}
	m.cloud.Mend()
	m.open(t)
	v.introduce(t)
	isCatalogue(t, m.house, everyone...)
	m.shows(t, map[string]string{m.equivent(): "off", m.entity("binary_sensor", "cloud"): "on", m.entity("sensor", "equivents_month"): "0",
		m.entity("sensor", "last_end"): "unknown", m.entity("sensor", "cloud_error"): "unknown"})
}

// oneBadAnswer says why in words, and nothing is unknown before the last good answer is stale.
func oneBadAnswer(t *testing.T, m *home) {
	m.cloud.Break(simulator.Status(500))
	m.press(t, "refresh")
	_, err := m.hass.WaitState(limit(t, patience), m.entity("sensor", "cloud_error"), speaks)
	must(t, err)
	m.shows(t, map[string]string{m.equivent(): "off", m.entity("binary_sensor", "cloud"): "on"})
	m.cloud.Mend()
	m.press(t, "refresh")
	m.becomes(t, m.entity("sensor", "cloud_error"), "unknown")
}

// neverGood is a cloud whose answers were bad from the start.
func neverGood(t *testing.T, other *home) {
	other.cloud.Break(simulator.Failure("This account is locked."))
	other.open(t)
	other.shows(t, map[string]string{other.equivent(): "unknown", other.entity("binary_sensor", "cloud"): "off",
		"binary_sensor.e2e_other_problem": "on"})
	for _, id := range []string{other.entity("sensor", "cloud_error"), "sensor.e2e_other_problem_text"} {
		s, err := other.hass.WaitState(limit(t, patience), id, speaks)
		must(t, err)
		t.Log(id, "says:", s.State)
	}
	other.cloud.Mend()
	other.press(t, "refresh")
	other.shows(t, map[string]string{other.equivent(): "off", other.entity("binary_sensor", "cloud"): "on", "binary_sensor.e2e_other_problem": "off",
		"sensor.e2e_other_problem_text": "unknown"})
}

// silentTooLong is a cloud that broke, and whose last good answer is older than ten minutes: the journal is put back in time while
// the program is stopped.
func silentTooLong(t *testing.T, m *home) {
	last := map[string]string{m.entity("sensor", "last_end"): m.lastEnd(t)}
	start, err := m.hass.State(limit(t, patience), m.entity("sensor", "last_start"))
	must(t, err)
	last[start.EntityID] = start.State
	m.shows(t, last)
	m.cloud.Break(simulator.Status(500))
	m.press(t, "refresh")
	_, err = m.hass.WaitState(limit(t, patience), m.entity("sensor", "cloud_error"), speaks)
	must(t, err)
	must(t, m.app.Stop())
	m.age(t, 11*time.Minute)
	m.open(t)
	m.shows(t, map[string]string{m.equivent(): "unknown", m.entity("sensor", "start"): "unknown", m.entity("binary_sensor", "cloud"): "off",
		"binary_sensor.grid2mqtt_problem": "on"})
	m.shows(t, last)
	s, err := m.hass.WaitState(limit(t, patience), m.entity("sensor", "cloud_error"), speaks)
	must(t, err)
	t.Log("it says:", s.State)
	m.cloud.Mend()
	m.press(t, "refresh")
	m.shows(t, map[string]string{m.equivent(): "off", m.entity("binary_sensor", "cloud"): "on", s.EntityID: "unknown"})
	m.shows(t, last)
}

// age makes every answer that the journal knows of so much older.
func (m *home) age(t *testing.T, by time.Duration) {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(m.app.Data, "journal.db"))
	must(t, err)
	_, err = db.ExecContext(limit(t, patience), "UPDATE events SET seen = seen - ? WHERE source = 'equiwatt' AND subject = 'link'", by)
	must(t, err)
	_, err = db.ExecContext(limit(t, patience), "UPDATE settings SET value = ? WHERE key = 'equiwatt.last_good'", time.Now().Add(-by).UTC().Format(time.RFC3339))
	must(t, err)
	must(t, db.Close())
}

func speaks(s hass.State) bool { return s.State != "unknown" && s.State != "unavailable" }

func (m *home) press(t *testing.T, button string) {
	t.Helper()
	must(t, m.hass.Call(limit(t, patience), "button", "press", object{"entity_id": m.entity("button", button)}))
}

// late is a start that is heard six minutes after it happened.
func late(t *testing.T, m *home) {
	m.start(t, time.Now().Add(-6*time.Minute))
	s := m.moment(t, "started")
	if after, _ := s.Attributes["late_seconds"].(float64); s.Attributes["late"] != true || after < 360 || after > 600 {
		t.Error("late:", s.Attributes)
	}
	m.end(t)
	m.moment(t, "ended")
}

// moment waits until the event entity shows a moment.
func (m *home) moment(t *testing.T, kind string) hass.State {
	t.Helper()
	s, err := m.hass.WaitState(limit(t, patience), m.entity("event", "event"), func(s hass.State) bool { return s.Attributes["event_type"] == kind })
	must(t, err)
	return s
}

// goneAndBack is us stopped, and killed: the connection is reset, so that the last will is there before a keepalive is over.
func goneAndBack(t *testing.T, m *home) {
	for how, gone := range map[string]func(){"SIGTERM": func() { must(t, m.app.Stop()) }, "kill -9": m.app.Kill} {
		last := m.becomes(t, m.entity("sensor", "last_end"), m.lastEnd(t))
		mark := m.mark(t)
		gone()
		_, err := m.air.Next(limit(t, 10*time.Second), mark, observer.Says(m.id+"/status", "offline"))
		must(t, err)
		for _, device := range catalogue(t) {
			for _, r := range device.rows {
				if r.first == "disabled" {
					continue
				}
				if _, err := m.hass.WaitState(limit(t, patience), r.entity, hass.Is("unavailable")); err != nil {
					t.Error(how, err)
				}
			}
		}
		m.open(t)
		m.shows(t, map[string]string{m.equivent(): "off", last.EntityID: last.State, m.entity("switch", "rehearse"): "off"})
	}
}

// lastEnd is the end that our state tells, as Home Assistant writes it.
func (m *home) lastEnd(t *testing.T) string {
	t.Helper()
	held, err := observer.Held(limit(t, patience), m.broker.URL(), m.id+"/equiwatt/state")
	must(t, err)
	var s struct {
		End time.Time `json:"last_end"`
	}
	must(t, json.Unmarshal([]byte(held[m.id+"/equiwatt/state"]), &s))
	return s.End.UTC().Format("2006-01-02T15:04:05+00:00")
}

// triggers is what automations are made of: device triggers, made before anything has happened, and the event entity.
func triggers(t *testing.T, m *home) {
	m.listen(t, "started", "ended", "rehearsal_started", "rehearsal_ended", "unconfirmed")
	m.automation(t, m.id+"_received", object{"trigger": "event.received", "target": object{"entity_id": m.entity("event", "event")},
		"options": object{"event_type": []string{"started"}}})
	m.settle(t)
	mark := m.mark(t)
	m.start(t, time.Now().Add(-5*time.Second))
	shown := m.moment(t, "started")
	said, err := m.air.Next(limit(t, patience), mark, observer.On(m.id+"/equiwatt/event"))
	must(t, err)
	var told object
	must(t, json.Unmarshal([]byte(said.Payload), &told))
	for k, v := range told {
		if shown := shown.Attributes[k]; !reflect.DeepEqual(shown, v) {
			t.Errorf("%s is %v, not %v", k, shown, v)
		}
	}
	m.becomes(t, m.equivent(), "on")
	m.end(t)
	m.becomes(t, m.equivent(), "off")
	m.moment(t, "ended")

	must(t, m.hass.Call(limit(t, patience), "switch", "turn_on", object{"entity_id": m.entity("switch", "rehearse")}))
	m.shows(t, map[string]string{m.equivent(): "on", m.entity("switch", "rehearse"): "on"})
	m.moment(t, "rehearsal_started")
	must(t, m.hass.Call(limit(t, patience), "switch", "turn_off", object{"entity_id": m.entity("switch", "rehearse")}))
	m.shows(t, map[string]string{m.equivent(): "off", m.entity("switch", "rehearse"): "off", m.entity("sensor", "equivents_month"): "1"})
	m.moment(t, "rehearsal_ended")
	m.ran(t, map[string]int{m.id + "_started": 1, m.id + "_ended": 1, m.id + "_rehearsal_started": 1, m.id + "_rehearsal_ended": 1,
		m.id + "_unconfirmed": 0, m.id + "_received": 1})
	must(t, m.hass.DeleteAutomation(limit(t, patience), m.id+"_received"))
}
