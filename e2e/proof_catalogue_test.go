package e2e

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/grid2mqtt/grid2mqtt/e2e/hass"
)

// catalogued is a device as docs/entities.md has it.
type catalogued struct {
	name, id, maker, model, via string
	rows                        []row
	triggers                    []string // type and subtype, in order
}

// row is an entity; a dash is nothing.
type row struct{ entity, unique, platform, name, class, unit, stateClass, category, icon, first string }

var (
	deviceLine  = regexp.MustCompile("^Device `(.+)`: manufacturer (.+), model ([^,]+?)(?:, connected via `(.+)`)?\\.$")
	triggerLine = regexp.MustCompile("^- `(.+)` · `(.+)`$")
)

func catalogue(t *testing.T) (all []catalogued) {
	t.Helper()
	text, err := os.ReadFile("../docs/entities.md")
	must(t, err)
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		last := len(all) - 1
		if name, ok := strings.CutPrefix(line, "## "); ok {
			all = append(all, catalogued{name: name})
		} else if m := deviceLine.FindStringSubmatch(line); m != nil {
			all[last].id, all[last].maker, all[last].model, all[last].via = m[1], m[2], m[3], m[4]
		} else if m := triggerLine.FindStringSubmatch(line); m != nil {
			all[last].triggers = append(all[last].triggers, m[1]+" "+m[2])
		} else if strings.HasPrefix(line, "| `") {
			c := strings.Split(strings.ReplaceAll(strings.Trim(line, "| "), "`", ""), " | ")
			all[last].rows = append(all[last].rows, row{c[0], c[1], c[2], c[3], c[4], c[5], c[6], c[7], c[8], c[9]})
		}
	}
	if len(all) < 2 || len(all[1].rows) < 10 {
		t.Fatal("docs/entities.md cannot be read", all)
	}
	return all
}

func dash(text any) string {
	if s, _ := text.(string); s != "" {
		return s
	}
	return "-"
}

// isCatalogue sees that Home Assistant has exactly what docs/entities.md promises of these sources, where the reader, meter and
// charger that it describes have come.
func isCatalogue(t *testing.T, h *house, sources ...string) {
	for _, c := range catalogue(t) {
		if source, _, _ := strings.Cut(strings.TrimPrefix(c.id, "grid2mqtt_"), "_"); !slices.Contains(sources, source) {
			continue
		}
		d := h.device(t, c.id)
		of := func() map[string]hass.Entity { // a source's own device has none of its readers'
			found := h.entities(t, c.id)
			maps.DeleteFunc(found, func(_ string, e hass.Entity) bool { return e.DeviceID != d.ID })
			return found
		}
		until(t, patience, "all entities of "+c.id, func() bool { return len(of()) == len(c.rows) })
		if d.Name != c.name || d.Manufacturer != c.maker || d.Model != c.model || d.SWVersion == "" {
			t.Errorf("%s is %+v", c.id, d)
		}
		if c.via == "" && d.ViaDeviceID != "" || c.via != "" && d.ViaDeviceID != h.device(t, c.via).ID {
			t.Errorf("%s is connected via %q", c.id, d.ViaDeviceID)
		}
		var got []row
		for _, e := range of() {
			got = append(got, h.row(t, e))
		}
		for _, rows := range [][]row{got, c.rows} {
			slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.entity, b.entity) })
		}
		if !slices.EqualFunc(got, c.rows, func(a, b row) bool {
			if a.first == "disabled" {
				a.unit = b.unit // it has no state to show a unit in
			}
			return a == b
		}) {
			t.Errorf("%s has\n%v\nnot\n%v", c.id, got, c.rows)
		}
		offered, err := h.hass.DeviceTriggers(limit(t, patience), d.ID)
		must(t, err)
		var triggers []string
		for _, o := range offered {
			if o["domain"] == "mqtt" {
				triggers = append(triggers, o["type"].(string)+" "+o["subtype"].(string))
			}
		}
		if slices.Sort(triggers); !slices.Equal(triggers, c.triggers) {
			t.Errorf("%s offers the triggers %v, not %v", c.id, triggers, c.triggers)
		}
	}
}

func (h *house) row(t *testing.T, e hass.Entity) row {
	t.Helper()
	r := row{e.EntityID, e.UniqueID, strings.Split(e.EntityID, ".")[0], e.OriginalName, dash(e.OriginalClass), "-", dash(e.Capabilities["state_class"]),
		dash(e.Category), dash(e.OriginalIcon), "enabled"}
	if e.DisabledBy != "" {
		r.first = "disabled"
		return r
	}
	s, err := h.hass.State(limit(t, patience), e.EntityID)
	must(t, err)
	r.unit = dash(s.Attributes["unit_of_measurement"])
	return r
}
