package journal

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// walFrames is how many pages the write-ahead log holds.
func walFrames(t *testing.T, j *Journal) (frames int64) {
	t.Helper()
	c, err := connect(file(j), "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	row, err := c.first("PRAGMA wal_checkpoint(NOOP)")
	if err != nil {
		t.Fatal(err)
	}
	frames, _ = row[1].(int64)
	return frames
}

// A setting on an SD card costs one page, and nothing where nothing changes.
func TestIdleWritesAreSmall(t *testing.T) {
	j := openAt(t, t.TempDir())
	if err := j.Set(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	poll := event.Delivery{Received: noon, Source: "equiwatt", Via: event.ViaPoll, Body: []byte("{}")}
	mustAppend(t, j, poll, window("a", noon))
	before := walFrames(t, j)
	if err := j.Set(t.Context(), "a", "2"); err != nil {
		t.Fatal(err)
	}
	if n := walFrames(t, j) - before; n != 1 {
		t.Errorf("a setting takes %d pages", n)
	}
	for range 10 {
		mustAppend(t, j, poll, window("a", noon))
		if err := j.Set(t.Context(), "a", "2"); err != nil {
			t.Fatal(err)
		}
	}
	if n := walFrames(t, j) - before; n != 1 {
		t.Errorf("nothing new takes %d pages", n-1)
	}
}

// The log stays within its bounds and at its size, and what is in it gets into
// the file.
func TestLogIsBounded(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	if info, err := os.Stat(file(j) + "-wal"); err != nil || info.Size() != logSize {
		t.Errorf("the first syncs are slow ones: %v %v", info.Size(), err)
	}
	for i := range 1500 {
		mustAppend(t, j, delivery(strings.Repeat("x", 3000)), window(fmt.Sprint(i), noon))
	}
	info, err := os.Stat(file(j) + "-wal")
	if err != nil || info.Size() > 2*logSize {
		t.Errorf("%v %v", info.Size(), err)
	}
	_ = j.Close()
	if info, err := os.Stat(filepath.Join(dir, "journal.db-wal")); err != nil || info.Size() < logSize {
		t.Errorf("the log does not keep its size: %v", err)
	}
	j = openAt(t, dir)
	if all := allEvents(t, j); len(all) != 1500 {
		t.Errorf("%d events", len(all))
	}
}

// Nor do short lives make it grow.
func TestLogIsBoundedOverRestarts(t *testing.T) {
	dir := t.TempDir()
	for life := range 12 {
		j := openAt(t, dir)
		for i := range 5 {
			mustAppend(t, j, delivery(strings.Repeat("x", 200_000)), window(fmt.Sprint(life, i), noon))
		}
		_ = j.Close()
	}
	if info, err := os.Stat(filepath.Join(dir, "journal.db-wal")); err != nil || info.Size() > 2*logSize {
		t.Errorf("%d bytes: %v", info.Size(), err)
	}
}

func TestSyncsEveryCommit(t *testing.T) {
	dir := t.TempDir()
	_ = openAt(t, dir).Close()
	c, err := openFile(filepath.Join(dir, "journal.db"), migrations())
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	mode, err := c.first("PRAGMA journal_mode")
	if err != nil || mode[0] != "wal" {
		t.Error(mode, err)
	}
	const isFull = 2
	if sync, err := c.number("PRAGMA synchronous"); err != nil || sync != isFull {
		t.Error(sync, err)
	}
}
