package web

import (
	"html/template"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// A form of ours is a few bytes.
const maxForm = 4 << 10

// notices are what the page says after a button, by the word in its address.
var notices = map[string]string{
	"refresh":  "Asking now: the answer shows here in a moment.",
	"rehearse": "The rehearsal begins.",
	"stop":     "The rehearsal ends.",
}

type answer struct{ Title, Sentence string }

func (s *Server) refresh(pages func() *template.Template) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if s.trusted(w, r, pages) {
			s.command(w, r, pages, "refresh", "", "refresh")
		}
	}
}

func (s *Server) rehearse(pages func() *template.Template) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if !s.trusted(w, r, pages) {
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := r.ParseForm(); err != nil {
			s.render(w, pages, "answer.html", http.StatusBadRequest, answer{"That was not understood", "The form could not be read."})
			return
		}
		minutes, ok := wholeMinutes(r.PostForm)
		if !ok {
			s.render(w, pages, "answer.html", http.StatusBadRequest, answer{"That was not understood", "A rehearsal takes 1 to 240 whole minutes; 0 ends it."})
			return
		}
		done := "rehearse"
		if minutes == 0 {
			done = "stop"
		}
		s.command(w, r, pages, "rehearse", strconv.Itoa(minutes), done)
	}
}

// wholeMinutes is 5 where the form does not say.
func wholeMinutes(form url.Values) (int, bool) {
	if !form.Has("minutes") {
		return 5, true
	}
	n, err := strconv.Atoi(strings.TrimSpace(form.Get("minutes")))
	return n, err == nil && n >= 0 && n <= 240
}

func (s *Server) trusted(w http.ResponseWriter, r *http.Request, pages func() *template.Template) bool {
	if sameOrigin(r) {
		return true
	}
	s.Log.Warn().Str("command", r.URL.Path).Msg("refused a command that another site sent")
	s.render(w, pages, "answer.html", http.StatusForbidden, answer{"Refused", "This did not come from this page. " +
		"Where a proxy stands in between, it has to pass on the Host header or set X-Forwarded-Host."})
	return false
}

func (s *Server) command(w http.ResponseWriter, r *http.Request, pages func() *template.Template, name, payload, done string) {
	if s.Command == nil {
		s.render(w, pages, "answer.html", http.StatusServiceUnavailable, answer{"That did not work", "There is nothing to command yet."})
		return
	}
	if err := s.Command(r.Context(), name, payload); err != nil {
		s.render(w, pages, "answer.html", http.StatusServiceUnavailable, answer{"That did not work", printable(err.Error())})
		return
	}
	// http.Redirect would make it absolute, which leads out of ingress.
	w.Header().Set("Location", "../?done="+done)
	w.WriteHeader(http.StatusSeeOther)
}

// sameOrigin reports whether no foreign page can have sent r. Browsers say so
// in Sec-Fetch-Site, but only over https and to localhost; over plain http the
// Origin has to be the host the browser asked for, which behind a proxy, and
// behind ingress, is X-Forwarded-Host. Who sends neither is not a browser.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	if len(r.Header.Values("Origin")) == 0 {
		return true
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || origin.Host == "" {
		return false
	}
	forwarded, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ",")
	for _, host := range []string{r.Host, strings.TrimSpace(forwarded)} {
		if host != "" && plainHost(host, origin.Scheme) == plainHost(origin.Host, origin.Scheme) {
			return true
		}
	}
	return false
}

// plainHost is a host in lower case without the port that goes without saying.
func plainHost(host, scheme string) string {
	host = strings.ToLower(host)
	name, port, err := net.SplitHostPort(host)
	if err == nil && (scheme == "http" && port == "80" || scheme == "https" && port == "443") {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return host
}
