//go:build linux

package e2e

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// disk is a place for data that can be full, and have room again.
type disk struct {
	dir        string
	own        bool // a file system of its own, which can be full before the product starts
	fill, free func()
}

// smallDisk is a file system of its own where this machine lets us mount one; else the product may not make its files larger,
// which every machine can have, and at which it fails with another error.
func smallDisk(t *testing.T, r *rig) disk {
	t.Helper()
	dir := t.TempDir()
	filler := filepath.Join(dir, "filler")
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=8m")
	if err == nil {
		t.Cleanup(func() { must(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
		fill := func() {
			f, err := os.Create(filler)
			must(t, err)
			defer f.Close()
			for err == nil {
				_, err = f.Write(make([]byte, 4096))
			}
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
		}
		return disk{filepath.Join(dir, "data"), true, fill, func() { must(t, os.Remove(filler)) }}
	}
	t.Log("no file system can be mounted here, so files that cannot grow have to do:", err)
	grow := func(most uint64) func() { return func() { mayGrow(t, r.app.PID(), most) } }
	return disk{filepath.Join(dir, "data"), false, grow(4096), grow(1 << 40)}
}

// mayGrow sets how large a process may make its files.
func mayGrow(t *testing.T, pid int, most uint64) {
	t.Helper()
	var old syscall.Rlimit
	call := func(new, old *syscall.Rlimit) {
		_, _, errno := syscall.RawSyscall6(syscall.SYS_PRLIMIT64, uintptr(pid), syscall.RLIMIT_FSIZE, uintptr(unsafe.Pointer(new)), uintptr(unsafe.Pointer(old)), 0, 0)
		if errno != 0 {
			t.Fatal(errno)
		}
	}
	call(nil, &old)
	call(&syscall.Rlimit{Cur: min(most, old.Max), Max: old.Max}, nil)
}

// TestDiskIsFull: what is not on the disk is not acknowledged, everybody is told, and it goes on by itself when there is room.
func TestDiskIsFull(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	d := smallDisk(t, r)
	r.app.Env["DATA_DIR"], r.app.Data = d.dir, d.dir
	r.triggers(told)
	r.start(t)
	first := begin(few, deliver(simulator.InOrder))(t, r, time.Time{})
	r.says(t, 0, "started")
	kept := 1

	mark := r.mark(t)
	d.fill()
	post := func() int {
		status := r.repost(t, first)
		if status == http.StatusOK {
			kept++
		}
		return status
	}
	until(t, soon, "503", func() bool { return post() == http.StatusServiceUnavailable })
	m, err := r.air.Next(limit(t, soon), mark, whole(bridgeTopic, func(b bridge) bool { return b.Problem == "ON" && b.Text != nil }))
	must(t, err)
	t.Log(m.Payload)
	if page := r.page(t); !strings.Contains(page, *parse[bridge](t, m).Text) {
		t.Error("the page does not say it")
	}
	a, err := http.Get(r.app.Web + "/healthz")
	must(t, err)
	if a.Body.Close(); a.StatusCode != http.StatusOK {
		t.Error("a full disk is no illness:", a.Status)
	}
	for range 5 {
		if post() == http.StatusOK {
			t.Error("taken although the disk is full")
		}
	}

	mark = r.mark(t)
	d.free()
	_, err = r.air.Next(limit(t, soon), mark, whole(bridgeTopic, func(b bridge) bool { return b.Problem == "OFF" && b.Text == nil }))
	must(t, err)
	if post() != http.StatusOK {
		t.Error("not taken although there is room")
	}
	end(0, deliver(simulator.InOrder))(t, r, first)
	kept++
	r.says(t, 0, "ended")
	r.only(t, 0, "started", "ended")
	n := 0
	openLedger(t, r).deliveries(t, 0, func(_, _, _, _ string) { n++ })
	if n != kept {
		t.Errorf("%d deliveries are kept, and %d were acknowledged", n, kept)
	}
}

// repost tells a start again, at length, and returns the status: 200 or 503.
func (r *rig) repost(t *testing.T, start time.Time) int {
	t.Helper()
	body := append([]byte(`{"start_time":"`+start.Format(time.RFC3339)+`"}`), bytes.Repeat([]byte(" "), 60<<10)...)
	status, answer, err := r.app.Post(limit(t, soon), hookPath(simulator.Started), "", body)
	if must(t, err); answer != "" || status != http.StatusOK && status != http.StatusServiceUnavailable {
		t.Errorf("%d %q", status, answer)
	}
	return status
}

// TestDiskIsFullAtTheStart: it runs all the same, and shows what it knows.
func TestDiskIsFullAtTheStart(t *testing.T) {
	t.Parallel()
	r := openRig(t, believing())
	d := smallDisk(t, r)
	if !d.own {
		t.Log("nothing can be full here before the product starts; the journal's own tests have to do")
		return
	}
	r.app.Env["DATA_DIR"], r.app.Data = d.dir, d.dir
	r.triggers(told)
	d.fill()
	r.start(t)
	problem := func(mark int, word string) {
		t.Helper()
		_, err := r.air.Next(limit(t, soon), mark, whole(bridgeTopic, func(b bridge) bool { return b.Problem == word }))
		must(t, err)
	}
	problem(0, "ON")
	status, _, err := r.app.Post(limit(t, soon), hookPath(simulator.Started), "", nil)
	if must(t, err); status != http.StatusServiceUnavailable {
		t.Error(status)
	}
	mark := r.mark(t)
	d.free()
	problem(mark, "OFF")
	first := begin(few, deliver(simulator.InOrder))(t, r, time.Time{})
	r.says(t, 0, "started")

	d.fill()
	must(t, r.app.Stop())
	mark = r.mark(t)
	r.start(t)
	until(t, soon, "503", func() bool { return r.repost(t, first) == http.StatusServiceUnavailable })
	problem(mark, "ON")
	for _, m := range observer.Pick(r.air.Since(mark), observer.On(stateTopic)) {
		if !isOn(parse[equivents](t, m)) {
			t.Errorf("what ran is forgotten: %s", m.Payload)
		}
	}
	d.free()
	problem(mark, "OFF")
	end(0, deliver(simulator.InOrder))(t, r, time.Time{})
	r.says(t, 0, "ended")
	r.only(t, 0, "started", "ended")
}
