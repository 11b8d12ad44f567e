package homeassistant

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// program finds a program of Debian's package mosquitto.
func program(t testing.TB, name string) string {
	t.Helper()
	for _, dir := range []string{"", "/usr/sbin/", "/usr/bin/", "/usr/local/sbin/"} {
		if path, err := exec.LookPath(dir + name); err == nil {
			return path
		}
	}
	t.Fatalf("%s is missing; install it (Debian: apt-get install mosquitto)", name)
	return ""
}

// until waits for a condition.
func until(t testing.TB, what string, met func() bool) {
	t.Helper()
	const patience = 90 * time.Second // a loaded machine may be slow
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !met(); <-tick.C {
		if time.Now().After(end) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// text is a buffer that several goroutines may write to.
type textBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *textBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *textBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// broker is a real Mosquitto on a loopback port of its own.
type broker struct {
	t    testing.TB
	dir  string
	addr string
	log  textBuffer
	cmd  *exec.Cmd // nil: not running
}

// newBroker starts a broker with more lines in its configuration; without
// any it lets everybody in.
func newBroker(t testing.TB, lines ...string) *broker {
	t.Helper()
	b := &broker{t: t, dir: t.TempDir(), addr: freeAddr(t)}
	b.configure(lines...)
	t.Cleanup(b.kill)
	b.start()
	return b
}

// freeAddr is where nobody listens. On 127.0.0.1 the port of a broker that is
// stopped may be taken for the near end of anybody's connection.
func freeAddr(t testing.TB) string {
	t.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" {
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	}
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func listener(addr string) string {
	host, port, _ := net.SplitHostPort(addr)
	return "listener " + port + " " + host
}

// configure writes the configuration. Without user root Mosquitto becomes
// another user, who cannot read the test's folder.
func (b *broker) configure(lines ...string) {
	b.t.Helper()
	all := append([]string{"user root", "log_type all", "max_queued_messages 0", listener(b.addr)}, lines...)
	if !slices.ContainsFunc(lines, func(l string) bool { return strings.HasPrefix(l, "allow_anonymous") }) {
		all = append(all, "allow_anonymous true")
	}
	if err := os.WriteFile(b.file("mosquitto.conf"), []byte(strings.Join(all, "\n")+"\n"), 0o600); err != nil {
		b.t.Fatal(err)
	}
}

func (b *broker) file(name string) string { return filepath.Join(b.dir, name) }

func (b *broker) start() {
	b.t.Helper()
	b.cmd = exec.Command(program(b.t, "mosquitto"), "-c", b.file("mosquitto.conf"))
	b.cmd.Stdout, b.cmd.Stderr = &b.log, &b.log
	if err := b.cmd.Start(); err != nil {
		b.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func(cmd *exec.Cmd) { _ = cmd.Wait(); close(exited) }(b.cmd)
	until(b.t, "Mosquitto takes connections", func() bool {
		select {
		case <-exited:
			b.t.Fatalf("Mosquitto ended:\n%s", b.log.String())
		default:
		}
		c, err := net.Dial("tcp", b.addr)
		return err == nil && c.Close() == nil
	})
}

func (b *broker) signal(s syscall.Signal) {
	b.t.Helper()
	if err := b.cmd.Process.Signal(s); err != nil {
		b.t.Fatal(err)
	}
}

// stop ends the broker cleanly; kill does not.
func (b *broker) stop() { b.end(syscall.SIGTERM) }
func (b *broker) kill() { b.end(syscall.SIGKILL) }

func (b *broker) end(s syscall.Signal) {
	if b.cmd == nil {
		return
	}
	_ = b.cmd.Process.Signal(syscall.SIGCONT)
	// Mosquitto forgets a signal that comes while it starts. Its port may be
	// somebody else's the next moment, so that says nothing.
	until(b.t, "Mosquitto ends", func() bool { return b.cmd.Process.Signal(s) != nil })
	b.cmd = nil
}

// message is what an observer saw.
type message struct {
	topic, payload string
	retained       bool
}

func (m message) String() string {
	return fmt.Sprintf("%s %.120s retained=%v", m.topic, m.payload, m.retained)
}

// observer is a client of its own, who sees everything.
type observer struct {
	t      testing.TB
	client mqtt.Client
	mu     sync.Mutex
	seen   []message
}

func observe(t testing.TB, addr string) *observer {
	t.Helper()
	o := &observer{t: t}
	options := mqtt.NewClientOptions().AddBroker("tcp://" + addr).SetClientID("observer").SetKeepAlive(5 * time.Minute).SetAutoReconnect(false)
	options.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.seen = append(o.seen, message{m.Topic(), string(m.Payload()), m.Retained()})
	})
	o.client = mqtt.NewClient(options)
	for _, token := range []func() mqtt.Token{o.client.Connect, func() mqtt.Token { return o.client.Subscribe("#", 1, nil) }} {
		if token := token(); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
			t.Fatalf("the observer is not let in: %v", token.Error())
		}
	}
	t.Cleanup(func() { o.client.Disconnect(0) })
	return o
}

func (o *observer) all() []message {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.seen)
}

// on returns the payloads seen on a topic.
func (o *observer) on(topic string) (list []string) {
	for _, m := range o.all() {
		if m.topic == topic {
			list = append(list, m.payload)
		}
	}
	return list
}

// last is the newest payload on a topic; empty: none.
func (o *observer) last(topic string) string {
	list := o.on(topic)
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

// topics returns the topics of what was seen from the nth message on.
func (o *observer) topics(n int) (list []string) {
	for _, m := range o.all()[n:] {
		list = append(list, m.topic)
	}
	return list
}

func (o *observer) publish(topic, payload string, retained bool) {
	o.t.Helper()
	if token := o.client.Publish(topic, 1, retained, payload); !token.WaitTimeout(20*time.Second) || token.Error() != nil {
		o.t.Fatalf("the observer cannot publish: %v", token.Error())
	}
}

// wire is a TCP connection to a broker that can be cut, or lose what the
// broker says.
type wire struct {
	listener net.Listener
	to       string
	mu       sync.Mutex
	conns    []net.Conn
	deaf     bool // the client hears nothing
	broken   bool // new connections are cut at once
}

func newWire(t testing.TB, to string) *wire {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{listener: l, to: to}
	t.Cleanup(func() { l.Close(); w.cut(true) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.join(c)
		}
	}()
	return w
}

func (w *wire) addr() string { return w.listener.Addr().String() }

func (w *wire) join(c net.Conn) {
	b, err := net.Dial("tcp", w.to)
	w.mu.Lock()
	if err != nil || w.broken {
		w.mu.Unlock()
		c.Close()
		if err == nil {
			b.Close()
		}
		return
	}
	w.conns = append(w.conns, c, b)
	w.mu.Unlock()
	go w.carry(b, c, func() bool { return false })
	w.carry(c, b, func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.deaf
	})
}

func (w *wire) carry(to, from net.Conn, lose func() bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 && !lose() {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// lose makes the client hear nothing any more, or hear again.
func (w *wire) lose(deaf bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deaf = deaf
}

// cut ends all connections; broken: new ones too.
func (w *wire) cut(broken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = broken
	for _, c := range w.conns {
		c.Close()
	}
	w.conns = nil
}

// mend lets connections through again.
func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken, w.deaf = false, false
}
