package e2e

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/product"
)

// together is how many parallel tests run at once where the command line does not say. They wait for timers most of the time,
// so that the number of processors is no measure.
const together = "14"

func TestMain(m *testing.M) {
	flag.Parse()
	set := false
	flag.Visit(func(f *flag.Flag) { set = set || f.Name == "test.parallel" })
	if !set {
		if err := flag.Set("test.parallel", together); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
	}
	code := m.Run()
	os.RemoveAll(buildDir())
	os.Exit(code)
}

func buildDir() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("grid2mqtt-build-%d", os.Getpid()))
}

// build compiles the product once for all tests. The first build of a fresh clone compiles SQLite.
var build = sync.OnceValues(func() (product.Binary, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 8*time.Minute)
	defer cancel()
	if err := os.MkdirAll(buildDir(), 0o700); err != nil {
		return product.Binary{}, err
	}
	return product.Build(ctx, buildDir())
})
