// Package product builds the program as it is shipped and runs it as a household does: with an environment, on free ports, and
// with a folder for its data.
package product

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// Binary is a built program.
type Binary struct{ path string }

// Build compiles cmd/grid2mqtt of the module above e2e into a folder, with its own dependencies and not those of e2e. Tests
// that run with the race detector get a program that has it too: a race makes it exit with 66.
func Build(ctx context.Context, dir string) (Binary, error) {
	root, err := module()
	if err != nil {
		return Binary{}, err
	}
	return build(ctx, root, "./cmd/grid2mqtt", filepath.Join(dir, "grid2mqtt"))
}

func build(ctx context.Context, root, pkg, out string) (Binary, error) {
	args := []string{"build", "-C", root, "-o", out}
	if raceDetector {
		args = append(args, "-race")
	}
	text, err := exec.CommandContext(ctx, "go", append(args, pkg)...).CombinedOutput()
	if err != nil {
		return Binary{}, fmt.Errorf("product: go build %s: %w\n%s", pkg, err, text)
	}
	return Binary{path: out}, nil
}

// module is the folder of the product's module, above that of the tests.
func module() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("product: %w", err)
	}
	for ; dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "e2e", "go.mod")); err == nil {
			return dir, nil
		}
	}
	return "", errors.New("product: the tests do not run inside the repository")
}
