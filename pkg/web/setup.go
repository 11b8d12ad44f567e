package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// States of a Step.
const (
	Passed  = "ok"
	Failed  = "bad"
	Waiting = "waiting" // there is nothing to see yet
	Skipped = "off"     // it does not apply, or an earlier one has to pass first
)

// Step is one step of setting up; they come in the order in which they build
// on another. No text in it holds a secret.
type Step struct {
	Name   string    `json:"name"`             // one word, always the same, e.g. "broker"
	Title  string    `json:"title"`            // for people, e.g. "The MQTT broker is reached"
	State  string    `json:"state"`            // one of the states above
	Reason string    `json:"reason,omitempty"` // what was seen, one sentence; empty: there is nothing to say
	Remedy string    `json:"remedy,omitempty"` // what to do, one sentence; empty: nothing
	At     time.Time `json:"at,omitzero"`      // when it was seen; zero: not yet
}

// Line is the step as one line of text.
func (s Step) Line() string {
	text := cmp.Or(strings.TrimSpace(s.Reason+" "+s.Remedy), s.Title)
	return fmt.Sprintf("%-8s %-24s %s", s.State, s.Name, strings.Join(strings.Fields(text), " "))
}

// FirstFailed returns the first step that failed; ok is false where none did.
func FirstFailed(steps []Step) (first Step, ok bool) {
	for _, s := range steps {
		if s.State == Failed {
			return s, true
		}
	}
	return Step{}, false
}

// Rotation is that the hook token was changed, and the old one still works.
type Rotation struct {
	Until time.Time // the old one works up to then
	Uses  []Use     // of the old one since, by source
	Last  time.Time // its last use; zero: none
}

// Use is how often a source used something.
type Use struct {
	Source string // its title
	N      int
}

// Rehearsal is how far a rehearsal got on its way to Home Assistant.
type Rehearsal struct {
	Source     string // as in Source.Name
	Title      string // e.g. "Equiwatt"
	Began, End time.Time
	Running    bool    // it can be stopped
	Stages     []Stage // in order
}

// Stage is one step on that way.
type Stage struct {
	Title string    // e.g. "Home Assistant's broker has it"
	At    time.Time // zero: not yet
	Note  string    // why not yet, one sentence; empty: it is to be expected
}

// check answers with the steps of setting up, as JSON where that is asked for,
// else as lines: GET as they were last seen, POST anew.
func (s *Server) check(w http.ResponseWriter, r *http.Request) {
	switch {
	case s.Checks == nil:
		say(w, http.StatusNotFound, "There is nothing here.")
		return
	case r.Method == http.MethodPost && !sameOrigin(r):
		say(w, http.StatusForbidden, "This did not come from this page.")
		return
	}
	steps := s.Checks(r.Context(), r.Method == http.MethodPost)
	if strings.Contains(r.Header.Get("Accept"), "application/json") {
		b, _ := json.Marshal(steps) // words and times: cannot fail
		write(w, http.StatusOK, "application/json", b)
		return
	}
	var b strings.Builder
	for _, step := range steps {
		b.WriteString(step.Line() + "\n")
	}
	write(w, http.StatusOK, "text/plain; charset=utf-8", []byte(b.String()))
}
