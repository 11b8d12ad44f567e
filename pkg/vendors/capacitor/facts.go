package capacitor

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Facts are what is known of a delivery's or an answer's fields, under the
// vendor's names, in the Data of an event. What is absent was not told.
type Facts struct {
	Event           string   `json:"event,omitempty"` // the webhook's; empty: the API says it
	ChargeBoxID     string   `json:"chargeBoxId,omitempty"`
	ConnectorID     *int     `json:"connectorId,omitempty"`   // 0: the charger itself
	TransactionID   string   `json:"transactionId,omitempty"` // an integer at the vendor's
	Status          string   `json:"status,omitempty"`
	ErrorCode       string   `json:"errorCode,omitempty"`
	Vendor          string   `json:"vendor,omitempty"`
	Model           string   `json:"model,omitempty"`
	FirmwareVersion string   `json:"firmwareVersion,omitempty"`
	MeterStart      *float64 `json:"meterStart,omitempty"`      // Wh, the meter's register
	Meter           *float64 `json:"meter,omitempty"`           // Wh, the meter's register meanwhile
	MeterStop       *float64 `json:"meterStop,omitempty"`       // Wh, the meter's register
	EnergyDelivered *float64 `json:"energyDelivered,omitempty"` // kWh, of the session
	Reason          string   `json:"reason,omitempty"`
	Over            bool     `json:"over,omitempty"` // the API says that the transaction is over

	LastHeartbeat time.Time `json:"lastHeartbeat,omitzero"` // of a charger that is not connected
	IDTag         string    `json:"idTag,omitempty"`        // a hash; empty: hidden

	// Told are a webhook's own fields as they came, without personal ones.
	Told json.RawMessage `json:"told,omitempty"`
}

func (f Facts) json() json.RawMessage { return encode(f) }

func encode(v any) json.RawMessage {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if e.Encode(v) != nil {
		return nil // cannot be: texts and finite numbers
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// fields is a JSON object by plain names: letter case, blanks, dots and dashes
// are no difference, for much of what Capacitor sends is undocumented.
type fields map[string]any

// object reads one JSON object, its numbers as they are spelled.
func object(text []byte) (fields, bool) {
	var m map[string]any
	if !decode(text, &m) || m == nil {
		return nil, false
	}
	return plain(m), true
}

func decode(text []byte, into any) bool {
	dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(text, []byte("\ufeff"))))
	dec.UseNumber()
	return dec.Decode(into) == nil && !dec.More()
}

func plain(m map[string]any) fields {
	f := make(fields, len(m))
	exact := make(map[string]string, len(m))
	for name, v := range m {
		key := dashes.Replace(strings.ToLower(name))
		if was, twice := exact[key]; twice && was < name { // the same one each time
			continue
		}
		f[key], exact[key] = v, name
	}
	return f
}

var dashes = strings.NewReplacer("_", "", "-", "", " ", "", ".", "")

// in is an object inside; an absent one has no fields.
func (f fields) in(name string) fields {
	m, _ := f[name].(map[string]any)
	return plain(m)
}

// longest is how many characters a text may have; OCPP's longest of those that
// are read here has 50.
const longest = 100

// text is the first of the named fields that holds a printable text, as one
// line; a number is taken as it is spelled.
func (f fields) text(names ...string) string {
	for _, name := range names {
		var s string
		switch v := f[name].(type) {
		case string:
			s = v
		case json.Number:
			s = v.String()
		}
		if s = strings.TrimSpace(s); s != "" && utf8.RuneCountInString(s) <= longest && printable(s) {
			return s
		}
	}
	return ""
}

func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) || r == utf8.RuneError })
}

// number is the first of the named fields that holds a number, or the text of
// one; nil: none.
func (f fields) number(names ...string) *float64 {
	for _, name := range names {
		var s string
		switch v := f[name].(type) {
		case string:
			s = strings.TrimSpace(v)
		case json.Number:
			s = v.String()
		}
		// A household's meter has less than a million kWh.
		if n, err := strconv.ParseFloat(s, 64); err == nil && !math.IsNaN(n) && n >= 0 && n <= 1e12 {
			return &n
		}
	}
	return nil
}

// connector is a connector's number; nil: none is named.
func (f fields) connector() *int {
	n := f.number("connectorid", "connector")
	if n == nil || *n != math.Trunc(*n) || *n > 1000 {
		return nil
	}
	i := int(*n)
	return &i
}

// transaction is the number of a transaction as a text; empty: none is named.
func (f fields) transaction() string {
	id := f.text("transactionid")
	if n, err := strconv.ParseFloat(id, 64); err == nil {
		if n != math.Trunc(n) || n < 0 || n > 1<<53 {
			return ""
		}
		return strconv.FormatInt(int64(n), 10)
	}
	if strings.ContainsAny(id, "/?#%") {
		return ""
	}
	return id
}

// truth is a field that holds true or false, or the text of one; nil: neither.
func (f fields) truth(name string) *bool {
	var b bool
	switch v := f[name].(type) {
	case bool:
		b = v
	case string:
		if !slices.Contains([]string{"true", "false"}, strings.ToLower(v)) {
			return nil
		}
		b = strings.EqualFold(v, "true")
	default:
		return nil
	}
	return &b
}

// time is the first of the named fields that holds an instant; zero: none.
func (f fields) time(names ...string) time.Time {
	for _, name := range names {
		if t := instant(f.text(name)); !t.IsZero() {
			return t
		}
	}
	return time.Time{}
}

// Times before these are no times of a charger, nor those after.
const (
	firstSecond = 1577836800 // 2020
	lastSecond  = 7258118399 // the end of 2199; later ones do not fit into nanoseconds
)

// instant reads ISO 8601 with an offset, as the vendor writes it, or Unix
// seconds or milliseconds; zero: neither.
func instant(text string) time.Time {
	t, err := time.Parse(time.RFC3339, strings.ToUpper(text))
	if err != nil {
		n, err := strconv.ParseFloat(text, 64)
		if err != nil || math.IsNaN(n) || n < firstSecond || n > lastSecond*1000 {
			return time.Time{}
		}
		if n <= lastSecond {
			n *= 1000
		}
		t = time.UnixMilli(int64(n))
	}
	if s := t.Unix(); s < firstSecond || s > lastSecond {
		return time.Time{}
	}
	return t.UTC()
}

// charger is the chargeBoxId; empty: none is named that can be one.
func (f fields) charger() string { return f.text("chargeboxid") }

// facts are the fields that are known; idTag is not among them.
func (f fields) facts() Facts {
	return Facts{
		ChargeBoxID: f.charger(), ConnectorID: f.connector(), TransactionID: f.transaction(),
		Status: f.text("status"), ErrorCode: f.text("errorcode"),
		Vendor: f.text("vendor", "chargepointvendor"), Model: f.text("model", "chargepointmodel"),
		FirmwareVersion: f.text("firmwareversion"),
		MeterStart:      f.number("meterstart"), Meter: f.meter(), MeterStop: f.number("meterstop"),
		EnergyDelivered: f.number("energydelivered"), Reason: f.text("reason", "stopreason"),
	}
}
