//go:build linux

package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// A disk that is full, in a process of its own: a file system of 8 MiB where
// this machine lets us mount one, and a limit on the size of files, which
// every machine has, where writes fail with another error.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	t.Run("limit", func(t *testing.T) {
		t.Parallel()
		if out, err := child("limit", t.TempDir()).Output(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
	t.Run("mount", func(t *testing.T) {
		t.Parallel()
		c := child("mount", t.TempDir())
		c.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNS}
		if os.Getuid() != 0 {
			c.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
			c.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			c.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
		out, err := c.Output()
		switch {
		case strings.Contains(string(out), cannotMount), errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
			t.Logf("no file system can be mounted here, so the limit has to do: %v %s", err, out)
		case err != nil:
			t.Errorf("%v\n%s", err, out)
		}
	})
}

const cannotMount = "cannot mount"

// disk can be made full, and have room again.
type disk struct{ squeeze, release func() error }

func fullChild(role, dir string) int {
	d := limited()
	if role == "mount" {
		// Private first: the mount must not show outside.
		err := syscall.Mount("", "/", "", syscall.MS_PRIVATE|syscall.MS_REC, "")
		if err == nil {
			err = syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m")
		}
		if err != nil {
			fmt.Println(cannotMount, err)
			return 1
		}
		d = filling(filepath.Join(dir, "filler"))
	}
	if err := outliveFullDisk(filepath.Join(dir, "data"), d, role == "mount"); err != nil {
		fmt.Println(err)
		return 1
	}
	return 0
}

// limited: no file may grow beyond 4 KiB.
func limited() disk {
	signal.Ignore(syscall.SIGXFSZ)
	set := func(n uint64) func() error {
		return func() error {
			old := syscall.Rlimit{}
			if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &old); err != nil {
				return err
			}
			return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: n, Max: old.Max})
		}
	}
	return disk{squeeze: set(4096), release: set(1 << 40)}
}

func filling(path string) disk {
	return disk{
		squeeze: func() error {
			f, err := os.Create(path)
			if err != nil {
				return err
			}
			defer f.Close()
			for err == nil {
				_, err = f.Write(make([]byte, 4096))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				return err
			}
			return nil
		},
		release: func() error { return os.Remove(path) },
	}
}

