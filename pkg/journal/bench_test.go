package journal

import (
	"fmt"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// hook is what a webhook of a usual size brings.
func hook(n int64) (event.Delivery, []event.Event) {
	now := time.Now()
	start := now.Add(-time.Minute).Truncate(time.Second)
	d := event.Delivery{
		Received: now,
		Source:   "equiwatt",
		Kind:     "started",
		Via:      event.ViaHTTP,
		Header:   map[string]string{"Content-Type": "application/json"},
		Body:     []byte(strings.Repeat("x", 150)),
	}
	return d, []event.Event{{
		Source: "equiwatt",
		Key:    fmt.Sprintf("%s/%d", start.UTC().Format(time.RFC3339), n),
		By:     event.Webhook,
		At:     start,
		Seen:   now,
		Window: &event.Window{Start: start, Running: true, Direction: "powerDOWN"},
	}}
}

func BenchmarkAppend(b *testing.B) {
	j := openBench(b, b.TempDir())
	took := make([]time.Duration, 0, b.N)
	n := int64(0)
	for b.Loop() {
		n++
		d, events := hook(n)
		begin := time.Now()
		if _, err := j.Append(b.Context(), d, events); err != nil {
			b.Fatal(err)
		}
		took = append(took, time.Since(begin))
	}
	sort.Slice(took, func(i, k int) bool { return took[i] < took[k] })
	b.ReportMetric(float64(took[len(took)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "p99-µs")
}

func BenchmarkAppendParallel64(b *testing.B) {
	j := openBench(b, b.TempDir())
	var n atomic.Int64
	b.SetParallelism(32) // times GOMAXPROCS, which is 2 here
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			d, events := hook(n.Add(1))
			if _, err := j.Append(b.Context(), d, events); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

func BenchmarkOpen100k(b *testing.B) {
	dir := filled(b, 100_000)
	for b.Loop() {
		j := openBench(b, dir)
		if j.Last() != 100_000 {
			b.Fatal(j.Last())
		}
		b.StopTimer()
		_ = j.Close()
		b.StartTimer()
	}
}

func BenchmarkEvents100k(b *testing.B) {
	j := openBench(b, filled(b, 100_000))
	for b.Loop() {
		count, after := 0, int64(0)
		for {
			events, err := j.Events(after, 1000)
			if err != nil {
				b.Fatal(err)
			}
			if len(events) == 0 {
				break
			}
			count += len(events)
			after = events[len(events)-1].Seq
		}
		if count != 100_000 {
			b.Fatal(count)
		}
	}
}

func BenchmarkDeliveries100k(b *testing.B) {
	j := openBench(b, b.TempDir())
	var n atomic.Int64
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for i := n.Add(1); i <= 100_000; i = n.Add(1) {
				d, events := hook(i)
				d.Body = fmt.Appendf(nil, `{"start_time":%d,"direction":"powerDOWN","note":%q}`, i, strings.Repeat("it is cold ", 10))
				if i == 100 {
					d.Verdict = event.Unread
				}
				if _, err := j.Append(b.Context(), d, events); err != nil {
					b.Error(err)
				}
			}
		})
	}
	group.Wait()
	for _, c := range []struct {
		name string
		q    Query
		want int
	}{
		{"newest", Query{}, 50},
		{"oldest", Query{Before: 51}, 50},
		{"a verdict of one", Query{Verdict: event.Unread}, 1},
		{"a source of none", Query{Source: "ecomon"}, 0},
		{"a time of none", Query{Until: noon.AddDate(-10, 0, 0)}, 0},
		{"a text of none", Query{Text: "warm"}, 0},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if list, err := j.Deliveries(b.Context(), c.q); err != nil || len(list) != c.want {
					b.Fatal(len(list), err)
				}
			}
		})
	}
	b.Run("counts", func(b *testing.B) {
		for b.Loop() {
			if _, err := j.Counts(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func openBench(b *testing.B, dir string) *Journal {
	j, err := Open(dir, Options{Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = j.Close() })
	return j
}

func filled(b *testing.B, n int64) string {
	b.Helper()
	dir := filepath.Join(b.TempDir(), "data")
	j, err := Open(dir, Options{Log: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	for i := int64(1); i <= n; {
		d, events := hook(i)
		for i++; i <= n && len(events) < 500; i++ {
			_, more := hook(i)
			events = append(events, more...)
		}
		if _, err := j.Append(b.Context(), d, events); err != nil {
			b.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		b.Fatal(err)
	}
	return dir
}
