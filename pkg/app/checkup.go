package app

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/grid2mqtt/grid2mqtt/pkg/homeassistant"
	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// ErrBroken says that a step of the set-up is broken.
var ErrBroken = errors.New("something is broken")

// errNobody says that no Grid2MQTT runs where one would be.
var errNobody = errors.New("nobody is there")

// Check is the command "grid2mqtt check": it prints a line for each step of the
// set-up. A Grid2MQTT that runs on this machine is asked to look; where none
// does, this process looks at what can be seen without one. The error is
// ErrBroken with the first broken step, or why the running one did not answer.
func Check(ctx context.Context, environ map[string]string, stdout io.Writer, host Host) error {
	c, bad := load(environ)
	if bad == nil && host.Problem != "" {
		bad = errors.New(host.Problem)
	}
	steps, err := askRunning(ctx, Local(c.WebAddr))
	if errors.Is(err, errNobody) {
		fmt.Fprintln(stdout, "Grid2MQTT does not run here, so this is only what can be seen without it.")
		steps, err = lookAlone(ctx, c, bad, host), nil
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	for _, s := range steps {
		fmt.Fprintln(stdout, s.Line())
	}
	if s, broken := web.FirstFailed(steps); broken {
		return fmt.Errorf("%w: %s", ErrBroken, s.Name)
	}
	return nil
}

// askRunning asks the Grid2MQTT whose page is at addr.
func askRunning(ctx context.Context, addr string) (steps []web.Step, err error) {
	ctx, cancel := context.WithTimeout(ctx, inspectWithin+5*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+addr+"/check", nil)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Accept", "application/json")
	answer, err := http.DefaultClient.Do(r)
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return nil, errNobody
	case err != nil:
		return nil, fmt.Errorf("what listens at %s does not answer: %w", addr, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK || json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(&steps) != nil || len(steps) == 0 {
		return nil, fmt.Errorf("what listens at %s is no Grid2MQTT that can be checked (HTTP status %d)", addr, answer.StatusCode)
	}
	return steps, nil
}

// lookAlone looks at what can be seen while no Grid2MQTT runs.
func lookAlone(ctx context.Context, c Config, bad error, host Host) []web.Step {
	if bad != nil {
		return []web.Step{unusable(bad)}
	}
	a := &App{config: c, host: host, metrics: metrics.NewSet(), clock: &intake.Clock{}, table: c.sources()}
	a.log = newLog(io.Discard, c)
	a.sort()
	list := []web.Step{a.configured()}
	h := homeassistant.Health{Tried: true}
	p := homeassistant.Publisher{ClientID: "grid2mqtt-check-" + hex.EncodeToString(noise(4)), Broker: a.broker()}
	if err := p.Try(ctx); err != nil {
		h.Trouble, h.Refused = err.Error(), homeassistant.Refuses(err)
	}
	list = append(list, reached(h), letIn(h))
	late := "Only a running Grid2MQTT can tell."
	for _, s := range []web.Step{
		{Name: stepJournal, Title: stored}, {Name: stepBirth, Title: awake}, {Name: stepDiscovery, Title: readable},
		{Name: stepClock, Title: punctual}, {Name: stepListener, Title: listens}, {Name: stepPublic, Title: inReach},
	} {
		s.State, s.Reason = web.Skipped, late
		list = append(list, s)
	}
	for _, s := range a.sources {
		list = append(list, web.Step{Name: s.name, Title: s.title + "'s cloud answers", State: web.Skipped, Reason: late})
	}
	return list
}
