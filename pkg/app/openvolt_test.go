package app

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
	"github.com/grid2mqtt/grid2mqtt/pkg/state"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/openvolt"
)

const (
	voltKey   = "openvolt-key-0451"
	voltMeter = "6514167223e3d1424bf82742"
	voltTopic = "grid2mqtt/openvolt/" + voltMeter + "/"
)

// metered is a running app whose Openvolt is simulated. One meter has data of
// forty days, until the last midnight in London.
type metered struct {
	*simulator.Openvolt
	env       map[string]string
	all       *topics
	say       mqtt.Client
	midnight  time.Time
	hook, web string
}

// lastMidnight is the last one in London that was an hour ago at least, so that
// no test sees another.
func lastMidnight(t *testing.T) time.Time {
	t.Helper()
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		t.Fatal(err)
	}
	y, m, d := time.Now().Add(-time.Hour).In(london).Date()
	return time.Date(y, m, d, 0, 0, 0, 0, london)
}

func openMetered(t *testing.T, change map[string]string) metered {
	t.Helper()
	s := simulator.NewOpenvolt(voltKey, nil)
	url, err := s.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r := metered{Openvolt: s, midnight: lastMidnight(t)}
	s.Connect(voltMeter)
	s.Fill(voltMeter, r.midnight.AddDate(0, 0, -40), r.midnight)
	r.env = map[string]string{"OPENVOLT_API_KEY": voltKey, "OPENVOLT_URL": url, "MQTT_URL": broker(t), "TZ": "Europe/London", "DATA_DIR": t.TempDir()}
	maps.Copy(r.env, change)
	r.all = listenAll(t, r.env["MQTT_URL"])
	r.say = mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp" + r.env["MQTT_URL"][4:]).SetClientID("household"))
	if tok := r.say.Connect(); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	t.Cleanup(func() { r.say.Disconnect(0) })
	return r
}

// open runs the app until the end of t.
func (r *metered) open(t *testing.T) {
	t.Helper()
	hooks, web := start(t, r.env)
	r.hook, r.web = hooks+"/hook/openvolt/"+goodToken, web
	r.Subscribe(r.hook)
}

// until waits for a state of the meter that holds all the texts.
func (r *metered) until(t *testing.T, texts ...string) {
	t.Helper()
	eventually(t, fmt.Sprint(texts), func() bool {
		s := r.all.last(voltTopic + "state")
		for _, text := range texts {
			if !strings.Contains(s, text) {
				return false
			}
		}
		return true
	})
}

func (r *metered) deliver(t *testing.T) {
	t.Helper()
	for _, got := range r.Deliver(t.Context(), simulator.InOrder) {
		if got.Status != http.StatusOK {
			t.Errorf("%+v", got)
		}
	}
}

// energy is what the vendor has of the last day, as its state tells it.
func (r *metered) energy() string {
	wh := 0.0
	for at := r.midnight.AddDate(0, 0, -1); at.Before(r.midnight); at = at.Add(30 * time.Minute) {
		kWh, _ := r.Energy(voltMeter, at)
		wh += kWh * 1000
	}
	return fmt.Sprintf(`"last_day_energy":%v,"last_day":"%s"`, float64(int(wh+0.5))/1000, r.midnight.AddDate(0, 0, -1).Format(time.DateOnly))
}

func (r *metered) within(t *testing.T) {
	t.Helper()
	if v := r.Violations(); len(v) > 0 || r.Busiest() > 1 {
		t.Errorf("%d calls at a time; %q", r.Busiest(), v)
	}
}

