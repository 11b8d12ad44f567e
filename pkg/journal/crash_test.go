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
					j.MarkMoments(AtRest, noon, 0, key)
					if err := j.Flush(context.Background()); err == nil {
						say("moment %s\n", key)
					}
				}
			}
		}()
	}
	select {}
}

// acked is what a killed process said that it had stored.
type acked struct {
	events     map[int64]string // key by seq
	deliveries map[int64]string // key by id
	settings   map[string]string
	moments    map[string]bool
}

// runAndKill kills a process some time after its first words.
func (a acked) runAndKill(t *testing.T, dir string) {
	t.Helper()
	c := child("load", dir)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	killed := false
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		var seq, id int64
		var name, key string
		line := lines.Text()
		switch {
		case scan(line, "event %d %d %s", &seq, &id, &key):
			a.events[seq], a.deliveries[id] = key, key
		case scan(line, "setting %s %s", &name, &key):
			a.settings[name] = key
		case scan(line, "moment %s", &key):
			a.moments[key] = true
		}
		if n > 10 && !killed {
			killed = true
			time.AfterFunc(time.Duration(rand.IntN(200))*time.Millisecond, func() { _ = c.Process.Kill() })
		}
	}
	if err := c.Wait(); !killed {
		t.Fatalf("it ended by itself: %v", err)
	}
}

// What was acknowledged is there after a kill at any moment.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := acked{events: map[int64]string{}, deliveries: map[int64]string{}, settings: map[string]string{}, moments: map[string]bool{}}
	for range 10 {
		a.runAndKill(t, dir)
		j := openAt(t, dir)
		a.check(t, j)
		if p := j.Problem(); p != "" {
			t.Fatal(p)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged events in 10 rounds", len(a.events))
}

func (a acked) check(t *testing.T, j *Journal) {
	t.Helper()
	have := map[int64]string{}
	for _, e := range allEvents(t, j) {
		have[e.Seq] = e.Key
	}
	for seq, key := range a.events {
		if have[seq] != key {
			t.Fatalf("event %d is %q, acknowledged was %q", seq, have[seq], key)
		}
	}
	for id, key := range a.deliveries {
		d, told, err := j.Delivery(t.Context(), id)
		if err != nil || len(told) != 1 || told[0].Key != key || strings.ReplaceAll(string(d.Body), key, "") != "" {
			t.Fatalf("delivery %d of %q: %v %v", id, key, told, err)
		}
		if rand.IntN(100) == 0 {
			break // each one reads the file
		}
	}
	for name, least := range a.settings {
		// A later value may have been stored without being acknowledged.
		if got, _ := j.Setting(name); got < least {
			t.Fatalf("setting %s is %q, acknowledged was %q", name, got, least)
		}
	}
	for id := range a.moments {
		if got, err := j.Moment(id); err != nil || got != AtRest {
			t.Fatalf("moment %s: %v %v", id, got, err)
		}
	}
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

func scan(line, format string, into ...any) bool {
	n, err := fmt.Sscanf(line, format, into...)
	return err == nil && n == len(into)
}
