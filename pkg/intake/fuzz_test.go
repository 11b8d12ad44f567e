package intake

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func FuzzHooks(f *testing.F) {
	f.Add("POST", started, "Content-Type", "application/json", []byte(`{"event":"start"}`), int64(17), false)
	f.Add("POST", started+"?start_time=1", "", "", []byte{}, int64(0), true)
	f.Add("POST", signed, "X-Signature", "right", []byte("envelope:x"), int64(-1), false)
	f.Add("POST", large, "Content-Encoding", "gzip", []byte("\x1f\x8b"), int64(1), false)
	f.Add("POST", large, "", "", []byte("x"), int64(1<<62), false)
	f.Add("GET", started, "", "", []byte{}, int64(0), false)
	f.Add("HEAD", signed, "", "", []byte{}, int64(0), false)
	f.Add("POST", "/hook/equiwatt/wrong/started", "", "", []byte{}, int64(0), false)
	f.Add("POST", "/hook/equiwatt%2F"+token+"/started", "", "", []byte{}, int64(0), false)
	f.Add("OPTIONS", "*", "", "", []byte{}, int64(0), false)
	f.Fuzz(func(t *testing.T, method, target, name, value string, body []byte, length int64, fails bool) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return // the server itself says no
		}
		d := newDesk()
		d.Log = zerolog.New(io.Discard)
		if fails {
			d.record = func(context.Context) error { return errors.New("not stored") }
		}
		w := httptest.NewRecorder()
		d.ServeHTTP(w, &http.Request{
			Method: method, URL: u, Header: http.Header{http.CanonicalHeaderKey(name): {value}},
			Body: io.NopCloser(bytes.NewReader(body)), ContentLength: length,
		})
		got := d.taken()
		switch w.Code {
		case 200:
			looks := method == "GET" || method == "HEAD"
			if looks != (len(got) == 0) || len(got) > 1 || fails && !looks {
				t.Errorf("200 for %s with %d recorded, failing %t", method, len(got), fails)
			}
			if !strings.Contains(u.Path, "/"+token) {
				t.Errorf("200 for %q, which has no token", u.Path)
			}
		case 503:
			if !fails || len(got) != 1 {
				t.Errorf("503 with %d recorded, failing %t", len(got), fails)
			}
		case 400, 401, 404, 413:
			if len(got) != 0 {
				t.Errorf("recorded, and answered %d", w.Code)
			}
		default:
			t.Errorf("answered %d", w.Code)
		}
		if w.Code != 404 && w.Code != 200 && w.Body.Len() != 0 || strings.Contains(w.Body.String(), token) {
			t.Errorf("answered %d with %q", w.Code, w.Body)
		}
		for _, g := range got {
			if !bytes.HasSuffix(body, g.Body) && !bytes.HasPrefix(body, g.Body) || g.Query != u.RawQuery {
				t.Errorf("recorded other bytes than came: %q of %q", g.Body, body)
			}
		}
		if d.inside.Load() != 0 || d.bytes.Load() != 0 {
			t.Error("still counted as waiting")
		}
	})
}

// silent is an answer that nobody reads.
type silent http.Header

func (s silent) Header() http.Header         { return http.Header(s) }
func (s silent) Write(p []byte) (int, error) { return len(p), nil }
func (s silent) WriteHeader(int)             {}

func BenchmarkHooks(b *testing.B) {
	for name, size := range map[string]int{"empty": 0, "1KiB": 1 << 10, "64KiB": 64 << 10} {
		for how, length := range map[string]int64{"said": int64(size), "chunked": -1} {
			b.Run(name+"/"+how, func(b *testing.B) {
				body := bytes.Repeat([]byte("x"), size)
				d := newDesk()
				d.Record = func(context.Context, event.Delivery, []event.Event) error { return nil }
				d.Sources[0].Decode = func(event.Delivery) []event.Event { return nil }
				u, err := url.Parse(started)
				if err != nil {
					b.Fatal(err)
				}
				in := bytes.NewReader(body)
				r := &http.Request{
					Method: "POST", URL: u, Body: io.NopCloser(in), ContentLength: length,
					Header: http.Header{"Content-Type": {"application/json"}, "User-Agent": {"bench"}},
				}
				w := silent{}
				b.ReportAllocs()
				for b.Loop() {
					in.Reset(body)
					d.ServeHTTP(w, r)
				}
			})
		}
	}
}
