package app

import (
	"testing"

	"github.com/grid2mqtt/grid2mqtt/pkg/intake"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
)

// The first to come owns the plain name, over restarts too.
func TestSubjects(t *testing.T) {
	dir := t.TempDir()
	for run := range 2 {
		j, err := journal.Open(dir, journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		h := &house{journal: j, clock: &intake.Clock{}}
		ids := []string{"AB.1", "ab 1", "CP/1", "other"}
		if run == 1 { // asked in another order
			ids = []string{"other", "CP/1", "ab 1", "AB.1"}
		}
		got := map[string]string{}
		for _, id := range ids {
			plain := ""
			if id == "CP/1" {
				plain = "ab_1"
			}
			got[id] = h.subject("ecomon", id, plain)
		}
		if got["AB.1"] != "ab_1" || got["other"] != "other" || got["ab 1"] == got["CP/1"] ||
			len(got["ab 1"]) != len("ab_1_01234567") || len(got["CP/1"]) != len("ab_1_01234567") {
			t.Errorf("run %d: %v", run, got)
		}
		if other := h.subject("capacitor", "ab-1", ""); other != "ab_1" {
			t.Errorf("another source's name is %s", other)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
