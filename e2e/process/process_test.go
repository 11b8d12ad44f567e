package process_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/process"
)

func start(t *testing.T, script string) *process.Process {
	t.Helper()
	p, err := process.Start("shell", exec.Command("sh", "-c", script))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

func TestEnds(t *testing.T) {
	t.Parallel()
	ready := filepath.Join(t.TempDir(), "ready")
	there := func() bool { _, err := os.Stat(ready); return err == nil }
	p := start(t, `trap 'exit 7' TERM; : >`+ready+`; while :; do read x </dev/null || sleep 0.01; done`)
	if err := p.Until(t.Context(), "ready", there); err != nil {
		t.Fatal(err)
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := p.Wait(short); err == nil {
		t.Error("it has ended")
	}
	if code, err := p.Stop(10 * time.Second); code != 7 || err != nil {
		t.Error(code, err)
	}
	if code, err := p.Wait(t.Context()); code != 7 || err != nil {
		t.Error(code, err)
	}
}

func TestStubbornIsKilled(t *testing.T) {
	t.Parallel()
	ready := filepath.Join(t.TempDir(), "ready")
	p := start(t, `trap '' TERM; : >`+ready+`; while :; do sleep 0.01; done`)
	if err := p.Until(t.Context(), "ready", func() bool { _, err := os.Stat(ready); return err == nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := p.Stop(100 * time.Millisecond); err == nil || !strings.Contains(err.Error(), "did not stop within 100ms") {
		t.Error(err)
	}
	if code, err := p.Wait(t.Context()); code != -1 || err != nil {
		t.Error(code, err)
	}
}

func TestUntilSeesTheEnd(t *testing.T) {
	t.Parallel()
	err := start(t, "exit 4").Until(t.Context(), "up", func() bool { return false })
	if err == nil || err.Error() != "shell: ended (exit status 4) before it was up" {
		t.Error(err)
	}
}
