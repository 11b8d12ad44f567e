// Package web is the page a householder looks at when something should have
// happened: what is going on, whether every source is alive, what arrived, and
// what to do next.
//
// It is up whatever the vendors, the broker or the disk do. It changes nothing
// but through Server.Command, shows no secret but the hook token inside the
// hook URLs, and every link in it is relative, so that it reads the same behind
// Home Assistant's ingress and plain.
package web

import (
	"bytes"
	"context"
	"embed"
	"html/template"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

//go:embed page.html sections.html answer.html style.css page.js icon.svg
var files embed.FS

// Server answers the web listener. Page is required.
type Server struct {
	Page    func(ctx context.Context) Page
	Allowed func(remoteAddr string) bool // by http.Request.RemoteAddr; nil: everybody
	Healthy func() bool                  // whether the loops turn; nil: they do
	Metrics func(w io.Writer)            // writes Prometheus' text format; nil: there are none

	// Command carries out "refresh" (no payload) or "rehearse" (whole minutes
	// from 0, which ends one, to 240). Its error is shown as it is. nil: there
	// is nothing to command, and no buttons.
	Command func(ctx context.Context, name, payload string) error

	Records Records

	// Checks returns the steps of setting up as they were last seen; anew: it
	// looks at them now, which takes 20 seconds at most. nil: there are none.
	Checks func(ctx context.Context, anew bool) []Step

	// Loopback: the listener is on a loopback address, so only its names are
	// ours. A foreign name that leads here would let a foreign site read the
	// page in a visitor's browser, hook token included (DNS rebinding).
	Loopback bool

	Log zerolog.Logger
}

type route struct {
	post   bool // it takes POST only
	both   bool // it takes POST too
	handle http.HandlerFunc
}

// Handler returns the whole of the web listener.
func (s *Server) Handler() http.Handler {
	// Parsed when first opened: most homes open the page once in weeks, and
	// until then it need not be in memory.
	pages := sync.OnceValue(func() *template.Template { return template.Must(template.New("web").ParseFS(files, "*.html")) })
	routes := map[string]route{
		"/":                 {handle: s.page(pages)},
		"/style.css":        {handle: asset("style.css", "text/css; charset=utf-8")},
		"/page.js":          {handle: asset("page.js", "text/javascript; charset=utf-8")},
		"/icon.svg":         {handle: asset("icon.svg", "image/svg+xml")},
		"/healthz":          {handle: s.health},
		"/metrics":          {handle: s.metrics},
		"/check":            {both: true, handle: s.check},
		"/command/refresh":  {post: true, handle: s.refresh(pages)},
		"/command/rehearse": {post: true, handle: s.rehearse(pages)},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		guard(w.Header())
		if s.Allowed != nil && !s.Allowed(r.RemoteAddr) {
			say(w, http.StatusForbidden, "This page is served to Home Assistant only: open it from there.")
			return
		}
		if s.Loopback && !loopback(r.Host) {
			say(w, http.StatusForbidden, "This page is served under this machine's own names only, such as localhost.")
			return
		}
		at, ok := routes[r.URL.Path]
		switch {
		case !ok:
			say(w, http.StatusNotFound, "There is nothing here.")
		case at.post && r.Method != http.MethodPost:
			w.Header().Set("Allow", "POST")
			say(w, http.StatusMethodNotAllowed, "This is a button: it takes POST only.")
		case at.both && r.Method == http.MethodPost:
			at.handle(w, r)
		case !at.post && r.Method != http.MethodGet && r.Method != http.MethodHead:
			w.Header().Set("Allow", "GET, HEAD")
			say(w, http.StatusMethodNotAllowed, "This can only be read.")
		default:
			at.handle(w, r)
		}
	})
}

// loopback reports whether a Host header names this machine to itself.
func loopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || ip != nil && ip.IsLoopback()
}

// guard sets what every answer carries. The referrer is same-origin instead of
// no-referrer, for with the latter a browser sends "Origin: null" with our own
// forms, and over plain http nothing else tells them from a stranger's.
func guard(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "+
		"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cache-Control", "no-store")
}

func (s *Server) page(pages func() *template.Template) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		p := s.Page(r.Context())
		if p.View.At.IsZero() {
			p.View.At = time.Now()
		}
		query := r.URL.Query()
		m := newModel(p, query.Get("seen"))
		m.Commands = s.Command != nil
		m.Notice = notices[query.Get("done")]
		s.render(w, pages, "page.html", http.StatusOK, m)
	}
}

func (s *Server) render(w http.ResponseWriter, pages func() *template.Template, name string, status int, data any) {
	var b bytes.Buffer
	if err := pages().ExecuteTemplate(&b, name, data); err != nil {
		s.Log.Error().Err(err).Msg("the page could not be drawn")
		say(w, http.StatusInternalServerError, "The page could not be drawn; the log says why.")
		return
	}
	write(w, status, "text/html; charset=utf-8", b.Bytes())
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if s.Healthy != nil && !s.Healthy() {
		say(w, http.StatusServiceUnavailable, "a loop does not turn")
		return
	}
	say(w, http.StatusOK, "ok")
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	var b bytes.Buffer
	if s.Metrics != nil {
		s.Metrics(&b)
	}
	write(w, http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", b.Bytes())
}

func asset(name, mime string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		content, err := files.ReadFile(name)
		if err != nil {
			say(w, http.StatusNotFound, "There is nothing here.")
			return
		}
		write(w, http.StatusOK, mime, content)
	}
}

func say(w http.ResponseWriter, status int, sentence string) {
	write(w, status, "text/plain; charset=utf-8", []byte(sentence+"\n"))
}

func write(w http.ResponseWriter, status int, mime string, content []byte) {
	w.Header().Set("Content-Type", mime)
	w.Header().Set("Content-Length", strconv.Itoa(len(content)))
	w.WriteHeader(status)
	_, _ = w.Write(content) // who hung up has no use for an error
}
