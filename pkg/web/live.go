package web

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

const (
	// A phone, a tablet on the wall and a few forgotten tabs are ten.
	maxStreams = 100
	// What happens together is shown together.
	settle = 60 * time.Millisecond
	// However much happens, a page is renewed so often at most, and where it
	// does not end, so often: hooks have to be taken meanwhile.
	gap, longGap = 300 * time.Millisecond, 1500 * time.Millisecond
	// … after so many in a row.
	spurt = 5
	// What nobody tells of, such as the clock, is looked at so often.
	glance = 5 * time.Second
	// An open page that hears nothing for two of these says so; proxies give up later.
	beat = 15 * time.Second
	// Who takes nothing for so long is gone.
	patience = 20 * time.Second
)

// changes tells the open pages that there may be something new.
type changes struct {
	mu    sync.Mutex
	next  chan struct{} // closed at the next change; nil: nobody waits
	count int           // of changes so far
}

// Changed says that there may be something new to show. It costs nothing while
// no page is open, and may be called as often as anything changes.
func (s *Server) Changed() {
	c := &s.changes
	c.mu.Lock()
	c.count++
	if c.next != nil {
		close(c.next)
		c.next = nil
	}
	c.mu.Unlock()
}

// wait returns what is closed at the next change.
func (c *changes) wait() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		c.next = make(chan struct{})
	}
	return c.next
}

func (c *changes) so() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count
}

// streams are the open pages. Those of one address share what is drawn for them.
type streams struct {
	mu    sync.Mutex
	open  int
	drawn map[string]*drawing
}

type drawing struct {
	open int // guarded by the streams' lock

	mu    sync.Mutex
	at    time.Time
	run   int // how often it was drawn in a row
	after int // so many changes
	parts []part
}

// gap is how long it is to be left alone.
func (d *drawing) gap() time.Duration {
	if d.run >= spurt {
		return longGap
	}
	return gap
}

// enter returns nil where too many pages are open.
func (st *streams) enter(address string) *drawing {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.open >= maxStreams {
		return nil
	}
	d := st.drawn[address]
	if d == nil {
		d = &drawing{}
		if st.drawn == nil {
			st.drawn = map[string]*drawing{}
		}
		st.drawn[address] = d
	}
	st.open++
	d.open++
	return d
}

func (st *streams) leave(address string) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.open--
	if d := st.drawn[address]; d.open > 1 {
		d.open--
	} else {
		delete(st.drawn, address)
	}
}

// parts returns what a page shows now. It is drawn once in a gap at most,
// however many pages ask: who comes too early for a change waits for the others.
func (s *Server) parts(ctx context.Context, d *drawing, f maker, q url.Values) ([]part, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	old := time.Since(d.at)
	if d.parts != nil && old < glance/2 && d.after == s.changes.so() {
		return d.parts, nil
	}
	if rest := d.gap() - old; rest > 0 {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(rest):
		}
	}
	if d.run++; time.Since(d.at) > 2*d.gap() {
		d.run = 0
	}
	// The others get it too, so it is finished where this page is closed.
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	after := s.changes.so()
	parts, err := s.draw(f(whole, s.page(whole), q))
	if err == nil {
		d.parts, d.at, d.after = parts, time.Now(), after
	}
	return parts, err
}

// live is the stream of one open page: what changed, as it changes.
func (s *Server) live(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	seen := cmp.Or(r.Header.Get("Last-Event-ID"), q.Get("seen")) // the former where the stream broke
	q.Del("seen")
	f, ok := s.sheets()[q.Get("of")]
	if !ok {
		say(w, http.StatusNotFound, "There is nothing here.")
		return
	}
	if r.Method == http.MethodHead {
		return
	}
	address := q.Encode()
	d := s.streams.enter(address)
	if d == nil {
		w.Header().Set("Retry-After", "10")
		say(w, http.StatusServiceUnavailable, "Too many pages are open.")
		return
	}
	defer s.streams.leave(address)
	frame := s.newFrame(s.page(r.Context()), nil)
	out := stream{to: w, control: http.NewResponseController(w), version: frame.Version + "/" + s.version, zone: frame.clock.now.Location()}
	_ = out.control.SetReadDeadline(time.Time{}) // the server's is for requests
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would keep it back
	w.WriteHeader(http.StatusOK)
	s.follow(r.Context(), out, seen, func() ([]part, error) { return s.parts(r.Context(), d, f, q) })
}

// sheets are the pages that renew themselves.
func (s *Server) sheets() map[string]maker {
	return map[string]maker{"overview": s.overview, "deliveries": s.deliveries, "setup": s.setup, "log": s.log, "day": s.day}
}

// follow sends what changes until the page is closed.
func (s *Server) follow(ctx context.Context, out stream, first string, parts func() ([]part, error)) {
	seen := map[string]uint64{}
	timer := time.NewTimer(0)
	defer timer.Stop()
	var last time.Time
	for {
		changed := s.changes.wait()
		now, err := parts()
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			s.Log.Error().Err(err).Msg("the page could not be drawn")
			return
		}
		known := first != "" && first == fmt.Sprintf("%x", together(now))
		first = ""
		var news []part
		for _, p := range now {
			if key, ok := seen[p.name]; !known && (!ok || key != p.key) {
				news = append(news, p)
			}
			seen[p.name] = p.key
		}
		if len(news) > 0 || time.Since(last) >= beat {
			last = time.Now()
			if !out.send(news, together(now)) {
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-after(timer, glance):
		}
		select {
		case <-ctx.Done():
			return
		case <-after(timer, settle):
		}
	}
}

func after(t *time.Timer, d time.Duration) <-chan time.Time {
	t.Reset(d)
	return t.C
}

// stream is where the news go.
type stream struct {
	to      http.ResponseWriter
	control *http.ResponseController
	version string
	zone    *time.Location
}

// send tells the news, and that all of them were told. It reports whether
// somebody still listens.
func (out stream) send(news []part, all uint64) bool {
	var b bytes.Buffer
	for _, p := range news {
		fmt.Fprintf(&b, "data: <hx-partial hx-target=\"#%s\" hx-swap=\"outerMorph\">\n", p.name)
		for line := range strings.SplitSeq(strings.ReplaceAll(string(p.html), "\r", "\n"), "\n") {
			fmt.Fprintf(&b, "data: %s\n", line)
		}
		b.WriteString("data: </hx-partial>\n\n")
	}
	now := time.Now()
	beat, _ := json.Marshal(map[string]any{"now": now.UnixMilli(), "clock": now.In(out.zone).Format(time.TimeOnly), "version": out.version}) // cannot fail
	fmt.Fprintf(&b, "event: beat\nid: %x\ndata: %s\n\n", all, beat)
	if out.control.SetWriteDeadline(time.Now().Add(patience)) != nil {
		return false
	}
	if _, err := out.to.Write(b.Bytes()); err != nil {
		return false
	}
	return out.control.Flush() == nil
}
