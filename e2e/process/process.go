// Package process runs a program under test: where it may listen, whether it is up, and how it ends. A program never outlives
// the test that started it, however that ends (on Linux).
package process

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"syscall"
	"time"
)

// Process is one run of a program.
type Process struct {
	cmd  *exec.Cmd
	name string
	done chan struct{} // closed when it has ended
}

// Start runs a command that is set up but for its system attributes.
func Start(name string, cmd *exec.Cmd) (*Process, error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	bind(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	p := &Process{cmd: cmd, name: name, done: make(chan struct{})}
	go func() {
		cmd.Wait() // its result is in cmd.ProcessState
		close(p.done)
	}()
	return p, nil
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Until asks every 10 ms until the answer is yes. It is an error when the context or the process ends before.
func (p *Process) Until(ctx context.Context, what string, ok func() bool) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: not %s: %w", p.name, what, ctx.Err())
		case <-p.done:
			return fmt.Errorf("%s: ended (%s) before it was %s", p.name, p.cmd.ProcessState, what)
		case <-tick.C:
		}
	}
	return nil
}

// Wait returns the exit code once the process has ended by itself.
func (p *Process) Wait(ctx context.Context) (int, error) {
	select {
	case <-ctx.Done():
		return 0, fmt.Errorf("%s: still running: %w", p.name, ctx.Err())
	case <-p.done:
		return p.cmd.ProcessState.ExitCode(), nil
	}
}

// Terminate asks the process to end.
func (p *Process) Terminate() { p.cmd.Process.Signal(syscall.SIGTERM) }

// Ended waits so long for the end.
func (p *Process) Ended(within time.Duration) bool {
	limit := time.NewTimer(within)
	defer limit.Stop()
	select {
	case <-p.done:
		return true
	case <-limit.C:
		return false
	}
}

// Stop asks the process to end and returns its exit code. It is killed, which is an error, when that takes longer than allowed.
func (p *Process) Stop(within time.Duration) (int, error) {
	p.Terminate()
	if p.Ended(within) {
		return p.cmd.ProcessState.ExitCode(), nil
	}
	p.Kill()
	return 0, fmt.Errorf("%s: did not stop within %v", p.name, within)
}

// Kill ends the process at once, without a chance to say anything.
func (p *Process) Kill() {
	p.cmd.Process.Kill()
	<-p.done
}

// FreePort is a TCP port of a loopback address that nobody listens on.
func FreePort(host string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, fmt.Errorf("process: no free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, errors.Join(errors.New("process: no free port"), err)
	}
	return port, nil
}
