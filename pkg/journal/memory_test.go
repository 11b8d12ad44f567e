package journal

import (
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestSettings(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	if _, ok := j.Setting("token"); ok {
		t.Error("set before it was set")
	}
	for _, v := range []string{"one", "", "two"} {
		if err := j.Set(t.Context(), "token", v); err != nil {
			t.Fatal(err)
		}
		if got, ok := j.Setting("token"); got != v || !ok {
			t.Errorf("%q, want %q", got, v)
		}
	}
	_ = j.Close()
	if err := j.Set(t.Context(), "token", "three"); !errors.Is(err, ErrNotStored) {
		t.Error(err)
	}
	j = openAt(t, dir)
	if got, _ := j.Setting("token"); got != "two" {
		t.Errorf("after a restart: %q", got)
	}
}

func TestMoments(t *testing.T) {
	dir := t.TempDir()
	j := openAt(t, dir)
	want := func(id string, state MomentState) {
		t.Helper()
		if got, err := j.Moment(id); err != nil || got != state {
			t.Errorf("%s: %v %v, want %v", id, got, err, state)
		}
	}
	want("a", None)
	j.MarkMoments(Sent, noon, 0, "a", "b")
	want("a", Sent)
	j.MarkMoments(AtRest, noon, 0, "a")
	j.MarkMoments(Sent, noon, 0, "a")
	want("a", AtRest)
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()

	j = openAt(t, dir)
	want("a", AtRest)
	want("b", Sent)
	want("c", None)
	j.MarkMoments(Sent, time.Time{}, 0, "a", "c") // memory does not know that it rests
	want("a", AtRest)
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	want("a", AtRest)
	want("c", Sent)
}

func TestMarksInMemoryAreBounded(t *testing.T) {
	j := openAt(t, t.TempDir())
	for i := range 5 * maxMarks {
		j.MarkMoments(AtRest, noon, 0, fmt.Sprint(i))
		if i%500 == 0 {
			if err := j.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	j.MarkMoments(AtRest, noon, 0, "last")
	j.mu.Lock()
	n, o := len(j.marks), len(j.order)
	j.mu.Unlock()
	if n > maxMarks || o != n {
		t.Errorf("%d marks in memory, %d in order", n, o)
	}
	if got, err := j.Moment("0"); err != nil || got != AtRest {
		t.Error(got, err)
	}
}
