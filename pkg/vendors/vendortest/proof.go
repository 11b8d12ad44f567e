package vendortest

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"slices"
)

// proof: what the vendor signed is believed, and nothing else is.
func (v Vendor) proof(body []byte) (problems []error) {
	if v.Verify == nil {
		return nil
	}
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	proven, err := v.Verify(v.Sign(body), body)
	if err != nil {
		bad("the vendor's own signature is refused: %w", err)
	}
	if len(body) > 0 && len(proven) == 0 {
		bad("nothing is left of a proven body")
	}
	refused := func(what string, h http.Header, b []byte) {
		got, err := v.Verify(h, b)
		if err == nil {
			bad("%s is believed", what)
			return
		}
		if got != nil {
			bad("%s: bytes come with the refusal", what)
		}
		problems = append(problems, v.tells(what, err, b)...)
	}
	for i := 0; i < len(body); i += max(1, len(body)/50) {
		changed := slices.Clone(body)
		changed[i] ^= 1
		refused(fmt.Sprintf("a body changed at byte %d", i), v.Sign(body), changed)
	}
	longer := append(slices.Clone(body), ' ')
	// Where blanks are no part of the proof, they are no part of what is proven.
	if got, err := v.Verify(v.Sign(body), longer); err != nil || !bytes.Equal(got, body) {
		refused("a body that goes on", v.Sign(body), longer)
	}
	refused("a body without a header", http.Header{}, body)
	for name := range v.Sign(body) {
		for what, value := range v.forgeries(name, body) {
			h := v.Sign(body)
			h[name] = value
			refused(fmt.Sprintf("header %s %s", name, what), h, body)
		}
	}
	return problems
}

// forgeries are what may stand in a header instead of what the vendor wrote.
func (v Vendor) forgeries(name string, body []byte) map[string][]string {
	right := v.Sign(body).Get(name)
	flipped := []byte(right)
	if len(flipped) > 0 {
		flipped[len(flipped)/2] ^= 1
	}
	all := map[string][]string{
		"missing": nil, "empty": {""}, "blank": {" "}, "of junk": {"\xff=,;"},
		"changed in the middle": {string(flipped)}, "cut": {right[:len(right)/2]},
	}
	if other := v.Sign(append(slices.Clone(body), 'x')).Get(name); other != right {
		all["of another body"] = []string{other}
	}
	return all
}

// tells: an error must not be the answer to the riddle.
func (v Vendor) tells(what string, err error, body []byte) []error {
	problems := v.leaks("the refusal of "+what, err.Error())
	for name, values := range v.Sign(body) {
		for _, value := range values {
			if len(value) >= 8 && bytes.Contains([]byte(err.Error()), []byte(value)) {
				problems = append(problems, errors.New("the refusal of "+what+" tells the right "+name))
			}
		}
	}
	return problems
}
