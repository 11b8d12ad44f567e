package hass

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grid2mqtt/grid2mqtt/e2e/debian"
)

func TestMissingIsOneLine(t *testing.T) {
	bin, cache := t.TempDir(), t.TempDir()
	for _, name := range []string{"env", "bash", "cat", "dirname", "cksum", "cut", "id"} {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(path, filepath.Join(bin, name)); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", bin)
	t.Setenv("E2E_CACHE", cache)
	_, err := Open(t.Context(), Options{})
	if !errors.Is(err, debian.ErrMissing) || strings.Contains(err.Error(), "\n") || !strings.HasSuffix(err.Error(), "needs python3.14 on PATH, or root on Debian") {
		t.Error(err)
	}
	if left, _ := os.ReadDir(cache); len(left) > 0 {
		t.Error("it left", left)
	}
}
