package homeassistant

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// After a cut: the last will, then everything again in its order, and no
// moment at rest a second time.
func TestACutConnection(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	w := newWire(t, b.addr)
	h := newHouse(t)
	p := h.publisher(w.addr())
	run(t, p)
	h.happen(h.start("a"))
	until(t, "a at rest", func() bool { return slices.Contains(h.marked(), "a rest") })
	w.cut(true)
	until(t, "the last will", func() bool { return o.last(statusTopic) == "offline" })
	until(t, "trouble", func() bool { return p.Trouble() != "" })
	h.happen(h.start("b"), month(7))
	asked := len(h.asks())
	until(t, "two more attempts", func() bool { return len(h.asks()) >= asked+2 })
	if n := h.stepped(); n > 200 {
		t.Errorf("%d steps: the loop spins while there is no broker", n)
	}
	if slices.Contains(h.marked(), "b sent") {
		t.Error("a moment counts as sent without a broker")
	}
	n := len(o.all())
	w.mend()
	until(t, "b at rest", func() bool { return slices.Contains(h.marked(), "b rest") })
	got := slices.DeleteFunc(o.all()[n:], func(m message) bool { return m.topic == statusTopic && m.payload == "offline" })
	var topics []string
	for _, m := range got {
		topics = append(topics, m.topic)
	}
	if diff := cmp.Diff(append(slices.Clone(everything), statusTopic, eventTopic), topics); diff != "" {
		t.Fatalf("want -, got +:\n%s", diff)
	}
	if !strings.Contains(got[3].payload, `"equivents_month":7`) || !strings.Contains(got[5].payload, `"id":"b"`) {
		t.Errorf("not the newest: %v", got)
	}
	if p.Trouble() != "" {
		t.Errorf("still in trouble: %s", p.Trouble())
	}
	if diff := cmp.Diff([]string{"a sent", "a rest", "b sent", "b rest"}, h.marked()); diff != "" {
		t.Errorf("marks: %s", diff)
	}
}

// What was in flight when the connection was cut comes again, with its id.
func TestInFlightAtTheCut(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	w := newWire(t, b.addr)
	h := newHouse(t)
	run(t, h.publisher(w.addr()))
	online(t, o, 1)
	h.happen(h.start("a"))
	until(t, "a at rest", func() bool { return slices.Contains(h.marked(), "a rest") })
	w.lose(true)
	h.happen(h.start("b"), month(1))
	until(t, "b and the state after it", func() bool {
		return len(o.on(eventTopic)) == 2 && strings.Contains(o.last(stateTopic), `"equivents_month":1,`)
	})
	h.happen(month(2), month(3)) // no reason to say it again
	until(t, "the last word", func() bool { return strings.Contains(o.last(stateTopic), `"equivents_month":3,`) })
	if diff := cmp.Diff([]string{"a sent", "a rest", "b sent"}, h.marked()); diff != "" {
		t.Errorf("marks: %s", diff)
	}
	w.cut(false)
	w.mend()
	until(t, "b at rest", func() bool { return slices.Contains(h.marked(), "b rest") })
	var ids []string
	for _, payload := range o.on(eventTopic) {
		ids = append(ids, read(t, []byte(payload)).text("id"))
	}
	if diff := cmp.Diff([]string{"a", "b", "b"}, ids); diff != "" {
		t.Errorf("ids: %s", diff)
	}
	if diff := cmp.Diff([]string{"a sent", "a rest", "b sent", "b doubtful", "b sent", "b rest"}, h.marked()); diff != "" {
		t.Errorf("marks: %s", diff)
	}
}

// After a broker that died or ended, everything retained is there again.
func TestABrokerThatComesBack(t *testing.T) {
	for _, tt := range []struct {
		name  string
		lines []string
		end   func(*broker)
	}{
		{"killed, it forgets", nil, (*broker).kill},
		{"stopped, it remembers", []string{"persistence true", "autosave_interval 0"}, (*broker).stop},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBroker(t)
			if tt.lines != nil {
				b.stop()
				b.configure(append(tt.lines, "persistence_location "+b.dir+"/")...)
				b.start()
			}
			h := newHouse(t)
			p := h.publisher(b.addr)
			run(t, p)
			h.happen(h.start("a"))
			until(t, "a at rest", func() bool { return slices.Contains(h.marked(), "a rest") })
			tt.end(b)
			until(t, "trouble", func() bool { return p.Trouble() != "" })
			h.happen(h.start("b"), month(7))
			b.start()
			until(t, "b at rest", func() bool { return slices.Contains(h.marked(), "b rest") })
			o := observe(t, b.addr)
			retained := func() map[string]string {
				got := map[string]string{}
				for _, m := range o.all() {
					if m.retained {
						got[m.topic] = m.payload
					}
				}
				return got
			}
			until(t, "everything", func() bool { return len(retained()) >= 5 })
			got := retained()
			for _, topic := range everything {
				if got[topic] == "" {
					t.Errorf("%s is missing", topic)
				}
			}
			if got[statusTopic] != "online" || !strings.Contains(got[stateTopic], `"equivents_month":7`) || len(got) != 5 {
				t.Errorf("retained: %v", got)
			}
			if diff := cmp.Diff([]string{"a sent", "a rest", "b sent", "b rest"}, h.marked()); diff != "" {
				t.Errorf("marks: %s", diff)
			}
		})
	}
}

