package journal

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// idleAfter closes a connection that nobody reads with: it holds memory.
const idleAfter = time.Minute

var errReadClosed = errors.New("the journal is closed")

// readers are the connections that read, made when they are needed.
type readers struct {
	path  string
	slots chan struct{} // how many may read at once

	file   sync.RWMutex // held for writing while the file is being replaced
	usable bool         // there is a file to read
	over   bool         // the journal is closed

	mu    sync.Mutex
	idle  *reader
	timer *time.Timer
}

type reader struct {
	db             *conn
	events, moment *stmt
}

func (rs *readers) allow(usable bool) {
	rs.file.Lock()
	defer rs.file.Unlock()
	rs.usable = usable
	rs.give(nil)
}

func (rs *readers) close() {
	rs.file.Lock()
	defer rs.file.Unlock()
	rs.over = true
	rs.give(nil)
}

// take returns the idle connection or a new one.
func (rs *readers) take() (*reader, error) {
	rs.mu.Lock()
	r := rs.idle
	rs.idle = nil
	rs.mu.Unlock()
	if r != nil {
		return r, nil
	}
	db, err := connect(rs.path, "?mode=ro")
	if err != nil {
		return nil, err
	}
	r = &reader{db: db}
	if _, err = db.exec("PRAGMA busy_timeout = 2000; PRAGMA cache_size = -256"); err == nil {
		r.events, err = db.prepare("SELECT seq, source, subject, key, teller, at, seen, shape, content, data, quiet FROM events WHERE seq > ? ORDER BY seq")
	}
	if err == nil {
		r.moment, err = db.prepare("SELECT state FROM moments WHERE id = ?")
	}
	if err != nil {
		_ = db.close()
		return nil, err
	}
	return r, nil
}

// give keeps one connection for the next reader; nil closes the one kept.
func (rs *readers) give(r *reader) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	if rs.idle != nil {
		rs.idle.close()
	}
	rs.idle = r
	if rs.timer != nil {
		rs.timer.Stop()
	}
	if r != nil {
		rs.timer = time.AfterFunc(idleAfter, func() { rs.give(nil) })
	}
}

func (r *reader) close() { _ = r.db.close() }

// read calls f with a connection. Where there never was a file that could be
// opened, nothing is stored and f is not called.
func (j *Journal) read(ctx context.Context, f func(*reader) error) error {
	rs := &j.readers
	select {
	case rs.slots <- struct{}{}:
		defer func() { <-rs.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	rs.file.RLock()
	defer rs.file.RUnlock()
	if rs.over {
		return fmt.Errorf("journal: read: %w", errReadClosed)
	}
	if !rs.usable {
		return nil
	}
	r, err := rs.take()
	if err == nil {
		if err = f(r); err != nil {
			r.close()
		} else {
			rs.give(r)
		}
	}
	if damaged(err) {
		j.mu.Lock()
		j.damage = err
		j.mu.Unlock()
		notify(j.wake)
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("journal: read: %w", err)
	}
	return err
}

// Events returns what was stored after a position, in the order of Seq and at
// most limit; none means that there is no more, wherever Last stands. The
// newest come from memory. What they point to is shared and not to be changed.
func (j *Journal) Events(after int64, limit int) ([]event.Event, error) {
	if limit <= 0 || after >= j.Last() {
		return nil, nil
	}
	if events, ok := j.tail.since(after, limit); ok {
		return events, nil
	}
	events := make([]event.Event, 0, min(limit, 1024))
	err := j.read(context.Background(), func(r *reader) error {
		last := event.Event{}
		return r.events.each(context.Background(), func(row []driver.Value) bool {
			if err := scanEvent(row, &last); err != nil {
				j.log.Error().Err(err).Int64("seq", last.Seq).Msg("an event in the journal cannot be read and is left out")
				return true
			}
			events = append(events, last)
			return len(events) < limit
		}, after)
	})
	return events, err
}

// scanEvent fills e from a row; strings that are the same as in the row before
// stay the same strings in memory.
func scanEvent(row []driver.Value, e *event.Event) error {
	e.Seq, _ = row[0].(int64)
	keep(&e.Source, row[1])
	keep(&e.Subject, row[2])
	keep(&e.Key, row[3])
	teller := string(e.By)
	keep(&teller, row[4])
	e.By = event.Teller(teller)
	e.At, e.Seen = toTime(row[5]), toTime(row[6])
	e.Quiet, e.Again = row[10] != nil, toTime(row[10])
	e.Window, e.Status, e.Session, e.Notice, e.Data = nil, nil, nil, nil, nil
	if data, ok := row[9].(string); ok {
		e.Data = json.RawMessage(data)
	}
	shape, _ := row[7].(string)
	content, _ := row[8].(string)
	return decode(shape, content, e)
}

func keep(s *string, v driver.Value) {
	if t, ok := v.(string); ok && *s != t {
		*s = t
	}
}
