package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

const (
	ringLines = 500
	ringLine  = 2 << 10 // bytes of a line that are kept
)

// ring keeps the newest lines of the log as they were written, in memory that
// is used again.
type ring struct {
	mu    sync.Mutex
	lines []logged
	next  int // where the next one goes once there are ringLines
}

type logged struct {
	at    time.Time
	level zerolog.Level
	text  []byte // a JSON object, cut where it is too long
}

func (r *ring) Write(p []byte) (int, error) { return r.WriteLevel(zerolog.NoLevel, p) }

func (r *ring) WriteLevel(level zerolog.Level, p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.lines) < ringLines {
		r.lines = append(r.lines, logged{})
		r.next = len(r.lines) - 1
	}
	l := &r.lines[r.next]
	l.at, l.level, l.text = time.Now(), level, append(l.text[:0], p[:min(len(p), ringLine)]...)
	r.next = (r.next + 1) % ringLines
	return len(p), nil
}

// newest returns the lines of a level or worse, newest first. A level that is
// not known lets every line through.
func (r *ring) newest(level string) []web.Line {
	least, ok := levels[level]
	if !ok {
		least = zerolog.TraceLevel
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]web.Line, 0, len(r.lines))
	for i := range r.lines {
		at := (r.next - 1 - i + 2*ringLines) % ringLines
		if at >= len(r.lines) {
			continue
		}
		if l := r.lines[at]; l.level >= least {
			list = append(list, l.line())
		}
	}
	return list
}

// line is what was written in the words of the console: the message, then the
// error and the other fields.
func (l logged) line() web.Line {
	w := web.Line{At: l.at.UTC(), Level: l.level.String()}
	fields := map[string]any{}
	if json.Unmarshal(l.text, &fields) != nil {
		w.Text = strings.TrimSpace(string(l.text)) + " …"
		return w
	}
	text := func(key string) string {
		s, _ := fields[key].(string)
		delete(fields, key)
		return s
	}
	w.Source, w.Text = text("source"), text(zerolog.MessageFieldName)
	delete(fields, zerolog.TimestampFieldName)
	delete(fields, zerolog.LevelFieldName)
	if why := text(zerolog.ErrorFieldName); why != "" {
		w.Text += ": " + why
	}
	for _, key := range slices.Sorted(maps.Keys(fields)) {
		w.Text += fmt.Sprintf(" %s=%v", key, fields[key])
	}
	w.Text = oneLine(w.Text)
	return w
}
