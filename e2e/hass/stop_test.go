package hass

import (
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/process"
)

func TestStopDoesNotWaitForLingeringThreads(t *testing.T) {
	t.Parallel()
	h := &Instance{dir: t.TempDir()}
	out, err := os.Create(h.logPath())
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.Command("sh", "-c", `trap 'echo "Found 3 non-daemonic threads."' TERM; echo up; while :; do sleep 0.05; done`)
	cmd.Stdout = out
	if h.running, err = process.Start("hass", cmd); err != nil {
		t.Fatal(err)
	}
	if err := h.running.Until(t.Context(), "up", func() bool { return h.LogSize() > 0 }); err != nil {
		t.Fatal(err)
	}
	began, p := time.Now(), h.running
	if err := h.Stop(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Minute || !p.Ended(time.Second) {
		t.Errorf("stopped after %v", took)
	}
}
