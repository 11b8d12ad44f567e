package app

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/grid2mqtt/grid2mqtt/"

// plan is which rooms a room may know; every other of ours is a stranger.
var plan = map[string][]string{
	"addon":                     {},
	"pkg/event":                 {},
	"pkg/vendors/rest":          {"pkg/event"},
	"pkg/vendors/equiwatt":      {"pkg/event", "pkg/vendors/rest"},
	"pkg/vendors/openvolt":      {"pkg/event", "pkg/vendors/rest"},
	"pkg/vendors/ecomon":        {"pkg/event", "pkg/vendors/rest"},
	"pkg/vendors/powerresponse": {"pkg/event", "pkg/vendors/rest"},
	"pkg/vendors/capacitor":     {"pkg/event", "pkg/vendors/rest"},
	"pkg/intake":                {"pkg/event"},
	"pkg/journal":               {"pkg/event"},
	"pkg/state":                 {"pkg/event"},
	"pkg/homeassistant":         {"pkg/event", "pkg/state"},
	"pkg/web":                   {"pkg/event", "pkg/state"},
	"pkg/simulator":             {"pkg/event"},
	"pkg/vendors/vendortest":    {"pkg/event"},
	"cmd/grid2mqtt":             {"addon", "pkg/app", "pkg/event", "pkg/state", "pkg/intake", "pkg/journal", "pkg/homeassistant", "pkg/web", "pkg/vendors/rest", "pkg/vendors/equiwatt", "pkg/vendors/openvolt", "pkg/vendors/ecomon", "pkg/vendors/powerresponse", "pkg/vendors/capacitor"},
	"pkg/app":                   {"pkg/event", "pkg/state", "pkg/intake", "pkg/journal", "pkg/homeassistant", "pkg/web", "pkg/vendors/rest", "pkg/vendors/equiwatt", "pkg/vendors/openvolt", "pkg/vendors/ecomon", "pkg/vendors/powerresponse", "pkg/vendors/capacitor"},
}

// TestThePlanOfTheHouse compares what each room imports, directly or through
// others, with the plan.
func TestThePlanOfTheHouse(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "go", "list", "-f", `{{.ImportPath}} {{join .Deps " "}}`, module+"...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(strings.ReplaceAll(line, module, "./"))
		room := strings.TrimPrefix(words[0], "./")
		if room == "cmd/demo" { // the whole house, and the simulators
			continue
		}
		may, ok := plan[room]
		if !ok {
			t.Errorf("%s is not in the plan", room)
			continue
		}
		seen++
		for _, dep := range words[1:] {
			if dep, ours := strings.CutPrefix(dep, "./"); ours && !slices.Contains(may, dep) {
				t.Errorf("%s knows %s, which the plan does not allow", room, dep)
			}
		}
	}
	if seen != len(plan) {
		t.Errorf("saw %d rooms, the plan has %d", seen, len(plan))
	}
}
