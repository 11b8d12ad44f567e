package journal

import "fmt"

// application marks the file as ours in its header: "G2MQ".
const application = 0x47324d51

// migrations bring a file from version n to n+1, the first one from nothing.
// What has been released is never changed, only added to.
//
// Times are Unix nanoseconds, NULL where they are zero.
func migrations() []string {
	return []string{`
CREATE TABLE deliveries (
	id       INTEGER PRIMARY KEY,
	received INTEGER,
	source   TEXT NOT NULL,
	kind     TEXT NOT NULL,
	via      TEXT NOT NULL,
	verdict  TEXT NOT NULL,
	first    INTEGER NOT NULL, -- seq of the first of its events
	events   INTEGER NOT NULL, -- how many new ones it brought
	header   TEXT,             -- JSON object
	query    TEXT NOT NULL,
	body     BLOB NOT NULL     -- last, so that a scan need not read it
) STRICT;
CREATE TABLE events (
	seq      INTEGER PRIMARY KEY,
	delivery INTEGER,
	source   TEXT NOT NULL,
	subject  TEXT NOT NULL,
	key      TEXT NOT NULL,
	teller   TEXT NOT NULL,
	at       INTEGER,
	seen     INTEGER NOT NULL,
	shape    TEXT NOT NULL,
	content  TEXT NOT NULL, -- the shape's fields, JSON object
	data     TEXT           -- the vendor's own fields, JSON
) STRICT;
CREATE INDEX events_key ON events (source, key);
CREATE TABLE settings (
	key   TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE moments (
	id    TEXT PRIMARY KEY,
	at    INTEGER NOT NULL,
	state INTEGER NOT NULL, -- 1 sent, 2 at rest
	seq   INTEGER NOT NULL  -- the newest event at that time
) STRICT, WITHOUT ROWID;
CREATE TABLE probe (
	id     INTEGER PRIMARY KEY,
	filler BLOB NOT NULL
) STRICT;
`, `
ALTER TABLE deliveries ADD COLUMN replays INTEGER; -- the delivery that this one decodes anew
ALTER TABLE events ADD COLUMN quiet INTEGER;       -- when it was decoded anew; what was to be said by then is not
ALTER TABLE moments ADD COLUMN sent INTEGER;
CREATE TABLE spoken (
	id INTEGER PRIMARY KEY, -- of a delivery
	at INTEGER NOT NULL     -- when the broker had what it changed
) STRICT;
`, `
CREATE TABLE series (
	id      INTEGER PRIMARY KEY,
	source  TEXT NOT NULL,
	subject TEXT NOT NULL,
	UNIQUE (source, subject)
) STRICT;
CREATE TABLE intervals (
	series INTEGER NOT NULL,
	half   INTEGER NOT NULL, -- half hours since 1970
	energy INTEGER NOT NULL, -- mWh
	PRIMARY KEY (series, half)
) STRICT, WITHOUT ROWID;
CREATE TABLE days (
	series INTEGER NOT NULL,
	day    INTEGER NOT NULL, -- days since 1970, UTC
	known  INTEGER NOT NULL, -- half hours
	vain   INTEGER NOT NULL, -- how often it was asked and stayed as incomplete as it was
	asked  INTEGER NOT NULL, -- when
	PRIMARY KEY (series, day)
) STRICT, WITHOUT ROWID;
`}
}

// migrate brings a file up to date, one version a transaction.
func migrate(c *conn, version int64, steps []string) error {
	for v := version; v < int64(len(steps)); v++ {
		err := func() error {
			if _, err := c.exec("BEGIN IMMEDIATE"); err != nil {
				return err
			}
			// exec runs a script; the version is part of its transaction.
			_, err := c.exec(fmt.Sprintf("%s;\nPRAGMA application_id = %d;\nPRAGMA user_version = %d;\nCOMMIT", steps[v], application, v+1))
			return err
		}()
		if err != nil {
			_, _ = c.exec("ROLLBACK")
			return fmt.Errorf("version %d: %w", v+1, err)
		}
	}
	return nil
}
