package e2e

import (
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
	"github.com/grid2mqtt/grid2mqtt/e2e/process"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// bridgeSetup is what the bridge says of the set-up.
type bridgeSetup struct {
	Setup string  `json:"setup"`
	Text  *string `json:"setup_text"`
}

// setUp waits until the bridge's last word on the set-up is this.
func (r *rig) setUp(t *testing.T, want, text string) {
	t.Helper()
	until(t, soon, "setup "+want+" "+text, func() bool {
		all := observer.Pick(r.air.Since(0), observer.On(bridgeTopic))
		if len(all) == 0 {
			return false
		}
		s := parse[bridgeSetup](t, all[len(all)-1])
		return s.Setup == want && (s.Text == nil) == (text == "") && (s.Text == nil || strings.Contains(*s.Text, text))
	})
}

// TestSelfCheck from outside: the command beside the running program uses that, and the bridge says the first broken step until
// all is well.
func TestSelfCheck(t *testing.T) {
	t.Parallel()
	host := process.Host()
	port, err := process.FreePort(host)
	must(t, err)
	public := "http://" + net.JoinHostPort(host, strconv.Itoa(port))
	env := confirming()
	env["PUBLIC_URL"] = public
	r := openRig(t, env)
	binary, err := build()
	must(t, err)
	second := maps.Clone(env)
	maps.Copy(second, map[string]string{"WEB_ADDR": strings.TrimPrefix(r.app.Web, "http://"), "MQTT_URL": r.gate.url(), "HOOK_TOKEN": hookToken})
	asker, err := binary.Install(second)
	must(t, err)
	defer func() { must(t, asker.Close()) }()
	asks := func(code int, want ...string) {
		t.Helper()
		got, err := asker.Run(limit(t, soon), "check")
		must(t, err)
		if got.Code != code || (code == 0) != (got.Stderr == "") {
			t.Errorf("exit code %d, want %d: %s\n%s", got.Code, code, got.Stderr, got.Stdout)
		}
		for _, line := range want {
			if !strings.Contains(got.Stdout, line) {
				t.Errorf("no %q in\n%s", line, got.Stdout)
			}
		}
	}
	asks(0, "Grid2MQTT does not run here", "ok       broker", "ok       login", "off      public_url")

	r.cloud.Break(simulator.Failure("closed for today"))
	r.start(t)
	r.setUp(t, "equiwatt", "Equiwatt")
	asks(1, "ok       discovery", "bad      equiwatt", "ok       hook_listener", "bad      public_url               "+strings.TrimPrefix(public, "http://")+" cannot be reached")
	r.cloud.Mend()
	r.command(t, "refresh", "")
	r.setUp(t, "public_url", "Some routers let no home call itself")

	hooks, err := url.Parse(r.app.Hooks)
	must(t, err)
	front := &http.Server{Addr: strings.TrimPrefix(public, "http://"), Handler: httputil.NewSingleHostReverseProxy(hooks)}
	l, err := net.Listen("tcp", front.Addr)
	must(t, err)
	go func() { _ = front.Serve(l) }()
	t.Cleanup(func() { _ = front.Close() })
	before := strings.Count(r.broker.Log(), "New client connected")
	asks(0, "ok       public_url", "waiting  home_assistant", "waiting  equiwatt_webhook")
	if n := strings.Count(r.broker.Log(), "New client connected"); n != before {
		t.Errorf("the broker had %d more sessions for a check", n-before)
	}
	r.setUp(t, "ok", "Home Assistant has not been heard")
	must(t, r.air.Publish(limit(t, soon), "homeassistant/status", "online", false))
	r.post(t, simulator.Started, "")
	r.setUp(t, "ok", "")
}
