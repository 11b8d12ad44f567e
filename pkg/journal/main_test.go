package journal

import (
	"context"
	"database/sql/driver"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// childRole makes the test binary play a process of its own: one that is
// killed, one whose disk is full.
const childRole = "JOURNAL_TEST_CHILD"

func TestMain(m *testing.M) {
	switch role := os.Getenv(childRole); role {
	case "":
		os.Exit(m.Run())
	case "load":
		os.Exit(loadChild(os.Args[1]))
	default:
		os.Exit(fullChild(role, os.Args[1]))
	}
}

func child(role string, args ...string) *exec.Cmd {
	c := exec.Command(os.Args[0], args...)
	c.Env = append(os.Environ(), childRole+"="+role)
	c.Stderr = os.Stderr
	return c
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// openAt opens a journal that the test closes, and whose clock stands at noon.
func openAt(t *testing.T, dir string) *Journal {
	t.Helper()
	return openWith(t, dir, Options{})
}

func openWith(t *testing.T, dir string, o Options) *Journal {
	t.Helper()
	o.Log = zerolog.New(zerolog.NewTestWriter(t))
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	j, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j
}

func file(j *Journal) string { return filepath.Join(j.dir, "journal.db") }

func delivery(body string) event.Delivery {
	return event.Delivery{Received: noon, Source: "equiwatt", Kind: "started", Via: event.ViaHTTP, Body: []byte(body)}
}

func window(key string, end time.Time) event.Event {
	return event.Event{
		Source: "equiwatt", Key: key, By: event.API, At: noon, Seen: noon,
		Window: &event.Window{Start: noon.Add(-time.Hour), End: end},
	}
}

func mustAppend(t *testing.T, j *Journal, d event.Delivery, events ...event.Event) Stored {
	t.Helper()
	s, err := j.Append(t.Context(), d, events)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func allEvents(t *testing.T, j *Journal) []event.Event {
	t.Helper()
	var all []event.Event
	after := int64(0)
	for {
		events, err := j.Events(after, 7)
		if err != nil {
			t.Fatal(err)
		}
		if len(events) == 0 {
			return all
		}
		all = append(all, events...)
		after = events[len(events)-1].Seq
	}
}

// eventually waits for what the journal does by itself.
func eventually(what string, done func() bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !done() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within 90 s: %s", what)
		case <-tick.C:
		}
	}
	return nil
}

// first returns the first row of a query; nil where there is none.
func (c *conn) first(query string, values ...any) (row []driver.Value, err error) {
	err = c.each(query, func(r []driver.Value) {
		if row == nil {
			row = append(row, r...)
		}
	}, values...)
	return row, err
}
