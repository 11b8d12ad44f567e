package homeassistant

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/state"
)

// catalogueFile is what households are told of ids, and what the tests in a real Home Assistant compare with.
const catalogueFile = "../../docs/entities.md"

const catalogueHead = `# Every device and entity

Made from the code by ` + "`go test ./pkg/homeassistant -run TestCatalogue -update`" + `, and compared with a real Home Assistant by the tests in ` + "`e2e`" + `.
Entity ids and unique ids never change. They are those of the base topic ` + "`grid2mqtt`" + `; another one stands in front, see ` + "`MQTT_BASE_TOPIC`" + `.
`

func TestCatalogue(t *testing.T) {
	got := catalogueHead
	for _, m := range plainNames.Documents(allDevices(), about) {
		got += "\n" + chapter(read(t, m.Payload))
	}
	if *update {
		if err := os.WriteFile(catalogueFile, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(catalogueFile)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("docs/entities.md, want -, got +; ids must not change:\n%s", diff)
	}
}

// allDevices has each kind of device of each source once.
func allDevices() state.View {
	v := viewOf(&state.Equivents{Asked: true})
	v.Sources = append(v.Sources, ecomonSource(state.Reader{}))
	v.Sources = append(v.Sources, openvoltSource(state.Meter{}))
	v.Sources = append(v.Sources, responseSource(state.Response{}))
	v.Sources = append(v.Sources, capacitorSource(state.Charger{Vendor: "ABB", Model: "Terra AC"}, state.Connector{}))
	return v
}

// chapter writes a document as people read it.
func chapter(d fields) string {
	var b strings.Builder
	device := d.in("device")
	fmt.Fprintf(&b, "## %s\n\nDevice `%s`: manufacturer %s, model %s", device.text("name"), device["identifiers"].([]any)[0], device.text("manufacturer"), device.text("model"))
	if via := device.text("via_device"); via != "" {
		fmt.Fprintf(&b, ", connected via `%s`", via)
	}
	b.WriteString(".\n\n| entity | unique id | platform | name | device class | unit | state class | category | icon | at first |\n|---|---|---|---|---|---|---|---|---|---|\n")
	var rows, triggers []string
	for key := range d.in("components") {
		c := d.in("components").in(key)
		if c.text("platform") == "device_automation" {
			triggers = append(triggers, fmt.Sprintf("- `%s` · `%s`\n", c.text("type"), c.text("subtype")))
			continue
		}
		enabled := "enabled"
		if c["enabled_by_default"] == false {
			enabled = "disabled"
		}
		row := []string{"`" + c.text("default_entity_id") + "`", "`" + c.text("unique_id") + "`", c.text("platform"), c.text("name")}
		for _, k := range []string{"device_class", "unit_of_measurement", "state_class", "entity_category", "icon"} {
			row = append(row, c.orDash(k))
		}
		rows = append(rows, "| "+strings.Join(append(row, enabled), " | ")+" |\n")
	}
	slices.Sort(rows)
	b.WriteString(strings.Join(rows, ""))
	if slices.Sort(triggers); len(triggers) > 0 {
		b.WriteString("\nDevice triggers, type and subtype:\n\n" + strings.Join(triggers, ""))
	}
	return b.String()
}
