package e2e

import (
	"database/sql"
	"errors"
	"path/filepath"
	"testing"

	_ "modernc.org/sqlite"
)

// ledger reads the journal as a user can who opens the file, while the product runs and after it was killed.
type ledger struct{ db *sql.DB }

func openLedger(t *testing.T, r *rig) *ledger {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(r.app.Data, "journal.db")+"?mode=ro&_pragma=busy_timeout(60000)")
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	return &ledger{db}
}

// atRest reports whether the journal knows that the broker has a moment.
func (l *ledger) atRest(t *testing.T, id string) bool {
	t.Helper()
	state := 0
	err := l.db.QueryRowContext(limit(t, soon), "SELECT state FROM moments WHERE id = ?", id).Scan(&state)
	if !errors.Is(err, sql.ErrNoRows) {
		must(t, err)
	}
	return state == 2
}

// deliveries calls f with each delivery after an id, and returns the last one's.
func (l *ledger) deliveries(t *testing.T, after int64, f func(kind, via, verdict, body string)) (last int64) {
	t.Helper()
	rows, err := l.db.QueryContext(limit(t, soon), "SELECT id, kind, via, verdict, body FROM deliveries WHERE id > ? ORDER BY id", after)
	must(t, err)
	defer rows.Close()
	for last = after; rows.Next(); {
		var kind, via, verdict, body string
		must(t, rows.Scan(&last, &kind, &via, &verdict, &body))
		f(kind, via, verdict, body)
	}
	must(t, rows.Err())
	return last
}
