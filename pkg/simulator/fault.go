package simulator

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"strconv"
)

// Fault is a way in which the API fails. What is called the true answer is a
// 401 for who asks without the right token.
type Fault struct {
	apply func(*answer)
	times int // zero: until it is mended
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

// Break makes the API fail from the next call on. Faults follow each other in
// the order they came; one that is not For a number of calls stays.
func (s *Equiwatt) Break(faults ...Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range faults {
		if f.apply != nil {
			s.faults = append(s.faults, f)
		}
	}
}

// Mend ends all faults, but leaves waiting whom Slow keeps.
func (s *Equiwatt) Mend() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// Release lets go whom Slow keeps waiting; they get the true answer.
func (s *Equiwatt) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.released)
	s.released = make(chan struct{})
}

// fault takes the fault of this call; the caller holds the lock.
func (s *Equiwatt) fault() (f Fault, broken bool) {
	if len(s.faults) == 0 {
		return f, false
	}
	f = s.faults[0]
	if f.times == 1 {
		s.faults = s.faults[1:]
	} else if f.times > 1 {
		s.faults[0].times--
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

// Failure answers 200 with success:false and that message.
func Failure(message string) Fault {
	text, _ := json.Marshal(reply{Message: &message}) // text only: cannot fail
	return Raw(http.StatusOK, nil, string(text))
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
