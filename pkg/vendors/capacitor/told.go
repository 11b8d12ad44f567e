package capacitor

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// toldTexts are the fields whose texts are told. What another field's text
// says is not documented, and may be of somebody.
func toldTexts() []string {
	return []string{
		"chargeboxid", "connectorid", "transactionid", "status", "errorcode", "vendorerrorcode", "timestamp",
		"vendor", "model", "chargepointvendor", "chargepointmodel", "firmwareversion",
		"meterstart", "metervalue", "meterstop", "energydelivered", "durationminutes", "starttime", "stoptime", "reason", "stopreason",
		"value", "unit", "measurand", "context", "format", "phase", // of OCPP's sampled values
	}
}

// told are the fields of a webhook's data as they came, without those that
// tell who somebody is, or may.
func told(body []byte) json.RawMessage {
	var whole struct{ Data map[string]any }
	if !decode(body, &whole) {
		return nil
	}
	kept, ok := harmless(toldTexts(), "", whole.Data)
	if !ok {
		return nil
	}
	return encode(kept)
}

func harmless(texts []string, name string, v any) (any, bool) {
	switch v := v.(type) {
	case nil:
		return nil, false
	case string:
		return v, slices.Contains(texts, dashes.Replace(strings.ToLower(name))) && utf8.RuneCountInString(v) <= longest && printable(v)
	case map[string]any:
		kept := map[string]any{}
		for name, inner := range v {
			if inner, ok := harmless(texts, name, inner); ok && fieldName(name) {
				kept[name] = inner
			}
		}
		return kept, len(kept) > 0
	case []any:
		kept := []any{}
		for _, inner := range v {
			if inner, ok := harmless(texts, name, inner); ok {
				kept = append(kept, inner)
			}
		}
		return kept, len(kept) > 0
	}
	return v, !event.Personal(name)
}

// fieldName reports whether a name is one that the vendor gave, and not a value
// that happens to stand there.
func fieldName(name string) bool {
	return len(name) <= 40 && !strings.ContainsFunc(name, func(r rune) bool {
		return r >= utf8.RuneSelf || !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-.", r)
	})
}
