package capacitor

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// vendor answers as told, and remembers what it was asked.
type vendor struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string // method, path and body
	keys  []string
	says  func(method, path string) (status int, body string)
}

func serve(t *testing.T, says func(method, path string) (int, string)) *vendor {
	v := &vendor{says: says}
	v.Server = httptest.NewServer(v)
	t.Cleanup(v.Close)
	return v
}

func (v *vendor) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	v.mu.Lock()
	v.asked = append(v.asked, strings.TrimSpace(r.Method+" "+r.RequestURI+" "+string(body)))
	v.keys = append(v.keys, r.Header.Get("X-API-Key"))
	v.mu.Unlock()
	status, text := v.says(r.Method, r.RequestURI)
	h := w.Header()
	h.Set("RateLimit-Limit", "1000")
	h.Set("RateLimit-Remaining", "998")
	h.Set("RateLimit-Reset", "3600")
	h.Set("Date", "Fri, 06 Feb 2026 16:00:00 GMT")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func (v *vendor) client() *Client {
	return &Client{URL: v.URL + "/api/v1/", Key: key, Secret: secret, Now: func() time.Time { return arrival }}
}

func (v *vendor) calls() []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked
}

func sample(t *testing.T, name string) string {
	t.Helper()
	body, err := os.ReadFile("testdata/api/" + name + ".json")
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestAnswers(t *testing.T) {
	v := serve(t, func(_, path string) (int, string) {
		switch {
		case strings.HasPrefix(path, "/api/v1/chargers?"):
			return 200, sample(t, "chargers_list")
		case path == "/api/v1/chargers/CHARGER-001":
			return 200, sample(t, "charger_detail")
		case path == "/api/v1/transactions/12345":
			return 200, sample(t, "transaction_detail")
		case strings.HasPrefix(path, "/api/v1/transactions?chargeBoxId=CHARGER-00"): // as if the query were not known
			return 200, sample(t, "assumed_transactions_list")
		}
		return 404, sample(t, "error_not_found")
	})
	c := v.client()
	var told Quota
	c.Told = func(q Quota) { told = q }
	list, answers, err := c.Chargers(t.Context())
	if err != nil || len(list) != 1 || list[0].ID != "CHARGER-001" || !*list[0].Online || list[0].Model != "Terra AC" || len(answers) != 1 {
		t.Errorf("%+v %v", list, err)
	}
	if want := (Quota{1000, 998, time.Date(2026, 2, 6, 17, 0, 0, 0, time.UTC)}); told != want {
		t.Errorf("the quota is %+v, want %+v", told, want)
	}
	one, _, err := c.Charger(t.Context(), "CHARGER-001")
	if err != nil || len(one.Connectors) != 1 || one.Connectors[0].Status != "Available" || one.Firmware != "1.6.0" {
		t.Errorf("%+v %v", one, err)
	}
	tx, _, err := c.Transaction(t.Context(), "12345")
	if err != nil || !tx.Over() || tx.Running() || *tx.MeterStop != 15000 || tx.Reason != "Local" || tx.Stop.IsZero() {
		t.Errorf("%+v %v", tx, err)
	}
	if others, _, err := c.Transactions(t.Context(), "CHARGER-002"); err != nil || len(others) > 0 {
		t.Errorf("another charger's transactions: %+v %v", others, err)
	}
	all, _, err := c.Transactions(t.Context(), "CHARGER-001")
	if err != nil || len(all) != 1 || all[0].ID != "12345" {
		t.Errorf("%+v %v", all, err)
	}
	if _, _, err := c.Charger(t.Context(), "A B/C"); !errors.Is(err, ErrUnknown) || !strings.Contains(v.calls()[5], "/A%20B%2FC") {
		t.Errorf("%v after %v", err, v.calls()[5])
	}
	for _, k := range v.keys {
		if k != key {
			t.Errorf("the key is %q", k)
		}
	}
}

// TestRunning: a transaction that goes on is not over because its register at
// the end is shown as zero.
func TestRunning(t *testing.T) {
	for text, want := range map[string]string{
		`{"transactionId":7,"status":"active","meterStart":0,"meterStop":0,"stopTime":null}`:               "running ?",
		`{"transactionId":7,"status":"in_progress","meterStart":0,"meterStop":0,"energyDelivered":1.5}`:    "running 1500",
		`{"transactionId":7,"status":"active","meterStart":0,"stopTime":"2026-02-06T12:00:00Z"}`:           "over ?",
		`{"transactionId":7,"status":"completed","meterStart":1000,"meterStop":15000,"energyDelivered":9}`: "over 14000",
		`{"transactionId":7,"meterStart":1000,"meterStop":1000}`:                                           "over 0",
		`{"transactionId":7,"status":"levitating"}`:                                                        " ?",
	} {
		f, _ := object([]byte(text))
		tx := transactionOf(f)
		got := map[bool]string{true: "running"}[tx.Running()] + map[bool]string{true: "over"}[tx.Over()] + " ?"
		if e := tx.Event(arrival); e.Session.WattHours != nil {
			got = strings.TrimSuffix(got, "?") + fmt.Sprint(*e.Session.WattHours)
		}
		if got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}

// TestPages: fifty a page, each charger once, to the end and no further.
func TestPages(t *testing.T) {
	for _, total := range []int{0, 1, 50, 51, 120} {
		for _, counted := range []bool{true, false} {
			v := serve(t, func(_, path string) (int, string) {
				at, _ := strconv.Atoi(path[strings.LastIndex(path, "=")+1:])
				page := []string{}
				for i := at; i < min(at+50, total); i++ {
					page = append(page, fmt.Sprintf(`{"chargeBoxId":"C%d"}`, i))
				}
				body := `{"chargers":[` + strings.Join(page, ",") + `]`
				if counted {
					body += fmt.Sprintf(`,"pagination":{"total":%d}`, total)
				}
				return 200, body + "}"
			})
			list, answers, err := v.client().Chargers(t.Context())
			if err != nil || len(list) != total || len(answers) > total/50+1 {
				t.Errorf("%d chargers in %d calls of %d (%v)", len(list), len(answers), total, err)
			}
		}
	}
	same := serve(t, func(string, string) (int, string) {
		return 200, `{"chargers":[` + strings.Repeat(`{"chargeBoxId":"A"},`, 49) + `{"chargeBoxId":"A"}]}`
	})
	if list, _, err := same.client().Chargers(t.Context()); err != nil || len(list) != 1 || len(same.calls()) != 2 {
		t.Errorf("the same page again and again: %d chargers, %d calls, %v", len(list), len(same.calls()), err)
	}
}

func TestRefusals(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
		is     error
	}{
		"key":            {401, sample(t, "error_unauthorized"), "refuses the API key", nil},
		"tier":           {403, `{"error":{"code":"FORBIDDEN","message":"Upgrade your plan"}}`, "“Upgrade your plan”", nil},
		"unknown":        {404, sample(t, "error_not_found"), "“Charger CHARGER-001 not found”", ErrUnknown},
		"no path":        {404, "<html>", "status 404", nil},
		"quota":          {429, sample(t, "error_rate_limit"), "used up", nil},
		"charger quota":  {429, sample(t, "error_charger_limit"), "“Charger limit reached.", nil},
		"not connected":  {503, sample(t, "error_not_connected"), "not connected", ErrOffline},
		"out of order":   {503, "<html>", "problem of its own", nil},
		"a fault":        {500, `{"error":{"message":"request 8f3a91 failed at 12:00:01"}}`, "Capacitor has a problem of its own (HTTP status 500).", nil},
		"web page":       {200, "<html>", "web page", nil},
		"cut":            {200, `{"chargers":[`, "cut off", nil},
		"something else": {200, `{"foo":1}`, "cannot be read", nil},
		"the key in it":  {400, `{"error":{"message":"bad key ` + key + `"}}`, "status 400", nil},
	} {
		v := serve(t, func(string, string) (int, string) { return c.status, c.body })
		_, _, err := v.client().Chargers(t.Context())
		var r *event.Refusal
		if !errors.As(err, &r) || !strings.Contains(r.Reason, c.want) || strings.Contains(err.Error(), key) || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if for429 := r.RetryAfter > 0; for429 != (name == "quota") || for429 && r.RetryAfter != time.Hour {
			t.Errorf("%s: silent for %v", name, r.RetryAfter)
		}
		if again := arrival.Add(r.RetryAfter).Format("at 15:04 UTC."); name == "quota" && !strings.HasSuffix(r.Reason, again) {
			t.Errorf("%s: %s, want %s", name, r.Reason, again)
		}
		if errors.Is(err, ErrOffline) != (c.is == ErrOffline) || errors.Is(err, ErrUnknown) != (c.is == ErrUnknown) {
			t.Errorf("%s is %v", name, err)
		}
	}
}

func TestResets(t *testing.T) {
	midnight := time.Date(2026, 2, 7, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"60": arrival.Add(time.Minute), strconv.FormatInt(midnight.Unix(), 10): midnight,
		"": midnight, "0": midnight, "-1": midnight, "soon": midnight, "999999999": midnight, "1770000000": midnight, strconv.FormatInt(arrival.Unix()+90, 10): arrival.Truncate(time.Second).Add(90 * time.Second), "9999999999999": midnight,
	} {
		if got := reset(text, arrival); !got.Equal(want) {
			t.Errorf("%q is %v, want %v", text, got, want)
		}
	}
}

// TestElsewhere: the other generation's address is tried at the first contact,
// and never again once one of them has answered.
func TestElsewhere(t *testing.T) {
	there := serve(t, func(string, string) (int, string) { return 200, `{"chargers":[]}` })
	gone := serve(t, func(string, string) (int, string) { return 404, "<html>" })
	shut := serve(t, nil)
	shut.Close()
	for name, first := range map[string]*vendor{"not found": gone, "not reached": shut} {
		var chosen []Choice
		c := first.client()
		c.Other, c.Chosen = []string{there.URL}, func(now Choice) { chosen = append(chosen, now) }
		for range 2 {
			if _, _, err := c.Chargers(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		if want := (Choice{Of: first.URL + "/api/v1", URL: there.URL}); len(chosen) != 1 || chosen[0] != want {
			t.Errorf("%s: chosen %+v", name, chosen)
		}
		again := first.client()
		again.Other, again.Choice = c.Other, chosen[0]
		if _, _, err := again.Chargers(t.Context()); err != nil {
			t.Errorf("%s, remembered: %v", name, err)
		}
		set := there.client() // the household's own choice
		set.URL, set.Other, set.Choice = there.URL, []string{first.URL + "/api/v1"}, Choice{Of: first.URL + "/api/v1", URL: first.URL + "/api/v1"}
		if _, _, err := set.Chargers(t.Context()); err != nil {
			t.Errorf("%s, and another is set: %v", name, err)
		}
	}
	known := gone.client()
	known.Other, known.Choice = []string{there.URL}, Choice{Of: gone.URL + "/api/v1", URL: gone.URL + "/api/v1"}
	calls := len(there.calls())
	if _, _, err := known.Chargers(t.Context()); err == nil || len(there.calls()) != calls {
		t.Errorf("what has answered once is looked for elsewhere: %v", err)
	}
	c := there.client()
	c.Choice = Choice{URL: "https://an.earlier.setting"}
	if _, _, err := c.Chargers(t.Context()); err != nil || c.Choice.URL != there.URL+"/api/v1" {
		t.Errorf("another setting: %+v, %v", c.Choice, err)
	}
	there.Close()
	if _, _, err := c.Chargers(t.Context()); err == nil {
		t.Error("nobody answers")
	}
	if n := len(Other("https://api.capacitor.live/api/v1/")); n != 1 || Other("https://example.org") != nil {
		t.Errorf("%d other addresses", n)
	}
}

func TestStartInBothGenerations(t *testing.T) {
	const newer, older = "/api/v1/transactions/start", "/api/v1/chargers/BOX%201/remote-start"
	for name, c := range map[string]struct {
		path, answer string
		calls        []string // of two starts
	}{
		"newer": {newer, "remote_start_response_w", []string{newer, newer}},
		"older": {older, "remote_start_response_p", []string{newer, older, older}},
	} {
		v := serve(t, func(_, path string) (int, string) {
			if path != c.path {
				return 405, "<html>"
			}
			return 202, sample(t, c.answer)
		})
		client := v.client()
		for range 2 {
			if err := client.Start(t.Context(), "BOX 1", 2); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
		var paths []string
		for _, call := range v.calls() {
			method, rest, _ := strings.Cut(call, " ")
			path, body, _ := strings.Cut(rest, " ")
			paths = append(paths, path)
			var told map[string]any
			if err := json.Unmarshal([]byte(body), &told); err != nil || method != "POST" || told["connectorId"] != 2.0 || told["idTag"] != tag {
				t.Errorf("%s: %s (%v)", name, call, err)
			}
		}
		if strings.Join(paths, " ") != strings.Join(c.calls, " ") {
			t.Errorf("%s: asked %v", name, paths)
		}
	}
	bad := serve(t, func(_, path string) (int, string) { return map[string]int{newer: 404, older: 500}[path], "<html>" })
	for client := bad.client(); len(bad.calls()) < 4; { // each time both, for none of them did anything
		if err := client.Start(t.Context(), "BOX 1", 2); err == nil || client.Choice.Start != "" {
			t.Fatalf("%v, remembered %+v", err, client.Choice)
		}
	}
	off := serve(t, func(string, string) (int, string) { return 503, sample(t, "error_not_connected") })
	if err := off.client().Start(t.Context(), "A", 1); !errors.Is(err, ErrOffline) || len(off.calls()) != 1 {
		t.Errorf("%v after %v", err, off.calls())
	}
	if err := off.client().Stop(t.Context(), "12345"); !errors.Is(err, ErrOffline) || off.calls()[1] != "POST /api/v1/transactions/12345/stop" {
		t.Errorf("%v after %v", err, off.calls())
	}
}
