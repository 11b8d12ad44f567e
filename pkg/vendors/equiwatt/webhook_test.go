package equiwatt

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func decode(t *testing.T, kind, body, query string) event.Event {
	t.Helper()
	events := Decode(event.Delivery{Received: arrival, Source: Source, Kind: kind, Body: []byte(body), Query: query})
	if len(events) != 1 {
		t.Fatalf("%d events", len(events))
	}
	e := events[0]
	if err := e.Validate(); err != nil {
		t.Fatal(err)
	}
	if e.Key != "hook/"+kind+"/1670601900123456789" || e.By != event.Webhook || !e.Seen.Equal(arrival) || e.Window.Running != (kind == Started) {
		t.Fatalf("%+v %+v", e, e.Window)
	}
	return e
}

var (
	from = time.Unix(1670601661, 0)
	to   = time.Unix(1670605261, 0)
)

func TestDecodeTimes(t *testing.T) {
	never := time.Time{}
	for name, c := range map[string]struct {
		body, query string
		start, end  time.Time
	}{
		"nothing":                {"", "", never, never},
		"JSON":                   {`{"start_time":1670601661,"end_time":1670605261}`, "", from, to},
		"JSON, other names":      {`{"event_started":"1670601661","event_finished":1670605261000}`, "", from, to},
		"JSON with a mark":       {"\ufeff " + `{"start_time":1670601661}`, "", from, never},
		"other letter case":      {`{"Start_Time":1670601661}`, "", from, never},
		"duration":               {`{"start_time":1670601661,"duration":"3600"}`, "", from, to},
		"duration and an end":    {`{"start_time":1670601661,"end_time":1670605261,"duration":60}`, "", from, to},
		"duration alone":         {`{"duration":3600}`, "", never, never},
		"duration with a unit":   {`{"start_time":1670601661,"duration":"1h"}`, "", from, never},
		"a duration of years":    {`{"start_time":1670601661,"duration":1e12}`, "", from, never},
		"no duration":            {`{"start_time":1670601661,"duration":-5}`, "", from, never},
		"form":                   {"start_time=1670601661&end_time=1670605261", "", from, to},
		"form, a plus for plus":  {"start_time=2022-12-09T16:01:01+00:00", "", from, never},
		"form, escaped":          {"start_time=2022-12-09T17%3A01%3A01%2B01%3A00", "", from, never},
		"form with a blank":      {"start_time=2022-12-09 16:01:01Z&end_time=1670605261", "", from, to},
		"lines":                  {"it begins!\r\nstart_time: 1670601661\r\nend_time=1670605261\r\n", "", from, to},
		"query":                  {"", "start_time=1670601661&end_time=2022-12-09T17:01:01Z", from, to},
		"the body goes first":    {`{"start_time":1670601661}`, "start_time=5&end_time=1670605261", from, to},
		"unless it says nothing": {`{"start_time":"{start}","event_started":null}`, "start_time=1670601661", from, never},
		"one placeholder each":   {"start_time=%7Bstart%7D&end_time=$end&event_started=%25s&event_finished={{x}}", "", never, never},
		"broken JSON":            {`{"start_time":1670601661`, "", never, never},
		"JSON and more":          {`{"start_time":1670601661} {}`, "", never, never},
		"a JSON list":            {`[{"start_time":1670601661}]`, "", never, never},
		"nested":                 {`{"event":{"start_time":1670601661}}`, "", never, never},
		"a truth for a time":     {`{"start_time":true,"end_time":[1]}`, "", never, never},
		"a bad query":            {"", "start_time=1670601661&%zz=1&;", from, never},
	} {
		t.Run(name, func(t *testing.T) {
			for _, kind := range []string{Started, Ended} {
				e := decode(t, kind, c.body, c.query)
				if !e.Window.Start.Equal(c.start) || !e.Window.End.Equal(c.end) {
					t.Errorf("%v to %v, want %v to %v", e.Window.Start, e.Window.End, c.start, c.end)
				}
				at := c.start
				if kind == Ended {
					at = c.end
				}
				if at.IsZero() {
					at = arrival
				}
				if !e.At.Equal(at) {
					t.Errorf("%s at %v, want %v", kind, e.At, at)
				}
			}
		})
	}
}

