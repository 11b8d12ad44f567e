package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/browser"
	"github.com/grid2mqtt/grid2mqtt/pkg/simulator"
)

// visitor is a householder in front of the page.
type visitor struct {
	*browser.Page
	rig  *rig
	base string
}

// TestPageDoes what a householder clicks, on a phone and on a desktop, light and dark, inside Home Assistant's frame.
func TestPageDoes(t *testing.T) {
	t.Parallel()
	for _, d := range devices {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			v := visit(t, d)
			for _, part := range []struct {
				name string
				do   func(*testing.T, *visitor)
			}{
				{"now", now}, {"timeline", timeline}, {"sources", sources}, {"deliveries", deliveries}, {"setup", setup}, {"hook URLs", hookURLs},
				{"rehearsal", rehearsal}, {"support bundle", bundle}, {"log", logLines}, {"lost", lost},
			} {
				if !t.Run(part.name, func(t *testing.T) { part.do(t, v) }) {
					must(t, v.Whole(t.ArtifactDir()+"/failed.png"))
					t.FailNow()
				}
			}
		})
	}
}

func visit(t *testing.T, d browser.Device) *visitor {
	env := confirming()
	env["PUBLIC_URL"], env["HOOK_TOKEN"] = "https://home.example/grid", ""
	r := openRig(t, env)
	for i := range 3 {
		start := time.Now().Add(-time.Duration(i*72+30) * time.Hour).Truncate(time.Minute)
		r.cloud.Past(start, start.Add(50*time.Minute))
	}
	r.start(t)
	r.becomes(t, 0, isOff)
	v := &visitor{rig: r, base: openFrontend(t, r.app.Web).Ingress}
	var err error
	v.Page, err = browser.Open(limit(t, 5*time.Minute), int(d.Width), int(d.Height))
	need(t, err)
	t.Cleanup(func() { must(t, v.Close()) })
	must(t, v.Use(d))
	v.Listen()
	return v
}

// open goes to a page, and marks it: what is marked was not loaded again.
func (v *visitor) open(t *testing.T, target string) {
	t.Helper()
	must(t, v.Go(v.base+target))
	must(t, v.Until(soon, `document.readyState === "complete" && document.getElementById("live")?._htmx?.sse`))
	must(t, v.Load([]byte("window.marked = true")))
}

// shows waits until the page says a text, in an element.
func (v *visitor) shows(t *testing.T, selector, text string) {
	t.Helper()
	must(t, v.Until(soon, fmt.Sprintf("[...document.querySelectorAll(%q)].some((e) => e.textContent.includes(%q))", selector, text)))
}

// same fails where the page was loaded again, or its console has something to say.
func (v *visitor) same(t *testing.T) {
	t.Helper()
	if marked, err := browser.Ask[bool](v.Page, "window.marked === true"); err != nil || !marked {
		t.Error("the page was loaded again", err)
	}
	v.quiet(t)
}

func (v *visitor) quiet(t *testing.T) {
	t.Helper()
	for _, c := range v.Complaints() {
		t.Error("the console says", c)
	}
}

// press clicks a button, or follows a link, that says a text.
func (v *visitor) press(t *testing.T, selector, text string) {
	t.Helper()
	must(t, v.Press(selector, text))
}

func now(t *testing.T, v *visitor) {
	v.open(t, "")
	v.shows(t, "#now h2", "Nothing is running")
	v.shows(t, "#now", "And that is as expected: Equiwatt was asked")
	must(t, v.Until(soon, `/^[1-9]\d* s ago$/.test(document.querySelector("#now time[data-counts]").textContent)`)) // it counts
	v.rig.cloud.Plan(time.Hour)
	v.rig.cloud.Start(time.Now().Add(-3 * time.Minute))
	v.post(t, "started", "")
	v.shows(t, "#now h2", "An equivent is running")
	v.shows(t, "#now", "Planned end")
	v.shows(t, "#announce", "An equivent is running")
	must(t, v.Until(soon, `document.title.startsWith("An equivent is running")`))
	v.shows(t, "#latest", "webhook")
	v.rig.cloud.End(time.Now())
	v.post(t, "ended", "")
	v.shows(t, "#now h2", "Nothing is running")
	v.shows(t, "#last", " s ago")
	v.same(t)
}

