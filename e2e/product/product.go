package product

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/process"
)

// patience is how long the product may take to end after SIGTERM: five seconds are promised, a loaded machine needs more.
const patience = 20 * time.Second

// Product is one installation: its ports and its data outlive Stop, Kill and Start. Its methods are for one goroutine, but for
// Stdout, Stderr and Log.
type Product struct {
	Hooks string // http://address:port of the hook listener
	Web   string // of the page
	Data  string // DATA_DIR

	// Env is what the next Start adds to HOOK_ADDR, WEB_ADDR and DATA_DIR, or sets in their place. Nothing else but PATH
	// comes from the tests' own environment.
	Env map[string]string

	binary  Binary
	dir     string // data and logs, removed by Close
	base    map[string]string
	running *process.Process // nil: not started, or ended by Stop or Kill
}

// Result is how a run ended by itself.
type Result struct {
	Code           int
	Stdout, Stderr string
}

// Install prepares a product that is not yet started. The caller calls Close.
func (b Binary) Install(env map[string]string) (*Product, error) {
	host := process.Host()
	hooks, err := process.FreePort(host)
	if err != nil {
		return nil, fmt.Errorf("product: %w", err)
	}
	web, err := process.FreePort(host)
	if err != nil {
		return nil, fmt.Errorf("product: %w", err)
	}
	dir, err := os.MkdirTemp("", "grid2mqtt-")
	if err != nil {
		return nil, fmt.Errorf("product: %w", err)
	}
	p := &Product{
		Hooks: fmt.Sprintf("http://%s:%d", host, hooks), Web: fmt.Sprintf("http://%s:%d", host, web),
		Data: filepath.Join(dir, "data"), Env: maps.Clone(env), binary: b, dir: dir,
	}
	p.base = map[string]string{
		"PATH":      os.Getenv("PATH"),
		"HOOK_ADDR": fmt.Sprintf("%s:%d", host, hooks), "WEB_ADDR": fmt.Sprintf("%s:%d", host, web), "DATA_DIR": p.Data,
	}
	return p, nil
}

// Open installs a product, starts it and waits until it is up. The caller calls Close.
func (b Binary) Open(ctx context.Context, env map[string]string) (*Product, error) {
	p, err := b.Install(env)
	if err != nil {
		return nil, err
	}
	if err := p.Start(ctx); err != nil {
		return nil, errors.Join(err, p.Close())
	}
	return p, nil
}

// Run a product until it ends by itself.
func (p *Product) Run(ctx context.Context, args ...string) (Result, error) {
	out, bad := len(p.Stdout()), len(p.Stderr())
	if err := p.begin(args...); err != nil {
		return Result{}, err
	}
	code, err := p.running.Wait(ctx)
	if err != nil {
		p.Kill()
		return Result{}, fmt.Errorf("%w\n%s", err, p.Log())
	}
	p.running = nil
	return Result{Code: code, Stdout: p.Stdout()[out:], Stderr: p.Stderr()[bad:]}, nil
}

// Start returns when /healthz says that the product is up, which says nothing about brokers and vendors.
func (p *Product) Start(ctx context.Context) error {
	if err := p.begin(); err != nil {
		return err
	}
	client := &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	err := p.running.Until(ctx, "up", func() bool {
		r, err := client.Get(p.Web + "/healthz")
		return err == nil && r.Body.Close() == nil && r.StatusCode == http.StatusOK
	})
	if err != nil {
		p.Kill()
		return fmt.Errorf("%w\n%s", err, p.Log())
	}
	return nil
}

// Stop says SIGTERM. It is an error if the product does not end by it, and with 0, as promised, also where it had ended before.
func (p *Product) Stop() error {
	if p.running == nil {
		return nil
	}
	code, err := p.running.Stop(patience)
	p.running = nil
	if err == nil && code != 0 {
		err = fmt.Errorf("grid2mqtt: ended with %d", code)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, p.Log())
	}
	return nil
}

// Kill is a power cut.
func (p *Product) Kill() {
	if p.running != nil {
		p.running.Kill()
		p.running = nil
	}
}

// Restart is Stop and Start.
func (p *Product) Restart(ctx context.Context) error {
	if err := p.Stop(); err != nil {
		return err
	}
	return p.Start(ctx)
}

// Close stops the product and removes its data.
func (p *Product) Close() error { return errors.Join(p.Stop(), os.RemoveAll(p.dir)) }

// PID of the running product, 0 if it is stopped.
func (p *Product) PID() int {
	if p.running == nil {
		return 0
	}
	return p.running.PID()
}

// Stdout is all that was written to the standard output since Install.
func (p *Product) Stdout() string { return p.text("stdout") }

// Stderr is all that was written to the standard error since Install.
func (p *Product) Stderr() string { return p.text("stderr") }

// Log is both, one after the other.
func (p *Product) Log() string { return p.Stdout() + p.Stderr() }

func (p *Product) text(name string) string {
	b, _ := os.ReadFile(filepath.Join(p.dir, name))
	return string(b)
}

func (p *Product) begin(args ...string) error {
	if p.running != nil {
		return errors.New("product: it is running")
	}
	cmd := exec.Command(p.binary.path, args...)
	cmd.Dir = p.dir
	env := maps.Clone(p.base)
	maps.Copy(env, p.Env)
	cmd.Env = []string{}
	for _, name := range slices.Sorted(maps.Keys(env)) {
		cmd.Env = append(cmd.Env, name+"="+env[name])
	}
	for name, to := range map[string]*io.Writer{"stdout": &cmd.Stdout, "stderr": &cmd.Stderr} {
		f, err := os.OpenFile(filepath.Join(p.dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return fmt.Errorf("product: %w", err)
		}
		defer f.Close()
		*to = f
	}
	var err error
	p.running, err = process.Start("grid2mqtt", cmd)
	return err
}

// Post sends a webhook to a path of the hook listener and returns the status and the body of the answer.
func (p *Product) Post(ctx context.Context, path, contentType string, body []byte) (int, string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, p.Hooks+path, bytes.NewReader(body))
	if err != nil {
		return 0, "", fmt.Errorf("product: %w", err)
	}
	r.Header.Set("Content-Type", contentType)
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, "", fmt.Errorf("product: %w", err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		return 0, "", fmt.Errorf("product: %s: %w", path, err)
	}
	return answer.StatusCode, string(text), nil
}
