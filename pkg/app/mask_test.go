package app

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func TestMasked(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"times and measurements stay": {
			`{"start_time": 1670601661, "end_time":"1670605261","at":"2026-02-06T14:45:00.000Z","day":"2026-02-06","from":"17:30","points":-12.50e1,"on":true,"no":null,"list":[1, 2.5]}`,
			`{"start_time": 1670601661, "end_time":"1670605261","at":"2026-02-06T14:45:00.000Z","day":"2026-02-06","from":"17:30","points":-12.50e1,"on":true,"no":null,"list":[1, 2.5]}`,
		},
		"the vendor's words stay": {
			`{"event":"webhook:test","event_id":"meter_data.received","status":"SuspendedEVSE","measurand":"Energy.Active.Import.Register","type":"Instant powerUP","firmwareVersion":"1.6.0","dateOfBirth":""}`,
			`{"event":"webhook:test","event_id":"meter_data.received","status":"SuspendedEVSE","measurand":"Energy.Active.Import.Register","type":"Instant powerUP","firmwareVersion":"1.6.0","dateOfBirth":""}`,
		},
		"people do not": {
			`{"user_name":"A. Person","home":{"postcode":"AB1 2CD","room":"hall"},"customer":{"status":"Ola","age":47,"since":"2020-01-01"},"birth_date":"1980-05-05","contact":"kari@example.com","phone":"+47 22 33 44 55"}`,
			`{"user_name":"X. Xxxxxx","home":{"postcode":"XX0 0XX","room":"xxxx"},"customer":{"status":"Xxx","age":11,"since":"0000-00-00"},"birth_date":"0000-00-02","contact":"xxxx@xxxxxxx.xxx","phone":"+00 00 00 00 00"}`,
		},
		"ids do not, and stay apart": {
			`{"meter_id":"5rgh7884a9","x":["5rgh7884a9","ft6yh890a9"],"transactionId":12345,"userId":12346,"mpan":1012345678901,"lat":59.91,"connectorId":1}`,
			`{"meter_id":"0xxx0000x0","x":["0xxx0000x0","xx0xx000x0"],"transactionId":11111,"userId":11112,"mpan":1111111111111,"lat":11.11,"connectorId":1}`,
		},
		"two of a shape": {`["device_1","device_2","device_1"]`, `["xxxxxx_0","xxxxxx_2","xxxxxx_0"]`},
		"secrets do not": {
			`{"token":"abc","apiKey":5,"authorization":{"type":"Bearer"},"event":"eyJhbGciOiJIUzI1NiJ9.abcdef0123456789","state":"0123456789abcdef"}`,
			`{"token":"xxx","apiKey":1,"authorization":{"type":"Xxxxxx"},"event":"xxXxxXxxXxXXXxX0XxX0.xxxxxx0000000000","state":"0000000000xxxxxx"}`,
		},
		"names that are values": {`{"kari@example.com":1,"0123456789":2,"plain":3}`, `{"xxxx@xxxxxxx.xxx":1,"0000000000":2,"plain":3}`},
		"escapes":               {`{"note":"Kari \"x\" \u00e5\n<b>&","a\tb":1}`, `{"note":"Xxxx \"x\" x\n<x>&","x\tx":1}`},
		"white space":           {" [ { \"a\" : \"b c\" } ,\n\t7 ] \n", " [ { \"a\" : \"x x\" } ,\n\t7 ] \n"},
		"one text":              {`"secret words"`, `"xxxxxx xxxxx"`},
		"cut JSON":              {`{"event":"Start","user":"Kari No`, `{"event":"Start","user":"Xxxx Xx`},
		"broken JSON":           {`{"event" "Kari", "secret" , word 12 true}`, `{"xxxxx" "Xxxx", "xxxxxx" , xxxx 11 true}`},
		"a bad escape":          {`{"a":"\q secret"}`, `{"a":"\x xxxxxx"}`},
		"a form":                {"start_time=1670601661&user=Kari&action=Start&x", "start_time=1670601661&user=Xxxx&action=Start&x"},
		"text":                  {"Kari's PIN is 1234.", "Xxxx'x XXX xx 0000."},
		"bytes":                 {"\xff\x00\xfe", "(3 bytes that are no text)"},
		"nothing":               {"", ""},
		"a number":              {"123456789", "111111111"},
	} {
		if got := masked([]byte(c.in)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// The household itself reads all but what tells who somebody is.
func TestVeiled(t *testing.T) {
	for in, want := range map[string]string{
		`{"meter_id":"5rgh7884a9","note":"Kitchen é","consumption":"53.50","n":12345678901,"on":true,"list":["a\tb",null]}`:       `{"meter_id":"5rgh7884a9","note":"Kitchen é","consumption":"53.50","n":12345678901,"on":true,"list":["a\tb",null]}`,
		`{ "idTag" : "USER001", "email":"kari@example.com", "customer":{"status":"Ola","age":47}, "meter_number":1012345678901 }`: `{ "idTag" : "XXXX000", "email":"xxxx@xxxxxxx.xxx", "customer":{"status":"Xxx","age":11}, "meter_number":1111111111111 }`,
		`{"contact":"Kari <kari@example.com>","kari@example.com":1}`:                                                              `{"contact":"Xxxx <xxxx@xxxxxxx.xxx>","xxxx@xxxxxxx.xxx":1}`,
		"who=Kari&user=Kari&mail=kari%40example.com&flag":                                                                         "who=Kari&user=Xxxx&mail=xxxx%00xxxxxxx.xxx&flag",
		"Kari's PIN is 1234, kari@example.com":                                                                                    "Kari's PIN is 1234, xxxx@xxxxxxx.xxx",
		`{"event" "Kari", word 12 true} {"user":"Kari No`:                                                                         `{"event" "Kari", word 12 true} {"user":"Xxxx Xx`,
		"<p>moved</p>": "<p>moved</p>", "\xff\x00": "\xff\x00", "": "", "123456789": "123456789",
	} {
		if got := string(veiled([]byte(in))); got != want {
			t.Errorf("%s:\n got %s\nwant %s", in, got, want)
		}
	}
	if got := veiledQuery("start=5&token=abc"); got != "start=5&token=xxx" {
		t.Error(got)
	}
}

// Wherever a secret stands in a vendor's own samples, it does not come out.
func TestMaskedHidesWhatIsPlanted(t *testing.T) {
	files, err := filepath.Glob("../vendors/*/testdata/*/*.json")
	if err != nil || len(files) < 20 {
		t.Fatal(len(files), err)
	}
	secrets := []any{"Jane Doe", "jane@example.org", "SW1A 1AA", "tok_0451abcdef9876543210", "+44 7700 900123", "1012345678901", 1012345678901, "192.168.1.23", "0318df2f-7b9c-4b2e-bf8d-113919ab1e78"}
	for _, file := range files {
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var sample any
		if json.Unmarshal(body, &sample) != nil {
			continue
		}
		for i, n := 0, leaves(sample); i < n; i++ {
			for k := range 2 { // two of them at each place, in turn
				secret := secrets[(2*i+k+len(file))%len(secrets)]
				spoilt, left := planted(sample, secret, i)
				if left >= 0 {
					t.Fatal("no such leaf")
				}
				in, _ := json.Marshal(spoilt)
				text, _ := json.Marshal(secret)
				if got := masked(in); strings.Contains(got, strings.Trim(string(text), `"`)) || !json.Valid([]byte(got)) {
					t.Errorf("%s, value %d: %s is shown in %s", file, i, text, got)
				}
			}
		}
	}
}

func leaves(v any) (n int) {
	switch v := v.(type) {
	case map[string]any:
		for _, inner := range v {
			n += leaves(inner)
		}
	case []any:
		for _, inner := range v {
			n += leaves(inner)
		}
	default:
		return 1
	}
	return n
}

// planted returns a copy of v with secret at the nth of its leaves; left is
// negative once that is done.
func planted(v any, secret any, n int) (copied any, left int) {
	switch v := v.(type) {
	case map[string]any:
		m := map[string]any{}
		for _, name := range slices.Sorted(maps.Keys(v)) {
			m[name], n = planted(v[name], secret, n)
		}
		return m, n
	case []any:
		var list []any
		for _, inner := range v {
			var c any
			c, n = planted(inner, secret, n)
			list = append(list, c)
		}
		return list, n
	}
	if n == 0 {
		return secret, -1
	}
	return v, n - 1
}

func TestSample(t *testing.T) {
	d := event.Delivery{
		ID: 7, Received: time.Date(2026, 2, 6, 14, 45, 0, 5, time.FixedZone("", 3600)), Source: "equiwatt", Kind: "started", Via: event.ViaHTTP, Verdict: event.Accepted,
		Header: map[string]string{"Content-Type": `application/json; boundary=Kari`, "User-Agent": "IFTTT-Hooks/1.2 (kari@example.com)", "Date": "private"},
		Query:  "user=Kari&duration=1800", Body: []byte(`{"name":"Kari","points":7}`),
	}
	want := `equiwatt started, by http, accepted, 2026-02-06T13:45:00Z, 26 bytes
Content-Type: application/json
User-Agent: IFTTT-Hooks/1.2
Query: user=Xxxx&duration=1800

{"name":"Xxxx","points":7}
`
	if diff := cmp.Diff(want, sample(d)); diff != "" {
		t.Error(diff)
	}
}

func FuzzMasked(f *testing.F) {
	for _, s := range []string{`{"a":{"b":[1,"x",{"token":"y"}]},"c":-1.5e7}`, `{"a`, `[,]}]`, `a=b&c=d`, "\xff", `{"mpan":1e5,"lat":-0.5,"x":"\ud800"}`, `{"id":10000000000,"id":10000000001}`} {
		f.Add([]byte(s))
	}
	const secret = "SecretWord-0451"
	f.Fuzz(func(t *testing.T, in []byte) {
		out := masked(in)
		text := utf8.Valid(in) && !bytes.Contains(in, []byte{0})
		if text && json.Valid(in) && !json.Valid([]byte(out)) {
			t.Errorf("%q is valid, %q is not", in, out)
		}
		var a, b any
		if text && json.Unmarshal(in, &a) == nil && json.Unmarshal([]byte(out), &b) == nil && leaves(a) != leaves(b) {
			t.Errorf("%q has another shape than %q", in, out)
		}
		for _, body := range []string{string(in) + secret, `{"x":` + string(in) + `,"y":"` + secret + `"}`, secret + string(in), `{"a":"` + secret + `",` + string(in)} {
			if !formLike.MatchString(body) && strings.Contains(masked([]byte(body)), secret) { // the name of a form's field is shown
				t.Errorf("%q shows %s", body, masked([]byte(body)))
			}
		}
	})
}
