// Package intake is the door: webhooks come in, APIs are asked. What every
// vendor needs of it (the path's token, body limits, answers, timers,
// back-off, rate limits, a clock that does not jump) exists once, here.
//
// It promises that a webhook is answered 2xx only when it is recorded, that no
// answer tells a stranger why he is refused, and that a vendor's limits hold
// whoever asks. It does not know what a delivery means.
package intake

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// Source is a vendor as the door knows it.
type Source struct {
	Name  string
	Kinds []string // the last part of the hook's path; empty: the path has none
	Limit int64    // bytes of a body

	// Verify proves a delivery by the vendor's own signature and returns the
	// bytes that are proven: they are decoded, and the body is kept as it came. Nil: the token in the path is all the proof there
	// is, and the source may be heard over MQTT too.
	Verify func(h http.Header, body []byte) ([]byte, error)

	// Observe sees the headers of what is taken, of which few are kept; nil:
	// nobody looks.
	Observe func(h http.Header, body []byte)

	// Challenge answers a vendor that asks whether this address is ours, by
	// GET or by POST; nothing of it is recorded. ok is false where this is no
	// such question, or it is not to be answered now. Nil: the vendor never asks.
	Challenge func(r *http.Request, body []byte) (answer []byte, contentType string, ok bool)

	// Decode turns a proven delivery into events; it never fails.
	Decode func(d event.Delivery) []event.Event
}

// Crowd is how many webhooks may wait for the disk at a time.
const Crowd = 1024

// Callers is how many connections may be open at a time, a Crowd's and as many
// strangers': each costs some 16 KiB until its time is up, and its headers.
const Callers = 2 * Crowd

// MaxHeader is how many bytes of a request's line and headers are taken: those
// of a webhook are under 2 KiB, also behind proxies.
const MaxHeader = 16 << 10

// held is how many bytes of bodies may be in memory at a time: a Crowd of
// 64 KiB each, which is what most sources take.
const held = Crowd * 64 << 10

// Refusals of a webhook, as they are counted.
const (
	RefusedSignature = "wrong signature"
	RefusedSize      = "too big"
	RefusedCrowd     = "too many"
	RefusedStore     = "not stored"
	RefusedBroken    = "broken off"
)

// Hooks receives webhooks; it is the handler of the hook listener.
type Hooks struct {
	Sources []Source
	Token   func() []string // the path secrets that are valid now, the newest first
	Now     func() time.Time

	// Outdated hears of a POST to a right URL with another than the newest path
	// secret; nil: there is one only.
	Outdated func(source string)
	// Knock takes the last part of a POST to /hook/check/…, and says whether it
	// is a call of our own, which is answered like a webhook that was taken.
	// Everybody else gets a stranger's answer. Nil: we never call ourselves.
	Knock func(nonce string) bool

	// Record stores a delivery and its events; it returns when they are on disk.
	Record func(ctx context.Context, d event.Delivery, events []event.Event) error
	// Refused counts a delivery to a right URL that was not taken.
	Refused func(source, why string)
	Log     zerolog.Logger

	inside atomic.Int64
	bytes  atomic.Int64
}

// kept are the headers worth keeping with a delivery; none carries a secret.
var kept = [...]string{"Content-Type", "Content-Encoding", "User-Agent", "Date"}

func (h *Hooks) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	source, kind, ok, old := h.find(r.URL)
	switch {
	case ok && r.Method == http.MethodPost:
		if old && h.Outdated != nil {
			h.Outdated(source.Name)
		}
		h.take(w, r, source, kind)
	case ok && r.Method == http.MethodGet && challenged(w, r, source, nil):
	case ok && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		fmt.Fprintf(w, "This is the right address for %s's webhooks. They come as POST.\n", source.Name)
	case h.knocked(r):
	default:
		drain(r)
		notFound(w)
	}
}

// knocked reports whether r is a call of our own.
func (h *Hooks) knocked(r *http.Request) bool {
	nonce, ok := strings.CutPrefix(r.URL.Path, "/hook/check/")
	return ok && r.Method == http.MethodPost && h.Knock != nil && h.Knock(nonce)
}

// challenged answers a challenge, if it is one.
func challenged(w http.ResponseWriter, r *http.Request, s Source, body []byte) bool {
	if s.Challenge == nil {
		return false
	}
	answer, contentType, ok := s.Challenge(r, body)
	if ok {
		w.Header().Set("Content-Type", contentType)
		_, _ = w.Write(answer)
	}
	return ok
}

// drain reads what a sender is still sending, within bounds: if the connection
// were closed on him he might never read the answer. Who waits to be asked for
// the body is not asked.
func drain(r *http.Request) {
	if r.Header.Get("Expect") == "" {
		_, _ = io.CopyN(io.Discard, r.Body, 16<<20)
	}
}

func notFound(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(http.StatusNotFound)
	_, _ = io.WriteString(w, "not found\n")
}

