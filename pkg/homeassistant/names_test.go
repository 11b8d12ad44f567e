package homeassistant

import (
	"regexp"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	plain := Names{DefaultBase, "homeassistant"}
	other := Names{"home/grid", "hass/two"}
	tests := []struct{ what, plain, wantPlain, other, wantOther string }{
		{"status", plain.Status(), "grid2mqtt/status", other.Status(), "home/grid/status"},
		{"state", plain.State("equiwatt", ""), "grid2mqtt/equiwatt/state", other.State("equiwatt", ""), "home/grid/equiwatt/state"},
		{"state of a subject", plain.State("ecomon", "ab_1"), "grid2mqtt/ecomon/ab_1/state", other.State("ecomon", "ab_1"), "home/grid/ecomon/ab_1/state"},
		{"event", plain.Event("equiwatt", ""), "grid2mqtt/equiwatt/event", other.Event("equiwatt", ""), "home/grid/equiwatt/event"},
		{"command", plain.Command("equiwatt", "", "refresh"), "grid2mqtt/equiwatt/set/refresh", other.Command("equiwatt", "", "refresh"), "home/grid/equiwatt/set/refresh"},
		{"command to a subject", plain.Command("capacitor", "c_1", "start"), "grid2mqtt/capacitor/c_1/set/start", other.Command("capacitor", "c_1", "start"), "home/grid/capacitor/c_1/set/start"},
		{"device", plain.Device("equiwatt", ""), "grid2mqtt_equiwatt", other.Device("equiwatt", ""), "home_grid_equiwatt"},
		{"device of a subject", plain.Device("ecomon", "ab_1"), "grid2mqtt_ecomon_ab_1", other.Device("ecomon", "ab_1"), "home_grid_ecomon_ab_1"},
		{"document", plain.Document("equiwatt", ""), "homeassistant/device/grid2mqtt_equiwatt/config", other.Document("equiwatt", ""), "hass/two/device/home_grid_equiwatt/config"},
		{"bridge document", plain.Document("bridge", ""), "homeassistant/device/grid2mqtt_bridge/config", other.Document("bridge", ""), "hass/two/device/home_grid_bridge/config"},
		{"entity", plain.Entity("sensor", "equiwatt", "", "start"), "sensor.equiwatt_start", other.Entity("sensor", "equiwatt", "", "start"), "sensor.home_grid_equiwatt_start"},
		{"entity of a subject", plain.Entity("sensor", "ecomon", "ab_1", "limit"), "sensor.ecomon_ab_1_limit", other.Entity("sensor", "ecomon", "ab_1", "limit"), "sensor.home_grid_ecomon_ab_1_limit"},
		{"entity of the bridge", plain.Entity("sensor", "bridge", "", "version"), "sensor.grid2mqtt_version", other.Entity("sensor", "bridge", "", "version"), "sensor.home_grid_version"},
		{"title", plain.Title("Equiwatt"), "Equiwatt", other.Title("Equiwatt"), "Equiwatt (home_grid)"},
		{"births", strings.Join(plain.Births(), " "), "homeassistant/status", strings.Join(other.Births(), " "), "hass/two/status homeassistant/status"},
	}
	for _, tt := range tests {
		if tt.plain != tt.wantPlain || tt.other != tt.wantOther {
			t.Errorf("%s: %q and %q, want %q and %q", tt.what, tt.plain, tt.other, tt.wantPlain, tt.wantOther)
		}
	}
}

func TestSlug(t *testing.T) {
	long := strings.Repeat("abcdefg_", 8) // 64 characters, the last one no letter
	tests := []struct{ id, want string }{
		{"home/grid", "home_grid"},
		{"Home Grid", "home_grid"},
		{"AB-12", "ab_12"},
		{"a--//  b", "a_b"},
		{"__a__", "a"},
		{"-a", "a"},
		{"", "x"},
		{"___", "x"},
		{"電気", "x"},
		{"Zähler 7", "z_hler_7"},
		{"\xff\xfe1", "1"},
		{strings.Repeat("a", 64), strings.Repeat("a", 64)},
		{strings.Repeat("a", 65), strings.Repeat("a", 64) + "_635361c4"},
		{strings.Repeat("a", 66), strings.Repeat("a", 64) + "_ac137fce"},
		{long + "h", long + "daf5df66"},
	}
	for _, tt := range tests {
		if got := Slug(tt.id); got != tt.want {
			t.Errorf("Slug(%q) = %q, want %q", tt.id, got, tt.want)
		}
	}
}

var slugShape = regexp.MustCompile(`^[a-z0-9]+(_[a-z0-9]+)*$`)

func FuzzSlug(f *testing.F) {
	for _, id := range []string{"", "home/grid", "Zähler 7", "İstanbul", "K", strings.Repeat("a_", 40), "\xff"} {
		f.Add(id)
	}
	f.Fuzz(func(t *testing.T, id string) {
		s := Slug(id)
		if !slugShape.MatchString(s) || len(s) > 64+len("_01234567") {
			t.Errorf("Slug(%q) = %q", id, s)
		}
		if len(s) <= 64 && Slug(s) != s {
			t.Errorf("Slug(%q) = %q, and that again is %q", id, s, Slug(s))
		}
	})
}
