package journal

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func look(t *testing.T, dir string) *Glance {
	t.Helper()
	g, err := Look(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = g.Close() })
	return g
}

// TestLook reads beside the journal that has the directory, and after it.
func TestLook(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	g := look(t, dir)
	if _, ok, err := g.Setting("a"); ok || err != nil {
		t.Errorf("a setting that was never set: %v %v", ok, err)
	}
	if id, err := g.LastDelivery(); id != 0 || err != nil {
		t.Errorf("an empty journal's last delivery: %d %v", id, err)
	}
	if err := j.Set(t.Context(), "a", "1"); err != nil {
		t.Fatal(err)
	}
	before := mustAppend(t, j, delivery("old"), window("k1", noon))
	if v, ok, err := g.Setting("a"); v != "1" || !ok || err != nil {
		t.Errorf("%q %v %v", v, ok, err)
	}
	if id, err := g.LastDelivery(); id != before.Delivery || err != nil {
		t.Errorf("%d %v", id, err)
	}
	poll, other := delivery("poll"), delivery("other")
	poll.Via, other.Source = event.ViaPoll, "ecomon"
	mustAppend(t, j, poll, window("k2", noon))
	mustAppend(t, j, other)
	if d, ok, err := g.Next("equiwatt", before.Delivery); ok || err != nil {
		t.Errorf("%+v %v", d, err)
	}
	want := mustAppend(t, j, delivery("new"))
	mustAppend(t, j, delivery("newer"))
	d, ok, err := g.Next("equiwatt", before.Delivery)
	if !ok || err != nil || d.ID != want.Delivery || d.Kind != "started" || !d.Received.Equal(noon) || d.Verdict != event.Accepted {
		t.Errorf("%+v %v %v", d, ok, err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	if v, _, err := look(t, dir).Setting("a"); v != "1" || err != nil {
		t.Errorf("when nobody has it: %q %v", v, err)
	}
}

func TestLookAtWhatIsNone(t *testing.T) {
	dir := t.TempDir()
	if _, err := Look(dir); !errors.Is(err, ErrNoJournal) {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "journal.db"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Look(dir); !errors.Is(err, ErrNoJournal) {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "journal.db"), []byte("a diary, and not even a database"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Look(dir); err == nil || errors.Is(err, ErrNoJournal) {
		t.Error(err)
	}
}