func TestInstant(t *testing.T) {
	for text, want := range map[string]int64{
		"1670601661": 1670601661000, "1670601661.25": 1670601661250, "1670601661250": 1670601661250, "1.670601661E9": 1670601661000,
		"2022-12-09T16:01:01Z": 1670601661000, "2022-12-09t16:01:01z": 1670601661000, "2022-12-09T16:01:01.250Z": 1670601661250,
		"2022-12-09T17:01:01+01:00": 1670601661000, "2022-12-09T17:01:01+0100": 1670601661000, "2022-12-09T17:01:01+01": 1670601661000,
		"2022-12-09 16:01:01+00:00": 1670601661000, "2022-12-09 16:01:01 UTC": 1670601661000, "2022-12-09T16:01Z": 1670601660000,
		"2022-12-09 17:01:01 +01:00": 1670601661000, "20221209T160101Z": 1670601661000, "2022-12-09T17:01:01 01:00": 1670601661000,
		"2022-12-09T16:01:01": 0, "2022-12-09": 0, "9 December 2022": 0, "soon": 0, "0": 0, "-5": 0, "1e20": 0, "NaN": 0, "Inf": 0,
		"0000-01-01T00:00:00Z": 0, "9999-12-31T23:59:59-01:00": 0, "1969-12-31T23:59:59Z": 0,
	} {
		got := instant(text)
		if want == 0 && !got.IsZero() || want != 0 && (got.UnixMilli() != want || got.Location() != time.UTC) {
			t.Errorf("%s is %v, want %v", text, got, time.UnixMilli(want).UTC())
		}
	}
}

func TestDirection(t *testing.T) {
	for body, want := range map[string]string{
		`{"direction":"powerDOWN"}`: "powerDOWN", `{"direction":"Instant power-up"}`: "powerUP", `{"direction":"UP"}`: "powerUP",
		`{"direction":"turn down"}`: "powerDOWN", `{"direction":"up or down"}`: "", `{"direction":"sideways"}`: "", `{"direction":1}`: "",
		`{"type":"Instant powerDOWN"}`: "powerDOWN", `{"event":"power_up"}`: "powerUP", `{"action":"POWERDOWN started"}`: "powerDOWN",
		`{"action":"update"}`: "", `{"type":"down"}`: "", `{"state":"powerUP"}`: "", `{"direction":"{kind}","type":"powerUP"}`: "powerUP",
		`{"direction":"down","type":"powerUP"}`: "powerDOWN", "": "", "powerUP": "", "direction=up": "powerUP",
	} {
		if got := decode(t, Started, body, "").Window.Direction; got != want {
			t.Errorf("%s: %q, want %q", body, got, want)
		}
	}
	if got := decode(t, Started, "", "direction=powerUP").Window.Direction; got != "powerUP" {
		t.Errorf("the query's direction is %q", got)
	}
}

func TestDataIsAsItCame(t *testing.T) {
	for body, want := range map[string]string{
		"": "", "just text": "", `{"note":""}`: "", `{"note":null,"x":"${y}"}`: "",
		`{"points":12.50,"big":12345678901234567890,"on":true,"html":"<b>&"}`:          `{"big":12345678901234567890,"html":"<b>&","on":true,"points":12.50}`,
		`{"list":[1,"{a}",{"token":"t"},{"b":2}],"deep":{"deeper":{"pass_word":"x"}}}`: `{"list":[1,{"b":2}]}`,
		"kind=x&kind=y": `{"kind":"x"}`,
	} {
		e := decode(t, Started, body, "")
		if string(e.Data) != want {
			t.Errorf("%s: %s, want %s", body, e.Data, want)
		}
	}
	if got := string(decode(t, Ended, `{"a":1}`, "a=2&b=3").Data); got != `{"a":1,"b":"3"}` {
		t.Errorf("body and query are %s", got)
	}
}

func TestDataIsNotPersonal(t *testing.T) {
	for _, name := range []string{
		"name", "First-Name", "userName", "e-mail", "EMAIL", "phone_number", "Mobile", "address", "post code", "postcode", "user", "customer_id",
		"accountNumber", "MPAN", "mprn", "token", "api_key", "secret", "Password", "Authorization",
	} {
		body, err := json.Marshal(map[string]any{name: "private", "fine": map[string]any{name: "private", "x": 1}})
		if err != nil {
			t.Fatal(err)
		}
		if data := string(decode(t, Started, string(body), "").Data); strings.Contains(data, "private") || data != `{"fine":{"x":1}}` {
			t.Errorf("%s: %s", name, data)
		}
	}
}

func TestDecodeOtherKinds(t *testing.T) {
	if events := Decode(event.Delivery{Received: arrival, Kind: "paused"}); events != nil {
		t.Errorf("%+v", events)
	}
}
