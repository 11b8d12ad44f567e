package app

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"
)

func TestRing(t *testing.T) {
	var r ring
	if got := r.newest(""); len(got) != 0 {
		t.Error(got)
	}
	c := Config{LogFormat: "console", level: zerolog.DebugLevel}
	log := newLog(io.Discard, c, &r)
	log.Info().Str("source", "hooks").Str("vendor", "equiwatt").Int("bytes", 7).Msg("webhook received")
	log.Warn().Str("source", "mqtt").Err(errors.New("refused")).Msg("not connected")
	log.Trace().Msg("below the level")
	log.Debug().Msg(strings.Repeat("long ", 1000))
	got := r.newest("")
	if len(got) != 3 {
		t.Fatalf("%+v", got)
	}
	if g := got[2]; g.Level != "info" || g.Source != "hooks" || g.Text != "webhook received bytes=7 vendor=equiwatt" || g.At.IsZero() {
		t.Errorf("%+v", g)
	}
	if g := got[1]; g.Level != "warn" || g.Source != "mqtt" || g.Text != "not connected: refused" {
		t.Errorf("%+v", g)
	}
	if g := got[0]; g.Level != "debug" || !strings.HasSuffix(g.Text, " …") || len(g.Text) > ringLine+10 {
		t.Errorf("%+v", g)
	}
	if got := r.newest("warn"); len(got) != 1 || got[0].Level != "warn" {
		t.Errorf("%+v", got)
	}
	if got := r.newest("nonsense"); len(got) != 3 {
		t.Errorf("%+v", got)
	}
}

// What a vendor says is one line of the log, whatever is in it.
func TestNobodyForgesALine(t *testing.T) {
	var r ring
	var console strings.Builder
	log := newLog(&console, Config{LogFormat: "console"}, &r)
	log.Info().Str("source", "app").Str("id", "a\nb").Msg("hooks list: a\n12:00:00 ERR app forged\x1b[2J")
	if text := strings.TrimSuffix(console.String(), "\n"); strings.ContainsAny(text, "\n\x1b") || !strings.Contains(text, "hooks list: a 12:00:00 ERR app forged [2J") {
		t.Errorf("%q", text)
	}
	if got := r.newest("")[0].Text; got != "hooks list: a 12:00:00 ERR app forged [2J id=a b" {
		t.Errorf("%q", got)
	}
}

func TestRingKeepsTheNewest(t *testing.T) {
	var r ring
	log := newLog(io.Discard, Config{LogFormat: "json"}, &r)
	var group sync.WaitGroup
	group.Go(func() {
		for range 100 {
			r.newest("info")
		}
	})
	for i := range 3*ringLines + 7 {
		log.Info().Msg(fmt.Sprint(i))
		if want := min(i+1, ringLines); i%100 == 0 && len(r.newest("")) != want {
			t.Fatalf("%d of %d", len(r.newest("")), want)
		}
	}
	group.Wait()
	got := r.newest("")
	for i, l := range got {
		if want := fmt.Sprint(3*ringLines + 6 - i); l.Text != want {
			t.Fatalf("line %d is %q, want %q", i, l.Text, want)
		}
	}
	line := []byte(`{"level":"info","message":"x"}`)
	if n := testing.AllocsPerRun(1000, func() { _, _ = r.WriteLevel(zerolog.InfoLevel, line) }); n > 0 {
		t.Errorf("%v allocations a line", n)
	}
}
