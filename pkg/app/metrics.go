package app

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// families are what /metrics tells, by name; the samples of a family need not
// say it themselves.
func families() map[string]struct{ kind, help string } {
	return map[string]struct{ kind, help string }{
		"grid2mqtt_build_info":               {"gauge", "Always 1; the labels tell what runs."},
		"grid2mqtt_broker_connected":         {"gauge", "1 while the MQTT broker is connected."},
		"grid2mqtt_deliveries_total":         {"counter", "Webhooks, and answers that said something new, by what became of them."},
		"grid2mqtt_polls_total":              {"counter", "Calls of a vendor's API, by their outcome."},
		"grid2mqtt_journal_events":           {"gauge", "The position of the newest event in the journal."},
		"grid2mqtt_journal_waiting":          {"gauge", "Appends that wait for the disk."},
		"grid2mqtt_journal_commit_seconds":   {"histogram", "How long transactions of the journal took, their sync included."},
		"grid2mqtt_publish_seconds":          {"histogram", "From a webhook's arrival until the broker had what it changed."},
		"grid2mqtt_source_freshness_seconds": {"gauge", "How long ago a source was last heard of; NaN where it never was."},
	}
}

// count adds one to a counter with labels, given as name and value.
func (a *App) count(name string, labels ...string) {
	var b strings.Builder
	for i := 0; i+1 < len(labels); i += 2 {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%s=%q", labels[i], labels[i+1])
	}
	a.metrics.GetOrCreateCounter(name + "{" + b.String() + "}").Inc()
}

// register makes the gauges of /metrics.
func (a *App) register() {
	a.metrics.NewGauge(fmt.Sprintf("grid2mqtt_build_info{version=%q,goversion=%q}", a.host.Version, runtime.Version()), func() float64 { return 1 })
	a.metrics.NewGauge("grid2mqtt_broker_connected", func() float64 {
		if a.publisher.Trouble() == "" {
			return 1
		}
		return 0
	})
	a.metrics.NewGauge("grid2mqtt_journal_events", func() float64 { return float64(a.journal.Last()) })
	a.metrics.NewGauge("grid2mqtt_journal_waiting", func() float64 { return float64(a.journal.Waiting()) })
	for _, s := range a.sources {
		a.metrics.NewGauge(fmt.Sprintf("grid2mqtt_source_freshness_seconds{source=%q}", s.name), func() float64 { return a.freshness(s.name) })
	}
}

// freshness is how many seconds ago a source was last heard of.
func (a *App) freshness(source string) float64 {
	last := a.lastHook(source)
	if good := a.house.view().Link(source).LastGood; good.After(last) {
		last = good
	}
	if last.IsZero() {
		return math.NaN()
	}
	return max(0, a.clock.Now().Sub(last).Seconds())
}

// arrived notes that the broker has all that the events up to a Seq changed.
func (a *App) arrived(seq int64, at time.Time) {
	for _, d := range a.journal.Spoken(seq, at) {
		if d.Via == event.ViaHTTP || d.Via == event.ViaMQTT {
			a.publishes.observe(at.Sub(d.Received))
		}
	}
}

// writeMetrics writes Prometheus' text format.
func (a *App) writeMetrics(w io.Writer) {
	var b bytes.Buffer
	a.metrics.WritePrometheus(&b)
	about, last := families(), ""
	begin := func(name string) {
		if f, ok := about[name]; ok && name != last {
			fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, f.help, name, f.kind)
			last = name
		}
	}
	for lines := bufio.NewScanner(&b); lines.Scan(); {
		begin(lines.Text()[:max(0, strings.IndexAny(lines.Text(), "{ "))])
		fmt.Fprintln(w, lines.Text())
	}
	begin("grid2mqtt_journal_commit_seconds")
	a.commits.write(w, last)
	begin("grid2mqtt_publish_seconds")
	a.publishes.write(w, last)
}

// bounds are those of a histogram's buckets: from a fast disk to a broker that
// was away.
var bounds = [...]time.Duration{
	time.Millisecond, 2500 * time.Microsecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond,
	100 * time.Millisecond, 250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2500 * time.Millisecond, 5 * time.Second, 10 * time.Second, time.Minute,
}

// histogram counts how long something took. The zero value is ready.
type histogram struct {
	counts [len(bounds) + 1]atomic.Int64
	sum    atomic.Int64 // nanoseconds
}

func (h *histogram) observe(d time.Duration) {
	i := 0
	for i < len(bounds) && d > bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(int64(max(0, d)))
}

func (h *histogram) write(w io.Writer, name string) {
	sum, n := time.Duration(h.sum.Load()), int64(0)
	for i := range h.counts {
		n += h.counts[i].Load()
		le := "+Inf"
		if i < len(bounds) {
			le = fmt.Sprint(bounds[i].Seconds())
		}
		fmt.Fprintf(w, "%s_bucket{le=%q} %d\n", name, le, n)
	}
	fmt.Fprintf(w, "%s_sum %v\n%s_count %d\n", name, sum.Seconds(), name, n)
}
