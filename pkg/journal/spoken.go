package journal

import (
	"context"
	"database/sql/driver"
	"slices"
	"sort"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// spokenWithin is how long it may take until it is on the disk when a delivery
// was spoken of: it is worth no sync of its own.
const spokenWithin = time.Minute

// maxUnspoken is how many deliveries may wait to be spoken of: of older ones it
// will not be known.
const maxUnspoken = 1024

type unspoken struct {
	delivery, last int64 // ids of the delivery, and of the last of its events
	received       time.Time
	source, via    string
}

// toSpeak notes what there is to be spoken of, before anybody can.
func (j *Journal) toSpeak(group []*request) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, r := range group {
		if r.stored.Delivery == 0 || len(r.stored.Events) == 0 {
			continue
		}
		last := r.stored.Events[len(r.stored.Events)-1].Seq
		j.unspoken = append(j.unspoken, unspoken{r.stored.Delivery, last, r.delivery.Received, r.delivery.Source, r.delivery.Via})
	}
	j.forgetUnspoken(len(j.unspoken) - maxUnspoken)
}

// forgetUnspoken drops the first n. The caller holds mu.
func (j *Journal) forgetUnspoken(n int) {
	if n <= 0 {
		return
	}
	clear(j.unspoken[:n]) // what follows stays where it is: to move it costs more than all else
	if j.unspoken = j.unspoken[n:]; len(j.unspoken) == 0 {
		j.unspoken = nil
	}
}

// Spoken notes when the broker had all that the events up to a Seq changed, and
// returns the deliveries they came with, in a few words; without a time there
// was nothing that they changed. It does not wait, and what was noted in the last minute may get
// lost.
func (j *Journal) Spoken(seq int64, at time.Time) []event.Delivery {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := sort.Search(len(j.unspoken), func(i int) bool { return j.unspoken[i].last > seq })
	defer j.forgetUnspoken(n)
	if n == 0 || at.IsZero() || !storable(at) {
		return nil
	}
	list := make([]event.Delivery, 0, n)
	for _, u := range j.unspoken[:n] {
		list = append(list, event.Delivery{ID: u.delivery, Received: u.received, Source: u.source, Via: u.via, Spoken: at})
		j.pending.spoken[u.delivery] = at.UnixNano()
	}
	if !j.toldSoon {
		j.toldSoon = true
		time.AfterFunc(spokenWithin, func() { notify(j.wake) })
	}
	return list
}

// addSpoken fills in what is not on the disk yet.
func (j *Journal) addSpoken(list []event.Delivery) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i := range list {
		if at, ok := j.pending.spoken[list[i].ID]; ok && list[i].Spoken.IsZero() {
			list[i].Spoken = toTime(at)
		}
	}
}

// Tellings returns what was said while an event from first to last was the
// newest, by its Seq: because of it, or later by the clock.
func (j *Journal) Tellings(ctx context.Context, first, last int64) (map[int64][]event.Telling, error) {
	said := map[int64][]event.Telling{}
	j.mu.Lock()
	fresh := map[string]mark{}
	for _, id := range j.order {
		if m := j.marks[id]; m.seq >= first && m.seq <= last {
			fresh[id] = m
			said[m.seq] = append(said[m.seq], m.telling(id))
		}
	}
	j.mu.Unlock()
	err := j.read(ctx, func(r *reader) error {
		s, err := r.db.prepare("SELECT id, at, state, seq, sent FROM moments WHERE seq BETWEEN ? AND ? ORDER BY coalesce(sent, at), id")
		if err != nil {
			return err
		}
		defer s.close()
		return s.each(ctx, func(row []driver.Value) bool {
			id, _ := row[0].(string)
			if _, known := fresh[id]; known {
				return true
			}
			state, _ := row[2].(int64)
			seq, _ := row[3].(int64)
			m := mark{state: MomentState(state), at: toTime(row[1]), sent: toTime(row[4])}
			said[seq] = append(said[seq], m.telling(id))
			return true
		}, first, last)
	})
	for _, list := range said {
		slices.SortStableFunc(list, func(a, b event.Telling) int { return a.Sent.Compare(b.Sent) })
	}
	return said, err
}

func (m mark) telling(id string) event.Telling {
	t := event.Telling{Moment: id, Sent: m.sent}
	if m.state == AtRest {
		t.AtRest = m.at
	}
	return t
}
