package homeassistant

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/eclipse/paho.mqtt.golang/packets"
)

func TestConfig(t *testing.T) {
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		change func(*Config)
		want   string // empty: it can be used
	}{
		{func(*Config) {}, ""},
		{func(c *Config) { c.URL = "mqtt://user:hunter2@broker" }, ""},
		{func(c *Config) { c.URL = "wss://broker:8443/mqtt?x=1" }, ""},
		{func(c *Config) { c.BaseTopic, c.DiscoveryPrefix = "home/grid two", "hass/two" }, ""},
		{func(c *Config) { c.URL = "http://user:hunter2@broker" }, "MQTT_URL begins with none of mqtt://, mqtts://, ws://, wss://"},
		{func(c *Config) { c.URL = "user:hunter2@broker:1883" }, "MQTT_URL is no URL like mqtt://host:1883"},
		{func(c *Config) { c.URL = "mqtt://user:hunter2@" }, "MQTT_URL is no URL like mqtt://host:1883"},
		{func(c *Config) { c.URL = "mqtt://user:hunter2%zz@broker" }, "MQTT_URL is no URL like mqtt://host:1883"},
		{func(c *Config) { c.URL = "mqtt://broker:70000" }, "MQTT_URL names no port from 1 to 65535"},
		{func(c *Config) { c.URL = "mqtt://broker:0" }, "MQTT_URL names no port from 1 to 65535"},
		{func(c *Config) { c.BaseTopic = "" }, "MQTT_BASE_TOPIC is no topic"},
		{func(c *Config) { c.BaseTopic = "a\nb" }, "MQTT_BASE_TOPIC is no topic"},
		{func(c *Config) { c.BaseTopic = "a\x00b" }, "MQTT_BASE_TOPIC is no topic"},
		{func(c *Config) { c.BaseTopic = "a\xffb" }, "MQTT_BASE_TOPIC is no topic"},
		{func(c *Config) { c.BaseTopic = "a/+/b" }, "MQTT_BASE_TOPIC contains a wildcard"},
		{func(c *Config) { c.BaseTopic = "a/#" }, "MQTT_BASE_TOPIC contains a wildcard"},
		{func(c *Config) { c.BaseTopic = "/a" }, "MQTT_BASE_TOPIC begins or ends with a slash"},
		{func(c *Config) { c.BaseTopic = "a/" }, "MQTT_BASE_TOPIC begins or ends with a slash"},
		{func(c *Config) { c.BaseTopic = "$SYS/a" }, "MQTT_BASE_TOPIC begins with $"},
		{func(c *Config) { c.BaseTopic = strings.Repeat("a", 201) }, "MQTT_BASE_TOPIC is longer than 200 characters"},
		{func(c *Config) { c.BaseTopic = "homeassistant" }, "MQTT_BASE_TOPIC is Home Assistant's own topic"},
		{func(c *Config) { c.BaseTopic, c.DiscoveryPrefix = "hass", "hass" }, "MQTT_BASE_TOPIC is Home Assistant's own topic"},
		{func(c *Config) { c.DiscoveryPrefix = "hass/#" }, "MQTT_DISCOVERY_PREFIX contains a wildcard"},
		{func(c *Config) { c.DiscoveryPrefix = "/hass" }, "MQTT_DISCOVERY_PREFIX begins or ends with a slash"},
		{func(c *Config) { c.DiscoveryPrefix = "$hass" }, "MQTT_DISCOVERY_PREFIX begins with $"},
		{func(c *Config) { c.CAFile = filepath.Join(dir, "none.pem") }, "MQTT_CA_FILE: open " + filepath.Join(dir, "none.pem") + ": no such file or directory"},
		{func(c *Config) { c.CAFile = empty }, "MQTT_CA_FILE: " + empty + " holds no certificate"},
		{func(c *Config) { c.URL, c.BaseTopic = "x", "#" }, "MQTT_URL is no URL like mqtt://host:1883\nMQTT_BASE_TOPIC contains a wildcard"},
	}
	for _, tt := range tests {
		c := Config{BaseTopic: DefaultBase, DiscoveryPrefix: "homeassistant"}
		tt.change(&c)
		got := ""
		if err := c.Validate(); err != nil {
			got = err.Error()
		}
		if got != tt.want {
			t.Errorf("%+v: %q, want %q", c, got, tt.want)
		}
	}
}

func TestParseBroker(t *testing.T) {
	tests := []struct{ text, host, path string }{
		{"mqtt://h", "h:1883", ""}, {"tcp://h:1", "h:1", ""}, {"mqtts://h", "h:8883", ""}, {"ssl://h", "h:8883", ""},
		{"ws://h/mqtt", "h:80", "/mqtt"}, {"wss://h", "h:443", ""}, {"mqtt://[::1]", "[::1]:1883", ""}, {"mqtt://h:", "h:1883", ""},
	}
	for _, tt := range tests {
		u, err := ParseBroker(tt.text)
		if err != nil || u.Host != tt.host || u.Path != tt.path {
			t.Errorf("%s: %v, %v; want %s %s", tt.text, u, err, tt.host, tt.path)
		}
	}
}

// The same trouble must read the same at each attempt, or each is logged.
func TestTroubleWithoutPorts(t *testing.T) {
	network := func(err error) error { return fmt.Errorf("%w : %w", packets.ErrorNetworkError, err) }
	tests := []struct {
		err  error
		want string
	}{
		{network(&net.OpError{Op: "read", Net: "tcp", Source: &net.TCPAddr{Port: 40001}, Err: os.ErrDeadlineExceeded}), "it does not answer"},
		{network(&net.OpError{Op: "dial", Net: "tcp", Addr: &net.TCPAddr{Port: 1883}, Err: errors.New("connect: connection refused")}), "connect: connection refused"},
		{network(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "no such host", Name: "core-mosquitto", IsNotFound: true}}), "nobody knows the name core-mosquitto"},
		{network(&net.OpError{Op: "dial", Err: &net.DNSError{Err: "read udp 10.0.0.2:40001: i/o timeout", Name: "h", IsTimeout: true}}), "the name h cannot be looked up"},
		{network(io.EOF), "it closed the connection"},
		{network(errors.New("websocket: bad handshake")), "websocket: bad handshake"},
		{packets.ErrorRefusedServerUnavailable, "server Unavailable"},
	}
	for _, tt := range tests {
		if got := plain(tt.err).Error(); got != tt.want {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}
