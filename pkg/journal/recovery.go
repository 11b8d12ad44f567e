package journal

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

const (
	// probeEvery is how often a disk that took nothing is tried again.
	probeEvery = 2 * time.Second

	// asideEvery: a disk that damages a new file within this time is not given
	// one file after the other.
	asideEvery = time.Minute
)

// open takes the directory and opens the file; one that cannot be used is set
// aside for a new one.
func (w *writer) open() error {
	if w.lock == nil {
		if err := os.MkdirAll(w.j.dir, 0o700); err != nil {
			return err
		}
		f, err := lock(filepath.Join(w.j.dir, "journal.lock"))
		if err != nil {
			return err
		}
		w.lock = f
	}
	if w.broken != nil {
		return w.replace(w.broken)
	}
	err := w.openFile()
	if unusable(err) {
		err = w.replace(err)
	}
	return err
}

func (w *writer) openFile() (err error) {
	if w.db, err = openFile(w.j.path(), w.j.migrations); err != nil {
		return err
	}
	if err = w.prepare(); err == nil {
		err = w.load()
	}
	if err != nil {
		_ = w.closeFile()
		return err
	}
	w.j.readers.allow(true)
	w.j.thinned.Add(1)
	return nil
}

func (w *writer) closeFile() error {
	err := w.db.close()
	w.db, w.log = nil, 0
	return err
}

// load reads what memory keeps of the file. What memory has already is newer,
// except where it was set without knowing the file: a hook token that the
// vendors have must not be lost to one made while the file was locked.
func (w *writer) load() error {
	settings := map[string]string{}
	err := w.db.each("SELECT key, value FROM settings", func(row []driver.Value) {
		key, _ := row[0].(string)
		settings[key], _ = row[1].(string)
	})
	if err != nil {
		return err
	}
	seq, err := w.db.number("SELECT max(seq) FROM events")
	if err != nil {
		return err
	}
	delivery, err := w.db.number("SELECT max(id) FROM deliveries")
	if err != nil {
		return err
	}
	// What an earlier process left in the log counts: it would grow for ever
	// where none lives long enough to fill it.
	err = w.db.each("PRAGMA wal_checkpoint(NOOP)", w.logged)
	if err != nil {
		return err
	}
	w.j.mu.Lock()
	for key, value := range settings {
		if _, ok := w.j.settings[key]; !ok || w.blind {
			w.j.settings[key] = value
			delete(w.j.pending.settings, key)
		}
	}
	w.blind = false
	floor, _ := strconv.ParseInt(settings[floorKey], 10, 64)
	w.j.mu.Unlock()
	w.at.delivery = max(w.at.delivery, delivery)
	if seq = max(seq, floor); seq > w.at.seq {
		w.moveTo(seq)
	}
	return nil
}

// moveTo goes on behind events that were stored before this process.
func (w *writer) moveTo(seq int64) {
	w.at.seq = seq
	w.j.tail.start(seq)
	w.j.last.Store(seq)
}

// mend replaces a damaged file and returns every other error.
func (w *writer) mend(err error) error {
	if !damaged(err) || w.db == nil {
		return err
	}
	return w.replace(err)
}

// replace sets the file aside and begins a new one. It keeps what the old one
// said of settings, of moments and of the position.
func (w *writer) replace(why error) error {
	_ = w.closeFile()
	if w.broken = why; !w.asideAt.IsZero() && time.Since(w.asideAt) < asideEvery {
		return fmt.Errorf("%w (%w)", errTooManyAside, why)
	}
	path := w.j.path()
	w.j.readers.allow(false)
	kept := salvage(path, "?mode=ro")
	target, err := moveAside(path, w.j.now())
	if err != nil {
		return err
	}
	w.asideAt, w.broken = time.Now(), nil
	text := "was damaged (" + why.Error() + ")"
	if errors.As(why, new(strange)) {
		text = why.Error()
	}
	w.j.log.Error().Str("file", path).Str("set_aside_as", target).Msg("the journal " + text + "; it was set aside and a new one begins")
	w.j.setAside(fmt.Sprintf("The journal %s and was set aside as %s; a new one has begun.", text, filepath.Base(target)))
	if kept.last > w.at.seq {
		w.moveTo(kept.last)
	}
	if w.at.seq > 0 {
		kept.settings[floorKey] = strconv.FormatInt(w.at.seq, 10)
	}
	w.j.recall(kept)
	if err := w.openFile(); err != nil {
		return err
	}
	notify(w.j.wake) // what was recalled goes into the new file
	return nil
}

// rescue reads what a process needs to go on while the file itself cannot be
// opened for want of room: a lock of its own spares SQLite the shared memory
// file.
func (w *writer) rescue() {
	w.blind = true
	if w.lock == nil {
		return
	}
	s := salvage(w.j.path(), "?mode=rw", "PRAGMA locking_mode = EXCLUSIVE")
	w.blind = !s.whole
	w.j.recall(s)
	w.moveTo(s.last)
}

// fail says once that nothing can be stored.
func (w *writer) fail(err error) {
	text := reason(err)
	if w.cause == nil || reason(w.cause) != text {
		w.j.log.Error().Msg("nothing can be stored: " + text)
	}
	w.cause = err
	w.j.setFailure("Nothing can be stored: " + text + ".")
	w.probe.Reset(probeEvery)
}

// recovered is for retry alone: that a small write found a last free block does
// not mean that there is room.
func (w *writer) recovered() {
	w.cause = nil
	w.j.log.Info().Msg("the disk takes what is stored again")
	w.j.setFailure("")
}

// retry finds out whether a disk that took nothing does so now.
func (w *writer) retry() {
	if w.cause == nil {
		return
	}
	var err error
	if w.db == nil {
		err = w.open()
	} else {
		w.log = logSize
		err = w.mend(w.checkpoint(false))
	}
	if err == nil {
		err = w.mend(w.tryWrite())
	}
	if err != nil {
		w.fail(err)
		return
	}
	w.recovered()
	w.commit(nil)
}

// tryWrite writes more than a usual hook does, so that a disk with a last free
// block is not taken for one that has room.
func (w *writer) tryWrite() error {
	_, err := w.db.exec("INSERT OR REPLACE INTO probe (id, filler) VALUES (1, zeroblob(65536))")
	if err == nil {
		_, err = w.db.exec("DELETE FROM probe")
	}
	if err != nil && !full(err) && !damaged(err) {
		// After an I/O error only a new connection knows what is there.
		_ = w.closeFile()
	}
	return err
}

// close stores what waits and lets go.
func (w *writer) close() {
	for {
		select {
		case r := <-w.j.requests:
			w.commit(w.gather(r))
			continue
		default:
		}
		break
	}
	w.commit(nil)
	w.endSweep(errClosed)
	w.j.readers.close()
	if err := w.closeFile(); err != nil {
		w.j.closeErr = fmt.Errorf("journal: close: %w", err)
	}
	w.unlock()
	close(w.j.closed)
}

func (w *writer) unlock() {
	if w.lock != nil {
		_ = w.lock.Close()
		w.lock = nil
	}
}
