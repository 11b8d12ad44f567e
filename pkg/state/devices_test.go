package state

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestDevices: a list with changes is what a slice with the same changes is,
// and what it was made from stays as it was.
func TestDevices(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		var want []*Device
		for range rapid.IntRange(0, 200).Draw(r, "devices") {
			want = append(want, &Device{})
		}
		d := DevicesOf(want...)
		for range rapid.IntRange(0, 100).Draw(r, "changes") {
			was, before := d, slices.Clone(want)
			i := rapid.IntRange(0, len(want)).Draw(r, "place")
			x := &Device{}
			if d = d.With(i, x); i == len(want) {
				want = append(want, x)
			} else {
				want[i] = x
			}
			same(r, d, want)
			same(r, was, before)
			for j, y := range d.Other(was) {
				if j != i || y != x {
					r.Fatalf("place %d differs, it was %d", j, i)
				}
			}
		}
	})
}

func same(r *rapid.T, d Devices, want []*Device) {
	r.Helper()
	if d.Len() != len(want) {
		r.Fatalf("%d, want %d", d.Len(), len(want))
	}
	n := 0
	for i, x := range d.All() {
		if i != n || x != want[i] || d.At(i) != x {
			r.Fatalf("the %d-th is at place %d", n, i)
		}
		n++
	}
	if n != len(want) {
		r.Fatalf("%d of %d", n, len(want))
	}
}

// TestOther: what is new or differs, and nothing of what is shared.
func TestOther(t *testing.T) {
	a, b, c := &Device{}, &Device{}, &Device{}
	list := func(d, was Devices) (places []int) {
		for i := range d.Other(was) {
			places = append(places, i)
		}
		return places
	}
	ab := DevicesOf(a, b)
	for name, x := range map[string]struct {
		d, was Devices
		want   []int
	}{
		"the same":  {ab, ab, nil},
		"as if new": {ab, Devices{}, []int{0, 1}},
		"one more":  {ab.With(2, c), ab, []int{2}},
		"one else":  {ab.With(1, c), ab, []int{1}},
		"one less":  {DevicesOf(a), ab, nil},
		"forgotten": {ab, DevicesOf(nil, nil), []int{0, 1}},
	} {
		if got := list(x.d, x.was); !slices.Equal(got, x.want) {
			t.Errorf("%s: %v, want %v", name, got, x.want)
		}
	}
	for range ab.All() {
		break
	}
}
