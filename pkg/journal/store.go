package journal

import (
	"context"
	"database/sql/driver"
	"encoding/json"
	"fmt"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// request is what one caller waits for. Without an append it is a Flush: it
// is answered once all before it is on the disk.
type request struct {
	append   bool
	delivery event.Delivery
	header   any // JSON, nil: none
	rows     []row

	sweep bool // answered when everything too old is gone

	// write is what else is written in the transaction; it may be called again.
	write func(*conn) error

	stored Stored
	done   chan error
}

type row struct {
	event          event.Event
	shape, content string
	data, quiet    any // nil: none
}

func newRequest(d event.Delivery, events []event.Event) (*request, error) {
	r := &request{append: true, delivery: d, done: make(chan error, 1)}
	if !storable(d.Received) {
		return nil, fmt.Errorf("a delivery of %s is at a time that cannot be stored", d.Source)
	}
	if len(d.Header) > 0 {
		text, err := json.Marshal(d.Header)
		if err != nil {
			return nil, err
		}
		r.header = string(text)
	}
	for i, e := range events {
		if laterSame(events[i+1:], e) {
			continue
		}
		e, shape, content, err := encode(e)
		if err != nil {
			return nil, err
		}
		w := row{event: e, shape: shape, content: content}
		if e.Data != nil {
			w.data = string(e.Data)
		}
		if e.Quiet {
			w.quiet = nanos(e.Again)
		}
		r.rows = append(r.rows, w)
	}
	return r, nil
}

func laterSame(events []event.Event, e event.Event) bool {
	for _, o := range events {
		if o.Key == e.Key && o.Source == e.Source {
			return true
		}
	}
	return false
}

// statements are what the writer says again and again.
type statements struct {
	begin, commit, rollback, event, origin, delivery, setting, mark, spoken *stmt
}

func (w *writer) prepare() (err error) {
	s := &w.statements
	for _, p := range []struct {
		into  **stmt
		query string
	}{
		{&s.begin, "BEGIN IMMEDIATE"},
		{&s.commit, "COMMIT"},
		{&s.rollback, "ROLLBACK"},
		// Nothing is inserted where the newest version of the key says the same.
		{&s.event, `INSERT INTO events (seq, delivery, source, subject, key, teller, at, seen, shape, content, data, quiet)
			SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12 WHERE NOT EXISTS (
				SELECT 1 FROM (SELECT subject, teller, shape, content, data FROM events
					WHERE source = ?3 AND key = ?5 ORDER BY seq DESC LIMIT 1)
				WHERE subject = ?4 AND teller = ?6 AND shape = ?9 AND content = ?10 AND data IS ?11)`},
		{&s.origin, `SELECT coalesce(d.replays, e.delivery) FROM events e LEFT JOIN deliveries d ON d.id = e.delivery
			WHERE e.source = ? AND e.key = ? ORDER BY seq DESC LIMIT 1`},
		{&s.delivery, `INSERT INTO deliveries (id, received, source, kind, via, verdict, first, events, header, query, body, replays)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`},
		{&s.setting, "INSERT INTO settings (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value"},
		{&s.mark, `INSERT INTO moments (id, at, state, seq, sent) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET at = excluded.at, state = excluded.state, sent = coalesce(sent, excluded.sent) WHERE excluded.state > state`},
		{&s.spoken, "INSERT INTO spoken (id, at) VALUES (?, ?) ON CONFLICT DO NOTHING"},
	} {
		if *p.into, err = w.db.prepare(p.query); err != nil {
			return err
		}
	}
	return nil
}

// position is the newest Seq and the newest id of a delivery.
type position struct{ seq, delivery int64 }

// store writes one append inside the open transaction and returns the position
// after it.
func (w *writer) store(r *request, at position) (position, error) {
	d := &r.delivery
	r.stored = Stored{Verdict: d.Verdict}
	var id any
	if d.Source != "" {
		id = at.delivery + 1
	}
	first := at.seq + 1
	for _, row := range r.rows {
		e := row.event
		if d.Replays != 0 {
			later, err := w.saidLater(e, d.Replays)
			if err != nil {
				return at, err
			}
			if later {
				continue
			}
		}
		e.Seq = at.seq + 1
		n, err := w.statements.event.exec(e.Seq, id, e.Source, e.Subject, e.Key, string(e.By),
			nanos(e.At), nanos(e.Seen), row.shape, row.content, row.data, row.quiet)
		if err != nil {
			return at, err
		}
		if n > 0 {
			at.seq++
			r.stored.Events = append(r.stored.Events, e)
		}
	}
	if r.stored.Verdict == "" {
		r.stored.Verdict = event.Accepted
		if len(r.rows) > 0 && len(r.stored.Events) == 0 {
			r.stored.Verdict = event.Duplicate
		}
	}
	if d.Source == "" || (d.Via == event.ViaPoll || d.Replays != 0) && len(r.stored.Events) == 0 {
		return at, nil
	}
	var replays any
	if d.Replays != 0 {
		replays = d.Replays
	}
	at.delivery++
	_, err := w.statements.delivery.exec(at.delivery, nanos(d.Received), d.Source, d.Kind, d.Via, r.stored.Verdict,
		first, int64(len(r.stored.Events)), r.header, d.Query, notNil(d.Body), replays)
	r.stored.Delivery = at.delivery
	return at, err
}

// saidLater reports whether a later delivery than the one that is decoded anew
// had something to say of the same.
func (w *writer) saidLater(e event.Event, id int64) (later bool, err error) {
	err = w.statements.origin.each(context.Background(), func(row []driver.Value) bool {
		n, _ := row[0].(int64)
		later = n > id
		return true
	}, e.Source, e.Key)
	return later, err
}

func (w *writer) storeChanges(c changes, at position) error {
	for key, value := range c.settings {
		if _, err := w.statements.setting.exec(key, value); err != nil {
			return err
		}
	}
	for id, m := range c.marks {
		if m.seq == 0 {
			m.seq = at.seq
		}
		if _, err := w.statements.mark.exec(id, nanos(m.at), int64(m.state), m.seq, nanos(m.sent)); err != nil {
			return err
		}
	}
	for id, at := range c.spoken {
		if _, err := w.statements.spoken.exec(id, at); err != nil {
			return err
		}
	}
	return nil
}

func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}
