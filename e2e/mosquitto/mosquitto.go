// Package mosquitto runs a real Mosquitto broker for a test, on one loopback port that it keeps over restarts.
package mosquitto

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/debian"
	"github.com/grid2mqtt/grid2mqtt/e2e/process"
)

// Broker is one Mosquitto. It lets everybody in but those who give a wrong password.
type Broker struct {
	Host string
	Port int
	// Persist keeps retained messages and sessions from Stop to Start; it may be changed while the broker is stopped.
	Persist bool
	// Users and their passwords, as of the next Start; nobody else may give a name. Nil: any name will do.
	Users map[string]string

	program string
	dir     string
	running *process.Process // nil: stopped
}

// Open starts a broker, installing Debian's package where there is none. The caller calls Close.
func Open(ctx context.Context) (*Broker, error) {
	b := &Broker{Host: process.Host()}
	var err error
	if b.program, err = debian.Program(ctx, "mosquitto", "mosquitto", "/usr/sbin/mosquitto"); err != nil {
		return nil, fmt.Errorf("mosquitto: %w", err)
	}
	if b.Port, err = process.FreePort(b.Host); err != nil {
		return nil, fmt.Errorf("mosquitto: %w", err)
	}
	if b.dir, err = os.MkdirTemp("", "mosquitto-"); err != nil {
		return nil, fmt.Errorf("mosquitto: %w", err)
	}
	if err := b.Start(ctx); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// URL of the broker, without a name and a password.
func (b *Broker) URL() string { return fmt.Sprintf("mqtt://%s:%d", b.Host, b.Port) }

// Log is what the broker has said since Open.
func (b *Broker) Log() string {
	text, _ := os.ReadFile(filepath.Join(b.dir, "log"))
	return string(text)
}

// Start the broker again and return when it takes connections.
func (b *Broker) Start(ctx context.Context) error {
	config, err := b.configure()
	if err != nil {
		return fmt.Errorf("mosquitto: %w", err)
	}
	out, err := os.OpenFile(filepath.Join(b.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("mosquitto: %w", err)
	}
	defer out.Close()
	cmd := exec.Command(b.program, "-c", config)
	cmd.Stdout, cmd.Stderr = out, out
	if b.running, err = process.Start("mosquitto", cmd); err != nil {
		return err
	}
	err = b.running.Until(ctx, "taking connections", func() bool {
		c, err := net.Dial("tcp", net.JoinHostPort(b.Host, strconv.Itoa(b.Port)))
		return err == nil && c.Close() == nil
	})
	if err != nil {
		return fmt.Errorf("%w\n%s", err, b.Log())
	}
	return nil
}

func (b *Broker) configure() (string, error) {
	// Without user root Mosquitto becomes another user and cannot read its own folder.
	text := fmt.Sprintf("listener %d %s\nallow_anonymous true\nset_tcp_nodelay true\nmax_queued_messages 0\nuser root\n", b.Port, b.Host)
	if b.Persist {
		text += fmt.Sprintf("persistence true\npersistence_location %s/\n", b.dir)
	} else if err := os.RemoveAll(filepath.Join(b.dir, "mosquitto.db")); err != nil {
		return "", err
	}
	if b.Users != nil {
		passwords, err := b.passwords()
		if err != nil {
			return "", err
		}
		text += "password_file " + passwords + "\n"
	}
	file := filepath.Join(b.dir, "mosquitto.conf")
	return file, os.WriteFile(file, []byte(text), 0o600)
}

// passwords are kept by Mosquitto as salted hashes only, and its own program makes them.
func (b *Broker) passwords() (file string, err error) {
	file = filepath.Join(b.dir, "passwords")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		return "", err
	}
	for user, password := range b.Users {
		if out, err := exec.Command("mosquitto_passwd", "-b", file, user, password).CombinedOutput(); err != nil {
			return "", fmt.Errorf("mosquitto_passwd: %w: %s", err, out)
		}
	}
	return file, nil
}

// Stop the broker cleanly; it saves what Persist asks for.
func (b *Broker) Stop() error {
	if b.running == nil {
		return nil
	}
	_, err := b.running.Stop(10 * time.Second)
	b.running = nil
	return err
}

// Kill the broker; nothing is saved.
func (b *Broker) Kill() {
	if b.running != nil {
		b.running.Kill()
		b.running = nil
	}
}

// Close stops the broker and removes what it kept.
func (b *Broker) Close() error { return errors.Join(b.Stop(), os.RemoveAll(b.dir)) }
