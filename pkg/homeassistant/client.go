package homeassistant

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"github.com/eclipse/paho.mqtt.golang/packets"
)

// Broker is where to reach an MQTT broker.
type Broker struct {
	URL                string // mqtt, mqtts, tcp, ssl, ws or wss
	Username, Password string // win over the URL's
	CAFile             string // PEM; empty: the system's
}

// ErrNoBroker says that there is no broker to connect to.
var ErrNoBroker = errors.New("no MQTT broker is configured: set MQTT_URL, or install the Mosquitto broker app")

const (
	keepAlive = 10 * time.Second
	// connectWithin bounds one attempt, so that a broker which does not answer
	// is tried again within five seconds.
	connectWithin = 4 * time.Second
	// writeWithin bounds a publish on a broker that does not read any more.
	writeWithin = 2 * time.Second
)

const (
	// retryWithin is the longest time between two attempts.
	retryWithin = 5 * time.Second
	// steady is how long a connection must last to be trusted: two programs
	// with one client id throw each other out again and again.
	steady = 10 * time.Second
)

// connect keeps a connection, for ever.
func (p *Publisher) connect(ctx context.Context) {
	pause := time.Second
	refused := false
	for p.stay(ctx); ctx.Err() == nil; p.stay(ctx) {
		began := time.Now()
		lost := make(chan struct{})
		client, where, err := p.dial(ctx, refused, lost)
		if ctx.Err() != nil {
			if err == nil {
				client.Disconnect(0)
			}
			return
		}
		refused = Refuses(err)
		p.report(where, err)
		if err == nil {
			p.put(func(a *arrivals) { a.up, a.lost = client, false })
			select {
			case <-ctx.Done():
				return
			case <-lost:
			case <-p.part:
				client.Disconnect(250)
			}
			p.put(func(a *arrivals) { a.up, a.lost = nil, true })
			p.report(where, fmt.Errorf("the connection to the MQTT broker %s is lost", where))
			lasted := time.Since(began) > steady
			if lasted {
				pause = time.Second / 4
			}
			p.thrown(!lasted)
		}
		t := time.NewTimer(time.Until(began.Add(pause)))
		select {
		case <-ctx.Done():
		case <-t.C:
		}
		t.Stop()
		pause = min(2*pause, retryWithin)
	}
}

// Refuses reports whether an attempt failed because the broker turned us away.
func Refuses(err error) bool {
	return errors.Is(err, packets.ErrorRefusedBadUsernameOrPassword) || errors.Is(err, packets.ErrorRefusedNotAuthorised)
}

// dial makes one attempt. where is the broker without name and password.
func (p *Publisher) dial(ctx context.Context, refused bool, lost chan struct{}) (client mqtt.Client, where string, err error) {
	b, err := p.Broker(ctx, refused)
	if err != nil {
		return nil, "", err
	}
	options, where, err := p.options(b)
	if err != nil {
		return nil, where, err
	}
	options.SetBinaryWill(p.Names.Status(), []byte("offline"), 1, true)
	options.SetConnectionLostHandler(func(mqtt.Client, error) { close(lost) })
	options.SetDefaultPublishHandler(func(_ mqtt.Client, m mqtt.Message) {
		p.receive(inbound{m.Topic(), m.Payload(), m.Retained()})
	})
	client, err = call(ctx, options, where)
	return client, where, err
}

// Try makes one connection that says nothing, and ends it.
func (p *Publisher) Try(ctx context.Context) error {
	b, err := p.Broker(ctx, false)
	if err != nil {
		return err
	}
	options, where, err := p.options(b)
	if err != nil {
		return err
	}
	client, err := call(ctx, options, where)
	if err == nil {
		client.Disconnect(100)
	}
	return err
}

// call connects to the broker at where.
func call(ctx context.Context, options *mqtt.ClientOptions, where string) (mqtt.Client, error) {
	client := mqtt.NewClient(options)
	token := client.Connect()
	select {
	case <-token.Done():
	case <-ctx.Done():
	case <-time.After(connectWithin + time.Second):
	}
	err := errSilent
	select {
	case <-token.Done():
		err = token.Error()
	default:
	}
	if err == nil {
		return client, nil
	}
	go client.Disconnect(0)
	if Refuses(err) {
		who := "a client without a user name"
		if options.Username != "" {
			who = fmt.Sprintf("the user %q", options.Username)
		}
		return nil, fmt.Errorf("the MQTT broker %s refuses %s (%w): check MQTT_USERNAME and MQTT_PASSWORD", where, who, err)
	}
	return nil, fmt.Errorf("the MQTT broker %s cannot be reached: %w", where, plain(err))
}

