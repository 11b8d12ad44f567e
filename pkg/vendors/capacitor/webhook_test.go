package capacitor

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func read(t *testing.T, body string) (event.Event, Facts) {
	t.Helper()
	events := Decoder{}.Decode(event.Delivery{Received: arrival, Source: Source, Body: []byte(body)})
	if len(events) != 1 {
		t.Fatalf("%d events of %s", len(events), body)
	}
	var f Facts
	if d := events[0].Data; d != nil {
		if err := json.Unmarshal(d, &f); err != nil {
			t.Fatal(err)
		}
	}
	return events[0], f
}

// shape is what an event says, in a few words.
func shape(e event.Event) string {
	switch {
	case e.Status != nil:
		return e.Subject + " is " + e.Status.State
	case e.Session != nil:
		wh := "?"
		if e.Session.WattHours != nil {
			wh = fmt.Sprint(*e.Session.WattHours)
		}
		return strings.Join([]string{e.Subject, clock(e.Session.Start), clock(e.Session.End), wh}, " ")
	}
	return e.Subject + ": " + e.Notice.Code
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Format("15:04")
}

func TestDecodeIsTolerant(t *testing.T) {
	told := func(name, data string) string {
		return `{"event":"` + name + `","timestamp":"2026-02-06T14:30:00.000Z","data":` + data + `}`
	}
	for body, want := range map[string]string{
		told(Connected, `{"chargeBoxId":"A 1/2"}`):     "A 1/2 is online",
		told(Disconnected, `{"charge_box_id":"A"}`):    "A is offline",
		told(Connected, `{}`):                          ": charger.connected",
		told(Connected, `null`):                        ": charger.connected",
		told(Connected, `{"chargeBoxId":"a\u0000b"}`):  ": charger.connected",
		told(Boot, `{"chargeBoxId":"A"}`):              "A: charger.boot",
		told("charger.firmware", `{"chargeBoxId":17}`): "17: charger.firmware",

		told(StatusChanged, `{"chargeBoxId":"A","connectorId":"2","status":"Charging"}`):      "A/2 is Charging",
		told(StatusChanged, `{"chargeBoxId":"A","connectorId":0,"status":"Available"}`):       "A is Available",
		told(StatusChanged, `{"chargeBoxId":"A","connectorId":1.5,"status":"Available"}`):     "A: connector.status_changed",
		told(StatusChanged, `{"chargeBoxId":"A","connectorId":1}`):                            "A/1: connector.status_changed",
		told(StatusChanged, `{"chargeBoxId":"A","connectorId":1,"status":"WaitingForPower"}`): "A/1 is WaitingForPower",

		told(Started, `{"transactionId":"7","chargeBoxId":"A","connectorId":1,"meterStart":"1000"}`): "A/1 14:30 - ?",
		told(Started, `{"transactionId":7}`):                                                                                        " 14:30 - ?",
		told(Started, `{"chargeBoxId":"A","connectorId":1}`):                                                                        "A/1: transaction.started",
		told(Stopped, `{"transactionId":7,"chargeBoxId":"A","energyDelivered":1.5}`):                                                "A - 14:30 1500",
		told(Stopped, `{"transactionId":7,"chargeBoxId":"A","meterStart":100,"meterStop":"350"}`):                                   "A - 14:30 250",
		told(Stopped, `{"transactionId":7,"chargeBoxId":"A","meterStart":100,"meterStop":50}`):                                      "A - 14:30 ?",
		told(Stopped, `{"transactionId":7,"chargeBoxId":"A","startTime":"2026-02-06T13:00:00Z","stopTime":"2026-02-06T14:29:00Z"}`): "A 13:00 14:29 ?",
		told("transaction.paused", `{"transactionId":7,"chargeBoxId":"A"}`):                                                         "A: transaction.paused",

		"":                         ": undecodable",
		"{}":                       ": undecodable",
		"[]":                       ": undecodable",
		"null":                     ": undecodable",
		"<html>":                   ": undecodable",
		`{"event":7.5}`:            ": 7.5",
		`{"event":["x"]}`:          ": undecodable",
		`{"event":"x"} {}`:         ": undecodable",
		"\ufeff" + `{"event":"x"}`: ": x",
	} {
		if e, _ := read(t, body); shape(e) != want {
			t.Errorf("%s\nis read as %q, want %q", body, shape(e), want)
		}
	}
}

