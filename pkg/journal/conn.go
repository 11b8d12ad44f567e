package journal

import (
	"context"
	"database/sql/driver"
	"errors"
	"io"
	"net/url"
	"path/filepath"
	"strings"

	"modernc.org/sqlite"
)

// conn is one connection to SQLite, for one goroutine at a time. It speaks to
// the driver itself: the pool of database/sql would double the time of a scan
// and adds nothing where one goroutine owns the connection.
type conn struct {
	raw  driver.Conn
	open map[*stmt]bool
}

func connect(path, query string) (*conn, error) {
	name := filepath.ToSlash(path)
	if !strings.HasPrefix(name, "/") {
		name = "/" + name // C:/… in a URI
	}
	k, err := sqlite.NewConnector("file:" + (&url.URL{Path: name}).EscapedPath() + query)
	if err != nil {
		return nil, err
	}
	raw, err := k.Connect(context.Background())
	if err != nil {
		return nil, err
	}
	return &conn{raw: raw, open: map[*stmt]bool{}}, nil
}

func (c *conn) close() error {
	if c == nil {
		return nil
	}
	for s := range c.open {
		s.close() // else SQLite keeps the file open
	}
	return c.raw.Close()
}

// exec runs one statement, or several that take no values, and returns how
// many rows the last one changed.
func (c *conn) exec(query string, values ...any) (int64, error) {
	s, err := c.prepare(query)
	if err != nil {
		return 0, err
	}
	defer s.close()
	return s.exec(values...)
}

// each calls f with every row of a query; the values are f's to keep.
func (c *conn) each(query string, f func([]driver.Value), values ...any) error {
	s, err := c.prepare(query)
	if err != nil {
		return err
	}
	defer s.close()
	return s.each(context.Background(), func(row []driver.Value) bool { f(row); return true }, values...)
}

// number returns the one number a query asks for; zero where there is none.
func (c *conn) number(query string, values ...any) (n int64, err error) {
	err = c.each(query, func(row []driver.Value) { n, _ = row[0].(int64) }, values...)
	return n, err
}

// keepLog makes SQLite leave the write-ahead log in place when it closes the
// file: overwriting blocks that exist syncs faster than adding new ones.
func (c *conn) keepLog() error {
	_, err := c.raw.(sqlite.FileControl).FileControlPersistWAL("main", 1)
	return err
}

// written returns how many pages were written since the last call.
func (c *conn) written() int {
	n, _, _ := c.raw.(sqlite.DBStatus).Status(sqlite.DBStatusCacheWrite, true)
	return n
}

type stmt struct {
	of   *conn
	raw  driver.Stmt
	args []driver.NamedValue
}

func (c *conn) prepare(query string) (*stmt, error) {
	raw, err := c.raw.Prepare(query)
	if err != nil {
		return nil, err
	}
	s := &stmt{of: c, raw: raw}
	c.open[s] = true
	return s, nil
}

func (s *stmt) close() {
	delete(s.of.open, s)
	_ = s.raw.Close()
}

func (s *stmt) bind(values []any) []driver.NamedValue {
	s.args = s.args[:0]
	for i, v := range values {
		s.args = append(s.args, driver.NamedValue{Ordinal: i + 1, Value: v})
	}
	return s.args
}

func (s *stmt) exec(values ...any) (int64, error) {
	// Bodies must not stay reachable from here until the next call.
	defer func() { clear(s.args) }()
	r, err := s.raw.(driver.StmtExecContext).ExecContext(context.Background(), s.bind(values))
	if err != nil || r == nil {
		return 0, err
	}
	return r.RowsAffected()
}

// each calls f with every row until it returns false.
func (s *stmt) each(ctx context.Context, f func([]driver.Value) bool, values ...any) (err error) {
	rows, err := s.raw.(driver.StmtQueryContext).QueryContext(ctx, s.bind(values))
	if err != nil {
		return err
	}
	defer func() {
		if e := rows.Close(); err == nil {
			err = e
		}
	}()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if !f(row) {
			return nil
		}
	}
}
