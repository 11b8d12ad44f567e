// Package vendortest is the contract that every vendor's test calls: what it
// reads it reads the same every time, says it in valid words, leaks no secret,
// believes nothing unproven, and survives any bytes.
//
// Beside each sample in a folder of testdata lies what it must be read as, in
// a file of the same name and ".golden". Run the test with -update to write
// those files anew, and read the difference before keeping it.
package vendortest

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

// Vendor is what the contract needs to know of a vendor.
type Vendor struct {
	Source  string   // every event carries it
	Secrets []string // as configured; none may come out anywhere

	// Decode reads a sample as the vendor's room does, the same way each time;
	// name is that of its file, which may say what kind it is. An error is the
	// vendor's refusal of the sample, and one sentence.
	Decode func(name string, body []byte) ([]event.Event, error)

	// Verify proves a delivery and returns the bytes that are proven; nil: the
	// vendor signs nothing.
	Verify func(h http.Header, body []byte) ([]byte, error)
	// Sign returns the headers with which the vendor would send body. Set with
	// Verify.
	Sign func(body []byte) http.Header
}

// Run checks the vendor against every sample in dir, at any depth.
func Run(t *testing.T, v Vendor, dir string) {
	t.Helper()
	samples, err := find(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range samples {
		name, _ := filepath.Rel(dir, path) // path came out of dir
		t.Run(filepath.ToSlash(name), func(t *testing.T) {
			body, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			problems := slices.Concat(v.golden(path, body), v.steady(path, body), v.junk(path, body), v.proof(body))
			for _, problem := range problems {
				t.Error(problem)
			}
		})
	}
}

const golden = ".golden"

// find lists the samples; a golden file whose sample is gone is an error, for
// it proves nothing any more.
func find(dir string) (samples []string, err error) {
	var orphans []error
	err = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		switch {
		case err != nil || d.IsDir():
			return err
		case filepath.Ext(path) != golden:
			samples = append(samples, path)
		default:
			if _, err := os.Stat(strings.TrimSuffix(path, golden)); err != nil {
				orphans = append(orphans, fmt.Errorf("vendortest: golden file without a sample: %w", err))
			}
		}
		return nil
	})
	if err == nil && len(samples) == 0 {
		err = fmt.Errorf("vendortest: no samples in %s", dir)
	}
	return samples, errors.Join(append(orphans, err)...)
}

// Samples calls add with every sample in dir, at any depth: what a fuzz target
// begins with.
func Samples(f *testing.F, dir string, add func(name string, body []byte)) {
	f.Helper()
	samples, err := find(dir)
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range samples {
		body, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		add(filepath.Base(path), body)
	}
}

// reading is what a golden file holds.
type reading struct {
	Refused string `json:",omitempty"`
	Events  []event.Event
}

func (v Vendor) golden(path string, body []byte) []error {
	events, refusal := v.Decode(filepath.Base(path), body)
	r := reading{Events: events}
	if refusal != nil {
		r.Refused = refusal.Error()
	}
	got, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return []error{fmt.Errorf("what was read cannot be written: %w", err)}
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(path+golden, got, 0o644); err != nil {
			return []error{err}
		}
	}
	want, err := os.ReadFile(path + golden)
	switch {
	case err != nil:
		return []error{fmt.Errorf("%w (-update writes it)", err)}
	case !bytes.Equal(got, want):
		return []error{fmt.Errorf("read as\n%s\nwant\n%s", got, want)}
	}
	return nil
}

// steady: the same bytes are read the same again and left as they were.
func (v Vendor) steady(path string, body []byte) (problems []error) {
	before := slices.Clone(body)
	name := filepath.Base(path)
	first, refusal := v.Decode(name, body)
	problems = append(problems, v.check(first, refusal)...)
	if !bytes.Equal(before, body) {
		problems = append(problems, errors.New("reading changed the body"))
	}
	again, secondRefusal := v.Decode(name, body)
	if !reflect.DeepEqual(first, again) || fmt.Sprint(refusal) != fmt.Sprint(secondRefusal) {
		problems = append(problems, fmt.Errorf("read differently the second time:\n%+v %v\n%+v %v", first, refusal, again, secondRefusal))
	}
	return problems
}

// junk: whatever becomes of a sample on its way, what is read of it is valid.
func (v Vendor) junk(path string, body []byte) (problems []error) {
	const most = 200 // spread over the sample; the vendor's fuzz target goes further
	step := max(1, len(body)/most)
	name := filepath.Base(path)
	for i := 0; i < len(body); i += step {
		changed := slices.Clone(body)
		changed[i] ^= 0x10
		for _, b := range [][]byte{body[:i], changed} {
			for _, p := range v.check(v.Decode(name, slices.Clone(b))) {
				problems = append(problems, fmt.Errorf("damaged at byte %d: %w", i, p))
			}
		}
	}
	return problems
}

// check returns what is wrong with what was read.
func (v Vendor) check(events []event.Event, refusal error) (problems []error) {
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if refusal != nil {
		if text := refusal.Error(); text == "" || len([]rune(text)) > 200 || strings.ContainsAny(text, "\r\n") {
			bad("a refusal is one line of at most 200 characters: %q", text)
		}
		problems = append(problems, v.leaks("the refusal", refusal.Error())...)
	}
	keys := map[string]bool{}
	for _, e := range events {
		if err := e.Validate(); err != nil {
			bad("%w", err)
		}
		if e.Source != v.Source {
			bad("source is %q, want %q", e.Source, v.Source)
		}
		if id := e.Subject + " " + e.Key; keys[id] {
			bad("two events of one delivery are %q", id)
		} else {
			keys[id] = true
		}
		if e.At.IsZero() || e.At.Location() != time.UTC || e.Seen.Location() != time.UTC {
			bad("%s: times are set and UTC: at %v, seen %v", e.Key, e.At, e.Seen)
		}
		text, err := json.Marshal(e)
		if err != nil {
			bad("%s: cannot be written: %w", e.Key, err)
		}
		problems = append(problems, v.leaks("event "+e.Key, string(text))...)
	}
	return problems
}

// leaks looks for the secrets in a text that goes out. What is found is not
// repeated.
func (v Vendor) leaks(where, text string) (problems []error) {
	for i, secret := range v.Secrets {
		if secret != "" && strings.Contains(text, secret) {
			problems = append(problems, fmt.Errorf("%s holds secret %d", where, i))
		}
	}
	return problems
}

// Check fails t where events or a refusal, as Decode returned them, break the
// contract; a fuzz target calls it with whatever it decoded.
func Check(t testing.TB, v Vendor, events []event.Event, refusal error) {
	t.Helper()
	for _, problem := range v.check(events, refusal) {
		t.Error(problem)
	}
}
