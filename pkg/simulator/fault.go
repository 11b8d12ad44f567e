package simulator

import (
	"bytes"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Fault is a way in which the API fails. What is called the true answer is a
// 401 for who asks without the right key. A call over the vendor's limits is
// answered 429, whatever is broken.
type Fault struct {
	apply func(*answer)
	times int    // zero: until it is mended
	path  string // of the calls it is for begins so
}

// For is the same fault for the next n calls only; for less than one it is
// none.
func (f Fault) For(n int) Fault {
	f.times = max(n, 0)
	if f.times == 0 {
		f.apply = nil
	}
	return f
}

// On is the same fault for calls only whose path begins so.
func (f Fault) On(path string) Fault {
	f.path = path
	return f
}

// Break makes the API fail from the next call on. Faults follow each other in
// the order they came; one that is not For a number of calls stays.
func (c *cloud) Break(faults ...Fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, f := range faults {
		if f.apply != nil {
			c.faults = append(c.faults, f)
		}
	}
}

// Mend ends all faults, but leaves waiting whom Slow keeps.
func (c *cloud) Mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults = nil
}

// Release lets go whom Slow keeps waiting; they get the true answer.
func (c *cloud) Release() {
	c.mu.Lock()
	defer c.mu.Unlock()
	close(c.released)
	c.released = make(chan struct{})
}

// fault takes the fault of this call; the caller holds the lock.
func (c *cloud) fault(r *http.Request) (f Fault, broken bool) {
	i := slices.IndexFunc(c.faults, func(f Fault) bool { return strings.HasPrefix(r.URL.Path, f.path) })
	if i < 0 {
		return f, false
	}
	f = c.faults[i]
	if f.times == 1 {
		c.faults = slices.Delete(c.faults, i, i+1)
	} else if f.times > 1 {
		c.faults[i].times--
	}
	return f, true
}

// Status answers with that status and nothing else.
func Status(code int) Fault { return Raw(code, nil, "") }

// TooMany answers 429; retryAfter is seconds or a date, empty: not said.
func TooMany(retryAfter string) Fault {
	h := http.Header{}
	if retryAfter != "" {
		h.Set("Retry-After", retryAfter)
	}
	return Raw(http.StatusTooManyRequests, h, `{"detail":"Request was throttled."}`)
}

// WebPage answers 200 with HTML, as a captive portal does.
func WebPage() Fault {
	return Raw(http.StatusOK, http.Header{"Content-Type": {"text/html"}}, "<!doctype html>\n<title>Sign in</title>\n")
}

// Redirect answers 302 to that URL.
func Redirect(url string) Fault {
	return Raw(http.StatusFound, http.Header{"Location": {url}}, "")
}

// Raw answers as told, but for the Date, which only a header given here
// replaces.
func Raw(status int, h http.Header, body string) Fault {
	h = h.Clone()
	return Fault{apply: func(a *answer) {
		a.status, a.body = status, []byte(body)
		maps.Copy(a.header, h)
	}}
}

// Truncated answers with half of the true answer's JSON, as if it were all.
func Truncated() Fault { return Fault{apply: func(a *answer) { a.body = a.body[:len(a.body)/2] }} }

// Huge answers with the true answer behind 10 MB of blanks.
func Huge() Fault {
	return Fault{apply: func(a *answer) { a.body = append(bytes.Repeat([]byte(" "), 10_000_000), a.body...) }}
}

// CutOff breaks the connection off in the middle of the true answer.
func CutOff() Fault { return Fault{apply: func(a *answer) { a.cut = true }} }

// HangUp breaks the connection off without an answer.
func HangUp() Fault { return Fault{apply: func(a *answer) { a.hangUp = true }} }

// Slow gives the true answer of the time of the call, but only after Release.
func Slow() Fault { return Fault{apply: func(a *answer) { a.hold = true }} }

// answer is what goes back over HTTP.
type answer struct {
	status int
	header http.Header
	body   []byte

	hold, hangUp, cut bool
}

func (a answer) write(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	if a.cut {
		w.Header().Set("Content-Length", strconv.Itoa(len(a.body)))
		w.WriteHeader(a.status)
		_, _ = w.Write(a.body[:len(a.body)/2])
		_ = http.NewResponseController(w).Flush()
		hangUp(w)
		return
	}
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body) // who has gone does not read it
}

// hangUp ends the connection; net/http knows this panic and logs nothing.
func hangUp(http.ResponseWriter) { panic(http.ErrAbortHandler) }
