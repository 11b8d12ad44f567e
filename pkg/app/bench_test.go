package app

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
)

// broker starts a real Mosquitto and returns its URL.
func broker(tb testing.TB, lines ...string) string {
	tb.Helper()
	host := "127.0.0.1"
	if runtime.GOOS == "linux" { // where everybody is, the port may be somebody else's the next moment
		host = fmt.Sprintf("127.%d.%d.%d", 1+rand.IntN(254), rand.IntN(256), 1+rand.IntN(254))
	}
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		tb.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	file := filepath.Join(tb.TempDir(), "mosquitto.conf")
	if len(lines) == 0 {
		lines = []string{"allow_anonymous true"}
	}
	text := strings.Join(lines, "\n") + fmt.Sprintf("\nlistener %d %s\npersistence false\nset_tcp_nodelay true\nmax_inflight_messages 0\nmax_queued_messages 0\nlog_type none\n", addr.Port, host)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command("mosquitto", "-c", file)
	if err := cmd.Start(); err != nil {
		tb.Fatalf("mosquitto is missing (Debian's package mosquitto): %v", err)
	}
	tb.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 9000 { // a loaded machine may be slow
		if c, err := net.Dial("tcp", addr.String()); err == nil {
			c.Close()
			return "mqtt://" + addr.String()
		}
		<-time.After(10 * time.Millisecond)
	}
	tb.Fatal("mosquitto does not come up")
	return ""
}

// start runs the app and returns the addresses of its listeners.
func start(tb testing.TB, environ map[string]string) (hooks, web string) {
	tb.Helper()
	return startWith(tb, tb.Output(), environ)
}

// startWith runs the app with a log of its own.
func startWith(tb testing.TB, log io.Writer, environ map[string]string) (hooks, web string) {
	tb.Helper()
	type pair struct{ hooks, web string }
	ready, done := make(chan pair, 1), make(chan error, 1)
	ctx, stop := context.WithCancel(context.Background())
	env := map[string]string{"HOOK_ADDR": "127.0.0.1:0", "WEB_ADDR": "127.0.0.1:0", "DATA_DIR": tb.TempDir(), "HOOK_TOKEN": goodToken, "LOG_LEVEL": "warn"}
	for k, v := range environ {
		env[k] = v
	}
	go func() {
		done <- Run(ctx, env, log, Host{Version: "test", Ready: func(h, w string) { ready <- pair{h, w} }})
	}()
	tb.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			tb.Error(err)
		}
	})
	select {
	case p := <-ready:
		return "http://" + p.hooks, "http://" + p.web
	case err := <-done:
		done <- nil
		tb.Fatal(err)
		return "", ""
	}
}

// BenchmarkPostToMessage: a webhook that starts an equivent, until its event
// has come back from the broker.
func BenchmarkPostToMessage(b *testing.B) {
	url := broker(b)
	hooks, _ := start(b, map[string]string{"MQTT_URL": url, "EQUIWATT_HOOK_TRUST": "believe", "EQUIWATT_MAX_DURATION": "2000000h"})
	got := make(chan struct{}, 1)
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("tcp" + url[4:]).SetClientID("bench"))
	if t := c.Connect(); t.Wait() && t.Error() != nil {
		b.Fatal(t.Error())
	}
	defer c.Disconnect(0)
	c.Subscribe("grid2mqtt/equiwatt/event", 1, func(_ mqtt.Client, m mqtt.Message) {
		if bytes.Contains(m.Payload(), []byte(`-started"`)) {
			got <- struct{}{}
		}
	}).Wait()
	post(b, hooks, 1)
	<-got
	n := 1
	for b.Loop() {
		n++
		post(b, hooks, n)
		<-got
	}
}

// BenchmarkHooks64 is how many webhooks are on the disk a second.
func BenchmarkHooks64(b *testing.B) { hooks64(b, 0) }

// BenchmarkHooks64Pages50: the same, while fifty pages are open.
func BenchmarkHooks64Pages50(b *testing.B) { hooks64(b, 50) }

func hooks64(b *testing.B, pages int) {
	url := broker(b)
	hooks, web := start(b, map[string]string{"MQTT_URL": url, "EQUIWATT_HOOK_TRUST": "believe"})
	for range pages {
		r, err := http.Get(web + "/live?of=overview")
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = r.Body.Close() })
		go func() { _, _ = io.Copy(io.Discard, r.Body) }() // ends with Close
	}
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			post(b, hooks, 0)
		}
	})
}

// BenchmarkStarts64: every webhook starts an equivent, which ends the one
// before it; many come out of order.
func BenchmarkStarts64(b *testing.B) {
	url := broker(b)
	hooks, _ := start(b, map[string]string{"MQTT_URL": url, "EQUIWATT_HOOK_TRUST": "believe", "EQUIWATT_MAX_DURATION": "2000000h"})
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 64
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			post(b, hooks, int(n.Add(1)))
		}
	})
}

// BenchmarkNotices64: every webhook is new, and one moment.
func BenchmarkNotices64(b *testing.B) {
	url := broker(b)
	hooks, _ := start(b, map[string]string{"MQTT_URL": url, "ECOMON_UNSIGNED": "true"})
	http.DefaultTransport.(*http.Transport).MaxIdleConnsPerHost = 64
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			send(b, hooks+"/hook/ecomon/"+goodToken, fmt.Sprintf(`{"event":"bench","data":{"n":%d}}`, n.Add(1)))
		}
	})
}

func post(tb testing.TB, hooks string, start int) {
	body := ""
	if start > 0 {
		body = fmt.Sprintf(`{"start_time":%d}`, start)
	}
	send(tb, hooks+"/hook/equiwatt/"+goodToken+"/started", body)
}

func send(tb testing.TB, url, body string) {
	r, err := http.Post(url, "application/json", strings.NewReader(body))
	if err != nil {
		tb.Error(err)
		return
	}
	io.Copy(io.Discard, r.Body)
	r.Body.Close()
	if r.StatusCode != http.StatusOK {
		tb.Errorf("status %d", r.StatusCode)
	}
}