func TestALateBroker(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	b.kill()
	h := newHouse(t)
	h.happen(h.start("a"))
	p := h.publisher(b.addr)
	if p.Trouble() == "" {
		t.Error("no trouble before the first attempt")
	}
	run(t, p)
	want := "the MQTT broker " + b.addr + " cannot be reached: connect: connection refused"
	until(t, want, func() bool { return p.Trouble() == want })
	until(t, "three attempts", func() bool { return len(h.asks()) >= 3 })
	b.start()
	until(t, "a at rest", func() bool { return slices.Contains(h.marked(), "a rest") })
	if n := strings.Count(h.log.String(), "connection refused"); n != 1 {
		t.Errorf("the same trouble is logged %d times:\n%s", n, h.log.String())
	}
	if slices.Contains(h.asks(), true) {
		t.Error("nobody was refused")
	}
}

func TestWithoutABroker(t *testing.T) {
	h := newHouse(t)
	p := h.publisher("")
	p.Broker = func(context.Context, bool) (Broker, error) { return Broker{}, ErrNoBroker }
	stop := run(t, p)
	until(t, "the reason", func() bool { return p.Trouble() == ErrNoBroker.Error() })
	h.happen(month(1))
	until(t, "steps all the same", func() bool { return h.stepped() > 1 })
	stop()
}

func TestRefusedCredentials(t *testing.T) {
	t.Parallel()
	b := newBroker(t, "allow_anonymous true")
	b.stop()
	passwords := b.file("passwords")
	if out, err := exec.Command(program(t, "mosquitto_passwd"), "-b", "-c", passwords, "addons", "hunter2").CombinedOutput(); err != nil {
		t.Fatalf("mosquitto_passwd: %v %s", err, out)
	}
	b.configure("allow_anonymous false", "password_file "+passwords)
	b.start()

	h := newHouse(t)
	p := h.publisher(b.addr)
	given := make(chan Broker, 1)
	now := Broker{URL: "mqtt://addons:wr0ngpass@" + b.addr}
	p.Broker = func(_ context.Context, refused bool) (Broker, error) {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.asked = append(h.asked, refused)
		select {
		case now = <-given:
		default:
		}
		return now, nil
	}
	stop := run(t, p)
	want := "the MQTT broker " + b.addr + ` refuses the user "addons" (not Authorized): check MQTT_USERNAME and MQTT_PASSWORD`
	until(t, want, func() bool { return p.Trouble() == want })
	given <- Broker{URL: "mqtt://" + b.addr}
	want = "the MQTT broker " + b.addr + " refuses a client without a user name (not Authorized): check MQTT_USERNAME and MQTT_PASSWORD"
	until(t, want, func() bool { return p.Trouble() == want })
	given <- Broker{URL: "mqtt://somebody:wr0ngpass@" + b.addr, Username: "addons", Password: "hunter2"}
	until(t, "connected", func() bool { return p.Trouble() == "" })
	stop()
	asked := h.asks()
	if asked[0] || slices.Contains(asked[1:], false) {
		t.Errorf("asked for the broker with %v", asked)
	}
	if log := h.log.String(); strings.Contains(log, "hunter2") || strings.Contains(log, "wr0ngpass") {
		t.Errorf("a password is in the log:\n%s", log)
	}
	if n := strings.Count(h.log.String(), `user \"addons\"`); n != 1 {
		t.Errorf("logged %d times:\n%s", n, h.log.String())
	}
}

