package journal

import (
	"cmp"
	"context"
	"database/sql/driver"
	"math"
	"slices"
	"strings"
	"sync"
)

// Count is how many of the deliveries that are kept are of a source and have a
// verdict.
type Count struct {
	Source, Verdict string
	N               int64
}

// block deliveries are counted together. A filter reads those alone that hold
// something of what it asks for: 100 000 rows are 98, each read in 0.3 ms.
const block = 1024

// counts are what was last counted: 100 000 rows take 100 ms, those that came
// since then next to nothing. It is in memory, so that no append pays for it.
type counts struct {
	mu      sync.Mutex
	blocks  map[trait]map[int64]tally // by id / block
	through int64                     // the highest id that was counted
	thinned int64                     // see Journal
}

// trait is what deliveries have in common.
type trait struct{ source, verdict, via, kind string }

// has reports whether a query for a text may find it without the body.
func (t trait) has(text string) bool {
	return strings.Contains(strings.ToLower(t.source+"\n"+t.kind), strings.ToLower(text))
}

// tally is how many of a block have a trait, and when they were received, in
// Unix nanoseconds; latest is before earliest where nobody knows.
type tally struct{ n, earliest, latest int64 }

func (t tally) plus(o tally) tally {
	return tally{t.n + o.n, min(t.earliest, o.earliest), max(t.latest, o.latest)}
}

// stretch is the ids between two others.
type stretch struct{ after, before int64 }

// Counts returns how many deliveries are kept, by source and verdict in this
// order.
func (j *Journal) Counts(ctx context.Context) ([]Count, error) {
	c := &j.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := j.count(ctx); err != nil {
		return nil, err
	}
	by := map[Count]int64{} // N is zero in the keys
	for t, blocks := range c.blocks {
		for _, of := range blocks {
			by[Count{Source: t.source, Verdict: t.verdict}] += of.n
		}
	}
	list := make([]Count, 0, len(by))
	for key, n := range by {
		key.N = n
		list = append(list, key)
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(a.Source, b.Source), cmp.Compare(a.Verdict, b.Verdict))
	})
	return list, nil
}

// count counts what came since it was last called. The caller holds the lock.
func (j *Journal) count(ctx context.Context) error {
	c := &j.counts
	if thinned := j.thinned.Load(); c.blocks == nil || c.thinned != thinned {
		c.blocks, c.through, c.thinned = map[trait]map[int64]tally{}, 0, thinned
	}
	type found struct {
		trait
		block int64
		tally
	}
	var more []found
	through := c.through
	err := j.read(ctx, func(r *reader) error {
		s, err := r.db.prepare(`SELECT source, verdict, via, kind, id / ?2, count(*), coalesce(min(received), ?3), coalesce(max(received), ?4), max(id)
			FROM deliveries WHERE id > ?1 GROUP BY 1, 2, 3, 4, 5`)
		if err != nil {
			return err
		}
		defer s.close()
		return s.each(ctx, func(row []driver.Value) bool {
			var f found
			f.source, _ = row[0].(string)
			f.verdict, _ = row[1].(string)
			f.via, _ = row[2].(string)
			f.kind, _ = row[3].(string)
			f.block, _ = row[4].(int64)
			f.n, _ = row[5].(int64)
			f.earliest, _ = row[6].(int64)
			f.latest, _ = row[7].(int64)
			last, _ := row[8].(int64)
			more, through = append(more, f), max(through, last)
			return true
		}, c.through, int64(block), int64(math.MaxInt64), int64(math.MinInt64))
	})
	if err != nil {
		return err
	}
	c.through = through
	for _, f := range more {
		of := c.blocks[f.trait]
		if of == nil {
			of = map[int64]tally{}
			c.blocks[f.trait] = of
		}
		if known, ok := of[f.block]; ok {
			f.tally = f.tally.plus(known)
		}
		of[f.block] = f.tally
	}
	return nil
}

// where returns the ids among which all are that a query asks for, the lowest
// first, and whether its text is to be looked for in bodies alone.
func (j *Journal) where(ctx context.Context, q Query) (list []stretch, bodies bool, err error) {
	bounds := stretch{max(0, q.After), math.MaxInt64}
	if q.After <= 0 && q.Before > 0 {
		bounds.before = q.Before
	}
	if q.Source+q.Verdict+q.Via+q.Text == "" && q.Since.IsZero() && q.Until.IsZero() {
		return []stretch{bounds}, false, nil
	}
	c := &j.counts
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := j.count(ctx); err != nil {
		return nil, false, err
	}
	bodies = true
	var blocks []int64
	for t, of := range c.blocks {
		if q.Source != "" && q.Source != t.source || q.Verdict != "" && q.Verdict != t.verdict || q.Via != "" && q.Via != t.via {
			continue
		}
		bodies = bodies && !t.has(q.Text)
		for number, held := range of {
			if (q.Since.IsZero() || held.latest >= q.Since.UnixNano()) && (q.Until.IsZero() || held.earliest < q.Until.UnixNano()) {
				blocks = append(blocks, number)
			}
		}
	}
	slices.Sort(blocks)
	for _, number := range slices.Compact(blocks) {
		next := stretch{max(number*block-1, bounds.after), min((number+1)*block, bounds.before)}
		switch n := len(list); {
		case next.before <= next.after:
		case n > 0 && list[n-1].before > next.after:
			list[n-1].before = next.before
		default:
			list = append(list, next)
		}
	}
	return list, bodies, nil
}
