package e2e

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

// TestMetrics: Prometheus' own linter finds nothing to say about what the product tells it.
func TestMetrics(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	r.start(t)
	r.post(t, "started", "")
	r.says(t, 0, "started")
	answer, err := http.Get(r.app.Web + "/metrics")
	must(t, err)
	defer answer.Body.Close()
	var text strings.Builder
	problems, err := promlint.New(io.TeeReader(answer.Body, &text)).Lint()
	must(t, err)
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
	for _, want := range []string{"grid2mqtt_deliveries_total", "grid2mqtt_publish_seconds_bucket", "grid2mqtt_source_freshness_seconds"} {
		if !strings.Contains(text.String(), "\n"+want+"{") {
			t.Errorf("%s is not told:\n%s", want, text.String())
		}
	}
}
