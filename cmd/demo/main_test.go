package main

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	paho "github.com/eclipse/paho.mqtt.golang"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// notes collects what is written, by many at a time.
type notes struct {
	mu   sync.Mutex
	text strings.Builder
}

func (n *notes) Write(b []byte) (int, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.Write(b)
}

func (n *notes) String() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.text.String()
}

// eventually waits until f holds.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(3 * time.Minute) // a loaded machine may be slow
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("in vain waited for: %s", what)
		}
		<-time.After(20 * time.Millisecond)
	}
}

// printed returns the first group of a pattern in what was told.
func printed(t *testing.T, text, pattern string) string {
	t.Helper()
	m := regexp.MustCompile(pattern).FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("%s is not in:\n%s", pattern, text)
	}
	return m[1]
}

// TestTheDemoFromItsStartToCtrlC runs what main runs, where every address is
// taken, and does what it tells a stranger to do.
func TestTheDemoFromItsStartToCtrlC(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	at := taken.Addr().String()
	var out, complaints notes
	code := make(chan int, 1)
	ctx, stop := context.WithCancel(t.Context())
	begin := time.Now()
	go func() {
		code <- run(ctx, []string{"-broker", at, "-hooks", at, "-page", at}, &out, &complaints)
	}()
	eventually(t, "a start", func() bool { return strings.Contains(out.String(), "“started” fires") })
	t.Logf("an equivent is shown after %v, a stranger waits 15 s", time.Since(begin))
	text := out.String()
	for _, want := range []string{
		"binary_sensor.equiwatt_equivent is off, sensor.equiwatt_equivents_month is ",
		"binary_sensor.equiwatt_equivent → on", "told by the webhook, confirmed by the cloud, ", " after it began", "sensor.equiwatt_end → ",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("it was not told: %s", want)
		}
	}
	look(t, text)
	eventually(t, "an end", func() bool { return strings.Contains(out.String(), "“ended” fires") })
	if !strings.Contains(out.String(), "binary_sensor.equiwatt_equivent → off") {
		t.Error("it was not told that the equivent is off")
	}
	stop()
	if c := <-code; c != 0 {
		t.Errorf("exit code %d", c)
	}
	if !strings.Contains(out.String(), "grid2mqtt/status → offline. Everything is stopped") {
		t.Errorf("the end is not told:\n%s", out.String())
	}
	if complaints.String() != "" {
		t.Errorf("it complains: %s", complaints.String())
	}
	if _, err := os.Stat(filepath.Dir(printed(t, text, `The log +(\S+)`))); !os.IsNotExist(err) {
		t.Errorf("something is left behind: %v", err)
	}
}

