//go:build linux

package e2e

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// TestPollsThatSayNothingNewWriteNothing: an SD card wears out.
func TestPollsThatSayNothingNewWriteNothing(t *testing.T) {
	t.Parallel()
	env := confirming()
	env["DATA_DIR"] = onDisk(t)
	r := openRig(t, env)
	r.app.Data = env["DATA_DIR"]
	r.cloud.Past(time.Now().Add(-3*time.Hour), time.Now().Add(-2*time.Hour))
	r.triggers("")
	r.start(t)
	for range 6 { // its first minute
		r.polled(t)
	}
	written := r.written(t)
	for n := range 4 {
		r.polled(t)
		if now := r.written(t); now != written {
			t.Errorf("poll %d wrote %d bytes", n, now-written)
			written = now
		}
	}
	r.post(t, simulator.Started, "")
	if r.written(t) == written {
		t.Errorf("nothing that is written to %s is counted, so nothing is shown", r.app.Data)
	}
}

// written is how many bytes the product has caused to be written to a disk.
func (r *rig) written(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/io", r.app.PID()))
	must(t, err)
	for line := range strings.Lines(string(text)) {
		if n, ok := strings.CutPrefix(line, "write_bytes: "); ok {
			bytes, err := strconv.ParseInt(strings.TrimSpace(n), 10, 64)
			must(t, err)
			return bytes
		}
	}
	t.Fatalf("no write_bytes: %s", text)
	return 0
}

// onDisk is a folder that is not in memory, as /tmp is on many machines: the first of some whose file system is none of these.
func onDisk(t *testing.T) string {
	t.Helper()
	const tmpfs = 0x01021994
	cache, _ := os.UserCacheDir()
	var tried []error
	for _, dir := range []string{os.TempDir(), "/var/tmp", cache, "."} {
		var fs syscall.Statfs_t
		err := syscall.Statfs(dir, &fs)
		if err == nil && fs.Type != tmpfs {
			dir, err = filepath.Abs(dir)
			must(t, err)
			found, err := os.MkdirTemp(dir, "grid2mqtt-")
			must(t, err)
			t.Cleanup(func() { must(t, os.RemoveAll(found)) })
			return found
		}
		tried = append(tried, err)
	}
	t.Fatal("no folder is on a disk:", errors.Join(tried...))
	return ""
}
