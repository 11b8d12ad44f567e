package hass

import (
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// ownWords are lines of Home Assistant that no MQTT document can cause or avoid.
var ownWords = []*regexp.Regexp{
	// A test that stops its broker means to; the second where it was just about to say something.
	regexp.MustCompile(`mqtt\.client\] Error returned from MQTT server: The connection was lost`),
	regexp.MustCompile(`paho\.mqtt\.client\] failed to receive on socket: \[Errno (32|104)\]`),
	// Both after Kill: the recorder finds its database as a power cut leaves it.
	regexp.MustCompile(`recorder\.util\] The system could not validate that the sqlite3 database at .* was shutdown cleanly`),
	regexp.MustCompile(`recorder\.util\] Ended unfinished session`),
	// Both at Stop on a busy machine, of its idle workers; see lingers.
	regexp.MustCompile(`util\.executor\] Thread\[SyncWorker_\d+\] is still running at shutdown`),
	regexp.MustCompile(`\(SyncWorker_\d+\) \[concurrent\.futures\] Exception in worker`),
}

var entry = regexp.MustCompile(`^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+ ([A-Z]+) `)

func (h *Instance) logPath() string { return filepath.Join(h.dir, "hass.out") }

// Log is everything Home Assistant has said since Open, restarts included.
func (h *Instance) Log() string { return h.LogFrom(0) }

// LogFrom is Log but for so many bytes.
func (h *Instance) LogFrom(size int) string {
	f, err := os.Open(h.logPath())
	if err != nil {
		return ""
	}
	defer f.Close()
	b, _ := io.ReadAll(io.NewSectionReader(f, int64(size), math.MaxInt64-int64(size)))
	return string(b)
}

// LogSize is the length of Log in bytes.
func (h *Instance) LogSize() int {
	info, err := os.Stat(h.logPath())
	if err != nil {
		return 0
	}
	return int(info.Size())
}

// Warnings are the entries at WARNING and above behind that many bytes of Log, each with its traceback, but for Home
// Assistant's own words.
func (h *Instance) Warnings(from int) []string { return warnings(h.LogFrom(from)) }

func warnings(log string) []string {
	var found []string
	open := false
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\n")
		m := entry.FindStringSubmatch(line)
		switch {
		case m == nil && open:
			found[len(found)-1] += "\n" + line
		case m != nil:
			if open = (m[1] == "WARNING" || m[1] == "ERROR" || m[1] == "CRITICAL") && !isOwn(line); open {
				found = append(found, line)
			}
		}
	}
	return found
}

func isOwn(line string) bool {
	for _, e := range ownWords {
		if e.MatchString(line) {
			return true
		}
	}
	return false
}

// tail is the last n lines of a text.
func tail(text string, n int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}
