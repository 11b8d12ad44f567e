package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// The vendor's limits
// (https://community.equiwatt.com/t/webhook-open-api-now-in-beta/159).
const (
	perSecond = 1
	perMinute = 10
)

// shown is how many previous events an answer holds, as the one published
// capture has it.
const shown = 10

// Call is one request to the API, as it came.
type Call struct {
	At     time.Time
	Method string
	Path   string // with its query
	Header http.Header
	Status int // of the answer; zero: none was given yet, or none ever
	// Violation says which limit the call broke; empty: none.
	Violation string
}

// Calls returns every call so far, in the order they came.
func (s *Equiwatt) Calls() []Call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// Violations says for each call that broke a limit which one it was.
func (s *Equiwatt) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.violated)
}

func (s *Equiwatt) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	n, within := s.note(r)
	a := s.judge(r, within)
	released := s.released
	s.mu.Unlock()

	if a.hold {
		select {
		case <-released:
		case <-r.Context().Done():
			return
		}
	}
	if a.hangUp {
		hangUp(w)
		return
	}
	s.mu.Lock()
	s.calls[n].Status = a.status
	s.mu.Unlock()
	a.write(w)
}

// note logs a call and reports whether it was within the limits; the caller
// holds the lock.
func (s *Equiwatt) note(r *http.Request) (n int, within bool) {
	now := s.now()
	c := Call{At: now, Method: r.Method, Path: r.URL.RequestURI(), Header: r.Header.Clone()}
	count := func(span time.Duration, most int) {
		if n := len(s.counted); n >= most && now.Sub(s.counted[n-most]) < span {
			c.Violation = fmt.Sprintf("more than %d calls within %v at %s", most, span, now.UTC().Format(time.RFC3339Nano))
		}
	}
	count(time.Minute, perMinute)
	count(time.Second, perSecond)
	if c.Violation != "" {
		s.violated = append(s.violated, c.Violation)
	}
	s.counted = append(s.counted, now)
	s.counted = s.counted[max(0, len(s.counted)-perMinute):]
	s.calls = append(s.calls, c)
	return len(s.calls) - 1, c.Violation == ""
}

// judge decides the answer; the caller holds the lock.
func (s *Equiwatt) judge(r *http.Request, within bool) answer {
	a := answer{status: http.StatusOK, header: http.Header{"Content-Type": {"application/json"}}}
	a.header.Set("Date", s.now().Add(s.skew).UTC().Format(http.TimeFormat))
	say := func(status int, message string) answer {
		a.status = status
		a.body, _ = json.Marshal(reply{Message: &message}) // text only: cannot fail
		return a
	}
	switch {
	case !within:
		return say(http.StatusTooManyRequests, "Request was throttled.")
	case r.URL.Path != EquiventsPath:
		return say(http.StatusNotFound, "Not found.")
	case r.Method != http.MethodGet:
		return say(http.StatusMethodNotAllowed, "Method not allowed.")
	}
	if r.Header.Get("Authorization") == "Bearer "+s.token {
		a.body = s.body()
	} else {
		a = say(http.StatusUnauthorized, "Invalid token.")
	}
	if f, broken := s.fault(); broken {
		f.apply(&a)
	}
	return a
}

type reply struct {
	Success bool    `json:"success"`
	Message *string `json:"msg"`
	Data    *data   `json:"data"`
}

type data struct {
	Current  *entry  `json:"current_event"`
	Previous []entry `json:"previous_events"`
}

type entry struct {
	Start int64  `json:"start_time"`
	End   *int64 `json:"end_time"`
}

// body is the true answer; the caller holds the lock.
func (s *Equiwatt) body() []byte {
	list := slices.Clone(s.equivents)
	slices.SortStableFunc(list, func(a, b *equivent) int { return b.start.Compare(a.start) })
	d := data{Previous: []entry{}}
	for i, e := range list {
		current := i == 0 && e.end.IsZero() && !s.nullEnd
		switch {
		case e.hidden:
		case current:
			d.Current = &entry{e.start.Unix(), seconds(e.plan)}
		case len(d.Previous) < shown:
			d.Previous = append(d.Previous, entry{e.start.Unix(), seconds(e.end)})
		}
	}
	text, _ := json.Marshal(reply{Success: true, Data: &d}) // numbers only: cannot fail
	return text
}

func seconds(t time.Time) *int64 {
	if t.IsZero() {
		return nil
	}
	s := t.Unix()
	return &s
}
