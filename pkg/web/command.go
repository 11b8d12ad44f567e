package web

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

const (
	// A form of ours is a few bytes.
	maxForm = 4 << 10
	// A command may take so long.
	longest = 4 * time.Minute
)

// notices are what the page says after a button, by the word in its address.
var notices = map[string]string{
	"done":     "Done.",
	"refresh":  "Asking now: the answer shows here in a moment.",
	"rehearse": "The rehearsal begins.",
	"stop":     "The rehearsal ends.",
	"check":    "Checked anew.",
}

// answer is what a button led to, on a page of its own or as a note on the page.
type answer struct {
	*frame
	Said []string
	Bad  bool
}

// command carries out what a button asks for.
func (s *Server) command(w http.ResponseWriter, r *http.Request) {
	form, ok := s.form(w, r)
	if !ok {
		return
	}
	c := Command{Source: form.Get("source"), Name: form.Get("name"), Payload: form.Get("payload")}
	if c.Name == "rehearse" {
		minutes, ok := wholeMinutes(form)
		if !ok {
			s.answer(w, r, http.StatusBadRequest, "", "A rehearsal takes 1 to 240 whole minutes; 0 ends it.")
			return
		}
		c.Payload = strconv.Itoa(minutes)
	}
	if c.Name == "check" && c.Source == "" && s.Checks != nil {
		s.Checks(r.Context(), true)
		s.Changed()
		s.answer(w, r, http.StatusOK, "check")
		return
	}
	if s.Command == nil {
		s.answer(w, r, http.StatusServiceUnavailable, "", "There is nothing to command yet.")
		return
	}
	// Vendors are asked within their limits, which may take longer than a page.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(longest))
	said, err := s.Command(r.Context(), c)
	s.Changed()
	if err != nil {
		s.answer(w, r, http.StatusServiceUnavailable, "", append(said, err.Error())...)
		return
	}
	done := c.Name
	if c.Name == "rehearse" && c.Payload == "0" {
		done = "stop"
	}
	if notices[done] == "" {
		done = "done"
	}
	s.answer(w, r, http.StatusOK, done, said...)
}

// wholeMinutes is 5 where the form does not say.
func wholeMinutes(form url.Values) (int, bool) {
	if !form.Has("payload") {
		return 5, true
	}
	n, err := strconv.Atoi(strings.TrimSpace(form.Get("payload")))
	return n, err == nil && n >= 0 && n <= 240
}

// replay decodes deliveries anew: one, or all since an instant.
func (s *Server) replay(w http.ResponseWriter, r *http.Request) {
	form, ok := s.form(w, r)
	if !ok {
		return
	}
	if s.Records.Replay == nil {
		s.answer(w, r, http.StatusServiceUnavailable, "", "There is nothing to replay yet.")
		return
	}
	asked := Replay{Fire: form.Get("fire") != ""}
	if id := positive(form.Get("id")); id > 0 {
		asked.IDs = []int64{id}
	} else {
		since, err := time.ParseInLocation(timeForm, form.Get("since"), newClock(s.page(r.Context())).now.Location())
		if err != nil || since.Year() < 1970 || since.Year() > 9999 {
			s.answer(w, r, http.StatusBadRequest, "", "Say since when: a day and a time.")
			return
		}
		asked.Since = since
	}
	done, err := s.Records.Replay(r.Context(), asked)
	s.Changed()
	if err != nil {
		s.answer(w, r, http.StatusServiceUnavailable, "", err.Error())
		return
	}
	s.answer(w, r, http.StatusOK, "done", done.words())
}

func (r Replayed) words() string {
	text := fmt.Sprintf("%d decoded anew: ", r.Decoded)
	switch {
	case r.Decoded == 0:
		text = "Nothing was decoded anew"
	case r.News == 0:
		text += "it says what is known"
	default:
		text += fmt.Sprintf("%d of the events say something new, %d what is known", r.News, r.Same)
	}
	if r.Left > 0 {
		text += fmt.Sprintf("; %d left alone, of a source that is off or that cannot be decoded anew", r.Left)
	}
	return text + "."
}

// form reads the form of a page of ours, and answers who is none.
func (s *Server) form(w http.ResponseWriter, r *http.Request) (url.Values, bool) {
	if !sameOrigin(r) {
		s.Log.Warn().Str("path", r.URL.Path).Msg("refused a command that another site sent")
		s.answer(w, r, http.StatusForbidden, "", "This did not come from this page. Where a proxy stands in between, it has to pass on the Host header or set X-Forwarded-Host.")
		return nil, false
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		s.answer(w, r, http.StatusBadRequest, "", "The form could not be read.")
		return nil, false
	}
	return r.PostForm, true
}

// backs are the pages that a form may lead back to.
var backs = map[string]string{"overview": "./", "deliveries": "deliveries", "setup": "setup", "log": "log"}

// answer tells what a button led to: as a note where the page asked for one,
// else by leading back to the page, or on a page of its own where there is more
// to say than the word done stands for.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, status int, done string, said ...string) {
	bad := status != http.StatusOK
	if len(said) == 0 && r.Header.Get("HX-Request") == "" && !bad {
		to := backs[r.PostForm.Get("back")]
		if to == "" {
			to = "./"
		}
		// http.Redirect would make it absolute, which leads out of ingress.
		w.Header().Set("Location", to+"?done="+done)
		w.WriteHeader(http.StatusSeeOther)
		return
	}
	if len(said) == 0 {
		said = []string{notices[done]}
	}
	f := s.newFrame(s.page(r.Context()), nil)
	f.Title = "Done"
	if bad {
		f.Title = "That did not work"
	}
	m := answer{frame: f, Said: sentences(said), Bad: bad}
	file := "answer.html"
	if r.Header.Get("HX-Request") != "" {
		file = "note"
	}
	if file == "answer.html" {
		m.frame.Parts["broker"] = ""
	}
	s.render(w, file, status, m)
}
