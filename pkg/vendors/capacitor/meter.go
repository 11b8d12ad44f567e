package capacitor

import (
	"strings"
	"time"
)

// register is what OCPP calls the meter's own count of the energy that went
// into cars, and what is meant where a value names nothing
// (https://github.com/mobilityhouse/ocpp, ocpp/v16/schemas/MeterValues.json).
const register = "Energy.Active.Import.Register"

// meter is the meter's register in Wh: a flat number, or the newest of an OCPP
// list of values; nil: none is told. What transaction.updated holds is not
// documented.
func (f fields) meter() *float64 {
	if n := f.number("metervalue", "meter", "meterreading"); n != nil {
		return wattHours(n, f.text("unit"))
	}
	var found *float64
	var newest time.Time
	for _, m := range objects(f["metervalue"], f["metervalues"]) {
		n := m.sampled()
		if at := m.time("timestamp"); n != nil && (found == nil || !at.Before(newest)) {
			found, newest = n, at
		}
	}
	if found == nil {
		found = f.sampled()
	}
	return found
}

// sampled is the register among the sampled values of one instant.
func (f fields) sampled() (found *float64) {
	for _, s := range objects(f["sampledvalue"], f["sampledvalues"]) {
		if what := s.text("measurand"); what != "" && !strings.EqualFold(what, register) {
			continue
		}
		// Values of one phase are parts of the whole, those of the grid's side
		// are no car's.
		if s.text("phase") != "" || s.text("location") != "" && !strings.EqualFold(s.text("location"), "Outlet") {
			continue
		}
		if format := s.text("format"); format != "" && !strings.EqualFold(format, "Raw") {
			continue
		}
		if n := wattHours(s.number("value"), s.text("unit")); n != nil {
			found = n
		}
	}
	return found
}

// wattHours is an energy in Wh, which is meant where no unit is told; nil:
// there is none, or it is no energy.
func wattHours(n *float64, unit string) *float64 {
	switch {
	case n == nil:
		return nil
	case strings.EqualFold(unit, "kWh"):
		wh := *n * 1000
		return &wh
	case unit != "" && !strings.EqualFold(unit, "Wh"):
		return nil
	}
	return n
}

// objects are the objects of lists, and those that stand alone.
func objects(values ...any) (list []fields) {
	for _, v := range values {
		switch v := v.(type) {
		case map[string]any:
			list = append(list, plain(v))
		case []any:
			for _, item := range v {
				if m, ok := item.(map[string]any); ok {
					list = append(list, plain(m))
				}
			}
		}
	}
	return list
}