// find returns the source and kind of /hook/<source>/<token>[/<kind>], and
// whether the token is an old one. It takes as long for a wrong token as for a
// right one.
func (h *Hooks) find(u *url.URL) (source Source, kind string, ok, old bool) {
	rest, hook := strings.CutPrefix(u.Path, "/hook/")
	// A slash that came as %2F is part of a name, and no name here has one.
	if !hook || strings.Count(u.EscapedPath(), "/") != strings.Count(u.Path, "/") {
		return source, "", false, false
	}
	name, rest, _ := strings.Cut(rest, "/")
	token, kind, kinded := strings.Cut(rest, "/")
	source, ok = h.source(name, kind, kinded)
	proven, old := h.proven(token)
	return source, kind, proven && ok, old
}

// proven reports whether a path secret is valid, and another than the newest.
func (h *Hooks) proven(given string) (ok, old bool) {
	sum := sha256.Sum256([]byte(given))
	same, newest := 0, 0
	for i, token := range h.Token() {
		want := sha256.Sum256([]byte(token))
		equal := subtle.ConstantTimeCompare(sum[:], want[:])
		same |= equal
		if i == 0 {
			newest = equal
		}
	}
	return same == 1 && given != "", newest == 0
}

func (h *Hooks) source(name, kind string, kinded bool) (Source, bool) {
	for _, s := range h.Sources {
		if s.Name == name {
			return s, kinded && slices.Contains(s.Kinds, kind) || !kinded && len(s.Kinds) == 0
		}
	}
	return Source{}, false
}

func (h *Hooks) take(w http.ResponseWriter, r *http.Request, s Source, kind string) {
	size := min(r.ContentLength, s.Limit)
	if size < 0 {
		size = s.Limit
	}
	inside, bytes := h.inside.Add(1), h.bytes.Add(size)
	defer func() {
		h.inside.Add(-1)
		h.bytes.Add(-size)
	}()
	if inside > Crowd || bytes > held {
		w.Header().Set("Retry-After", "1")
		h.refuse(w, s, RefusedCrowd, http.StatusTooManyRequests)
		return
	}
	if r.ContentLength > s.Limit {
		drain(r)
		h.refuse(w, s, RefusedSize, http.StatusRequestEntityTooLarge)
		return
	}
	body, err := read(r, s.Limit)
	if err != nil {
		h.refuse(w, s, RefusedBroken, http.StatusBadRequest)
		return
	}
	if int64(len(body)) > s.Limit {
		drain(r)
		h.refuse(w, s, RefusedSize, http.StatusRequestEntityTooLarge)
		return
	}
	h.bytes.Add(int64(len(body)) - size)
	size = int64(len(body))
	if challenged(w, r, s, body) {
		return
	}
	d := event.Delivery{Received: h.Now(), Source: s.Name, Kind: kind, Via: event.ViaHTTP, Query: r.URL.RawQuery, Body: body, Header: harmless(r.Header)}
	proven := d
	if s.Verify != nil {
		if proven.Body, err = s.Verify(r.Header, body); err != nil {
			h.refuse(w, s, RefusedSignature, http.StatusUnauthorized)
			return
		}
	}
	if s.Observe != nil {
		s.Observe(r.Header, body)
	}
	// What has come whole is kept, even where the sender did not wait for the
	// answer: Equiwatt is not known to send it again.
	if err := h.Record(context.WithoutCancel(r.Context()), d, s.Decode(proven)); err != nil {
		h.refuse(w, s, RefusedStore, http.StatusServiceUnavailable)
	}
}

// read returns the body, or limit+1 bytes of a longer one whose length was not
// said beforehand.
func read(r *http.Request, limit int64) ([]byte, error) {
	if r.ContentLength < 0 {
		return io.ReadAll(io.LimitReader(r.Body, limit+1))
	}
	body := make([]byte, r.ContentLength)
	_, err := io.ReadFull(r.Body, body)
	return body, err
}

func harmless(h http.Header) map[string]string {
	var m map[string]string
	for _, name := range kept {
		if v := h.Get(name); v != "" {
			if m == nil {
				m = map[string]string{}
			}
			m[name] = v[:min(len(v), 200)]
		}
	}
	return m
}

func (h *Hooks) refuse(w http.ResponseWriter, s Source, why string, status int) {
	h.Refused(s.Name, why)
	h.Log.Warn().Str("vendor", s.Name).Int("status", status).Msg("a webhook was refused: " + why)
	w.WriteHeader(status)
}

// ErrForeign is returned for a message on a hook topic that is no webhook of ours.
var ErrForeign = errors.New("no source takes webhooks here")

// Forwarded takes a webhook that Home Assistant forwarded over MQTT, of which
// only the body is left; so a source that signs its webhooks is not heard here.
func (h *Hooks) Forwarded(ctx context.Context, name, kind string, body []byte) error {
	s, ok := h.source(name, kind, kind != "")
	switch {
	case !ok:
		return ErrForeign
	case s.Verify != nil:
		h.Refused(name, RefusedSignature)
		return fmt.Errorf("%s signs its webhooks, and a forwarded one has lost its signature: let %s call the hook listener", name, name)
	case int64(len(body)) > s.Limit:
		h.Refused(name, RefusedSize)
		return fmt.Errorf("a forwarded webhook of %s is larger than %d bytes", name, s.Limit)
	}
	d := event.Delivery{Received: h.Now(), Source: name, Kind: kind, Via: event.ViaMQTT, Body: body}
	return h.Record(ctx, d, s.Decode(d))
}
