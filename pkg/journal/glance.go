package journal

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// ErrNoJournal says that a directory holds no journal.
var ErrNoJournal = errors.New("there is no journal yet")

// Glance reads the journal of a directory beside the process that has it. It
// takes no lock and changes nothing. It is for one goroutine at a time.
type Glance struct{ c *conn }

// Look opens a journal for reading. The error is ErrNoJournal where there is
// none.
func Look(dir string) (*Glance, error) {
	path := filepath.Join(dir, "journal.db")
	if !exists(path) {
		return nil, fmt.Errorf("journal: %s: %w", dir, ErrNoJournal)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	c, err := connect(path, "?mode=ro")
	if err == nil {
		_, err = c.exec("PRAGMA busy_timeout = 2000; PRAGMA cache_size = -256")
	}
	version := int64(0)
	if err == nil {
		version, err = inspect(c, len(migrations()))
	}
	if err == nil && version == 0 {
		err = ErrNoJournal // it is being made this moment
	}
	if err != nil {
		_ = c.close()
		return nil, fmt.Errorf("journal: %s cannot be read: %w", dir, plain(err))
	}
	return &Glance{c}, nil
}

// Close closes the file.
func (g *Glance) Close() error { return g.c.close() }

// Setting returns a setting as it is on the disk; ok is false where it was
// never set.
func (g *Glance) Setting(key string) (value string, ok bool, err error) {
	err = g.c.each("SELECT value FROM settings WHERE key = ?", func(row []driver.Value) { value, ok = row[0].(string) }, key)
	if err != nil {
		err = fmt.Errorf("journal: read: %w", err)
	}
	return value, ok, err
}

// LastDelivery returns the id of the newest delivery; zero: there is none.
func (g *Glance) LastDelivery() (id int64, err error) {
	if id, err = g.c.number("SELECT max(id) FROM deliveries"); err != nil {
		err = fmt.Errorf("journal: read: %w", err)
	}
	return id, err
}

// Next returns the first webhook of a source after a delivery, without its
// content; ok is false where none has come yet.
func (g *Glance) Next(source string, after int64) (d event.Delivery, ok bool, err error) {
	err = g.c.each("SELECT id, received, kind, verdict FROM deliveries WHERE id > ? AND source = ? AND via = ? ORDER BY id LIMIT 1", func(row []driver.Value) {
		d, ok = event.Delivery{Source: source, Via: event.ViaHTTP, Received: toTime(row[1])}, true
		d.ID, _ = row[0].(int64)
		d.Kind, _ = row[2].(string)
		d.Verdict, _ = row[3].(string)
	}, after, source, event.ViaHTTP)
	if err != nil {
		err = fmt.Errorf("journal: read: %w", err)
	}
	return d, ok, err
}
