package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// made returns the directory of a closed journal with a token, a moment and
// some events in it.
func made(t *testing.T) (dir, path string) {
	t.Helper()
	dir = t.TempDir()
	j := openAt(t, dir)
	var events []event.Event
	for i := range 500 {
		events = append(events, window(fmt.Sprint(i), noon))
	}
	mustAppend(t, j, delivery("x"), events...)
	j.MarkMoments(AtRest, noon, 0, "m")
	if err := j.Set(t.Context(), "token", "mine"); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "journal.db")
	alter(t, path, "PRAGMA wal_checkpoint(TRUNCATE)")
	return dir, path
}

func alter(t *testing.T, path string, statements ...string) {
	t.Helper()
	c, err := connect(path, "?mode=rwc")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for _, s := range statements {
		if _, err := c.exec(s); err != nil {
			t.Fatal(err)
		}
	}
}

func overwrite(t *testing.T, path string, from, to int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(bytes.Repeat([]byte{0xa5}, int(to-from)), from); err != nil {
		t.Fatal(err)
	}
}

// What cannot be used is set aside whole, named once, and work goes on.
func TestSetAsideAtOpen(t *testing.T) {
	for _, c := range []struct {
		name  string
		harm  func(t *testing.T, path string)
		why   string
		keeps bool // settings, moments and the position
	}{
		{"not a database", func(t *testing.T, path string) { write(t, path, "Once upon a time") }, "was damaged", false},
		{"header", func(t *testing.T, path string) { overwrite(t, path, 0, 100) }, "was damaged", false},
		{"schema", func(t *testing.T, path string) { overwrite(t, path, 100, 4096) }, "was damaged", false},
		{"cut", func(t *testing.T, path string) {
			if err := os.Truncate(path, 5000); err != nil {
				t.Fatal(err)
			}
		}, "was damaged", false},
		{"events", func(t *testing.T, path string) { alter(t, path, "DROP TABLE events") }, "was damaged", true},
		{"a column", func(t *testing.T, path string) { alter(t, path, "ALTER TABLE events DROP COLUMN data") }, "was damaged", true},
		{"newer", func(t *testing.T, path string) { alter(t, path, "PRAGMA user_version = 99") }, "was written by a newer version of this program", true},
		{"another program's", func(t *testing.T, path string) { alter(t, path, "PRAGMA application_id = 7") }, "is not a journal of this program", false},
		{"nobody's", func(t *testing.T, path string) {
			remove(t, path)
			alter(t, path, "CREATE TABLE settings (key, value)", "INSERT INTO settings VALUES ('token', 'theirs')")
		}, "is not a journal of this program", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, path := made(t)
			c.harm(t, path)
			before, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			log := &bytes.Buffer{}
			j, err := Open(dir, Options{Log: zerolog.New(log), Now: func() time.Time { return noon }})
			if err != nil {
				t.Fatal(err)
			}
			defer j.Close()
			want := "The journal " + c.why
			if p := j.Problem(); !strings.HasPrefix(p, want) || !strings.HasSuffix(p, " and was set aside as journal.db.set-aside-20261121T120000Z; a new one has begun.") {
				t.Errorf("problem %q", p)
			}
			if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), c.why) {
				t.Errorf("log: %s", log)
			}
			after, err := os.ReadFile(path + ".set-aside-20261121T120000Z")
			if err != nil || !bytes.Equal(before, after) {
				t.Errorf("set aside is not what was there: %d bytes, %d before: %v", len(after), len(before), err)
			}
			checkBegunAnew(t, j, c.keeps)
		})
	}
}

func checkBegunAnew(t *testing.T, j *Journal, keeps bool) {
	t.Helper()
	check := func(j *Journal) {
		t.Helper()
		token, ok := j.Setting("token")
		m, err := j.Moment("m")
		if err != nil {
			t.Fatal(err)
		}
		if keeps != (token == "mine" && m == AtRest) || keeps != ok {
			t.Errorf("token %q, moment %v", token, m)
		}
	}
	check(j)
	s := mustAppend(t, j, delivery("x"), window("0", noon))
	if len(s.Events) != 1 {
		t.Error("a new journal knows the event")
	}
	if keeps && s.Events[0].Seq != 501 {
		t.Errorf("goes on at %d: positions would mean other events", s.Events[0].Seq)
	}
	if err := j.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	_ = j.Close()
	j = openAt(t, j.dir)
	check(j)
	if p := j.Problem(); p != "" {
		t.Errorf("after a restart: %s", p)
	}
	if keeps && j.Last() < 501 {
		t.Errorf("after a restart at %d", j.Last())
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
}

// Nothing was stored after the set-aside: the position must survive all the
// same.
func TestPositionSurvivesTwoRestarts(t *testing.T) {
	dir, path := made(t)
	alter(t, path, "DROP TABLE deliveries")
	for range 2 {
		j := openAt(t, dir)
		if j.Last() != 500 {
			t.Fatal(j.Last())
		}
		if events, err := j.Events(0, 10); len(events) != 0 || err != nil {
			t.Fatal(events, err)
		}
		if err := j.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		_ = j.Close()
	}
}

// Damage that shows while it runs: to the writer, and to a reader.
func TestSetAsideWhileRunning(t *testing.T) {
	for name, notice := range map[string]func(t *testing.T, j *Journal){
		"append": func(t *testing.T, j *Journal) {
			mustAppend(t, j, delivery("x"), window("250", noon))
		},
		"read": func(t *testing.T, j *Journal) {
			if _, err := j.Events(0, 1000); err == nil || strings.Contains(err.Error(), "\n") {
				t.Errorf("damage is read without a word: %v", err)
			}
			if err := eventually("set aside", func() bool { return j.Problem() != "" }); err != nil {
				t.Fatal(err)
			}
			mustAppend(t, j, delivery("x"), window("250", noon))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, path := made(t)
			j := openAt(t, dir)
			mustAppend(t, j, delivery("x"), window("before", noon))
			if err := j.Set(t.Context(), "key", "value"); err != nil {
				t.Fatal(err)
			}
			j.MarkMoments(Sent, noon, 0, "n")
			if err := j.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			alter(t, path, "PRAGMA wal_checkpoint(TRUNCATE)") // nothing is to be had from the log
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			overwrite(t, path, 4096, info.Size())
			notice(t, j)

			if p := j.Problem(); !strings.Contains(p, "was damaged") || !strings.Contains(p, "set-aside-20261121T120000Z") {
				t.Errorf("problem %q", p)
			}
			if j.Last() != 502 {
				t.Errorf("last %d", j.Last())
			}
			if events, err := j.Events(500, 10); err != nil || len(events) != 2 {
				t.Errorf("one that follows misses something: %v %v", events, err)
			}
			for _, suffix := range []string{"", "-wal"} {
				if !exists(path + ".set-aside-20261121T120000Z" + suffix) {
					t.Errorf("%q is not set aside", suffix)
				}
			}
			for range 2 {
				for key, want := range map[string]string{"token": "mine", "key": "value"} {
					if got, _ := j.Setting(key); got != want {
						t.Errorf("%s is %q", key, got)
					}
				}
				if m, err := j.Moment("n"); m != Sent || err != nil {
					t.Error(m, err)
				}
				_ = j.Close()
				j = openAt(t, dir)
			}
		})
	}
}

