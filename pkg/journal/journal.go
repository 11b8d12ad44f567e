// Package journal keeps what arrived and what it said, in one SQLite file.
//
// Append returns only once its delivery and its events are on the disk, or
// says with ErrNotStored that they are not. Appends that wait together share
// one transaction and one sync. Nothing stored is changed; it is deleted only
// by age. A file that is damaged or not ours is set aside, never deleted, and
// a full disk is survived: Append refuses until there is room again.
//
// What is not promised: that an Append which failed was not stored all the
// same, and that anything is kept of a file whose disk lies about its syncs.
package journal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// ErrNotStored says that nothing of an Append is promised to be on the disk:
// it is full, a sync failed, or the journal is closed. The error that wraps it
// names the reason in one line.
var ErrNotStored = errors.New("journal: not stored")

var errClosed = fmt.Errorf("%w: the journal is closed", ErrNotStored)

// Options of a journal.
type Options struct {
	Log zerolog.Logger

	// Retention is how long deliveries are kept; events and moments are kept
	// as long, and 40 days at least. Zero: for ever.
	Retention time.Duration

	// Now tells the time by which things grow old; nil: time.Now.
	Now func() time.Time

	// Committed tells how long a transaction took that wrote something, its sync
	// included. It must not wait. Nil: nobody asks.
	Committed func(took time.Duration)
}

// Journal is an open journal. Its methods may be called from any goroutine.
type Journal struct {
	dir        string
	log        zerolog.Logger
	retention  time.Duration
	now        func() time.Time
	committed  func(time.Duration)
	migrations []string

	requests chan *request
	wake     chan struct{} // marks to be written, or damage seen by a reader
	grown    chan struct{}
	closing  chan struct{}
	closed   chan struct{}
	closer   sync.Once
	closeErr error // set before closed is closed

	waiting atomic.Int64
	last    atomic.Int64
	tail    tail
	readers readers
	counts  counts
	thinned atomic.Int64 // how often rows went away

	mu       sync.Mutex // guards what follows
	settings map[string]string
	marks    map[string]mark // the newest ones, and all that wait
	order    []string        // their ids, oldest first
	pending  changes         // what of them is not on the disk yet
	markSoon bool            // a timer will wake the writer for marks
	toldSoon bool            // … for when deliveries were spoken of
	unspoken []unspoken      // deliveries that the broker has not all of yet
	failure  string          // why nothing is stored; empty: all is well
	aside    string          // which file was set aside; empty: none
	damage   error           // what a reader found broken; nil: nothing
}

// Open opens the journal of a directory, which is made where it is missing.
//
// A full disk does not make it fail: Append then returns ErrNotStored until
// the file can be made. It fails where the directory cannot be used for
// another reason, or where another process uses it.
func Open(dir string, o Options) (*Journal, error) {
	return open(dir, o, migrations())
}

func open(dir string, o Options, migrations []string) (*Journal, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	j := &Journal{
		dir:        dir,
		log:        o.Log,
		retention:  o.Retention,
		now:        o.Now,
		committed:  o.Committed,
		migrations: migrations,
		requests:   make(chan *request, 1024),
		wake:       make(chan struct{}, 1),
		grown:      make(chan struct{}, 1),
		closing:    make(chan struct{}),
		closed:     make(chan struct{}),
		settings:   map[string]string{},
		marks:      map[string]mark{},
		pending:    noChanges(),
	}
	j.readers = readers{path: j.path(), slots: make(chan struct{}, 2)}
	w := &writer{j: j, probe: time.NewTimer(probeEvery)}
	if err := w.open(); err != nil {
		if !passing(err) {
			w.unlock()
			return nil, fmt.Errorf("journal: %s cannot be used: %w", dir, plain(err))
		}
		w.rescue()
		w.fail(err)
	}
	go w.run()
	return j, nil
}

func (j *Journal) path() string { return filepath.Join(j.dir, "journal.db") }

// Close stores what waits, closes the file and lets go of the directory.
func (j *Journal) Close() error {
	j.closer.Do(func() { close(j.closing) })
	<-j.closed
	return j.closeErr
}

// Stored is what an Append added.
type Stored struct {
	Delivery int64  // its id; zero: no delivery was stored
	Verdict  string // event.Accepted, event.Duplicate or what the delivery came with

	// Events are the new ones with Seq set, in order. What they point to is
	// shared and not to be changed.
	Events []event.Event
}

// Append stores a delivery and its events in one transaction and returns when
// they are synced.
//
// An event whose newest version in the journal says the same is dropped; where
// several events of one Append share a key, the last one counts. A delivery
// without a verdict is Accepted if it has a new event or none at all, else
// Duplicate. A poll that brings nothing new leaves no trace; without a source
// there is no delivery, only events.
//
// The error is ErrNotStored, the end of ctx (the events may be stored all the
// same), or that an event cannot be kept at all.
func (j *Journal) Append(ctx context.Context, d event.Delivery, events []event.Event) (Stored, error) {
	r, err := newRequest(d, events)
	if err != nil {
		return Stored{}, fmt.Errorf("journal: %w", err)
	}
	j.waiting.Add(1)
	defer j.waiting.Add(-1)
	if err := j.submit(ctx, r); err != nil {
		return Stored{}, err
	}
	return r.stored, nil
}

// Waiting is how many appends wait for the disk.
func (j *Journal) Waiting() int { return int(j.waiting.Load()) }

// Last is the highest Seq that is stored; zero: none ever was.
func (j *Journal) Last() int64 { return j.last.Load() }

// Grown receives when there are events that were not there before, and when
// Problem changes. It is a signal for one receiver; several may come as one.
func (j *Journal) Grown() <-chan struct{} { return j.grown }

// Problem is why nothing is stored, or which file was set aside, in one
// sentence; empty: all is well.
func (j *Journal) Problem() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.failure != "" {
		return j.failure
	}
	return j.aside
}

// Flush waits until everything queued so far is on the disk.
func (j *Journal) Flush(ctx context.Context) error {
	return j.submit(ctx, &request{done: make(chan error, 1)})
}

func (j *Journal) submit(ctx context.Context, r *request) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case j.requests <- r:
	case <-ctx.Done():
		return ctx.Err()
	case <-j.closing:
		return errClosed
	}
	select {
	case err := <-r.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-j.closed:
	}
	select {
	case err := <-r.done:
		return err
	default:
		return errClosed
	}
}

func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
