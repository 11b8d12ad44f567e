package web

import (
	"bytes"
	"context"
	"fmt"
	"hash/maphash"
	"html/template"
	"net/http"
	"net/url"
	"time"
)

// sheet is one page to be drawn.
type sheet struct {
	file   string // its template
	status int    // zero: 200
	model  any    // what the templates are given; it embeds the frame
	frame  *frame
	// parts are the templates of what renews itself while the page is open;
	// each draws one element with that id.
	parts []string
	live  url.Values // how the stream is asked for them; nil: not at all
}

// frame is what stands around every page.
type frame struct {
	Assets  string // the version of style and scripts
	Version string
	Now     *instant
	Zone    string
	Broker  string
	Title   string
	Here    string // which tab is open
	Notice  string
	Live    string // the address of the stream; empty: nothing renews itself
	Buttons bool   // there is somebody to command
	Parts   map[string]template.HTML

	clock clock
}

// part is a piece of a page that renews itself.
type part struct {
	name string
	html template.HTML
	key  uint64 // another one where another thing is said; how long ago it was does not count
}

func (s *Server) newFrame(p Page, q url.Values) *frame {
	c := newClock(p)
	return &frame{
		Assets: s.version, Version: printable(p.Version), Now: c.at(c.now), Zone: c.zoneName(), Broker: printable(p.Broker),
		Notice: notices[q.Get("done")], Buttons: s.Command != nil, Parts: map[string]template.HTML{}, clock: c,
	}
}

func newClock(p Page) clock {
	zone := p.Zone
	if zone == nil {
		zone = time.UTC
	}
	return clock{now: p.View.At.In(zone)}
}

// page asks for what there is to show.
func (s *Server) page(ctx context.Context) Page {
	p := s.Page(ctx)
	if p.View.At.IsZero() {
		p.View.At = time.Now()
	}
	return p
}

// maker makes a page of what there is and what was asked for.
type maker func(ctx context.Context, p Page, q url.Values) sheet

func (s *Server) show(f maker) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		sh := f(r.Context(), s.page(r.Context()), r.URL.Query())
		parts, err := s.draw(sh)
		if err != nil {
			s.undrawn(w, err)
			return
		}
		for _, p := range parts {
			sh.frame.Parts[p.name] = p.html
		}
		if sh.live != nil {
			sh.live.Set("seen", fmt.Sprintf("%x", together(parts)))
			sh.frame.Live = "live?" + sh.live.Encode()
		}
		s.render(w, sh.file, max(sh.status, http.StatusOK), sh.model)
	}
}

// draw draws the parts of a page.
func (s *Server) draw(sh sheet) ([]part, error) {
	var b bytes.Buffer
	parts := make([]part, 0, len(sh.parts))
	for _, name := range sh.parts {
		b.Reset()
		if err := s.parsed().ExecuteTemplate(&b, name, sh.model); err != nil {
			return nil, err
		}
		html := bytes.TrimSpace(b.Bytes())
		parts = append(parts, part{name: name, html: template.HTML(html), key: maphash.Bytes(s.seed, timeless(html))})
	}
	return parts, nil
}

// together is the key of all parts.
func together(parts []part) (sum uint64) {
	for _, p := range parts {
		sum = sum*1099511628211 ^ p.key
	}
	return sum
}

// timeless leaves out how long ago things were: the page counts by itself.
func timeless(html []byte) []byte {
	out := make([]byte, 0, len(html))
	for {
		i := bytes.Index(html, []byte("data-counts>"))
		if i < 0 {
			return append(out, html...)
		}
		i += len("data-counts>")
		out = append(out, html[:i]...)
		html = html[i:]
		html = html[max(0, bytes.IndexByte(html, '<')):]
	}
}

func (s *Server) render(w http.ResponseWriter, file string, status int, model any) {
	var b bytes.Buffer
	if err := s.parsed().ExecuteTemplate(&b, file, model); err != nil {
		s.undrawn(w, err)
		return
	}
	write(w, status, "text/html; charset=utf-8", b.Bytes())
}

func (s *Server) undrawn(w http.ResponseWriter, err error) {
	s.Log.Error().Err(err).Msg("the page could not be drawn")
	say(w, http.StatusInternalServerError, "The page could not be drawn; the log says why.")
}