func TestWhenOpenvoltIsOn(t *testing.T) {
	for _, c := range []struct {
		env      map[string]string
		on, asks bool
	}{
		{map[string]string{"OPENVOLT_LABEL_OFFSET": "-30m"}, false, false},
		{map[string]string{"OPENVOLT_HOOKS": "true"}, true, false},
		{map[string]string{"OPENVOLT_API_KEY": "x", "OPENVOLT_LABEL_OFFSET": "0s"}, true, true},
	} {
		config, err := load(c.env)
		if err != nil {
			t.Fatal(err)
		}
		s := config.openvolt()
		if s.on != c.on || (s.poll != nil) != c.asks || s.hooks.Limit != 1<<20 || s.hooks.Verify != nil {
			t.Errorf("%v: %+v", c.env, s)
		}
		if c.asks && s.poll.slowest < 10*time.Minute {
			t.Errorf("a vendor in trouble is asked every %v", s.poll.slowest)
		}
		if rules := config.rules(time.Now()).Openvolt; (rules != nil) != c.on || c.on && rules.Asks != c.asks {
			t.Errorf("%v: the state does not agree", c.env)
		}
	}
	for name, value := range map[string]string{"OPENVOLT_HOOKS": "perhaps", "OPENVOLT_LABEL_OFFSET": "-1h", "OPENVOLT_URL": "http://example.org", "OPENVOLT_API_KEY": "a b"} {
		if _, err := load(map[string]string{name: value}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestAMeterArrives by itself; what the vendor then corrects is heard of by
// webhook, and nothing that is personal is said anywhere.
func TestAMeterArrives(t *testing.T) {
	r := openMetered(t, map[string]string{"LOG_LEVEL": "trace"})
	r.open(t)
	newest := r.midnight.Add(-30 * time.Minute).UTC().Format(time.RFC3339)
	r.until(t, `"newest_interval":"`+newest+`"`, r.energy(), `"gaps":0`, `"status":"active"`)
	day := r.midnight.AddDate(0, 0, -1)
	r.Correct(voltMeter, day, day.Add(time.Hour), 7.5)
	r.Lose()
	r.Tell(simulator.Span{Meter: voltMeter, Start: day.Add(time.Hour), End: day}, simulator.Span{Meter: voltMeter, Start: day, End: day.Add(30 * time.Minute)})
	r.deliver(t)
	r.until(t, r.energy())
	eventually(t, "the event", func() bool {
		return strings.Contains(r.all.last(voltTopic+"event"), `"event_type":"meter_data_received"`)
	})
	r.Say("user.created", map[string]string{"email": "customer@example.com"})
	r.deliver(t)
	eventually(t, "the notice", func() bool { return strings.Contains(r.all.last("grid2mqtt/openvolt/event"), `"kind":"user.created"`) })
	r.within(t)
	for _, personal := range []string{"Example Street", "Example Customer", "customer@example.com", "9999999999999", "test_customer_id", voltKey} {
		if strings.Contains(r.all.text(), personal) {
			t.Errorf("%s is in a topic", personal)
		}
	}
	for _, personal := range []string{"Example Street", "9999999999999", "test_customer_id", voltKey} { // what a webhook said is shown as it came
		if strings.Contains(get(t, r.web), personal) {
			t.Errorf("%s is on the page", personal)
		}
	}
}

// TestRefetch asks again for what nobody spoke of.
func TestRefetch(t *testing.T) {
	r := openMetered(t, nil)
	r.open(t)
	r.until(t, r.energy(), `"status":"active"`)
	day := r.midnight.AddDate(0, 0, -1)
	r.Correct(voltMeter, day, day.Add(time.Hour), 3.25)
	r.Lose()
	r.say.Publish(voltTopic+"set/refetch", 1, false, fmt.Sprintf(`{"from":%q,"to":%q}`, day.Format(time.DateOnly), r.midnight.Format(time.DateOnly))).Wait()
	r.until(t, r.energy())
	r.Correct(voltMeter, day, day.Add(time.Hour), 1.125)
	r.Lose()
	r.say.Publish("grid2mqtt/openvolt/set/refresh", 1, false, "PRESS").Wait()
	r.until(t, r.energy())
	r.within(t)
}

// TestRefetchIsOfOneMeter where the command is one meter's, and of all where it
// is Openvolt's.
func TestRefetchIsOfOneMeter(t *testing.T) {
	a := live(t, map[string]string{"OPENVOLT_API_KEY": voltKey, "OPENVOLT_URL": "http://127.0.0.1:1"}, nil)
	now := time.Now()
	a.house.tell(openvolt.Meter{ID: "one"}.Event(now), openvolt.Meter{ID: "two"}.Event(now))
	a.publisher.Wake()
	eventually(t, "both meters", func() bool { return a.house.view().Source("openvolt").Devices.Len() == 3 })
	s := a.sources[0]
	for subject, want := range map[string]string{"two": "two", "": "one two", "three": ""} {
		// A day of its own for each, of which nothing else speaks.
		day := now.AddDate(0, 0, -30-5*len(subject)).Truncate(24 * time.Hour)
		s.command(t.Context(), a.App, s, subject, "refetch", `{"from":"`+day.Format(time.DateOnly)+`","to":"`+day.Format(time.DateOnly)+`"}`)
		eventually(t, subject+" refetches "+want, func() bool {
			told := ""
			for _, meter := range a.house.view().Source("openvolt").Asks.(*state.OpenvoltAsks).Meters {
				if !meter.Told[openvolt.DayNumber(day)].IsZero() {
					told += " " + meter.ID
				}
			}
			return strings.TrimSpace(told) == want
		})
	}
}

func TestAskedSpans(t *testing.T) {
	now := time.Date(2026, 5, 20, 12, 0, 0, 0, time.UTC)
	usual := "2026-05-17T12:00:00Z 2026-05-20T12:00:00Z"
	for payload, want := range map[string]string{
		`{"from":"2026-01-01","to":"2026-01-31"}`:                          "2026-01-01T00:00:00Z 2026-02-01T00:00:00Z",
		`{"from":"2026-01-01T01:00:00+01:00","to":"2026-01-01T12:00:00Z"}`: "2026-01-01T00:00:00Z 2026-01-01T12:00:00Z",
		`{"from":"2026-01-31","to":"2026-01-30"}`:                          usual,
		`{"from":"2026-01-31"}`:                                            usual, `{"to":"2026-01-31"}`: usual, `{"from":5}`: usual, "": usual, "PRESS": usual, "[]": usual,
		`{"from":"0001-01-01","to":"9999-12-31"}`: usual,
	} {
		from, to := asked(payload, now)
		if got := from.Format(time.RFC3339) + " " + to.Format(time.RFC3339); got != want {
			t.Errorf("%s: %s, want %s", payload, got, want)
		}
	}
}

// TestOpenvoltWithoutAKey hears webhooks only, and knows meters by their ids.
func TestOpenvoltWithoutAKey(t *testing.T) {
	r := openMetered(t, map[string]string{"OPENVOLT_API_KEY": "", "OPENVOLT_HOOKS": "true"})
	r.open(t)
	r.Tell(simulator.Span{Meter: voltMeter, Start: r.midnight.Add(-time.Hour), End: r.midnight})
	r.deliver(t)
	r.until(t, `"newest_interval":null,"last_day_energy":null,"last_day":null,"data_age":null,"gaps":null,"status":null`)
	eventually(t, "the event", func() bool { return strings.Contains(r.all.last(voltTopic+"event"), `"deliveries":1`) })
	r.say.Publish("grid2mqtt/openvolt/set/refresh", 1, false, "PRESS").Wait()
	if calls := r.Calls(); len(calls) != 0 {
		t.Errorf("%+v", calls)
	}
	answer, err := http.Post(r.hook, "", strings.NewReader("<html>"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	eventually(t, "the notice", func() bool { return strings.Contains(r.all.last("grid2mqtt/openvolt/event"), `"kind":"undecodable"`) })
	if answer.StatusCode != http.StatusOK || !strings.Contains(get(t, r.web+"/metrics"), `grid2mqtt_deliveries_total{source="openvolt",verdict="undecodable"} 1`) {
		t.Error(answer.StatusCode, get(t, r.web+"/metrics"))
	}
}

// TestAKeyThatIsRefused is a problem at once, and one that is refused for a
// meter alone is none.
func TestAKeyThatIsRefused(t *testing.T) {
	r := openMetered(t, nil)
	other := "another"
	r.Connect(other)
	r.Fill(other, r.midnight.AddDate(0, 0, -3), r.midnight)
	r.Revoke(voltMeter, http.StatusForbidden)
	r.Lose()
	r.open(t)
	eventually(t, "the other meter", func() bool { return strings.Contains(r.all.last("grid2mqtt/openvolt/another/state"), `"gaps":0`) })
	r.until(t, `"newest_interval":null`, `"status":"active"`)
	if s := r.all.last("grid2mqtt/bridge/state"); !strings.Contains(s, `"problem":"OFF"`) {
		t.Error(s)
	}
	if log := get(t, r.web+"/log"); !strings.Contains(log, "a meter is refused: its consent may have ended") || !strings.Contains(log, "…"+voltMeter[len(voltMeter)-6:]) || strings.Contains(log, voltMeter) || strings.Contains(log, "refuses the API key") {
		t.Error("the log does not say which meter is refused, and why it may be")
	}
	r.Approve(voltMeter)
	r.deliver(t)
	r.until(t, r.energy())
	r.Rotate("another-key")
	r.deliver(t)
	eventually(t, "the problem", func() bool {
		return strings.Contains(r.all.last("grid2mqtt/bridge/state"), "Openvolt refuses the API key: copy the newest one from Openvolt's dashboard.")
	})
	if !strings.Contains(r.all.last("grid2mqtt/openvolt/event"), "api_keys_rotated") || strings.Contains(r.all.text(), "another-key") {
		t.Error(r.all.last("grid2mqtt/openvolt/event"))
	}
	r.within(t)
}

// TestOtherLabels: where the household finds out that labels are ends, all is
// asked for again.
func TestOtherLabels(t *testing.T) {
	r := openMetered(t, nil)
	r.Ends(true)
	t.Run("starts", func(t *testing.T) {
		r.open(t)
		r.until(t, `"newest_interval":"`+r.midnight.UTC().Format(time.RFC3339)+`"`)
	})
	r.env["OPENVOLT_LABEL_OFFSET"] = "-30m"
	t.Run("ends", func(t *testing.T) {
		r.open(t)
		r.until(t, `"newest_interval":"`+r.midnight.Add(-30*time.Minute).UTC().Format(time.RFC3339)+`"`, r.energy())
	})
	r.within(t)
}

// TestAVendorWithoutAClock: what one vendor tells of the time moves nothing
// where another one and this machine know better.
func TestAVendorWithoutAClock(t *testing.T) {
	a := live(t, map[string]string{
		"OPENVOLT_API_KEY": voltKey, "OPENVOLT_URL": "http://127.0.0.1:1", "EQUIWATT_TOKEN": "x", "EQUIWATT_URL": "http://127.0.0.1:1/",
	}, nil)
	dates := map[string]time.Time{"equiwatt": time.Now(), "openvolt": time.Unix(0, 0)}
	for _, s := range a.sources { // in the table's order
		a.answered(t.Context(), s, event.Answer{Received: time.Now(), Date: dates[s.name]}, nil)
	}
	if off := time.Since(a.clock.Now()).Abs(); off > time.Minute {
		t.Errorf("the time is off by %v", off)
	}
}