func TestMeterValues(t *testing.T) {
	for values, want := range map[string]string{
		`4200`:                                  "4200",
		`"4200 "`:                               "4200",
		`"x"`:                                   "none",
		`-1`:                                    "none",
		`null`:                                  "none",
		`[]`:                                    "none",
		`[{"sampledValue":[{"value":"4200"}]}]`: "4200",
		`[{"sampledValue":[{"value":"4.2","unit":"kWh","measurand":"Energy.Active.Import.Register"}]}]`: "4200",
		`[{"sampledValue":[{"value":"7","measurand":"Power.Active.Import"}]}]`:                          "none",
		`[{"sampledValue":[{"value":"9","phase":"L1"},{"value":"4200"}]}]`:                              "4200",
		`[{"sampledValue":[{"value":"9","location":"Inlet"},{"value":"4200","location":"Outlet"}]}]`:    "4200",
		`4.2,"unit":"kWh"`:   "4200",
		`"4200","unit":"wh"`: "4200",
		`7.2,"unit":"kW"`:    "none",
		`[{"sampledValue":[{"value":"4200"},{"value":"0042","format":"SignedData"}]}]`: "4200",
		`[{"sampledValue":[{"value":"4200","format":"Raw"}]}]`:                         "4200",
		`[{"sampledValue":[{"value":"9","unit":"kvarh"}]}]`:                            "none",
		`{"sampledValue":{"value":4200}}`:                                              "4200",
		`[{"timestamp":"2026-02-06T14:45:00Z","sampledValue":[{"value":"4200"}]},{"timestamp":"2026-02-06T14:30:00Z","sampledValue":[{"value":"9"}]}]`: "4200",
	} {
		_, f := read(t, `{"event":"transaction.updated","data":{"transactionId":7,"meterValue":`+values+`}}`)
		got := "none"
		if f.Meter != nil {
			got = fmt.Sprint(*f.Meter)
		}
		if got != want {
			t.Errorf("%s is read as %s, want %s", values, got, want)
		}
	}
}

func TestTimes(t *testing.T) {
	for text, want := range map[string]time.Time{
		`"2026-02-06T14:30:00.250Z"`:  time.Date(2026, 2, 6, 14, 30, 0, 250e6, time.UTC),
		`"2026-02-06T15:30:00+01:00"`: time.Date(2026, 2, 6, 14, 30, 0, 0, time.UTC),
		`1770388200`:                  time.Date(2026, 2, 6, 14, 30, 0, 0, time.UTC),
		`"1770388200000"`:             time.Date(2026, 2, 6, 14, 30, 0, 0, time.UTC),
		`"2026-02-06T16:04:00Z"`:      time.Date(2026, 2, 6, 16, 4, 0, 0, time.UTC), // his clock is a little ahead
		`"2026-02-06T16:06:00Z"`:      arrival,
		`"2019-12-31T23:59:59Z"`:      arrival,
		`"yesterday"`:                 arrival,
		`null`:                        arrival,
		`{}`:                          arrival,
	} {
		if e, _ := read(t, `{"event":"charger.connected","timestamp":`+text+`,"data":{"chargeBoxId":"A"}}`); !e.At.Equal(want) {
			t.Errorf("%s is read as %v, want %v", text, e.At, want)
		}
	}
}

// TestKeys: the same bytes are the same delivery, unless nothing in them says
// when.
func TestKeys(t *testing.T) {
	at := func(body string, d time.Duration) string {
		return Decoder{}.Decode(event.Delivery{Received: arrival.Add(d), Body: []byte(body)})[0].Key
	}
	dated := `{"event":"charger.connected","timestamp":"2026-02-06T14:30:00Z","data":{"chargeBoxId":"A"}}`
	undated := `{"event":"charger.connected","data":{"chargeBoxId":"A"}}`
	if at(dated, 0) != at(dated, time.Hour) || at(dated, 0) == at(dated+" ", 0) {
		t.Error("the body is the identity of a delivery")
	}
	if at(undated, 0) != at(undated, time.Second) || at(undated, 0) == at(undated, time.Hour) {
		t.Error("without a timestamp the time of arrival belongs to it")
	}
	list := Decoder{}.Decode(event.Delivery{Received: arrival, Body: []byte("[" + dated + "," + dated + "]")})
	if len(list) != 2 || list[0].Key == list[1].Key || shape(list[1]) != "A is online" {
		t.Errorf("a list is read as %+v", list)
	}
}

// TestCards: who charged is told to nobody, or by a name that nobody else can
// make.
func TestCards(t *testing.T) {
	body := []byte(`{"event":"transaction.started","data":{"transactionId":7,"idTag":"USER001","parentIdTag":"USER001","user":{"name":"USER001"}}}`)
	with := func(salt string) string {
		return string(Decoder{Salt: []byte(salt)}.Decode(event.Delivery{Received: arrival, Body: body})[0].Data)
	}
	if text := with(""); strings.Contains(text, "USER001") || strings.Contains(text, "rfid") {
		t.Error(text)
	}
	one, other := with("one"), with("other")
	if !strings.Contains(one, `"idTag":"rfid_`) || strings.Contains(one, "USER001") || one == other || one != with("one") {
		t.Errorf("%s, %s", one, other)
	}
}

// What a webhook holds is told as it came, but for what tells who somebody is.
func TestTold(t *testing.T) {
	for body, want := range map[string]string{
		`{"event":"x","data":{"chargeBoxId":"A","transactionId":12345,"meterStart":"1000","new":{"idTag":"USER001","deep":[1.50,true,"USER001"]},"USER001":1,"idTag":"USER001"}}`: `{"chargeBoxId":"A","meterStart":"1000","new":{"deep":[1.50,true]},"transactionId":12345}`,
		`{"event":"x","data":{"idTag":"USER001","ownerName":"Kari"}}`: "",
		`{"event":"x","data":[1]}`:                                    "", `{"event":"x","data":null}`: "", `{"event":"x"}`: "",
	} {
		if _, f := read(t, body); string(f.Told) != want {
			t.Errorf("%s: %s, want %s", body, f.Told, want)
		}
	}
}
