package simulator

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

const capacitorKey = "cap_test_key"

// organisation is a cloud with one charger that is connected, and its clock.
type organisation struct {
	*Capacitor
	url string
	now time.Time
}

func openOrganisation(t *testing.T) *organisation {
	t.Helper()
	o := &organisation{now: time.Date(2026, 2, 6, 12, 0, 0, 0, time.UTC)}
	o.Capacitor = NewCapacitor(capacitorKey, func() time.Time { return o.now })
	url, err := o.Open("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	o.url = url
	o.Add("BOX-1", 2)
	return o
}

// ask calls the API and returns status, header and the answer's fields.
func (o *organisation) ask(t *testing.T, method, path, body string) (int, http.Header, map[string]any) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, o.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-API-Key", capacitorKey)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	var fields map[string]any
	if err := json.Unmarshal(text, &fields); err != nil {
		t.Fatalf("%s %s: %s (%v)", method, path, text, err)
	}
	return res.StatusCode, res.Header, fields
}

// TestCapacitorAnswers: the fields of the vendor's samples are there, and no
// more.
func TestCapacitorAnswers(t *testing.T) {
	o := openOrganisation(t)
	o.Boot("BOX-1")
	number := o.Begin("BOX-1", 1, "CARD")
	o.Charge("BOX-1", 1, 4200)
	o.End("BOX-1", 1, "Local")
	keys := func(m map[string]any) string {
		var list []string
		for k := range m {
			list = append(list, k)
		}
		slices.Sort(list)
		return strings.Join(list, " ")
	}
	_, _, list := o.ask(t, "GET", "/chargers?limit=50&offset=0", "")
	if got := keys(list["chargers"].([]any)[0].(map[string]any)); got != "chargeBoxId id isOnline lastHeartbeat model name status vendor" {
		t.Error(got)
	}
	_, _, one := o.ask(t, "GET", "/chargers/BOX-1", "")
	if got := keys(one); got != "chargeBoxId connectionUrl connectors firmwareVersion id isOnline lastHeartbeat model name serialNumber status vendor" {
		t.Error(got)
	}
	_, _, x := o.ask(t, "GET", "/transactions/"+strconv.Itoa(number), "")
	if got := keys(x); got != "chargeBoxId connectorId durationMinutes energyDelivered id idTag meterStart meterStop remoteStarted startTime status stopReason stopTime transactionId" {
		t.Error(got)
	}
	if x["energyDelivered"] != 4.2 || x["stopReason"] != "Local" || x["status"] != "completed" {
		t.Errorf("%v", x)
	}
	_, _, all := o.ask(t, "GET", "/transactions?chargeBoxId=BOX-1&status=completed", "")
	if n := len(all["transactions"].([]any)); n != 1 {
		t.Errorf("%d transactions", n)
	}
	if status, _, no := o.ask(t, "GET", "/chargers/BOX-2", ""); status != 404 || no["success"] != false {
		t.Errorf("%d %v", status, no)
	}
	o.Forget("BOX-1")
	if _, _, list := o.ask(t, "GET", "/chargers", ""); len(list["chargers"].([]any)) != 0 {
		t.Errorf("%v", list)
	}
}

func TestCapacitorGenerations(t *testing.T) {
	for older, want := range map[bool][2]int{false: {202, 404}, true: {404, 202}} {
		o := openOrganisation(t)
		o.Boot("BOX-1")
		o.Status("BOX-1", 1, "Preparing")
		if older {
			o.Older()
		}
		first, _, _ := o.ask(t, "POST", "/transactions/start", `{"chargeBoxId":"BOX-1","connectorId":1}`)
		second, _, _ := o.ask(t, "POST", "/chargers/BOX-1/remote-start", `{"connectorId":1,"idTag":"CAPACITOR"}`)
		if first != want[0] || second != want[1] {
			t.Errorf("older %v: %d %d", older, first, second)
		}
		_, _, all := o.ask(t, "GET", "/transactions", "")
		x := all["transactions"].([]any)[0].(map[string]any)
		if x["remoteStarted"] != true || x["status"] != map[bool]string{false: "in_progress", true: "active"}[older] {
			t.Errorf("%v", x)
		}
		number := strconv.Itoa(int(x["transactionId"].(float64)))
		if status, _, _ := o.ask(t, "POST", "/transactions/"+number+"/stop", ""); status != 202 {
			t.Errorf("stop is answered %d", status)
		}
		if status, _, _ := o.ask(t, "POST", "/transactions/"+number+"/stop", ""); status != 404 {
			t.Errorf("a second stop is answered %d", status)
		}
	}
}

