package app

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/VictoriaMetrics/metrics"

	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
)

// ErrNotLeft says that something of ours may still be on the broker.
var ErrNotLeft = errors.New("nothing is certain to be cleared")

// depart is the same for an app that runs on, and keeps away from the broker.
func (a *App) depart(ctx context.Context) ([]string, error) {
	n, where, err := a.publisher.Depart(ctx)
	if err != nil {
		return nil, err
	}
	return []string{fmt.Sprintf("%d retained topics were cleared on the MQTT broker %s. Webhooks and answers are still kept.", n, where)}, nil
}

// Leave clears every retained topic that the app of this configuration ever
// made, and says so in one line on stdout. The app must not be running.
// Another error than ErrNotLeft is a configuration that cannot be used.
func Leave(ctx context.Context, environ map[string]string, stdout io.Writer, host Host) error {
	c, err := load(environ)
	if err != nil {
		return err
	}
	if host.Problem != "" {
		return errors.New(host.Problem)
	}
	a := &App{config: c, host: host, metrics: metrics.NewSet(), clock: &intake.Clock{}}
	a.log = newLog(io.Discard, c)
	a.journal, err = journal.Open(c.DataDir, journal.Options{Log: a.log, Retention: c.Retention, Now: a.clock.Now})
	switch {
	case errors.Is(err, journal.ErrInUse):
		return fmt.Errorf("%w: Grid2MQTT is running on %s, stop it first", ErrNotLeft, c.DataDir)
	case err != nil:
		return fmt.Errorf("DATA_DIR: %w", err)
	}
	defer a.journal.Close()
	a.house = &house{journal: a.journal, clock: a.clock}
	n, where, err := a.newPublisher(ctx).Leave(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrNotLeft, err)
	}
	said := fmt.Sprintf("cleared %d retained topics", n)
	if n == 0 {
		said = fmt.Sprintf("%s remembers nothing to clear", c.DataDir)
	}
	_, err = fmt.Fprintf(stdout, "grid2mqtt: %s on the MQTT broker %s\n", said, where)
	return err
}
