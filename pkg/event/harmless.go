package event

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// personal are parts of the names of fields that may tell who somebody is or
// open a door.
var personal = [...]string{
	"name", "email", "phone", "mobile", "msisdn", "address", "street", "postcode", "postal", "zipcode", "latitude", "longitude",
	"user", "customer", "account", "owner", "holder", "birth", "iban", "mpan", "mprn", "mpxn", "meternumber",
	"idtag", "rfid", "iccid", "imsi", "licenseplate", "licenceplate", "numberplate",
	"token", "key", "secret", "password", "passwd", "auth",
}

// personalWhole are such names that are parts of harmless ones too.
var personalWhole = [...]string{"city", "town", "vin", "dob", "ip", "lat", "lon", "lng"}

// Personal reports whether a field of that name may tell who somebody is or
// open a door. Letter case, blanks, dots and dashes are no difference.
func Personal(name string) bool {
	plain := dashes.Replace(strings.ToLower(name))
	return slices.Contains(personalWhole[:], plain) || Mailed(name) ||
		slices.ContainsFunc(personal[:], func(p string) bool { return strings.Contains(plain, p) })
}

var dashes = strings.NewReplacer("_", "", "-", "", " ", "", ".", "")

// Mailed reports whether a text may hold somebody's mail address.
func Mailed(text string) bool { return strings.Contains(text, "@") }

// Harmless returns a JSON object without its personal fields, at any depth, and
// without those named in drop at its top; a text that may hold a mail address
// is null. Numbers stay as they are spelled; nil: it is no object, or nothing
// is left.
func Harmless(object []byte, drop ...string) json.RawMessage {
	dec := json.NewDecoder(bytes.NewReader(object))
	dec.UseNumber()
	var fields map[string]any
	if dec.Decode(&fields) != nil || dec.More() {
		return nil
	}
	for _, name := range drop {
		delete(fields, name)
	}
	if impersonal(fields); len(fields) == 0 {
		return nil
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if enc.Encode(fields) != nil {
		return nil // cannot be: it came out of JSON
	}
	return bytes.TrimSuffix(text.Bytes(), []byte("\n"))
}

// impersonal takes out of v what is personal.
func impersonal(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			if v[name] = impersonal(inner); Personal(name) {
				delete(v, name)
			}
		}
	case []any:
		for i, inner := range v {
			v[i] = impersonal(inner)
		}
	case string:
		if Mailed(v) {
			return nil
		}
	}
	return v
}
