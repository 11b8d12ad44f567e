package hass

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/grid2mqtt/grid2mqtt/e2e/debian"
)

const cannot = 3 // exit code of provision.sh where this machine cannot have a Home Assistant

// provision returns the path of a hass that is ready to run.
func provision(ctx context.Context) (string, error) {
	script, err := findScript()
	if err != nil {
		return "", err
	}
	var said strings.Builder
	cmd := exec.CommandContext(ctx, script)
	cmd.Stderr = &said
	out, err := cmd.Output()
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit) && exit.ExitCode() == cannot:
		reason := strings.TrimPrefix(tail(said.String(), 1), "provision: ")
		return "", fmt.Errorf("hass: %w", missing(reason))
	case err != nil:
		return "", fmt.Errorf("hass: %s: %w\n%s", filepath.Base(script), err, tail(said.String(), 20))
	}
	return tail(string(out), 1), nil
}

// missing is debian.ErrMissing in the script's words.
type missing string

func (m missing) Error() string        { return string(m) }
func (m missing) Is(target error) bool { return target == debian.ErrMissing }

// findScript looks upwards from where a test runs, which is the folder of its package.
func findScript() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("hass: %w", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		script := filepath.Join(dir, "provision.sh")
		if _, err := os.Stat(script); err == nil {
			return script, nil
		}
	}
	return "", errors.New("hass: no provision.sh in the working directory or above")
}