// look opens, subscribes and posts as the introduction says.
func look(t *testing.T, text string) {
	t.Helper()
	page, err := http.Get(printed(t, text, `The page +(\S+)`))
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	if b, _ := io.ReadAll(page.Body); page.StatusCode != http.StatusOK || !strings.Contains(string(b), "An equivent is running") {
		t.Errorf("the page answers %s:\n%s", page.Status, b)
	}
	if b, err := os.ReadFile(printed(t, text, `The log +(\S+)`)); err != nil || !strings.Contains(string(b), "said: started") {
		t.Errorf("the log is %q, %v", b, err)
	}
	online := make(chan struct{})
	host, port := printed(t, text, `mosquitto_sub -h (\S+)`), printed(t, text, `mosquitto_sub .*-p (\d+)`)
	c := paho.NewClient(paho.NewClientOptions().AddBroker("tcp://" + host + ":" + port).SetClientID("stranger"))
	if tok := c.Connect(); tok.Wait() && tok.Error() != nil {
		t.Fatal(tok.Error())
	}
	defer c.Disconnect(0)
	c.Subscribe(printed(t, text, `-t '([^']+)'`), 1, func(_ paho.Client, m paho.Message) {
		if m.Topic() == "grid2mqtt/status" && string(m.Payload()) == "online" {
			close(online)
		}
	}).Wait()
	select {
	case <-online:
	case <-time.After(time.Minute):
		t.Error("the broker does not say that the program is online")
	}
	hook, err := http.Post(printed(t, text, `curl -i -X POST (\S+)`), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer hook.Body.Close()
	if hook.StatusCode != http.StatusOK {
		t.Errorf("the webhook is answered %s", hook.Status)
	}
}

// play plays a short day of these parts, and returns what was told.
func play(t *testing.T, list ...happening) (*stage, string) {
	t.Helper()
	var out notes
	s, err := open(t.Context(), options{broker: "127.0.0.1:0", hooks: "127.0.0.1:0", page: "127.0.0.1:0", verbose: true}, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	d := newDemo(s, &out)
	d.lasts, d.pause = time.Second, 0
	err = d.dawn(t.Context())
	wrong := d.day(t.Context(), list)
	if err := s.close(); err != nil {
		t.Error(err)
	}
	if err != nil || wrong {
		t.Errorf("something is not as it should be (%v):\n%s", err, out.String())
	}
	return s, out.String()
}

// TestWebhooksThatAreLostAndDoubled plays that part of the day.
func TestWebhooksThatAreLostAndDoubled(t *testing.T) {
	t.Parallel()
	s, told := play(t, happening{"Lost", "equiwatt", (*demo).lost}, happening{"Doubled", "equiwatt", (*demo).doubled})
	for _, want := range []string{
		"(found by the poll, ", " after it began; ", " after it ended).",
		"Four webhooks, one equivent: “started” fired once, “ended” once.",
		"The day had 2 equivents: “started” fired twice, “ended” twice.", "within its limits:\n", "          Equiwatt ",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("it was not told: %s\n%s", want, told)
		}
	}
	sent := s.equiwatt.Sent()
	if len(sent) != 4 {
		t.Errorf("%d webhooks were sent, want those of the doubled equivent only", len(sent))
	}
}

// TestTheOtherVendors plays their parts of the day.
func TestTheOtherVendors(t *testing.T) {
	t.Parallel()
	_, told := play(t, happening{"Alert", "ecomon", (*demo).alert}, happening{"Again", "ecomon", (*demo).alert},
		happening{"Charge", "capacitor", (*demo).charge},
		happening{"Meter", "openvolt", (*demo).readings}, happening{"Correction", "openvolt", (*demo).correction}, happening{"Dispatch", "powerresponse", (*demo).dispatch})
	for _, want := range []string{
		"binary_sensor.ecomon_em451207_limit_warning → on, and the trigger “limit_warning” fires", "used 3200 Wh, at this pace 6400 Wh in the whole hour, remaining 1800 Wh",
		"binary_sensor.capacitor_garage_7_1_charging → on, and the trigger “transaction_started” fires", "session_energy → 3.60 kWh", "(the reason: Remote; 3.60 kWh ",
		"calls the webhook 13 times", "event.openvolt_meter_5f21ab_event → meter_data_received, once for 13 webhooks", "last_day_energy → ", ". It was ",
		"sensor.powerresponse_next_start → ", "binary_sensor.powerresponse_active → on", "binary_sensor.powerresponse_active → off, and the trigger “ended” fires",
	} {
		if !strings.Contains(told, want) {
			t.Errorf("it was not told: %s\n%s", want, told)
		}
	}
}

// TestTheEndOfTheClockHour: the story waits for an alert's end that is near,
// and tells the one that is not when it comes.
func TestTheEndOfTheClockHour(t *testing.T) {
	for name, c := range map[string]struct{ ahead, waits time.Duration }{"near": {time.Minute, time.Minute}, "far": {10 * time.Minute, 0}} {
		synctest.Test(t, func(t *testing.T) {
			var out notes
			d := newDemo(&stage{heard: newHeard()}, &out)
			d.playing = "ecomon"
			begin := time.Now()
			over := begin.Add(c.ahead)
			time.AfterFunc(c.ahead, func() {
				d.heard.put("grid2mqtt/ecomon/em451207/state", []byte(`{"limit_warning":"OFF"}`))
				d.heard.put("grid2mqtt/ecomon/em451207/event", []byte(`{"event_type":"cleared","occurred":"`+over.Format(time.RFC3339)+`"}`))
			})
			if err := d.clearing(t.Context(), begin, over); err != nil || time.Since(begin) != c.waits {
				t.Errorf("%s: it took %v, %v", name, time.Since(begin), err)
			}
			if err := d.rest(t.Context(), c.ahead+time.Second); err != nil {
				t.Error(err)
			}
			if want := "The clock hour is over: binary_sensor.ecomon_em451207_limit_warning → off,"; strings.Count(out.String(), want) != 1 {
				t.Errorf("%s: it was not told once: %s\n%s", name, want, out.String())
			}
		})
	}
}

func TestWhatCannotBeUsedIsSaidInOneLine(t *testing.T) {
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	for _, args := range [][]string{{"-broker", "nowhere"}, {"-hooks", "192.0.2.1:1"}, {"-page", "127.0.0.1:x"}, {"tomorrow"}} {
		var out, complaint notes
		if c := run(ctx, args, &out, &complaint); c != 2 || out.String() != "" || strings.Count(complaint.String(), "\n") != 1 {
			t.Errorf("%v: exit code %d, %q, %q", args, c, out.String(), complaint.String())
		}
	}
}

// TestADayThatGoesWrong: what does not come is told, and so is a broken limit.
func TestADayThatGoesWrong(t *testing.T) {
	var out notes
	made, _ := newClouds(time.Now())
	d := newDemo(&stage{heard: newHeard(), clouds: made}, &out)
	d.pause = 0
	silent := happening{"Nothing", "", func(d *demo, ctx context.Context) error {
		return d.until(ctx, time.Millisecond, func() bool { return false })
	}}
	if !d.day(t.Context(), []happening{silent}) || !strings.Contains(out.String(), "was not heard") {
		t.Errorf("a day without what should come is fine:\n%s", out.String())
	}
	for range 2 {
		d.equiwatt.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, simulator.EquiventsPath, nil))
	}
	if !d.day(t.Context(), nil) || !strings.Contains(out.String(), "limits were broken: more than 1 calls within 1s") {
		t.Errorf("a day with too many calls is fine:\n%s", out.String())
	}
}

