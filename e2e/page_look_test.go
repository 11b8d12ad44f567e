package e2e

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/browser"
)

// devices are what the page is looked at with.
var devices = []browser.Device{
	{Name: "phone", Width: 390, Height: 844, Phone: true},
	{Name: "phone_dark", Width: 390, Height: 844, Phone: true, Dark: true},
	{Name: "desktop", Width: 1280, Height: 800},
	{Name: "desktop_dark", Width: 1280, Height: 800, Dark: true},
}

// TestPageLooksRight on every device and in every state: the console has nothing to say, nothing is wider than the window, and
// nobody is left out. The pictures are for the eye.
func TestPageLooksRight(t *testing.T) {
	t.Parallel()
	for name, open := range map[string]func(t *testing.T) (page string, delivery int64){"empty": emptyHouse, "demo": livelyHouse, "crowd": crowdedHouse} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, delivery := open(t)
			pages := map[string]string{"overview": "", "deliveries": "deliveries", "found": "deliveries?text=grid&verdict=accepted&since=2020-01-01T00:00", "day": "day", "setup": "setup", "log": "log?level=debug"}
			if delivery > 0 {
				pages["delivery"] = fmt.Sprintf("delivery?id=%d", delivery)
			}
			inspect(t, name, openFrontend(t, page).Ingress, pages)
		})
	}
}

func inspect(t *testing.T, state, base string, pages map[string]string) {
	axe, err := os.ReadFile("testdata/axe/axe.min.js")
	must(t, err)
	p, err := browser.Open(limit(t, 5*time.Minute), 1280, 800)
	need(t, err)
	defer func() { must(t, p.Close()) }()
	p.Listen()
	for _, d := range devices {
		must(t, p.Use(d))
		for name, target := range pages {
			where := fmt.Sprintf("%s on %s", name, d.Name)
			// Half a minute is what the program gives a page. A busy machine that looks through a hundred thousand webhooks may need more.
			tries := 1
			for err := p.Go(base + target); err != nil; err = p.Go(base + target) {
				if t.Log(where, err); tries == 5 {
					t.FailNow()
				}
				tries++
			}
			must(t, p.Until(soon, `document.readyState === "complete" && (document.getElementById("live") === null || document.getElementById("live")._htmx?.sse)`))
			must(t, p.Whole(filepath.Join(t.ArtifactDir(), strings.Join([]string{state, name, d.Name}, "_")+".png")))
			if width, err := browser.Ask[int64](p, "document.documentElement.scrollWidth"); err != nil || width > d.Width {
				t.Errorf("%s is %d pixels wide, %v", where, width, err)
			}
			for _, v := range violations(t, p, axe) {
				t.Errorf("%s: %s", where, v)
			}
			if complaints := p.Complaints(); tries == 1 && len(complaints) > 0 {
				t.Errorf("%s: the console says %q", where, complaints)
			}
		}
	}
}

// violations are what axe finds serious about a page.
func violations(t *testing.T, p *browser.Page, axe []byte) (list []string) {
	t.Helper()
	must(t, p.Load(axe))
	text, err := browser.Ask[string](p, `axe.run(document, {resultTypes: ["violations"]}).then((r) => JSON.stringify(r.violations
  .filter((v) => v.impact === "serious" || v.impact === "critical")
  .map((v) => v.id + ": " + v.nodes.slice(0, 3).map((n) => n.target.join(" ") + " " + n.failureSummary).join("; "))))`)
	must(t, err)
	must(t, json.Unmarshal([]byte(text), &list))
	return list
}

// emptyHouse is the first start, with nothing set up.
func emptyHouse(t *testing.T) (page string, delivery int64) {
	binary, err := build()
	must(t, err)
	p, err := binary.Open(limit(t, soon), nil)
	must(t, err)
	t.Cleanup(func() { must(t, p.Close()) })
	t.Cleanup(func() { must(t, p.Stop()) })
	return p.Web, 0
}

