package app

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// series returns the value of one line of /metrics.
func series(t *testing.T, text, name string) (float64, bool) {
	t.Helper()
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	v, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return v, true
}

func TestMetrics(t *testing.T) {
	var bad atomic.Bool
	cloud := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if bad.Load() {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		io.WriteString(w, `{"success":true,"msg":null,"data":{"current_event":null,"previous_events":[{"start_time":1700000000,"end_time":1700003600}]}}`)
	}))
	defer cloud.Close()
	hooks, web := start(t, map[string]string{"MQTT_URL": broker(t), "EQUIWATT_TOKEN": "x", "EQUIWATT_URL": cloud.URL + "/", "EQUIWATT_HOOK_TRUST": "believe"})
	reaches := func(name string, least float64) {
		t.Helper()
		eventually(t, name, func() bool {
			v, ok := series(t, get(t, web+"/metrics"), name)
			return ok && v >= least
		})
	}
	reaches(`grid2mqtt_polls_total{source="equiwatt",outcome="ok"}`, 1)
	reaches(`grid2mqtt_deliveries_total{source="equiwatt",verdict="accepted"}`, 1) // the answer
	reaches("grid2mqtt_broker_connected", 1)
	post(t, hooks, int(time.Now().Unix()))
	reaches(`grid2mqtt_deliveries_total{source="equiwatt",verdict="accepted"}`, 2)
	reaches("grid2mqtt_publish_seconds_count", 1)
	reaches(`grid2mqtt_publish_seconds_bucket{le="+Inf"}`, 1)
	reaches("grid2mqtt_journal_commit_seconds_count", 2)
	reaches(`grid2mqtt_source_freshness_seconds{source="equiwatt"}`, 0)
	bad.Store(true)
	if r, err := http.PostForm(web+"/command", url.Values{"source": {"equiwatt"}, "name": {"refresh"}}); err != nil || r.Body.Close() != nil {
		t.Fatal(err)
	}
	reaches(`grid2mqtt_polls_total{source="equiwatt",outcome="error"}`, 1)

	text := get(t, web+"/metrics")
	told := map[string]bool{}
	for line := range strings.Lines(text) {
		if name, ok := strings.CutPrefix(line, "# TYPE "); ok {
			name, _, _ = strings.Cut(name, " ")
			if told[name] {
				t.Error(name, "is told in two places")
			}
			told[name] = true
		}
	}
	for name := range families() {
		if !told[name] {
			t.Error(name, "is not told")
		}
	}
	if v, _ := series(t, text, "grid2mqtt_publish_seconds_sum"); v <= 0 || v > 60 {
		t.Error("publishing took", v)
	}
}

func TestHistogram(t *testing.T) {
	var h histogram
	for _, d := range []time.Duration{-time.Second, 0, time.Millisecond, time.Millisecond + 1, 2 * time.Minute} {
		h.observe(d)
	}
	var b strings.Builder
	h.write(&b, "x")
	for name, want := range map[string]float64{`x_bucket{le="0.001"}`: 3, `x_bucket{le="0.0025"}`: 4, `x_bucket{le="60"}`: 4, `x_bucket{le="+Inf"}`: 5, "x_count": 5, "x_sum": 120.002000001} {
		if got, ok := series(t, b.String(), name); !ok || got != want {
			t.Errorf("%s is %v, want %v:\n%s", name, got, want, b.String())
		}
	}
}
