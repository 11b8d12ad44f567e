package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
)

// ErrNotDone says that not all is as it should be at a vendor.
var ErrNotDone = errors.New("not all is done")

// errands are what can be done about webhooks.
const errands = "list, check, register, remove, test"

// patience is how long all of one source's errand may take, its wait for a test
// webhook left out.
const patience = 2 * time.Minute

// arrival is how long a test webhook may take where the vendor's room does not
// know better.
const arrival = 30 * time.Second

// memory is what a source remembers in the journal's settings.
type memory struct {
	get func(key string) (string, bool)
	set func(key, value string)
}

// Hooks is the command "grid2mqtt hooks": args are what to do, the source (none:
// all that are on), and for register settings like limit=2000. It prints a line
// for each thing found or done. It may run beside the app of this
// configuration: it only reads the journal. The error is ErrNotDone where not
// all is as it should be, else one line about what cannot be understood.
func Hooks(ctx context.Context, args []string, environ map[string]string, stdout io.Writer, host Host) error {
	what, name, settings, err := understood(args)
	if err != nil {
		return err
	}
	c, err := load(environ)
	switch {
	case err != nil:
		return err
	case host.Problem != "":
		return errors.New(host.Problem)
	}
	a := &App{config: c, host: host, metrics: metrics.NewSet(), clock: &intake.Clock{}, table: c.sources()}
	a.log = newLog(io.Discard, c)
	m := memory{get: func(string) (string, bool) { return "", false }, set: func(string, string) {}}
	g, err := journal.Look(c.DataDir)
	if err == nil {
		defer g.Close()
		m.get = func(key string) (string, bool) {
			v, ok, _ := g.Setting(key) // unreadable is not known
			return v, ok
		}
	}
	if a.secrets.newest = c.HookToken; c.HookToken == "" {
		kept, _ := m.get(oldTokenKey)
		newest, _ := m.get(tokenKey)
		a.secrets.load(newest, kept)
	}
	if a.secrets.newest == "" {
		return fmt.Errorf("%w: HOOK_TOKEN is not set, and Grid2MQTT has not made one yet: start it first (%w)", ErrNotDone, err)
	}
	for _, s := range a.table {
		if s.poll != nil {
			s.poll.limit.Pace, s.poll.limit.Save = s.poll.interval, func(string) {}
			text, _ := m.get(s.name + ".limit")
			s.poll.limit.Load(text, time.Now())
		}
	}
	lines, err := a.errand(ctx, what, name, settings, m)
	for _, line := range lines {
		fmt.Fprintln(stdout, line)
	}
	return err
}

// understood reads the arguments of the command.
func understood(args []string) (what, name string, settings map[string]string, err error) {
	if len(args) == 0 || !slices.Contains(strings.Split(errands, ", "), args[0]) {
		return "", "", nil, fmt.Errorf("hooks wants one of %s, and then a source if it is not for all", errands)
	}
	what, args = args[0], args[1:]
	settings = map[string]string{}
	for i, arg := range args {
		key, value, setting := strings.Cut(arg, "=")
		switch {
		case setting && what == "register" && name != "":
			settings[key] = value
		case i == 0 && !setting:
			name = arg
		default:
			return "", "", nil, fmt.Errorf("hooks %s: %q is too much: it takes a source, and register then settings like limit=2000", what, arg)
		}
	}
	return what, name, settings, nil
}

// Hooks does what about the webhooks of a source, or with an empty name of all
// that are on: "list", "check", "register", "remove" or "test". Each line says
// what was found or done, and no line and no error holds the secret of a hook's
// URL.
func (a *App) Hooks(ctx context.Context, what, name string, settings map[string]string) ([]string, error) {
	lines, err := a.errand(ctx, what, name, settings, memory{
		get: a.journal.Setting,
		set: func(key, value string) { a.set(ctx, key, value) },
	})
	for _, line := range lines {
		a.log.Info().Str("source", "app").Msg("hooks " + what + ": " + line)
	}
	return lines, err
}

