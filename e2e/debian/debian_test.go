package debian

import (
	"errors"
	"strings"
	"testing"
)

func TestProgramIsFound(t *testing.T) {
	path, err := Program(t.Context(), "dash", "there-is-no-such-shell", "/bin/sh")
	if err != nil || path != "/bin/sh" {
		t.Errorf("%q, %v", path, err)
	}
}

func TestMissingIsOneLine(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := Program(t.Context(), "mosquitto", "mosquitto")
	if !errors.Is(err, ErrMissing) || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "mosquitto is missing") {
		t.Error(err)
	}
}