func outliveFullDisk(dir string, d disk, isFull bool) error {
	for _, step := range []struct {
		name string
		run  func(string, disk, bool) error
	}{
		{"full from the start", fullFromTheStart},
		{"full while running", fullWhileRunning},
		{"full at a restart", fullAtRestart},
	} {
		if err := step.run(filepath.Join(dir, strings.ReplaceAll(step.name, " ", "_")), d, isFull); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

// SQLite keeps a file open as long as one statement of a closed connection is.
func TestCloseLetsGoOfFiles(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	mustAppend(t, j, delivery("x"), window("a", noon))
	if _, err := j.Deliveries(t.Context(), Query{}); err != nil {
		t.Fatal(err)
	}
	if _, err := j.Moment("m"); err != nil {
		t.Fatal(err)
	}
	if n := handles(t, dir); n < 4 {
		t.Errorf("%d open files before", n)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if n := handles(t, dir); n != 0 {
		t.Errorf("%d files are still open", n)
	}
}

func handles(t *testing.T, dir string) (n int) {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && strings.HasPrefix(target, dir) {
			n++
		}
	}
	return n
}

func appendBig(j *Journal) error {
	d := event.Delivery{Received: noon, Source: "equiwatt", Via: event.ViaHTTP, Body: []byte(strings.Repeat("x", 60_000))}
	_, err := j.Append(context.Background(), d, []event.Event{window("a", noon)})
	return err
}

func refused(j *Journal, err error, isFull bool) error {
	if !errors.Is(err, ErrNotStored) {
		return fmt.Errorf("append: %w", err)
	}
	if isFull && j.Problem() != "Nothing can be stored: the disk is full." || !strings.HasPrefix(j.Problem(), "Nothing can be stored: ") {
		return fmt.Errorf("problem: %q", j.Problem())
	}
	return nil
}

func recovers(j *Journal) error {
	if err := eventually("the problem is over", func() bool { return j.Problem() == "" }); err != nil {
		return fmt.Errorf("%w: %s", err, j.Problem())
	}
	select {
	case <-j.Grown():
	default:
		return errors.New("nobody was told")
	}
	return appendBig(j)
}

func fullFromTheStart(dir string, d disk, isFull bool) error {
	if err := d.squeeze(); err != nil {
		return err
	}
	j, err := Open(dir, Options{Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer j.Close()
	if err := refused(j, appendBig(j), isFull); err != nil {
		return err
	}
	if err := j.Set(context.Background(), "token", "mine"); !errors.Is(err, ErrNotStored) {
		return fmt.Errorf("set: %w", err)
	}
	if events, err := j.Events(0, 10); len(events) > 0 || err != nil {
		return fmt.Errorf("events: %v %w", events, err)
	}
	changed(j)
	if err := d.release(); err != nil {
		return err
	}
	if err := recovers(j); err != nil {
		return err
	}
	return reopened(j, 1)
}

func fullWhileRunning(dir string, d disk, isFull bool) error {
	j, err := Open(dir, Options{Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer j.Close()
	if err := appendBig(j); err != nil {
		return err
	}
	if err := d.squeeze(); err != nil {
		return err
	}
	stored := int64(1)
	for err = nil; err == nil; stored++ { // what room the log still has is used
		err = appendBig(j)
	}
	if err := refused(j, err, isFull); err != nil {
		return err
	}
	_ = j.Set(context.Background(), "token", "mine")
	if list, err := j.Deliveries(context.Background(), Query{Limit: 1}); len(list) != 1 || err != nil {
		return fmt.Errorf("reading: %w", err)
	}
	changed(j)
	if isFull {
		select {
		case <-j.Grown():
			return fmt.Errorf("while the disk is still full: %q", j.Problem())
		case <-time.After(2*probeEvery + probeEvery/2):
		}
	}
	if err := d.release(); err != nil {
		return err
	}
	if err := recovers(j); err != nil {
		return err
	}
	return reopened(j, stored)
}

// The hook token and the past must be there, although the files that SQLite
// makes at each start do not fit.
func fullAtRestart(dir string, d disk, isFull bool) error {
	j, err := Open(dir, Options{Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	if err := j.Set(context.Background(), "token", "mine"); err != nil {
		return err
	}
	if err := appendBig(j); err != nil {
		return err
	}
	j.MarkMoments(AtRest, noon, 0, "m")
	if err := j.Close(); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, "journal.db-shm")); err != nil {
		return err
	}
	if err := d.squeeze(); err != nil {
		return err
	}
	if j, err = Open(dir, Options{Log: zerolog.Nop()}); err != nil {
		return err
	}
	defer j.Close()
	if token, _ := j.Setting("token"); token != "mine" {
		return fmt.Errorf("token %q; %s", token, j.Problem())
	}
	if m, err := j.Moment("m"); m != AtRest || err != nil {
		return fmt.Errorf("moment: %v %w", m, err)
	}
	for err = nil; err == nil; {
		err = appendBig(j)
	}
	if err := refused(j, err, isFull); err != nil {
		return err
	}
	changed(j)
	if err := d.release(); err != nil {
		return err
	}
	if err := recovers(j); err != nil {
		return err
	}
	if events, err := j.Events(0, 10); len(events) != 1 || err != nil {
		return fmt.Errorf("the past: %v %w", events, err)
	}
	return nil
}

// reopened checks what must be there after a restart.
func reopened(j *Journal, deliveries int64) error {
	if err := j.Close(); err != nil {
		return err
	}
	j, err := Open(j.dir, Options{Log: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer j.Close()
	if token, _ := j.Setting("token"); token != "mine" {
		return fmt.Errorf("after a restart: token %q", token)
	}
	list, err := j.Deliveries(context.Background(), Query{Limit: 1})
	if err != nil || len(list) != 1 || list[0].ID != deliveries {
		return fmt.Errorf("after a restart: %d deliveries, want %d: %v", len(list), deliveries, err)
	}
	return nil
}