func timeline(t *testing.T, v *visitor) {
	v.open(t, "")
	if bars, err := browser.Ask[int](v.Page, `document.querySelectorAll("#timeline .bar").length`); err != nil || bars < 4 {
		t.Errorf("%d bars are drawn, %v", bars, err)
	}
	v.shows(t, "#timeline .bar title", "Told by Equiwatt's cloud.")
	must(t, v.Click("#timeline .newest a"))
	v.shows(t, "#dayview .entries", "Equivent")
	v.shows(t, "#dayview .entries", "First heard")
	must(t, v.Click("#dayview .plot a rect"))
	must(t, v.Until(soon, `location.hash === "#entry-1" && document.querySelector(":target")`))
	v.press(t, "nav.pager a", "The day before")
	must(t, v.Until(soon, `location.search !== "" && !document.querySelector(":target")`))
	v.open(t, "")
	must(t, v.Click("#timeline a:has(.bar) .day")) // a day of the axis itself
	must(t, v.Until(soon, `location.pathname.endsWith("/day") && document.querySelector("#dayview .entries")`))
	v.quiet(t)
}

func sources(t *testing.T, v *visitor) {
	v.open(t, "")
	v.shows(t, "#sources .source", "fresh")
	v.shows(t, "#sources", "Not set up: Ecomon")
	v.rig.cloud.Break(simulator.Status(http.StatusUnauthorized))
	calls := len(v.rig.cloud.Calls())
	v.press(t, "#sources button", "Ask now")
	v.shows(t, "#notice", "Asking now")
	v.shows(t, "#sources .source", "broken")
	v.shows(t, "#sources .source", "Since")
	if got := len(v.rig.cloud.Calls()); got <= calls {
		t.Error("the cloud was not asked")
	}
	v.rig.cloud.Mend()
	v.press(t, "#now button", "Ask now")
	v.shows(t, "#sources .source", "fresh")
	v.same(t)
}

func deliveries(t *testing.T, v *visitor) {
	v.open(t, "deliveries")
	v.post(t, "ended", `{"action":"End","grid":"<b>bold</b> & needle"}`)
	v.shows(t, "#fresh", "Something new has arrived")
	must(t, v.Click("#fresh a"))
	v.shows(t, ".rows-of-deliveries", "Equiwatt · ended")
	must(t, v.Fill("input[name=text]", "NEEDLE"))
	v.press(t, "#filter button", "Show")
	must(t, v.Until(soon, `location.search.includes("text=NEEDLE") && document.querySelectorAll(".rows-of-deliveries li").length === 1`))
	must(t, v.Click(".rows-of-deliveries a"))
	v.shows(t, "pre", `"grid": "<b>bold</b> & needle"`)
	v.shows(t, "dd", "application/json")
	v.press(t, "a.button", "Copy a redacted sample")
	v.shows(t, "a.button", "Copied")
	v.press(t, "button", "Replay")
	v.shows(t, "#notice", "1 decoded anew: it says what is known.")
	must(t, v.Click("input[name=fire]"))
	v.press(t, "button", "Replay")
	v.shows(t, "#notice", "1 of the events say something new")
	must(t, v.Go(v.base+"deliveries"))
	v.shows(t, ".rows-of-deliveries", "replay")
	must(t, v.Click("#replay-since summary"))
	must(t, v.Fill("#replay-since input[name=since]", time.Now().UTC().Add(-time.Hour).Format("2006-01-02T15:04")))
	v.press(t, "#replay-since button", "Replay all")
	v.shows(t, "#notice", "decoded anew")
	v.quiet(t)
}