var (
	errSilent = errors.New("it does not answer")
	errHungUp = errors.New("it closed the connection")
)

// plain leaves out of a network's error what differs from one attempt to the
// next, so that the same trouble is logged once.
func plain(err error) error {
	var op *net.OpError
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns) && dns.IsNotFound:
		return fmt.Errorf("nobody knows the name %s", dns.Name)
	case errors.As(err, &dns):
		return fmt.Errorf("the name %s cannot be looked up", dns.Name)
	case errors.As(err, &timeout) && timeout.Timeout():
		return errSilent
	case errors.As(err, &op):
		return op.Err
	case errors.Is(err, io.EOF):
		return errHungUp
	}
	return errors.New(strings.TrimPrefix(err.Error(), packets.ErrorNetworkError.Error()+" : "))
}

// options turns a Broker into paho's options.
func (p *Publisher) options(b Broker) (*mqtt.ClientOptions, string, error) {
	u, err := ParseBroker(b.URL)
	if err != nil {
		return nil, "", err
	}
	where := u.Host
	o := mqtt.NewClientOptions()
	if u.User != nil {
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
		u.User = nil
	}
	if b.Username != "" {
		o.Username = b.Username
	}
	if b.Password != "" {
		o.Password = b.Password
	}
	if b.CAFile != "" {
		pool, err := CertPool(b.CAFile)
		if err != nil {
			return nil, where, err
		}
		o.SetTLSConfig(&tls.Config{RootCAs: pool})
	}
	o.AddBroker(u.String())
	o.SetClientID(p.ClientID).SetCleanSession(true).SetProtocolVersion(4)
	o.SetKeepAlive(keepAlive).SetPingTimeout(keepAlive / 2)
	o.SetConnectTimeout(connectWithin).SetWriteTimeout(writeWithin)
	o.SetAutoReconnect(false).SetConnectRetry(false).SetOrderMatters(true)
	return o, where, nil
}

// ParseBroker checks a broker's URL, and names its port. The error does not
// contain the URL, which may hold a password.
func ParseBroker(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" {
		return nil, errors.New("is no URL like mqtt://host:1883")
	}
	ports := map[string]string{"mqtt": "1883", "tcp": "1883", "mqtts": "8883", "ssl": "8883", "ws": "80", "wss": "443"}
	port, ok := ports[u.Scheme]
	if !ok {
		return nil, errors.New("begins with none of mqtt://, mqtts://, ws://, wss://")
	}
	if u.Port() == "" {
		u.Host = strings.TrimSuffix(u.Host, ":") + ":" + port
	} else if n, err := strconv.ParseUint(u.Port(), 10, 16); err != nil || n == 0 {
		return nil, errors.New("names no port from 1 to 65535")
	}
	return u, nil
}

// CertPool reads the certificates of an MQTT_CA_FILE.
func CertPool(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("MQTT_CA_FILE: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("MQTT_CA_FILE: %s holds no certificate", file)
	}
	return pool, nil
}

// report keeps what is wrong with the broker for the page, and logs it when it
// changes.
func (p *Publisher) report(where string, err error) {
	reason := ""
	if err != nil {
		reason = err.Error()
	}
	p.mu.Lock()
	changed := !p.reported || reason != p.trouble
	p.reported, p.trouble, p.health.Refused = true, reason, Refuses(err)
	p.mu.Unlock()
	switch {
	case !changed:
	case err == nil:
		p.Log.Info().Str("broker", where).Msg("connected to the MQTT broker")
	default:
		if !errors.Is(err, errAway) {
			reason += "; trying again until it works"
		}
		p.Log.Warn().Msg(reason)
	}
}

// Trouble says in one sentence what is wrong with the broker; empty: nothing.
func (p *Publisher) Trouble() string {
	return p.Health().Trouble
}
