// Command grid2mqtt turns what energy vendors say into what Home Assistant
// knows. Without arguments it runs; "check" looks at every step of the set-up,
// "healthcheck" asks a running one whether its loops turn, "hooks" manages our
// webhooks at the vendors, "leave" takes all that is ours off the broker,
// "version" prints the version.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/grid2mqtt/grid2mqtt/addon"
	"github.com/grid2mqtt/grid2mqtt/pkg/app"
	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
)

// version is set by the build.
var version = "dev"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], environ(os.Environ()), os.Stdout, os.Stderr))
}

// run is the whole program; it returns the exit code: 0 after a stop, 1 for an
// unhealthy or unknown answer, a broken set-up and where it could not leave or manage webhooks,
// 2 for what cannot be used.
func run(ctx context.Context, args []string, env map[string]string, stdout, stderr io.Writer) int {
	host := app.Host{Version: version}
	if addon.Running(env) {
		env, host = underSupervisor(env, host)
	}
	command := ""
	if len(args) > 0 {
		command = args[0]
	}
	err, code := error(nil), 2
	switch command {
	case "":
		host.PageURL = pageURL(ctx, env)
		err = app.Run(ctx, env, stdout, host)
	case "check":
		err = app.Check(ctx, env, stdout, host)
	case "healthcheck":
		err, code = healthcheck(ctx, env["WEB_ADDR"]), 1
	case "hooks":
		err = app.Hooks(ctx, args[1:], env, stdout, host)
	case "leave":
		err = app.Leave(ctx, env, stdout, host)
	case "version":
		fmt.Fprintln(stdout, version)
	default:
		err = fmt.Errorf("%q is no command: run it without one, or with check, healthcheck, hooks, leave or version", command)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "grid2mqtt:", err)
	if errors.Is(err, app.ErrNotDone) || errors.Is(err, app.ErrBroken) || errors.Is(err, app.ErrNotLeft) {
		return 1
	}
	return code
}

// underSupervisor reads the app's options, and knows whom to ask for the broker.
func underSupervisor(env map[string]string, host app.Host) (map[string]string, app.Host) {
	env, err := addon.Environ(env, addon.OptionsFile)
	if err != nil {
		host.Problem = bare(err).Error()
	}
	supervisor := addon.Supervisor{Token: env["SUPERVISOR_TOKEN"]}
	host.Stay, host.Allowed = true, addon.Allowed
	host.Broker = func(ctx context.Context) (homeassistant.Broker, error) {
		b, err := supervisor.MQTT(ctx)
		if err != nil {
			return homeassistant.Broker{}, bare(err)
		}
		return homeassistant.Broker{URL: b.URL, Username: b.Username, Password: b.Password}, nil
	}
	return env, host
}

// bare is an error as it stands on the page, without the room that it is from.
func bare(err error) error { return errors.New(strings.TrimPrefix(err.Error(), "addon: ")) }

// pageURL is how Home Assistant links to the page; empty where nobody says.
func pageURL(ctx context.Context, env map[string]string) string {
	if !addon.Running(env) {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	at, _ := addon.Supervisor{Token: env["SUPERVISOR_TOKEN"]}.PageURL(ctx)
	return at
}

// healthcheck asks the page of a running Grid2MQTT, for a container's HEALTHCHECK.
func healthcheck(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+app.Local(addr)+"/healthz", nil)
	if err != nil {
		return err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("not healthy: %s", answer.Status)
	}
	return nil
}

func environ(list []string) map[string]string {
	m := make(map[string]string, len(list))
	for _, kv := range list {
		if k, v, ok := strings.Cut(kv, "="); ok {
			m[k] = v
		}
	}
	return m
}
