package event

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPersonal(t *testing.T) {
	for _, name := range []string{"name", "First-Name", "userName", "e-mail", "post code", "MPAN", "api_key", "Authorization", "x.password",
		"idTag", "parentIdTag", "id_tag", "rfid", "meter_number", "meterNumber", "IBAN", "birthDate", "surname", "street", "City", "vin", "licensePlate", "latitude", "lat", "owner"} {
		if !Personal(name) {
			t.Errorf("%q is personal", name)
		}
	}
	for _, name := range []string{"", "deviceId", "limitInWatts", "start_time", "event", "capacity", "electricity", "saving", "description", "meterStart", "meter_id", "connectorId"} {
		if Personal(name) {
			t.Errorf("%q is not personal", name)
		}
	}
}

func TestHarmless(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1.50,"a":12345678901234567890,"html":"<b>&","no":null,"on":true,"list":[]}`:            `{"a":12345678901234567890,"b":1.50,"html":"<b>&","list":[],"no":null,"on":true}`,
		`{"email":"private","deep":[{"token":"private","x":[{"E-Mail":"private"}]}]}`:                `{"deep":[{"x":[{}]}]}`,
		`{"contact":"kari@example.org","list":["a","Kari <kari@example.org>"],"kari@example.org":1}`: `{"contact":null,"list":["a",null]}`,
		`{"email":"private"}`:             "",
		`{"dropped":1,"x":{"dropped":2}}`: `{"x":{"dropped":2}}`,
		"{}":                              "", "null": "", "[1]": "", "7": "", "": "", "{": "", `{"a":1} {}`: "",
	} {
		if got := string(Harmless([]byte(in), "dropped")); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func FuzzHarmless(f *testing.F) {
	f.Add([]byte(`{"email":"x","deep":{"a":[{"token":1}]}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		out := Harmless(in)
		if out == nil {
			return
		}
		if !json.Valid(out) || strings.Contains(strings.ToLower(string(out)), `"email":`) || string(Harmless(out)) != string(out) {
			t.Errorf("%q became %q", in, out)
		}
	})
}
