package journal

import (
	"errors"
	"io/fs"
	"syscall"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// strange is a file that is whole but not a journal this program can use.
type strange struct{ why string }

func (s strange) Error() string { return s.why }

func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return sqlite3.SQLITE_OK
}

// damaged says that what SQLite read is not what it wrote.
func damaged(err error) bool {
	c := code(err) & 0xff
	return c == sqlite3.SQLITE_CORRUPT || c == sqlite3.SQLITE_NOTADB
}

// unusable says that a file that was just opened must be set aside. A plain
// SQL error can then only come from a schema that is not what it should be.
func unusable(err error) bool {
	c := code(err) & 0xff
	return errors.As(err, new(strange)) || damaged(err) || c == sqlite3.SQLITE_ERROR || c == sqlite3.SQLITE_FORMAT
}

func full(err error) bool {
	// On a full disk the shared memory file cannot grow either.
	return code(err)&0xff == sqlite3.SQLITE_FULL || code(err) == sqlite3.SQLITE_IOERR_SHMSIZE ||
		errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// passing says that the same attempt may succeed later without anybody
// changing the configuration.
func passing(err error) bool {
	if full(err) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EIO) {
		return true
	}
	switch code(err) & 0xff {
	case sqlite3.SQLITE_IOERR, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_NOMEM:
		return true
	}
	return false
}

// reason says in a few words why nothing is stored.
func reason(err error) string {
	switch c := code(err) & 0xff; {
	case full(err):
		return "the disk is full"
	case c == sqlite3.SQLITE_BUSY:
		return "another program keeps the journal locked"
	case c == sqlite3.SQLITE_READONLY || errors.Is(err, syscall.EROFS):
		return "the disk can only be read"
	case errors.Is(err, ErrInUse) || errors.Is(err, errTooManyAside):
		return err.Error()
	}
	return "the disk does not take it (" + plain(err).Error() + ")"
}

// plain leaves the operation and the path out of a file error: the directory
// is named once, by Open.
func plain(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

func (j *Journal) setFailure(text string) { j.setProblem(&j.failure, text) }
func (j *Journal) setAside(text string)   { j.setProblem(&j.aside, text) }

func (j *Journal) setProblem(field *string, text string) {
	j.mu.Lock()
	changed := *field != text
	*field = text
	j.mu.Unlock()
	if changed {
		notify(j.grown)
	}
}