// A disk that damages one file after the other is a full stop, not a thousand
// files.
func TestSetAsideOnlyOnceAMinute(t *testing.T) {
	t.Parallel()
	dir, path := made(t)
	j := openAt(t, dir)
	harm := func() {
		_ = j.Flush(t.Context())
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		overwrite(t, path, 0, info.Size())
		overwrite(t, path+"-wal", 0, 200_000)
	}
	harm()
	mustAppend(t, j, delivery("x"), window("1", noon))
	for i := range 400 { // so that it is in the file
		mustAppend(t, j, delivery(strings.Repeat("x", 3000)), window(fmt.Sprint("more", i), noon))
	}
	harm()
	if _, err := j.Events(0, 1000); err == nil {
		t.Fatal("not damaged")
	}
	if err := eventually("refuses", func() bool {
		_, err := j.Append(context.Background(), delivery("x"), []event.Event{window("2", noon)})
		return errors.Is(err, ErrNotStored)
	}); err != nil {
		t.Fatal(err)
	}
	if p := j.Problem(); !strings.HasPrefix(p, "Nothing can be stored: the file that was just begun is damaged as well") {
		t.Error(p)
	}
	select {
	case <-time.After(2*probeEvery + probeEvery/2):
	case <-changed(j):
		t.Errorf("it does not stay so: %q", j.Problem())
	}
	aside, err := filepath.Glob(path + ".set-aside-*Z")
	if err != nil || len(aside) != 1 {
		t.Error(aside, err)
	}
}

// changed returns Grown without what it has to say already.
func changed(j *Journal) <-chan struct{} {
	for len(j.Grown()) > 0 {
		<-j.Grown()
	}
	return j.Grown()
}

func TestMigration(t *testing.T) {
	dir, path := made(t)
	was := int64(len(migrations()))
	steps := append(migrations(),
		"CREATE TABLE extra (n INTEGER); INSERT INTO extra SELECT count(*) FROM events",
		"ALTER TABLE events ADD COLUMN colour TEXT")
	for range 2 { // the second time there is nothing to do
		j, err := open(dir, Options{Log: zerolog.Nop()}, steps)
		if err != nil {
			t.Fatal(err)
		}
		if p := j.Problem(); p != "" || j.Last() != 500 {
			t.Fatal(p, j.Last())
		}
		if token, _ := j.Setting("token"); token != "mine" {
			t.Error(token)
		}
		_ = j.Close()
	}
	c, err := connect(path, "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	for query, want := range map[string]int64{
		"SELECT n FROM extra":                          500,
		"PRAGMA user_version":                          was + 2,
		"PRAGMA application_id":                        application,
		"SELECT count(*) FROM events WHERE colour = 1": 0,
	} {
		if n, err := c.number(query); err != nil || n != want {
			t.Errorf("%s: %d %v", query, n, err)
		}
	}
}

// A migration that fails leaves the file at its version, not half way.
func TestMigrationIsAllOrNothing(t *testing.T) {
	dir, path := made(t)
	steps := append(migrations(), "CREATE TABLE half (n); INSERT INTO nowhere VALUES (1)")
	j, err := open(dir, Options{Log: zerolog.Nop(), Now: func() time.Time { return noon }}, steps)
	if err == nil {
		_ = j.Close()
		t.Fatal("a migration that fails on every file goes unnoticed")
	}
	aside := path + ".set-aside-20261121T120000Z"
	c, err := connect(aside, "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	if n, err := c.number("PRAGMA user_version"); err != nil || n != int64(len(migrations())) {
		t.Error(n, err)
	}
	if n, err := c.number("SELECT count(*) FROM sqlite_schema WHERE name = 'half'"); err != nil || n != 0 {
		t.Error(n, err)
	}
}
