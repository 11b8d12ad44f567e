package journal

import (
	"database/sql/driver"
	"fmt"
	"os"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Bounds of what goes into one transaction.
const (
	groupRequests = 512
	groupBytes    = 4 << 20
)

// writer owns the one connection that writes; all of it runs in one goroutine.
type writer struct {
	j    *Journal
	lock *os.File // nil: the directory is not ours yet

	db         *conn // nil: the file is not open
	statements statements
	at         position
	log        int // how many pages of the write-ahead log are not in the file yet, about

	blind   bool      // the settings of the file could not be read yet
	cause   error     // why nothing is stored; nil: all is well
	broken  error     // what is wrong with a file that is to be set aside; nil: nothing
	asideAt time.Time // when that was last done
	probe   *time.Timer
	sweep   *sweep // nil: nothing is being deleted
}

func (w *writer) run() {
	daily := time.NewTimer(sweepAfter)
	ready := make(chan struct{})
	close(ready)
	for {
		// Hooks go before everything else.
		select {
		case r := <-w.j.requests:
			w.commit(w.gather(r))
			continue
		default:
		}
		sweeping := ready
		if w.sweep == nil {
			sweeping = nil
		}
		select {
		case r := <-w.j.requests:
			w.commit(w.gather(r))
		case <-w.j.wake:
			w.awake()
		case <-w.probe.C:
			w.retry()
		case <-daily.C:
			daily.Reset(w.startSweep(nil))
		case <-sweeping:
			w.sweepSome()
		case <-w.j.closing:
			w.close()
			return
		}
	}
}

// gather takes what waits, within bounds.
func (w *writer) gather(first *request) []*request {
	group := []*request{first}
	bytes := len(first.delivery.Body)
	for len(group) < groupRequests && bytes < groupBytes {
		select {
		case r := <-w.j.requests:
			group = append(group, r)
			bytes += len(r.delivery.Body)
		default:
			return group
		}
	}
	return group
}

// awake writes what waits without a caller, and replaces a file that a reader
// found damaged.
func (w *writer) awake() {
	w.j.mu.Lock()
	damage := w.j.damage
	w.j.damage, w.j.markSoon, w.j.toldSoon = nil, false, false
	w.j.mu.Unlock()
	if err := w.mend(damage); err != nil {
		w.fail(err)
		return
	}
	w.commit(nil)
}

// commit stores a group in one transaction and answers it.
func (w *writer) commit(group []*request) {
	before := w.at.seq
	err := w.write(group)
	if damaged(err) {
		if err = w.mend(err); err == nil {
			err = w.write(group)
		}
	}
	if err != nil {
		w.fail(err)
		err = fmt.Errorf("%w: %s", ErrNotStored, reason(err))
	} else if w.at.seq > before {
		w.publish(group)
	}
	for _, r := range group {
		if r.sweep && err == nil {
			w.startSweep(r)
			continue
		}
		r.done <- err
	}
	if err := w.mend(w.checkpoint(len(group) > 1)); err != nil {
		w.fail(err)
	}
}

func (w *writer) write(group []*request) (err error) {
	changes := w.j.waitingChanges()
	appends := false
	for _, r := range group {
		appends = appends || r.append || r.write != nil
	}
	if !appends && changes.empty() {
		return nil
	}
	if w.db == nil {
		return w.cause
	}
	began := time.Now()
	if _, err := w.statements.begin.exec(); err != nil {
		return err
	}
	at := w.at
	for _, r := range group {
		if err == nil && r.append {
			at, err = w.store(r, at)
		}
		if err == nil && r.write != nil {
			err = r.write(w.db)
		}
	}
	if err == nil {
		err = w.storeChanges(changes, at)
	}
	if err == nil {
		_, err = w.statements.commit.exec()
	}
	if err != nil {
		// It fails where SQLite has rolled back by itself.
		_, _ = w.statements.rollback.exec()
		return err
	}
	if w.j.committed != nil {
		w.j.committed(time.Since(began))
	}
	w.at = at
	w.j.written(changes)
	return nil
}

// publish shows what was committed to the readers, before the callers hear.
func (w *writer) publish(group []*request) {
	var events []event.Event
	for _, r := range group {
		events = append(events, r.stored.Events...)
	}
	w.j.toSpeak(group)
	w.j.tail.add(events)
	w.j.last.Store(w.at.seq)
	notify(w.j.grown)
}

// checkpoint brings the pages of the write-ahead log into the file, so that
// the log begins anew. Where others wait it is put off, within bounds. Its
// only error is damage: any other leaves everything in the log, where it is
// safe.
func (w *writer) checkpoint(busy bool) error {
	if w.db == nil {
		return nil
	}
	const page = 4096
	w.log += w.db.written()
	if w.log < logSize/page || busy && w.log < 4*logSize/page {
		return nil
	}
	err := w.db.each("PRAGMA wal_checkpoint(PASSIVE)", w.logged)
	if damaged(err) {
		return err
	}
	return nil
}

// logged takes the answer of a checkpoint: whether it was kept from it, pages
// in the log, pages of these in the file.
func (w *writer) logged(row []driver.Value) {
	pages, _ := row[1].(int64)
	done, _ := row[2].(int64)
	w.log = int(max(pages-done, 0))
}
