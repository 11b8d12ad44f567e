package journal

import (
	"context"
	"database/sql/driver"
	"maps"
	"time"
)

// floorKey is the setting that keeps the highest Seq of a file that was set
// aside: positions in the journal must not start again.
const floorKey = "journal.floor"

// Setting returns what was last set, from memory.
func (j *Journal) Setting(key string) (string, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	value, ok := j.settings[key]
	return value, ok
}

// Set keeps a value and returns when it is synced; the same value again costs
// nothing. After ErrNotStored the value still holds in this process, and is
// stored when the disk takes it again.
func (j *Journal) Set(ctx context.Context, key, value string) error {
	j.mu.Lock()
	if old, ok := j.settings[key]; !ok || old != value {
		j.settings[key] = value
		j.pending.settings[key] = value
	}
	_, waits := j.pending.settings[key]
	j.mu.Unlock()
	if !waits {
		return nil
	}
	return j.Flush(ctx)
}

// SetSoon keeps a value without waiting: it goes to the disk with the next
// commit, in 20 ms at the latest.
func (j *Journal) SetSoon(key, value string) {
	j.mu.Lock()
	if old, ok := j.settings[key]; !ok || old != value {
		j.settings[key] = value
		j.pending.settings[key] = value
	}
	j.mu.Unlock()
	j.soon()
}

// MomentState is how far the telling of a moment got.
type MomentState int

const (
	None   MomentState = iota // never told
	Sent                      // handed to the broker
	AtRest                    // the broker has it: never to be told again
)

type mark struct {
	state MomentState
	at    time.Time
	sent  time.Time // zero: not known
	seq   int64     // the newest event when it was sent; zero: not known
}

// maxMarks is how many of the newest marks stay in memory: should the file
// have to be set aside, they must not be forgotten.
const maxMarks = 1024

// note keeps a mark in memory until it is stored and many newer ones are; it
// never takes a state back. The caller holds mu.
func (j *Journal) note(id string, m mark) {
	old, ok := j.marks[id]
	if ok && old.state >= m.state {
		return
	}
	if ok {
		m.sent, m.seq = old.sent, old.seq
	}
	j.marks[id] = m
	j.pending.marks[id] = m
	if !ok {
		j.order = append(j.order, id)
	}
	for len(j.order) > maxMarks {
		if _, waits := j.pending.marks[j.order[0]]; waits {
			return
		}
		delete(j.marks, j.order[0])
		j.order = j.order[1:]
	}
}

// Moment tells how far the telling of a moment got, marks that still wait for
// the disk included.
func (j *Journal) Moment(id string) (MomentState, error) {
	j.mu.Lock()
	m := j.marks[id]
	j.mu.Unlock()
	if m.state == AtRest {
		return AtRest, nil
	}
	stored := None
	err := j.read(context.Background(), func(r *reader) error {
		return r.moment.each(context.Background(), func(row []driver.Value) bool {
			n, _ := row[0].(int64)
			stored = MomentState(n)
			return false
		}, id)
	})
	return max(m.state, stored), err
}

// markWithin is how long marks wait for a commit that somebody else needs: one
// of their own costs a sync, and the next webhook would wait for it.
const markWithin = 20 * time.Millisecond

// MarkMoments notes how far the telling of moments got. It does not wait: the
// marks go to the disk with the next commit, in 20 ms at the latest. A mark
// never takes a later one back. seq is the newest event when they were sent;
// zero: it is not known.
func (j *Journal) MarkMoments(state MomentState, at time.Time, seq int64, ids ...string) {
	if !storable(at) || at.IsZero() {
		at = j.now()
	}
	m := mark{state: state, at: at, seq: seq}
	if state == Sent {
		m.sent = at
	}
	j.mu.Lock()
	for _, id := range ids {
		j.note(id, m)
	}
	j.mu.Unlock()
	j.soon()
}

// soon makes the writer look for what waits without a caller.
func (j *Journal) soon() {
	j.mu.Lock()
	set := j.markSoon
	j.markSoon = true
	j.mu.Unlock()
	if !set {
		time.AfterFunc(markWithin, func() { notify(j.wake) })
	}
}

// changes are the settings and marks that wait for the disk.
type changes struct {
	settings map[string]string
	marks    map[string]mark
	spoken   map[int64]int64 // of deliveries, Unix nanoseconds
}

func noChanges() changes {
	return changes{settings: map[string]string{}, marks: map[string]mark{}, spoken: map[int64]int64{}}
}

func (c changes) empty() bool { return len(c.settings) == 0 && len(c.marks) == 0 && len(c.spoken) == 0 }

// waitingChanges returns a copy, for they may change while it is written.
func (j *Journal) waitingChanges() changes {
	j.mu.Lock()
	defer j.mu.Unlock()
	return changes{settings: maps.Clone(j.pending.settings), marks: maps.Clone(j.pending.marks), spoken: maps.Clone(j.pending.spoken)}
}

// written notes that changes are on the disk; what changed since is not.
func (j *Journal) written(c changes) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, value := range c.settings {
		if j.pending.settings[key] == value {
			delete(j.pending.settings, key)
		}
	}
	for id, m := range c.marks {
		if j.pending.marks[id] == m {
			delete(j.pending.marks, id)
		}
	}
	for id := range c.spoken {
		delete(j.pending.spoken, id)
	}
}

// recall makes all that memory holds, and what was salvaged, wait for the
// disk: for a file that has nothing of it yet.
func (j *Journal) recall(s salvaged) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for key, value := range s.settings {
		if _, ok := j.settings[key]; !ok || key == floorKey {
			j.settings[key] = value
		}
	}
	for id, m := range s.marks {
		j.note(id, m)
	}
	maps.Copy(j.pending.settings, j.settings)
	maps.Copy(j.pending.marks, j.marks)
}
