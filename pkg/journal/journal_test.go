package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// The group in front of the disk is counted, and whoever gives up waiting
// gets its own error, not one about the disk.
func TestWaitingAndGivingUp(t *testing.T) {
	j := openAt(t, t.TempDir())
	release := occupy(t, j)
	ctx, cancel := context.WithCancel(t.Context())
	result := make(chan error)
	go func() {
		_, err := j.Append(ctx, delivery("x"), nil)
		result <- err
	}()
	if err := eventually("one append waits", func() bool { return j.Waiting() == 1 }); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-result; !errors.Is(err, context.Canceled) || errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
	if j.Waiting() != 0 {
		t.Error("still counted")
	}
	release()
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Append(ctx, delivery("x"), nil); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// occupy holds the file the way another program would, until release.
func occupy(t *testing.T, j *Journal) (release func()) {
	t.Helper()
	c, err := connect(file(j), "?mode=rw")
	if err != nil {
		t.Fatal(err)
	}
	if err := c.keepLog(); err != nil {
		t.Fatal(err)
	}
	if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() { _ = c.close() }
}

// A user's own tool that keeps the file locked is a reason with a name.
func TestLockedByAnotherProgram(t *testing.T) {
	j := openAt(t, t.TempDir())
	release := occupy(t, j)
	_, err := j.Append(t.Context(), delivery("x"), nil)
	if !errors.Is(err, ErrNotStored) || !strings.Contains(err.Error(), "locked") {
		t.Error(err)
	}
	release()
	if err := eventually("the problem is over", func() bool { return j.Problem() == "" }); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, delivery("x"))
}

// Locked already at the start: what was set meanwhile must not win over what
// the file knows.
func TestLockedAtTheStart(t *testing.T) {
	dir, path := made(t)
	c, err := connect(path, "?mode=rw")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, s := range []string{"PRAGMA locking_mode = EXCLUSIVE", "BEGIN IMMEDIATE"} {
		if _, err := c.exec(s); err != nil {
			t.Fatal(err)
		}
	}
	j := openAt(t, dir)
	if p := j.Problem(); p != "Nothing can be stored: another program keeps the journal locked." {
		t.Error(p)
	}
	for _, key := range []string{"token", "other"} {
		if err := j.Set(t.Context(), key, "blind"); !errors.Is(err, ErrNotStored) {
			t.Error(err)
		}
	}
	_ = c.close()
	if err := eventually("the problem is over", func() bool { return j.Problem() == "" }); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		token, _ := j.Setting("token")
		if other, _ := j.Setting("other"); token != "mine" || other != "blind" {
			t.Errorf("token %q, other %q", token, other)
		}
		if all := allEvents(t, j); len(all) != 500 {
			t.Errorf("%d events", len(all))
		}
		_ = j.Close()
		j = openAt(t, dir)
	}
}

// Many that come together share one commit.
func TestGroupCommit(t *testing.T) {
	j := openAt(t, t.TempDir())
	release := occupy(t, j)
	var group sync.WaitGroup
	const n = 100
	for i := range n {
		group.Go(func() {
			if _, err := j.Append(t.Context(), delivery("x"), []event.Event{window(fmt.Sprint(i), noon)}); err != nil {
				t.Error(err)
			}
		})
	}
	if err := eventually("all wait", func() bool { return j.Waiting() == n }); err != nil {
		t.Fatal(err)
	}
	release()
	group.Wait()
	if signals := len(j.Grown()); signals != 1 || j.Last() != n {
		t.Errorf("%d signals, last %d", signals, j.Last())
	}
	frames := walFrames(t, j)
	if frames > 3*n/2 { // each alone writes three pages
		t.Errorf("%d pages for %d appends", frames, n)
	}
}

func TestClose(t *testing.T) {
	j := openAt(t, t.TempDir())
	mustAppend(t, j, delivery("x"), window("a", noon))
	j.MarkMoments(AtRest, noon, 0, "m")
	var group sync.WaitGroup
	stored := make(chan int64, 64)
	for i := range 64 {
		group.Go(func() {
			s, err := j.Append(context.WithoutCancel(t.Context()), delivery("x"), []event.Event{window(fmt.Sprint(i), noon)})
			switch {
			case err == nil:
				stored <- s.Events[0].Seq
			case !errors.Is(err, ErrNotStored):
				t.Error(err)
			}
		})
	}
	if err := j.Close(); err != nil {
		t.Error(err)
	}
	group.Wait()
	close(stored)
	if err := j.Close(); err != nil {
		t.Error("twice:", err)
	}
	if _, err := j.Deliveries(t.Context(), Query{}); err == nil {
		t.Error("a closed journal answers")
	}
	j = openAt(t, j.dir)
	if got, err := j.Moment("m"); err != nil || got != AtRest {
		t.Error("a mark that waited is lost:", got, err)
	}
	have := map[int64]bool{}
	for _, e := range allEvents(t, j) {
		have[e.Seq] = true
	}
	for seq := range stored {
		if !have[seq] {
			t.Errorf("%d was acknowledged and is lost", seq)
		}
	}
}

func TestCloseStoresWhatWaits(t *testing.T) {
	j := openAt(t, t.TempDir())
	release := occupy(t, j)
	var group sync.WaitGroup
	start := func(i int) {
		group.Go(func() {
			if _, err := j.Append(t.Context(), delivery("x"), []event.Event{window(fmt.Sprint(i), noon)}); err != nil {
				t.Error(err)
			}
		})
	}
	const n = 50
	start(0)
	if err := eventually("one is being written", func() bool { return j.Waiting() == 1 && len(j.requests) == 0 }); err != nil {
		t.Fatal(err)
	}
	for i := range n {
		start(i + 1)
	}
	if err := eventually("the others are queued", func() bool { return len(j.requests) == n }); err != nil {
		t.Fatal(err)
	}
	closing := make(chan error)
	go func() { closing <- j.Close() }()
	<-j.closing
	release()
	if err := <-closing; err != nil {
		t.Error(err)
	}
	group.Wait()
}

func TestOneProcessADirectory(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	_, err := Open(dir, Options{Log: zerolog.Nop()})
	if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "another process uses it") {
		t.Error(err)
	}
	mustAppend(t, j, delivery("x"))
	_ = j.Close()
	openAt(t, dir)
}

func TestDirectoryThatCannotBeUsed(t *testing.T) {
	dir := t.TempDir()
	inTheWay := filepath.Join(dir, "file")
	if err := os.WriteFile(inTheWay, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	taken := filepath.Join(dir, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "journal.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{inTheWay, filepath.Join(inTheWay, "below"), taken} {
		_, err := Open(path, Options{Log: zerolog.Nop()})
		if err == nil || !strings.Contains(err.Error(), path+" cannot be used: ") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: %v", path, err)
		}
	}
}

func TestFilesAreNobodyElses(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a b?c#d%20", "data")
	j := openAt(t, dir)
	mustAppend(t, j, delivery("x"))
	if _, err := j.Deliveries(t.Context(), Query{}); err != nil {
		t.Error(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 4 {
		t.Error(entries, err)
	}
	for _, e := range entries {
		if info, err := e.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v", e.Name(), info.Mode())
		}
	}
}