// livelyHouse has a history, and an equivent that runs.
func livelyHouse(t *testing.T) (page string, delivery int64) {
	env := confirming()
	env["PUBLIC_URL"] = "https://home.example/grid"
	env["OPENVOLT_HOOKS"], env["CAPACITOR_HOOKS"] = "true", "true"
	r := openRig(t, env)
	now := time.Now()
	for i := range 12 {
		start := now.Truncate(24*time.Hour).AddDate(0, 0, -1-3*i).Add(time.Duration(16*60+i*29%150) * time.Minute)
		r.cloud.Past(start, start.Add(time.Duration(40+i*13%40)*time.Minute))
	}
	r.cloud.Plan(time.Hour)
	r.cloud.Start(now.Add(-20 * time.Minute))
	r.start(t)
	r.becomes(t, 0, isOn)
	r.post(t, "started", `{"action":"Start"}`)
	status, _, err := r.app.Post(limit(t, soon), "/hook/equiwatt/wrong", "", nil)
	if must(t, err); status != http.StatusNotFound {
		t.Error(status)
	}
	for i := 11; i >= 0; i-- { // the oldest first
		start := now.Truncate(24*time.Hour).AddDate(0, 0, -1-3*i).Add(time.Duration(20*60+i*47%170) * time.Minute)
		r.charge(t, i, "started", start, 0)
		r.charge(t, i, "stopped", start.Add(time.Duration(150+i*37%160)*time.Minute), 9000+i*700)
	}
	r.charge(t, 99, "started", now.Add(-95*time.Minute), 0)
	r.charge(t, 99, "updated", now.Add(-time.Minute), 11400)
	return r.app.Web, 1
}

// charge posts what Capacitor says of a transaction.
func (r *rig) charge(t *testing.T, number int, what string, at time.Time, wattHours int) {
	t.Helper()
	meter := map[string]string{"started": "meterStart", "updated": "meterValue", "stopped": "meterStop"}[what]
	body := fmt.Sprintf(`{"event": "transaction.%s", "timestamp": %q, "data": {"transactionId": %d, "chargeBoxId": "Driveway", "connectorId": 1, "meterStart": 0, %q: %d}}`,
		what, at.UTC().Format(time.RFC3339), 1000-number, meter, wattHours)
	status, _, err := r.app.Post(limit(t, soon), "/hook/capacitor/"+hookToken, "application/json", []byte(body))
	if must(t, err); status != http.StatusOK {
		t.Error(status)
	}
}

// crowdedHouse has received a hundred thousand webhooks.
func crowdedHouse(t *testing.T) (page string, delivery int64) {
	r := openRig(t, believing())
	r.start(t)
	r.post(t, "ended", `{"action":"End","grid":"it is all `+strings.Repeat("x", 200)+`"}`)
	must(t, r.app.Stop())
	multiply(t, filepath.Join(r.app.Data, "journal.db"), 100_000)
	r.start(t)
	return r.app.Web, 100_000
}

// multiply makes many deliveries of the one there is, a minute apart.
func multiply(t *testing.T, journal string, n int) {
	t.Helper()
	db, err := sql.Open("sqlite", journal)
	must(t, err)
	defer func() { must(t, db.Close()) }()
	ctx := limit(t, 5*time.Minute)
	rows, err := db.QueryContext(ctx, "SELECT name FROM pragma_table_info('deliveries') WHERE name NOT IN ('id', 'received')")
	must(t, err)
	var columns []string
	for rows.Next() {
		var name string
		must(t, rows.Scan(&name))
		columns = append(columns, name)
	}
	must(t, rows.Err())
	list := strings.Join(columns, ", ")
	_, err = db.ExecContext(ctx, `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO deliveries (id, received, `+list+`) SELECT d.id + i, d.received, `+list+` FROM (SELECT * FROM deliveries LIMIT 1) d, n`, n-1)
	must(t, err)
}

// TestPageCounts as the server does, so that nothing jumps when it renews.
func TestPageCounts(t *testing.T) {
	t.Parallel()
	page, _ := emptyHouse(t)
	p, err := browser.Open(limit(t, 5*time.Minute), 1280, 800)
	need(t, err)
	defer func() { must(t, p.Close()) }()
	must(t, p.Go(page))
	for ago, want := range map[time.Duration]string{
		0: "just now", 999 * time.Millisecond: "just now", time.Second: "1 s ago", 59900 * time.Millisecond: "59 s ago", time.Minute: "1 min ago", 3599 * time.Second: "59 min ago",
		time.Hour: "1 h ago", 90*time.Minute + time.Second: "1 h 30 min ago", 47 * time.Hour: "47 h ago", 50 * time.Hour: "2 days ago", -26 * time.Second: "in 26 s", -90 * time.Minute: "in 1 h 30 min",
	} {
		if got, err := browser.Ask[string](p, fmt.Sprintf("relative(%d, false)", ago.Milliseconds())); err != nil || got != want {
			t.Errorf("%v: %q, %v; want %q", ago, got, err, want)
		}
	}
	if got, err := browser.Ask[string](p, "relative(1, true)"); err != nil || got != "now" {
		t.Errorf("what is due is %q, %v", got, err)
	}
}