func setup(t *testing.T, v *visitor) {
	v.open(t, "setup")
	v.shows(t, "#checks li.ok", "The MQTT broker")
	v.shows(t, "#checks li.first", "The internet reaches")
	v.press(t, "#checks button", "Check anew")
	v.shows(t, "#notice", "Checked anew.")
	v.same(t)
}

func hookURLs(t *testing.T, v *visitor) {
	v.open(t, "")
	const url = `document.getElementById("hook-0").value`
	was, err := browser.Ask[string](v.Page, url)
	must(t, err)
	if !strings.HasPrefix(was, "https://home.example/grid/hook/equiwatt/") || !strings.HasSuffix(was, "/started") {
		t.Error(was)
	}
	must(t, v.Click("#hook-urls summary"))
	v.press(t, "#hook-urls .copy", "Copy")
	v.shows(t, "#hook-urls .copy", "Copied")
	must(t, v.Click("#template-0 summary"))
	must(t, v.Until(soon, `document.getElementById("payload-0").value.includes("direction") && document.getElementById("payload-0").checkVisibility()`))
	must(t, v.Load([]byte("window.confirm = () => true")))
	v.press(t, "#hook-urls button", "Make a new token")
	v.shows(t, "#notice", "The hook URLs are new")
	must(t, v.Until(soon, fmt.Sprintf("%s !== %q && document.getElementById('hook-urls').open", url, was)))
	v.shows(t, "#hook-urls .note", "it was used not once")
	status, _, err := v.rig.app.Post(limit(t, soon), strings.TrimPrefix(was, "https://home.example/grid"), "", nil)
	if must(t, err); status != http.StatusOK {
		t.Error("the old URL is no longer taken:", status)
	}
	v.shows(t, "#hook-urls .note", "Equiwatt 1 ×")
	v.same(t)
}

func rehearsal(t *testing.T, v *visitor) {
	mark := v.rig.mark(t)
	v.open(t, "")
	must(t, v.Fill("#now input[name=payload]", "3"))
	v.press(t, "#now button", "Rehearse")
	v.shows(t, "#now h2", "A rehearsal is running")
	v.shows(t, "#now", "in 2 min")
	v.shows(t, "#rehearsal li.done", "The broker")
	v.shows(t, "#rehearsal li.next", "Home Assistant")
	v.rig.says(t, mark, "rehearsal_started")
	v.press(t, "#now button", "Stop")
	v.shows(t, "#now h2", "Nothing is running")
	v.rig.says(t, mark, "rehearsal_ended")
	v.same(t)
}

func bundle(t *testing.T, v *visitor) {
	v.open(t, "setup")
	magic, err := browser.Ask[string](v.Page, `(() => { const a = document.querySelector("a[download]"); return a ? fetch(a.href).then((r) => r.text()).then((t) => t.slice(0, 2)) : "none" })()`)
	if err != nil || magic != "PK" {
		t.Errorf("the bundle is %q, %v", magic, err)
	}
	v.same(t)
}

func logLines(t *testing.T, v *visitor) {
	v.open(t, "log")
	v.shows(t, ".log li", "connected to the MQTT broker")
	must(t, v.Load([]byte(`document.getElementById("level").value = "error"; document.getElementById("level").dispatchEvent(new Event("change", {bubbles: true}))`)))
	must(t, v.Until(soon, `location.search === "?level=error" && document.querySelector("#lines")`))
	v.open(t, "log")
	v.post(t, "started", "")
	v.shows(t, ".log li", "webhook received")
	v.same(t)
}

// lost is what an open page says while the program is away, and that it goes on by itself.
func lost(t *testing.T, v *visitor) {
	v.open(t, "")
	must(t, v.rig.app.Stop())
	must(t, v.Until(soon, `!document.getElementById("lost").hidden`))
	v.rig.start(t)
	must(t, v.Until(soon, `document.getElementById("lost").hidden`))
	v.shows(t, "#now h2", "Nothing is running")
	v.Complaints() // that nobody answered
	v.same(t)
}

