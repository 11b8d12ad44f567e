package e2e

import (
	"testing"
	"time"

	"github.com/grid2mqtt/grid2mqtt/e2e/observer"
)

// truth is what there is to say of one equivent.
type truth struct {
	start, end time.Time
	slack      time.Duration // how much later its times may be said to be
	source     string
	confirmed  bool
}

func (is truth) same(told *time.Time, true time.Time) bool {
	return told != nil && !told.Before(true) && !told.After(true.Add(is.slack))
}

// The times of an equivent, as far as the messages have come.
const (
	before = iota
	running
	finished
)

// judge looks at every message of a run with one equivent in it.
func (r *rig) judge(t *testing.T, is truth) {
	t.Helper()
	phase, known := before, false
	said := map[string]int{}
	ids := map[string]bool{}
	r.mark(t)
	all := r.air.Since(0)
	for _, m := range all {
		switch m.Topic {
		case stateTopic:
			s := parse[equivents](t, m)
			known = known || s.Equivent != nil
			switch {
			case phase == before && isOn(s):
				phase = running
			case phase == running && isOff(s):
				phase = finished
			case known && isNull(s), phase == finished && isOn(s):
				t.Errorf("against the truth: %s", m.Payload)
			}
			is.state(t, phase, m, s)
		case eventTopic:
			e := parse[moment](t, m)
			said[e.Type]++
			ids[e.ID] = true
			is.moment(t, phase, m, e)
		}
	}
	if phase != finished || len(said) != 2 || said["started"] != 1 || said["ended"] != 1 || len(ids) != 2 || ids[""] {
		t.Errorf("said %v, under the ids %v, and it is %v", said, ids, phase)
	}
	states := observer.Pick(all, observer.On(stateTopic))
	if held := r.held(t); held[stateTopic] != states[len(states)-1].Payload || held[statusTopic] != "online" || held[eventTopic] != "" {
		t.Errorf("the broker holds %v", held)
	}
}

func (is truth) state(t *testing.T, phase int, m observer.Message, s equivents) {
	t.Helper()
	if !m.Retained || m.QoS != 1 {
		t.Errorf("%+v", m)
	}
	right := s.Start == nil && s.Source == nil && s.Confirmed == nil && s.PlannedEnd == nil && s.End == nil
	switch phase {
	case before:
		right = right && s.LastStart == nil && s.LastEnd == nil && s.LastDuration == nil
	case running:
		right = is.same(s.Start, is.start) && s.Source != nil && *s.Source == is.source && s.Confirmed != nil && *s.Confirmed == is.confirmed &&
			s.LastStart == nil && s.LastEnd == nil && s.Month != nil && *s.Month == 1 && !m.At.Before(is.start)
	case finished:
		right = right && is.same(s.LastStart, is.start) && is.same(s.LastEnd, is.end) && s.Month != nil && *s.Month == 1 && !m.At.Before(is.end) &&
			s.LastDuration != nil && time.Duration(*s.LastDuration)*time.Second == s.LastEnd.Sub(*s.LastStart)
	}
	if !right || s.Rehearsal != "OFF" || s.Direction != nil {
		t.Errorf("not the truth, in phase %d: %s", phase, m.Payload)
	}
}

// moment comes behind the state that goes with it.
func (is truth) moment(t *testing.T, phase int, m observer.Message, e moment) {
	t.Helper()
	if m.Retained || m.QoS != 1 {
		t.Errorf("%+v", m)
	}
	right := false
	switch e.Type {
	case "started":
		right = phase == running && is.same(&e.Occurred, is.start)
	case "ended":
		right = phase == finished && is.same(&e.Occurred, is.end)
	}
	late := int(m.At.Sub(e.Occurred) / time.Second)
	if !right || e.Late == nil || *e.Late || e.Seconds == nil || *e.Seconds < late-slow || *e.Seconds > late {
		t.Errorf("not the truth, in phase %d and %d s late: %s", phase, late, m.Payload)
	}
}
