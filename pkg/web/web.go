// Package web is the page a householder looks at when something should have
// happened: what is going on, whether every source is alive, what arrived, and
// what to do next.
//
// It is up whatever the vendors, the broker or the disk do. It changes nothing
// but through Server.Command and Records.Replay, shows no secret but the hook
// token inside the hook URLs, and every link in it is relative, so that it
// reads the same behind Home Assistant's ingress and plain. Without JavaScript
// it reads the same and stands still.
package web

import (
	"context"
	"hash/maphash"
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

// Server answers the web listener. Page is required; whatever else is nil is
// not there, and the page goes without it.
type Server struct {
	Page    func(ctx context.Context) Page
	Allowed func(remoteAddr string) bool // by http.Request.RemoteAddr; nil: everybody
	Healthy func() bool                  // whether the loops turn; nil: they do
	Metrics func(w io.Writer)            // writes Prometheus' text format

	// Spans returns what touches a span of time, in any order.
	Spans func(ctx context.Context, from, to time.Time) []Span
	// Command carries out what a button asks for. It returns what was found or
	// done, a line each, or none; its error is shown as it is.
	Command func(ctx context.Context, c Command) (said []string, err error)

	Records Records

	// Checks returns the steps of setting up as they were last seen; anew: it
	// looks at them now, which takes 20 seconds at most. nil: there are none.
	Checks func(ctx context.Context, anew bool) []Step

	// Loopback: the listener is on a loopback address, so only its names are
	// ours. A foreign name that leads here would let a foreign site read the
	// page in a visitor's browser, hook token included (DNS rebinding).
	Loopback bool

	Log zerolog.Logger

	changes changes
	streams streams
	parsed  func() *template.Template
	version string // of the assets
	seed    maphash.Seed
}

type route struct {
	post   bool // it takes POST only
	both   bool // it takes POST too
	handle http.HandlerFunc
}

// Handler returns the whole of the web listener. It is called once.
func (s *Server) Handler() http.Handler {
	// Parsed when first opened: most homes open the page once in weeks, and
	// until then it need not be in memory.
	s.parsed = sync.OnceValue(func() *template.Template { return template.Must(template.New("web").ParseFS(files, "*.html")) })
	routes := map[string]route{
		"/":           {handle: s.show(s.overview)},
		"/day":        {handle: s.show(s.day)},
		"/deliveries": {handle: s.show(s.deliveries)},
		"/delivery":   {handle: s.show(s.delivery)},
		"/setup":      {handle: s.show(s.setup)},
		"/log":        {handle: s.show(s.log)},
		"/live":       {handle: s.live},
		"/sample":     {handle: s.sample},
		"/bundle":     {handle: s.bundle},
		"/healthz":    {handle: s.health},
		"/metrics":    {handle: s.metrics},
		"/check":      {both: true, handle: s.check},
		"/command":    {post: true, handle: s.command},
		"/replay":     {post: true, handle: s.replay},
	}
	all, version := assets()
	s.version, s.seed = version, maphash.MakeSeed()
	for name, a := range all {
		routes[name] = route{handle: a.serve(version)}
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

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	if s.Healthy != nil && !s.Healthy() {
		say(w, http.StatusServiceUnavailable, "a loop does not turn")
		return
	}
	say(w, http.StatusOK, "ok")
}

func (s *Server) metrics(w http.ResponseWriter, _ *http.Request) {
	var b strings.Builder
	if s.Metrics != nil {
		s.Metrics(&b)
	}
	write(w, http.StatusOK, "text/plain; version=0.0.4; charset=utf-8", []byte(b.String()))
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
