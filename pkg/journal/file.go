package journal

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"
)

// logSize is how far the write-ahead log grows before its pages go into the
// file. It has this size from the start: on ext4 a sync of new blocks takes
// nearly twice as long as one of blocks that exist.
const logSize = 2 << 20

// ErrInUse says that another process has the directory.
var ErrInUse = errors.New("another process uses it")

var errTooManyAside = errors.New("the file that was just begun is damaged as well")

// openFile opens the file for writing, makes it or brings it up to date.
func openFile(path string, migrations []string) (*conn, error) {
	// Made here and not by SQLite for the mode, and for the system's own error.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	c, err := connect(path, "?mode=rw")
	if err != nil {
		return nil, err
	}
	if err = c.keepLog(); err == nil {
		err = prepareFile(c, migrations)
	}
	if err != nil {
		_ = c.close()
		return nil, err
	}
	growLog(path + "-wal")
	return c, nil
}

func prepareFile(c *conn, migrations []string) error {
	if _, err := c.exec("PRAGMA busy_timeout = 2000"); err != nil {
		return err
	}
	version, err := inspect(c, len(migrations))
	if err != nil {
		return err
	}
	for _, pragma := range []string{
		"PRAGMA journal_mode = WAL",
		"PRAGMA synchronous = FULL",
		"PRAGMA wal_autocheckpoint = 0", // the writer does it after its answers
		"PRAGMA cache_size = -512",      // KiB
	} {
		if _, err := c.exec(pragma); err != nil {
			return err
		}
	}
	return migrate(c, version, migrations)
}

// inspect tells a file of ours, or an empty one, from all others without
// changing it.
func inspect(c *conn, newest int) (version int64, err error) {
	app, err := c.number("PRAGMA application_id")
	if err != nil {
		return 0, err
	}
	if version, err = c.number("PRAGMA user_version"); err != nil {
		return 0, err
	}
	tables, err := c.number("SELECT count(*) FROM sqlite_schema")
	switch {
	case err != nil:
		return 0, err
	case app == 0 && version == 0 && tables == 0:
		return 0, nil
	case app != application || version < 1:
		return 0, strange{"is not a journal of this program"}
	case version > int64(newest):
		return 0, strange{"was written by a newer version of this program"}
	}
	return version, nil
}

// growLog adds zeros behind what SQLite has written; it stops reading at the
// first frame that is not its own. Only the owner of the one writing
// connection may call it.
func growLog(path string) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() >= logSize {
		return
	}
	_, err = f.WriteAt(make([]byte, logSize-info.Size()), info.Size())
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		_ = f.Truncate(info.Size()) // no room: only slower
	}
}

// salvaged is what a new file needs of the one before.
type salvaged struct {
	whole    bool // every setting was read; a file that is not there has none
	settings map[string]string
	marks    map[string]mark
	last     int64
}

// maxSalvaged bounds the moments read from a file that cannot be used; there
// are a few a day.
const maxSalvaged = 4096

// salvage reads what it can of a file, whatever state it is in. Nothing of
// another program's file is taken.
func salvage(path, query string, pragmas ...string) salvaged {
	s := salvaged{settings: map[string]string{}, marks: map[string]mark{}}
	if !exists(path) {
		s.whole = true
		return s
	}
	c, err := connect(path, query)
	if err != nil {
		return s
	}
	defer c.close()
	_ = c.keepLog()
	for _, p := range pragmas {
		_, _ = c.exec(p)
	}
	if app, err := c.number("PRAGMA application_id"); err != nil || app != application {
		return s
	}
	err = c.each("SELECT key, value FROM settings", func(row []driver.Value) {
		key, ok := row[0].(string)
		if value, isText := row[1].(string); ok && isText {
			s.settings[key] = value
		}
	})
	s.whole = err == nil
	_ = c.each("SELECT id, state, at, seq FROM moments ORDER BY seq DESC LIMIT ?", func(row []driver.Value) {
		id, ok := row[0].(string)
		if state, isNumber := row[1].(int64); ok && isNumber {
			seq, _ := row[3].(int64)
			s.marks[id] = mark{state: MomentState(state), at: toTime(row[2]), seq: seq}
		}
	}, int64(maxSalvaged))
	s.last, _ = strconv.ParseInt(s.settings[floorKey], 10, 64)
	for _, query := range []string{
		"SELECT max(seq) FROM events",
		"SELECT first + events - 1 FROM deliveries ORDER BY id DESC LIMIT 1",
		"SELECT max(seq) FROM moments",
	} {
		if n, err := c.number(query); err == nil {
			s.last = max(s.last, n)
		}
	}
	return s
}

// moveAside renames a file and what belongs to it; SQLite still opens it under
// the new name.
func moveAside(path string, now time.Time) (string, error) {
	stem := fmt.Sprintf("%s.set-aside-%s", path, now.UTC().Format("20060102T150405Z"))
	target := stem
	for n := 2; exists(target); n++ {
		target = fmt.Sprintf("%s-%d", stem, n)
	}
	if err := os.Rename(path, target); err != nil {
		return "", err
	}
	for _, suffix := range []string{"-wal", "-shm"} {
		if err := os.Rename(path+suffix, target+suffix); err != nil && !errors.Is(err, os.ErrNotExist) {
			return "", err
		}
	}
	return target, nil
}
