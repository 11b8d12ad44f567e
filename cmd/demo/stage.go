package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net"
	"os"
	"path/filepath"

	mqtt "github.com/mochi-mqtt/server/v2"
	"github.com/mochi-mqtt/server/v2/listeners"
	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/grid2mqtt/grid2mqtt/pkg/app"
)

// stage is everything that the day is played on.
type stage struct {
	dir, log    string // log is empty where it is shown
	token       string // of the webhooks
	brokerAddr  string
	hooks, page string // addresses

	clouds
	broker *mqtt.Server
	heard  *heard

	closers []func() error // the newest is closed first
}

// open starts the broker, the clouds and the program, in this order.
func open(ctx context.Context, o options, stdout io.Writer) (*stage, error) {
	s := &stage{token: rand.Text(), heard: newHeard()}
	logs := stdout
	var err error
	if s.dir, err = os.MkdirTemp("", "grid2mqtt-demo-"); err != nil {
		return nil, fmt.Errorf("temporary directory: %w", err)
	}
	s.later(func() error { return os.RemoveAll(s.dir) })
	if !o.verbose {
		s.log = filepath.Join(s.dir, "grid2mqtt.log")
		file, err := os.Create(s.log)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("log: %w", err), s.close())
		}
		s.later(file.Close)
		logs = file
	}
	if err := s.openBroker(o.broker); err != nil {
		return nil, errors.Join(fmt.Errorf("broker: %w", err), s.close())
	}
	environ, err := s.openClouds()
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	if err := s.openApp(ctx, o, environ, logs); err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.subscribe(environ)
	return s, nil
}

func (s *stage) later(f func() error) { s.closers = append(s.closers, f) }

// close ends everything that was opened, and removes what it left.
func (s *stage) close() error {
	var errs []error
	for len(s.closers) > 0 {
		last := len(s.closers) - 1
		errs = append(errs, s.closers[last]())
		s.closers = s.closers[:last]
	}
	return errors.Join(errs...)
}

func (s *stage) openBroker(addr string) error {
	l, err := listen(addr)
	if err != nil {
		return err
	}
	s.brokerAddr = local(l.Addr().String())
	s.broker = mqtt.New(&mqtt.Options{InlineClient: true, Logger: slog.New(slog.DiscardHandler), SysTopicResendInterval: 3600})
	if err := s.broker.AddHook(new(anybody), nil); err != nil {
		return errors.Join(err, l.Close())
	}
	if err := s.broker.AddListener(listeners.NewNet("demo", l)); err != nil {
		return errors.Join(err, l.Close())
	}
	for i, filter := range []string{base + "#", "homeassistant/#"} {
		hear := func(_ *mqtt.Client, _ packets.Subscription, p packets.Packet) { s.heard.put(p.TopicName, p.Payload) }
		if err := s.broker.Subscribe(filter, i+1, hear); err != nil {
			return errors.Join(err, l.Close())
		}
	}
	if err := s.broker.Serve(); err != nil {
		return errors.Join(err, l.Close())
	}
	s.later(s.broker.Close)
	return nil
}

// anybody may connect to the broker, and read and write everything there.
type anybody struct{ mqtt.HookBase }

func (*anybody) ID() string { return "anybody" }

func (*anybody) Provides(b byte) bool { return b == mqtt.OnConnectAuthenticate || b == mqtt.OnACLCheck }

func (*anybody) OnConnectAuthenticate(*mqtt.Client, packets.Packet) bool { return true }

func (*anybody) OnACLCheck(*mqtt.Client, string, bool) bool { return true }

// openApp starts the real program between the clouds and the broker.
func (s *stage) openApp(ctx context.Context, o options, environ map[string]string, logs io.Writer) error {
	hooks, err := free(o.hooks)
	if err != nil {
		return fmt.Errorf("webhooks: %w", err)
	}
	page, err := free(o.page)
	if err != nil {
		return fmt.Errorf("page: %w", err)
	}
	maps.Copy(environ, map[string]string{
		"MQTT_URL": "mqtt://" + s.brokerAddr, "DATA_DIR": filepath.Join(s.dir, "data"),
		"HOOK_ADDR": hooks, "HOOK_TOKEN": s.token, "WEB_ADDR": page, "PUBLIC_URL": "http://" + local(hooks),
	})
	ready, ended := make(chan struct{}), make(chan struct{})
	var failed error
	inner, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.later(func() error { stop(); <-ended; return nil })
	go func() {
		defer close(ended)
		failed = app.Run(inner, environ, logs, app.Host{Version: "demo", Ready: func(hooks, page string) {
			s.hooks, s.page = local(hooks), local(page)
			close(ready)
		}})
	}()
	select {
	case <-ready:
	case <-ended:
		return failed
	}
	return nil
}

// hook is the address of a source's webhooks.
func (s *stage) hook(source string) string {
	return "http://" + s.hooks + "/hook/" + source + "/" + s.token
}

// listen listens on addr, or where that is taken on a free port beside it.
func listen(addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err == nil {
		return l, nil
	}
	at, bad := net.ResolveTCPAddr("tcp", addr)
	if bad != nil {
		return nil, err
	}
	if l, bad = net.ListenTCP("tcp", &net.TCPAddr{IP: at.IP, Zone: at.Zone}); bad != nil {
		return nil, err
	}
	return l, nil
}

// free is where listen would.
func free(addr string) (string, error) {
	l, err := listen(addr)
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// local is how this machine reaches a listener.
func local(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if ip := net.ParseIP(host); err == nil && (host == "" || ip != nil && ip.IsUnspecified()) {
		return net.JoinHostPort("127.0.0.1", port)
	}
	return addr
}
