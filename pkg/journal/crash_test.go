package journal

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// loadChild appends from many goroutines until it is killed, and prints what
// was acknowledged.
func loadChild(dir string) int {
	j, err := Open(dir, Options{Log: zerolog.Nop()})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	var print sync.Mutex
	say := func(format string, a ...any) {
		print.Lock()
		defer print.Unlock()
		fmt.Printf(format, a...)
	}
	base := j.Last()
	for w := range 16 {
		go func() {
			for i := 0; ; i++ {
				key := fmt.Sprintf("%08d-%02d-%08d", base, w, i) // later ones sort behind
				d := event.Delivery{Received: noon, Source: "equiwatt", Via: event.ViaHTTP, Body: []byte(strings.Repeat(key, 1+rand.IntN(200)))}
				s, err := j.Append(context.Background(), d, []event.Event{{
					Source: "equiwatt", Key: key, By: event.Webhook, At: noon, Seen: noon, Notice: &event.Notice{Code: "x"},
				}})
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				say("event %d %d %s\n", s.Events[0].Seq, s.Delivery, key)
				if i%10 == 0 {
					if err := j.Set(context.Background(), fmt.Sprint("s", w), key); err == nil {
						say("setting s%d %s\n", w, key)
					}
					j.MarkMoments(AtRest, noon, key)
					if err := j.Flush(context.Background()); err == nil {
						say("moment %s\n", key)
					}
				}
			}
		}()
	}
	select {}
}

// What was acknowledged is there after a kill at any moment.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	type where struct {
		delivery int64
		key      string
	}
	acked, settings, moments := map[int64]where{}, map[string]string{}, map[string]bool{}
	for round := range 10 {
		c := child("load", dir)
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		killed := false
		for n := 0; lines.Scan(); n++ {
			var seq, id int64
			var name, key string
			line := lines.Text()
			switch {
			case scan(line, "event %d %d %s", &seq, &id, &key):
				acked[seq] = where{id, key}
			case scan(line, "setting %s %s", &name, &key):
				settings[name] = key
			case scan(line, "moment %s", &key):
				moments[key] = true
			}
			if n > 10 && !killed {
				killed = true
				time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { _ = c.Process.Kill() })
			}
		}
		_ = c.Wait()
		if !killed {
			t.Fatalf("round %d: the child ended by itself", round)
		}
		j := openAt(t, dir)
		have := map[int64]string{}
		for _, e := range allEvents(t, j) {
			have[e.Seq] = e.Key
		}
		for seq, w := range acked {
			if have[seq] != w.key {
				t.Fatalf("round %d: event %d is %q, acknowledged was %q", round, seq, have[seq], w.key)
			}
		}
		checkKilled(t, j, settings, moments)
		for _, w := range acked { // a few, for each reads the file
			d, told, err := j.Delivery(t.Context(), w.delivery)
			if err != nil || len(told) != 1 || told[0].Key != w.key || !strings.HasPrefix(string(d.Body), w.key) {
				t.Fatalf("round %d: delivery %d of %q: %v %v", round, w.delivery, w.key, told, err)
			}
			if rand.IntN(50) == 0 {
				break
			}
		}
		if p := j.Problem(); p != "" {
			t.Fatal(p)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged events in 10 rounds", len(acked))
}

// Killed while the file is being made, it is made at the next start.
func TestKillAtBirth(t *testing.T) {
	t.Parallel()
	for range 15 {
		dir := t.TempDir()
		c := child("load", dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if err := eventually("the process has begun", func() bool { return exists(filepath.Join(dir, "journal.lock")) }); err != nil {
			t.Fatal(err)
		}
		timer := time.AfterFunc(time.Duration(rand.IntN(20_000))*time.Microsecond, func() { _ = c.Process.Kill() })
		_ = c.Wait()
		timer.Stop()
		j := openAt(t, dir)
		if p := j.Problem(); p != "" {
			t.Fatal(p)
		}
		mustAppend(t, j, delivery("x"), window("a", noon))
		_ = j.Close()
	}
}

func checkKilled(t *testing.T, j *Journal, settings map[string]string, moments map[string]bool) {
	t.Helper()
	for name, least := range settings {
		// A later value may have been stored without being acknowledged.
		got, _ := j.Setting(name)
		if got < least {
			t.Fatalf("setting %s is %q, acknowledged was %q", name, got, least)
		}
	}
	for id := range moments {
		if got, err := j.Moment(id); err != nil || got != AtRest {
			t.Fatalf("moment %s: %v %v", id, got, err)
		}
	}
}

func scan(line, format string, into ...any) bool {
	n, err := fmt.Sscanf(line, format, into...)
	return err == nil && n == len(into)
}
