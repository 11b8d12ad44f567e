package app

import (
	"archive/zip"
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
)

const (
	bundleLines      = 200
	bundleDeliveries = 20
)

// Bundle makes a zip file for those who help: what runs here and how it is set
// up, what the self-check found, the newest lines of the log, the newest
// deliveries as samples, and the metrics. It holds no secret, nor what tells
// who lives here, as far as a program can know.
func (a *App) Bundle(ctx context.Context) ([]byte, error) {
	var steps, log, metrics strings.Builder
	for _, s := range a.checks(ctx, false) {
		fmt.Fprintln(&steps, s.Line())
	}
	a.writeMetrics(&metrics)
	lines := a.lines.newest("")
	for i := min(len(lines), bundleLines) - 1; i >= 0; i-- {
		l := lines[i]
		fmt.Fprintln(&log, l.At.Format(time.RFC3339), l.Level, l.Source, l.Text)
	}
	files := []struct{ name, text string }{
		{"about.txt", a.about(ctx)}, {"settings.txt", a.config.settings()}, {"check.txt", steps.String()},
		{"log.txt", log.String()}, {"metrics.txt", metrics.String()},
	}
	newest, err := a.journal.Deliveries(ctx, journal.Query{Limit: bundleDeliveries})
	for _, d := range newest {
		whole, _, err := a.journal.Delivery(ctx, d.ID)
		if err == nil {
			files = append(files, struct{ name, text string }{fmt.Sprintf("deliveries/%d.txt", d.ID), sample(whole)})
		}
	}
	if err != nil {
		files[0].text += "The journal cannot be read: " + err.Error() + "\n"
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: a.clock.Now()})
		if err == nil {
			_, err = io.WriteString(w, a.scrub(f.text))
		}
		if err != nil {
			return nil, fmt.Errorf("the bundle cannot be made: %w", err)
		}
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("the bundle cannot be made: %w", err)
	}
	return b.Bytes(), nil
}

// about is what runs here and how it is, a line each.
func (a *App) about(ctx context.Context) string {
	v := a.house.view()
	var b strings.Builder
	say := func(what string, is any) { fmt.Fprintf(&b, "%s: %v\n", what, is) }
	say("Grid2MQTT", a.host.Version)
	say("built with", runtime.Version()+" for "+runtime.GOOS+"/"+runtime.GOARCH)
	say("as an app of Home Assistant", a.host.Stay)
	say("now", v.At.Format(time.RFC3339)+", zone "+a.zone().String())
	say("events", a.journal.Last())
	say("MQTT", cmp.Or(a.publisher.Trouble(), "connected"))
	for _, p := range a.problems(v) {
		say("problem", p)
	}
	for _, s := range a.table {
		w := a.shown(s, v)
		switch {
		case w.Missing != "":
			say(s.name, w.Missing)
		case w.On:
			say(s.name, strings.TrimSpace(fmt.Sprintf("%s, last answer %s, last webhook %s. %s", w.Health, ago(v.At, w.LastPoll), ago(v.At, w.LastHook), w.Reason)))
		}
	}
	counts, _ := a.kept(ctx) // its trouble is among the problems
	for _, c := range counts {
		say("deliveries of "+c.Source+", "+c.Verdict, c.N)
	}
	refused := a.refusals()
	for _, key := range slices.Sorted(maps.Keys(refused)) {
		say("refused of "+strings.Replace(key, "/", ", ", 1), refused[key])
	}
	return b.String()
}

func ago(now, at time.Time) string {
	if at.IsZero() {
		return "never"
	}
	return now.Sub(at).Round(time.Second).String() + " ago"
}
