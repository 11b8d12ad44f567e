// Package debian finds a program on this machine and installs Debian's package where it is missing.
package debian

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// ErrMissing says that something is neither here nor can be installed.
var ErrMissing = errors.New("is missing, and only root on Debian can install it")

// Program returns the path of the first of these programs that is there, after installing the package where none is. A name
// with a slash is a path: sbin is not on everybody's PATH. The error is ErrMissing where it cannot be installed.
func Program(ctx context.Context, pkg string, names ...string) (string, error) {
	if path := find(names); path != "" {
		return path, nil
	}
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", fmt.Errorf("debian: %s %w", pkg, ErrMissing)
	}
	if err := install(ctx, pkg); err != nil {
		return "", fmt.Errorf("debian: install %s: %w", pkg, err)
	}
	if path := find(names); path != "" {
		return path, nil
	}
	return "", fmt.Errorf("debian: %s is installed, but there is no %s", pkg, strings.Join(names, ", "))
}

func find(names []string) string {
	for _, name := range names {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

// install asks for the newest lists only if the package is not to be had without: a fresh image has none.
func install(ctx context.Context, pkg string) error {
	args := []string{"install", "-y", "-qq", "--no-install-recommends", "-o", "DPkg::Lock::Timeout=300", pkg}
	if apt(ctx, args...) == nil {
		return nil
	}
	if err := apt(ctx, "update", "-qq"); err != nil {
		return err
	}
	return apt(ctx, args...)
}

func apt(ctx context.Context, args ...string) error {
	cmd := exec.CommandContext(ctx, "apt-get", args...)
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("apt-get %s: %w\n%s", args[0], err, out)
	}
	return nil
}