// post sends a webhook to the URL that the page shows.
func (v *visitor) post(t *testing.T, kind, body string) {
	t.Helper()
	at, err := browser.Ask[string](v.Page, `fetch("./").then((r) => r.text()).then((t) => new DOMParser().parseFromString(t, "text/html").getElementById("hook-0").value)`)
	must(t, err)
	path := strings.TrimSuffix(strings.TrimPrefix(at, "https://home.example/grid"), "started") + kind
	status, _, err := v.rig.app.Post(limit(t, soon), path, "application/json", []byte(body))
	if must(t, err); status != http.StatusOK {
		t.Errorf("%s: %d", kind, status)
	}
}

// TestPageFindsItsStream where Home Assistant did not let the first one through.
func TestPageFindsItsStream(t *testing.T) {
	t.Parallel()
	page, _ := emptyHouse(t)
	f := openFrontend(t, page)
	f.refuse.Store(1)
	p, err := browser.Open(limit(t, 5*time.Minute), 1280, 800)
	need(t, err)
	defer func() { must(t, p.Close()) }()
	must(t, p.Go(f.Ingress))
	must(t, p.Load([]byte("window.marked = true")))
	must(t, p.Until(soon, `document.getElementById("live")?._htmx?.sse && window.marked`))
	if f.refuse.Load() >= 0 {
		t.Error("no stream was refused")
	}
}

// TestPageWithoutScripts can be read, and its buttons work.
func TestPageWithoutScripts(t *testing.T) {
	t.Parallel()
	r := openRig(t, confirming())
	r.start(t)
	r.becomes(t, 0, isOff)
	p, err := browser.Open(limit(t, 5*time.Minute), 390, 844)
	need(t, err)
	defer func() { must(t, p.Close()) }()
	must(t, p.Scripts(false))
	base := openFrontend(t, r.app.Web).Ingress
	must(t, p.Show(base, "Nothing is running", "Equiwatt was asked", "load it again for news"))
	must(t, p.Click("#rehearse"))
	must(t, p.Until(soon, `location.search === "?done=rehearse"`))
	r.becomes(t, 0, isOn)
	must(t, p.Show(base, "A rehearsal is running"))
	must(t, p.Show(base+"deliveries", "Equiwatt · rehearse"))
	must(t, p.Show(base+"log", "connected to the MQTT broker"))
}

// TestPageLooksLikeHomeAssistant around it, as far as its frame lets it.
func TestPageLooksLikeHomeAssistant(t *testing.T) {
	t.Parallel()
	page, _ := emptyHouse(t)
	f := openFrontend(t, page)
	p, err := browser.Open(limit(t, 5*time.Minute), 1280, 800)
	need(t, err)
	defer func() { must(t, p.Close()) }()
	p.Listen()
	must(t, p.Go(f.URL))
	const inside = `(f => f.contentDocument?.readyState === "complete" && f.contentWindow.getComputedStyle(f.contentDocument.documentElement))(document.querySelector("iframe"))`
	must(t, p.Until(soon, `(s => s && s.getPropertyValue("--button") === "#03a9f4" && s.getPropertyValue("--on-button") === "#000000" && s.getPropertyValue("--ground") === "#f4f6f8")(`+inside+`)`))
	// Its own light blue is too pale to be read on white.
	must(t, p.Until(soon, `(s => s.getPropertyValue("--link") === "#0b6e99")(`+inside+`)`))
	must(t, p.Load([]byte(`document.documentElement.className = "dark"`)))
	must(t, p.Until(soon, `(s => s.getPropertyValue("--button") === "#ff9800" && s.getPropertyValue("--link") === "#ff9800" && s.getPropertyValue("--ground") === "#111315" && s.colorScheme === "dark")(`+inside+`)`))
	for _, c := range p.Complaints() {
		t.Error("the console says", c)
	}
}