// A broker that stands still must not stop us, and nothing is lost by it.
func TestAStalledBroker(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	p := h.publisher(b.addr)
	run(t, p)
	online(t, o, 1)
	b.signal(syscall.SIGSTOP)
	h.happen(h.start("a"), h.start("b"), month(5))
	until(t, "a is sent", func() bool { return slices.Contains(h.marked(), "a sent") })
	until(t, "the trouble is seen", func() bool { return strings.HasSuffix(p.Trouble(), " cannot be reached: it does not answer") })
	steps := h.stepped()
	h.happen(h.start("c"), month(6))
	until(t, "it goes on", func() bool { return h.stepped() >= steps+2 })
	b.signal(syscall.SIGCONT)
	for _, id := range []string{"a", "b", "c"} {
		until(t, id+" at rest", func() bool { return slices.Contains(h.marked(), id+" rest") })
	}
	until(t, "online for good", func() bool {
		return p.Trouble() == "" && o.last(statusTopic) == "online" && strings.Contains(o.last(stateTopic), `"equivents_month":6`)
	})
	seen := map[string]int{}
	for _, payload := range o.on(eventTopic) {
		seen[read(t, []byte(payload)).text("id")]++
	}
	if seen["a"] < 1 || seen["b"] < 1 || seen["c"] < 1 || len(seen) != 3 {
		t.Errorf("events: %v", seen)
	}
}

func TestStoppingWhileTheBrokerStandsStill(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	h := newHouse(t)
	stop := run(t, h.publisher(b.addr))
	online(t, o, 1)
	b.signal(syscall.SIGSTOP)
	h.happen(func(v *state.View) {
		for i := range 2 * window {
			h.start(fmt.Sprint(i))(v)
		}
	})
	until(t, "a window full of messages is on its way", func() bool { return len(h.marked()) >= window-100 })
	stop()
	b.signal(syscall.SIGCONT)
}

// certificate makes a certificate for addresses that signs itself.
func certificate(t *testing.T, certFile, keyFile string, addrs ...string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a household"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, addr := range addrs {
		host, _, _ := net.SplitHostPort(addr)
		cert.IPAddresses = append(cert.IPAddresses, net.ParseIP(host))
	}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{certFile: {Type: "CERTIFICATE", Bytes: der}, keyFile: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// Every scheme that the contract names reaches a broker.
func TestSchemes(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	cert, key := b.file("cert.pem"), b.file("key.pem")
	lines := []string{"allow_anonymous true"}
	addrs := map[string]string{"plain": b.addr}
	for _, kind := range []string{"tls", "ws", "wss"} {
		addrs[kind] = freeAddr(t)
		lines = append(lines, listener(addrs[kind]))
		if kind != "tls" {
			lines = append(lines, "protocol websockets")
		}
		if kind != "ws" {
			lines = append(lines, "certfile "+cert, "keyfile "+key)
		}
	}
	certificate(t, cert, key, addrs["tls"], addrs["wss"])
	b.stop()
	b.configure(lines...)
	b.start()
	o := observe(t, b.addr)
	times := 0
	for _, tt := range []Broker{
		{URL: "mqtt://" + addrs["plain"]}, {URL: "tcp://" + addrs["plain"]}, {URL: "mqtts://" + addrs["tls"], CAFile: cert}, {URL: "ssl://" + addrs["tls"], CAFile: cert},
		{URL: "ws://" + addrs["ws"]}, {URL: "ws://" + addrs["ws"] + "/mqtt"}, {URL: "wss://" + addrs["wss"] + "/mqtt", CAFile: cert},
	} {
		h := newHouse(t)
		p := h.publisher("")
		p.Broker = func(context.Context, bool) (Broker, error) { return tt, nil }
		stop := run(t, p)
		until(t, tt.URL, func() bool {
			return p.Trouble() == "" || t.Failed()
		})
		times++
		online(t, o, times)
		stop()
	}
	for _, url := range []string{"mqtts://" + addrs["tls"], "wss://" + addrs["wss"]} {
		h := newHouse(t)
		p := h.publisher("")
		p.Broker = func(context.Context, bool) (Broker, error) { return Broker{URL: url}, nil }
		stop := run(t, p)
		until(t, "an unknown certificate is refused", func() bool { return strings.Contains(p.Trouble(), "x509: certificate signed by unknown authority") })
		stop()
	}
}

// Two instances on one broker leave each other alone.
func TestTwoInstances(t *testing.T) {
	t.Parallel()
	b := newBroker(t)
	o := observe(t, b.addr)
	one, two := newHouse(t), newHouse(t)
	p := two.publisher(b.addr)
	p.Names, p.ClientID = otherNames, "grid2mqtt-two"
	run(t, one.publisher(b.addr))
	stop := run(t, p)
	online(t, o, 1)
	until(t, "the other one", func() bool { return o.last("home/grid/status") == "online" })
	one.happen(one.start("1"))
	two.happen(two.start("2"))
	until(t, "both moments", func() bool { return len(o.on(eventTopic)) == 1 && len(o.on("home/grid/equiwatt/event")) == 1 })
	stop()
	until(t, "the other one's goodbye", func() bool { return o.last("home/grid/status") == "offline" })
	if o.last(statusTopic) != "online" || o.last(document) == "" {
		t.Error("one instance took the other along")
	}
}
