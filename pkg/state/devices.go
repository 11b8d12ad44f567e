package state

import (
	"iter"
	"slices"
)

// Devices are a source's devices in the order in which they came. It never
// changes: With returns another one that shares nearly all of it, so that one
// change costs the same among thousands as among few. The zero Devices has none.
type Devices struct {
	parts []*part
	n     int
}

// part is as many as are copied for one change; with 64 the list of parts of
// three thousand is about as long.
type part [64]*Device

// DevicesOf returns a list of these.
func DevicesOf(list ...*Device) (d Devices) {
	for _, x := range list {
		if d.n%len(part{}) == 0 {
			d.parts = append(d.parts, &part{})
		}
		d.parts[len(d.parts)-1][d.n%len(part{})] = x
		d.n++
	}
	return d
}

// Len is how many there are.
func (d Devices) Len() int { return d.n }

// At returns the i-th, from 0.
func (d Devices) At(i int) *Device { return d.parts[i/len(part{})][i%len(part{})] }

// All are the devices and their places.
func (d Devices) All() iter.Seq2[int, *Device] { return d.Other(Devices{}) }

// List is a slice of them, the caller's own.
func (d Devices) List() []*Device {
	list := make([]*Device, 0, d.n)
	for _, x := range d.All() {
		list = append(list, x)
	}
	return list
}

// Other are those that was does not have at the same place.
func (d Devices) Other(was Devices) iter.Seq2[int, *Device] {
	return func(yield func(int, *Device) bool) {
		for p, mine := range d.parts {
			if p < len(was.parts) && mine == was.parts[p] {
				continue
			}
			for i := p * len(part{}); i < min(d.n, (p+1)*len(part{})); i++ {
				x := mine[i%len(part{})]
				if (i >= was.n || was.At(i) != x) && !yield(i, x) {
					return
				}
			}
		}
	}
}

// With returns a list whose i-th is x; one behind the last is added.
func (d Devices) With(i int, x *Device) Devices {
	d.parts = slices.Clone(d.parts)
	p := i / len(part{})
	if p == len(d.parts) {
		d.parts = append(d.parts, nil)
	}
	var changed part
	if d.parts[p] != nil {
		changed = *d.parts[p]
	}
	changed[i%len(part{})] = x
	d.parts[p], d.n = &changed, max(d.n, i+1)
	return d
}