func TestCapacitorObeysOnlyWhereItCan(t *testing.T) {
	o := openOrganisation(t)
	start := func(want int) {
		t.Helper()
		if status, _, _ := o.ask(t, "POST", "/transactions/start", `{"chargeBoxId":"BOX-1","connectorId":1}`); status != want {
			t.Errorf("start is answered %d, want %d", status, want)
		}
	}
	start(503)
	o.Boot("BOX-1")
	start(400)
	o.Status("BOX-1", 1, "Preparing")
	start(202)
	o.Disconnect("BOX-1")
	if status, _, _ := o.ask(t, "POST", "/transactions/12345/stop", ""); status != 503 {
		t.Errorf("stop is answered %d", status)
	}
}

func TestCapacitorQuota(t *testing.T) {
	o := openOrganisation(t)
	o.Buy(Free)
	o.Spend(48)
	_, h, _ := o.ask(t, "GET", "/chargers", "")
	if h.Get("RateLimit-Limit") != "50" || h.Get("RateLimit-Remaining") != "1" || h.Get("RateLimit-Reset") != "43201" {
		t.Errorf("%v", h)
	}
	for i, want := range []int{200, 429, 429} {
		if status, _, _ := o.ask(t, "GET", "/chargers", ""); status != want {
			t.Errorf("call %d is answered %d, want %d", i, status, want)
		}
	}
	if n := len(o.Violations()); n != 1 {
		t.Errorf("%d violations, want the one after the first refusal", n)
	}
	o.now = o.now.Add(12 * time.Hour)
	if status, h, _ := o.ask(t, "GET", "/chargers", ""); status != 200 || h.Get("RateLimit-Remaining") != "49" || o.Left() != 49 {
		t.Errorf("the next day: %d %v", status, h)
	}
	o.Buy(Scale)
	if _, h, _ := o.ask(t, "GET", "/chargers", ""); h.Get("RateLimit-Limit") != "" {
		t.Errorf("without a quota %v", h)
	}
}

func TestCapacitorHooks(t *testing.T) {
	var got []*http.Request
	var bodies []string
	home := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got, bodies = append(got, r), append(bodies, string(body))
		w.WriteHeader(http.StatusTeapot) // fire and forget: nobody minds
	}))
	defer home.Close()
	o := openOrganisation(t)
	o.Sign("X-Signature", "sha256=")
	add := `{"url":"` + home.URL + `","events":["charger.connected","transaction.updated"],"secret":"s"}`
	o.Buy(Free)
	if status, _, _ := o.ask(t, "POST", "/webhooks", add); status != 403 {
		t.Errorf("the free tier is answered %d", status)
	}
	o.Buy(Starter)
	status, _, made := o.ask(t, "POST", "/webhooks", add)
	if status != 201 || made["secret"] != nil || made["active"] != true {
		t.Errorf("%d %v", status, made)
	}
	o.Boot("BOX-1")
	o.Texts()
	o.OCPP()
	o.Begin("BOX-1", 1, "CARD")
	o.Charge("BOX-1", 1, 4200)
	if n := len(o.Deliver(t.Context(), InOrder)); n != 2 || len(bodies) != 2 {
		t.Fatalf("%d delivered: %v", n, bodies)
	}
	if want := `{"data":{"chargeBoxId":"BOX-1"},"event":"charger.connected","timestamp":"2026-02-06T12:00:00.000Z"}`; bodies[0] != want {
		t.Errorf("%s, want %s", bodies[0], want)
	}
	if !strings.Contains(bodies[1], `"value":"5.200"`) || !strings.Contains(bodies[1], `"transactionId":"12345"`) || len(got[1].Header.Get("X-Signature")) != 71 {
		t.Errorf("%s with %v", bodies[1], got[1].Header)
	}
	if _, _, h := o.ask(t, "PATCH", "/webhooks/wh_1", `{"active":false}`); h["active"] != false || h["url"] != home.URL {
		t.Errorf("%v", h)
	}
	o.Charge("BOX-1", 1, 1)
	if n := len(o.Waiting()); n != 0 {
		t.Errorf("%d wait for a hook that is switched off", n)
	}
	if status, _, _ := o.ask(t, "DELETE", "/webhooks/wh_1", ""); status != 200 || len(o.Hooks()) != 0 {
		t.Errorf("%d, left %v", status, o.Hooks())
	}
	o.Hook(home.URL, "")
	o.Without("chargeBoxId")
	o.Disconnect("BOX-1")
	o.Deliver(t.Context(), Doubled)
	if len(bodies) != 4 || bodies[2] != bodies[3] || strings.Contains(bodies[3], "BOX-1") || got[3].Header.Get("X-Signature") != "" {
		t.Errorf("%v", bodies[2:])
	}
}