// errand does what for the sources that are meant. The error names each that
// failed, in one line.
func (a *App) errand(ctx context.Context, what, name string, settings map[string]string, m memory) (lines []string, err error) {
	var failed []string
	found := false
	for _, s := range a.table {
		if name != "" && s.name != name || name == "" && !s.on {
			continue
		}
		found = true
		did, err := a.errandAt(ctx, s, what, settings, m, name != "")
		for _, line := range did {
			lines = append(lines, s.name+": "+a.hide(line))
		}
		if err != nil {
			failed = append(failed, s.name+": "+a.hide(err.Error()))
		}
	}
	switch {
	case !found && name != "":
		return nil, fmt.Errorf("there is no source %q: it is one of %s", name, a.names())
	case !found:
		return nil, fmt.Errorf("%w: no source is set up", ErrNotDone)
	case len(failed) > 0:
		return lines, fmt.Errorf("%w: %s", ErrNotDone, strings.Join(failed, "; "))
	}
	return lines, nil
}

// errandAt does what for one source. What its vendor does not let us do is an
// error where the source was named.
func (a *App) errandAt(ctx context.Context, s source, what string, settings map[string]string, m memory, named bool) ([]string, error) {
	if !s.on {
		missing := s.missing
		if missing == "" {
			missing = s.title + " is not set up."
		}
		return nil, errors.New(missing)
	}
	do, why := s.errand(what)
	switch {
	case why != "" && named && what != "list":
		return nil, errors.New(why)
	case why != "":
		return []string{why}, nil
	}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if !slices.Contains(s.registrar.takes, key) {
			return nil, fmt.Errorf("it takes no setting %q, only these: %s", key, cmp.Or(strings.Join(s.registrar.takes, ", "), "none"))
		}
	}
	h := hook{Settings: settings, Agent: a.agent(), Get: m.get, Set: m.set}
	switch {
	case a.config.PublicURL != "":
		h.URL = a.hookURL(s)
	case what != "list":
		return nil, fmt.Errorf("PUBLIC_URL (option public_url) is not set: %s has to be told how the internet reaches this house", s.title)
	}
	if what == "test" {
		return a.tested(ctx, s, do, h)
	}
	lines, err := s.run(ctx, do, h)
	if what != "check" || err != nil || !s.registrar.proves {
		return lines, err
	}
	more, err := a.tested(ctx, s, s.registrar.test, h)
	return append(lines, more...), err
}

// errand returns what does it, or why nothing can.
func (s source) errand(what string) (do errand, why string) {
	r := s.registrar
	if r == nil {
		if s.byHand != "" {
			return nil, s.byHand + " The page shows the URL."
		}
		return nil, s.title + " lets webhooks be set up by hand only: the page shows the URL."
	}
	do = map[string]errand{"list": r.list, "check": r.check, "register": r.register, "remove": r.remove, "test": r.test}[what]
	if do == nil {
		return nil, fmt.Sprintf("%s offers no way to %s its webhooks.", s.title, what)
	}
	return do, ""
}

// run makes the errand's calls within the vendor's limits.
func (s source) run(ctx context.Context, do errand, h hook) (lines []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	err = s.beside(ctx, func(wait func(context.Context) error) error {
		h.Wait = wait
		lines, err = do(ctx, h)
		return err
	})
	return lines, err
}

// tested makes the vendor send a test webhook, and waits for it.
func (a *App) tested(ctx context.Context, s source, do errand, h hook) ([]string, error) {
	g, err := journal.Look(a.config.DataDir)
	if err != nil {
		return nil, fmt.Errorf("nobody would notice the test: %w", err)
	}
	defer g.Close()
	last, err := g.LastDelivery()
	if err != nil {
		return nil, err
	}
	lines, err := s.run(ctx, do, h)
	if err != nil {
		return lines, err
	}
	sent, most := time.Now(), cmp.Or(s.registrar.arrival, arrival)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for time.Since(sent) < most {
		d, ok, err := g.Next(s.name, last)
		switch {
		case err != nil:
			return lines, err
		case ok:
			return append(lines, fmt.Sprintf("its test webhook arrived: %s", d.Verdict)), nil
		}
		select {
		case <-ctx.Done():
			return lines, ctx.Err()
		case <-tick.C:
		}
	}
	return lines, fmt.Errorf("no webhook arrived within %v: does Grid2MQTT run, does PUBLIC_URL lead to it, and is the secret the vendor's? A wrong signature is refused and not kept", most)
}

// hookURL is where a source's vendor is to post; a kind follows where it has
// kinds.
func (a *App) hookURL(s source) string {
	return hookAt(a.config.PublicURL, s.name, a.secrets.token())
}

// hide takes the secret of the hooks' URLs out of a text.
func (a *App) hide(text string) string { return a.secrets.hide(text) }

func (a *App) names() string {
	var names []string
	for _, s := range a.table {
		names = append(names, s.name)
	}
	return strings.Join(names, ", ")
}
