package app

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// persons are fields that tell who somebody is, each with a value to look for.
var persons = map[string]any{
	"name": "Kari-q451", "ownerName": "Ola-q451", "email": "kari-q451@example.org", "address": "q451 Street", "postcode": "ABq451",
	"phone": "+44770000451", "mpan": "1012340451901", "meter_number": "9999990451999", "idTag": "CARD-q451", "id_tag": "TAG-q451", "parentIdTag": "PARENT-q451",
	"customer": map[string]any{"id": "cust-q451", "notes": []string{"note-q451"}}, "iban": "GBq451", "birthDate": "0451-01-01",
	"contact": "ola-q451@example.org",
}

// marks are in these values and, unlike a few digits, in no instant and no measure.
var marks = []string{"q451", "4770000451", "1234045190", "9999045199", "0451-01-01"}

// TestNothingPersonalLeaves has every vendor tell who somebody is, and looks
// for it in every topic, on every page, in the log and in what is given to
// those who help.
func TestNothingPersonalLeaves(t *testing.T) {
	url := broker(t)
	all := listenAll(t, url)
	a := live(t, map[string]string{
		"MQTT_URL": url, "EQUIWATT_HOOK_TRUST": "believe", "ECOMON_UNSIGNED": "true", "OPENVOLT_HOOKS": "true", "CAPACITOR_HOOKS": "true", "LOG_LEVEL": "trace",
	}, nil)
	with := func(fields map[string]any) map[string]any {
		for name, value := range persons {
			fields[name] = value
		}
		return fields
	}
	n := 0
	tell := func(source, kind string, body any) {
		text, _ := json.Marshal(body)
		r, err := http.Post(a.hooks+"/hook/"+source+"/"+goodToken+kind+"?email=kari-q451%40example.org", "application/json", strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, r.Body)
		r.Body.Close()
		if n++; r.StatusCode != http.StatusOK {
			t.Fatal(source, r.Status)
		}
	}
	tell("equiwatt", "/started", with(map[string]any{}))
	tell("ecomon", "", map[string]any{"event": "ESTIMATED_HOURLY_ACTIVE_ENERGY_LIMIT_WARNING", "data": map[string]any{"alerts": []any{with(map[string]any{"deviceId": "reader"})}}})
	tell("ecomon", "", map[string]any{"event": "NEW", "data": with(map[string]any{"list": []any{with(map[string]any{"kept": 1})}})})
	for _, kind := range []string{"charger.boot", "connector.status_changed", "transaction.started", "transaction.stopped", "charger.new"} {
		tell("capacitor", "", map[string]any{"event": kind, "timestamp": "2026-11-21T12:00:00Z", "data": with(map[string]any{"chargeBoxId": "box", "connectorId": 1, "status": "Charging", "transactionId": 7})})
	}
	for _, kind := range []string{"meter_data.received", "customer.created", "new.kind"} {
		tell("openvolt", "", map[string]any{"event_id": kind, "delivery_id": kind, "payload": []any{with(map[string]any{"meter_id": "meter", "start_interval": "2026-11-20T00:00:00Z"})}})
	}
	for _, topic := range []string{"equiwatt/state", "equiwatt/event", "ecomon/reader/event", "ecomon/event", "capacitor/event", "capacitor/box_1/state", "capacitor/box/event", "openvolt/event", "openvolt/meter/event"} {
		eventually(t, topic, func() bool { return all.last("grid2mqtt/"+topic) != "" })
	}
	told := map[string]string{"a topic": all.text()}
	for _, path := range []string{"/", "/day", "/deliveries", "/setup", "/log", "/metrics", "/check"} {
		told[path] = get(t, a.web+path)
	}
	for i := 1; i <= n; i++ {
		id := strconv.Itoa(i)
		page := get(t, a.web+"/delivery?id="+id)
		if !strings.Contains(page, "meter_number") {
			t.Errorf("delivery %d is not shown:\n%s", i, page)
		}
		told["delivery "+id], told["sample "+id] = page, get(t, a.web+"/sample?id="+id)
	}
	bundle, err := a.Bundle(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range unzipped(t, bundle) {
		told["the bundle's "+name] = text
	}
	for where, text := range told {
		for _, mark := range marks {
			if at := strings.Index(text, mark); at >= 0 {
				t.Errorf("%s tells who somebody is: …%s…", where, text[max(0, at-60):min(len(text), at+20)])
			}
		}
	}
}
