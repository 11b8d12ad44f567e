package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/browser"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// TestPageManagesAWebhook at a vendor that lets us: registers, checks and removes it, and rehearses.
func TestPageManagesAWebhook(t *testing.T) {
	t.Parallel()
	const key = "capacitor-key-of-the-tests-0451"
	cloud := simulator.NewCapacitor(key, nil)
	api, err := cloud.Open("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, cloud.Close()) })
	r := openRig(t, map[string]string{"CAPACITOR_API_KEY": key, "CAPACITOR_URL": api, "PUBLIC_URL": "https://home.example"})
	r.start(t)
	v := &visitor{rig: r, base: openFrontend(t, r.app.Web).Ingress}
	v.Page, err = browser.Open(limit(t, 5*time.Minute), 1280, 800)
	need(t, err)
	t.Cleanup(func() { must(t, v.Close()) })
	v.Listen()
	v.open(t, "")
	v.shows(t, "#sources .source", "fresh")
	v.shows(t, "#sources .source", "calls left")
	must(t, v.Load([]byte("window.confirm = () => true")))
	must(t, v.Click("#hooks-of-capacitor summary"))
	for _, step := range []struct{ button, says string }{{"Register or repair", "capacitor: added the webhook"}, {"Check", "capacitor: "}, {"Remove", "capacitor: removed"}} {
		v.press(t, "#hooks-of-capacitor button", step.button)
		v.shows(t, "#notice", step.says)
		must(t, v.Load([]byte(`document.getElementById("notice").replaceChildren()`)))
	}
	if text, err := v.Text(); err != nil || strings.Contains(text, hookToken) {
		t.Error("what was done tells the token", err)
	}
	v.press(t, "#sources button", "Rehearse")
	v.shows(t, "#now h2", "A rehearsal is running")
	v.shows(t, "#rehearsal li.done", "The broker has it")
	v.press(t, "#rehearsal button", "Stop")
	v.shows(t, "#now h2", "Nothing is running")
	v.same(t)
}

// TestPageRegistersWithSettings what a vendor wants to be told, which is kept while the page renews itself.
func TestPageRegistersWithSettings(t *testing.T) {
	t.Parallel()
	const key, secret = "ecomon-key-of-the-tests-0451", "ecomon-secret-of-the-tests-0451"
	cloud := simulator.NewEcomon(key, nil)
	api, err := cloud.Open("127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { must(t, cloud.Close()) })
	env := believing()
	env["ECOMON_API_KEY"], env["ECOMON_SECRET"], env["ECOMON_URL"], env["PUBLIC_URL"] = key, secret, api, "https://home.example"
	r := openRig(t, env)
	r.start(t)
	v := &visitor{rig: r, base: openFrontend(t, r.app.Web).Ingress}
	v.Page, err = browser.Open(limit(t, 5*time.Minute), 390, 844)
	need(t, err)
	t.Cleanup(func() { must(t, v.Close()) })
	v.Listen()
	v.open(t, "")
	must(t, v.Click("#hooks-of-ecomon summary"))
	must(t, v.Fill("#hooks-of-ecomon input[type=text]", "device=a1b2c3d4 limit=5000"))
	r.post(t, simulator.Started, "")
	v.shows(t, "#now h2", "An equivent is running")
	v.press(t, "#hooks-of-ecomon button", "Register or repair")
	v.shows(t, "#notice", "calls here now")
	for _, alert := range cloud.Limits() {
		if !strings.Contains(alert, "a1b2c3d4 5000 https://home.example/hook/ecomon/"+hookToken) {
			t.Errorf("at Ecomon: %s", alert)
		}
	}
	if n := len(cloud.Limits()); n != 2 || cloud.Secret() != secret {
		t.Errorf("%d alerts at Ecomon, and the secret is set: %v", n, cloud.Secret() == secret)
	}
	v.same(t)
}