// TestWhatTheStoryDidNotDoIsTold: a stranger presses a webhook, rehearses, and
// connects a Home Assistant.
func TestWhatTheStoryDidNotDoIsTold(t *testing.T) {
	for _, c := range []struct{ topic, payload, want string }{
		{"grid2mqtt/equiwatt/event", `{"event_type":"unconfirmed","occurred":"2026-07-14T17:30:00Z"}`, "event.equiwatt_event → unconfirmed"},
		{"grid2mqtt/equiwatt/event", `{"event_type":"rehearsal_started"}`, "Somebody rehearses"},
		{"grid2mqtt/equiwatt/event", `{"event_type":"rehearsal_ended"}`, "The rehearsal is over"},
		{"grid2mqtt/ecomon/em451207/event", `{"event_type":"cleared","occurred":"2026-07-14T18:00:00Z"}`, "The clock hour is over: "},
		{"grid2mqtt/ecomon/event", `{"event_type":"test"}`, "event.ecomon_event → test"},
		{"homeassistant/status", "online", "A Home Assistant says hello"},
		{"homeassistant/status", "offline", "Home Assistant says goodbye"},
		{"grid2mqtt/equiwatt/event", "junk", ""},
	} {
		var out notes
		d := newDemo(&stage{heard: newHeard()}, &out)
		d.heard.put(c.topic, []byte(c.payload))
		if err := d.rest(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		if got := out.String(); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: told %q, want %q", c.payload, got, c.want)
		}
	}
}
