package intake

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func TestHooksAnswer503WhatIsNotStored(t *testing.T) {
	d := newDesk()
	d.record = func(context.Context) error { return errors.New("journal: the disk is full") }
	if got := send(t, serve(t, d), request{method: "POST", target: started, body: "{}"}); !cmp.Equal(got, empty(503)) {
		t.Errorf("answer: %+v, want an empty 503", got)
	}
	if got := d.refusals(); !cmp.Equal(got, []string{"equiwatt: " + RefusedStore}) {
		t.Errorf("counted %q", got)
	}
}

func TestHooksRefuseAWrongSignature(t *testing.T) {
	d := newDesk()
	addr := serve(t, d)
	for _, header := range []string{"", "X-Signature: \r\n", "X-Signature: wrong\r\n"} {
		if got := send(t, addr, request{method: "POST", target: signed, header: header, body: "letter"}); !cmp.Equal(got, empty(401)) {
			t.Errorf("%q: %+v, want an empty 401", header, got)
		}
	}
	if got := d.refusals(); len(got) != 3 || got[0] != "ecomon: "+RefusedSignature {
		t.Errorf("counted %q, want three wrong signatures", got)
	}
	if len(d.taken()) != 0 || strings.Contains(d.said(), "letter") || strings.Contains(d.said(), "should have been") {
		t.Errorf("an unproven body is recorded or logged: %s", d.said())
	}
}

// answered posts through the handler itself and returns what it answers.
func answered(d *desk, target, body string, chunked bool) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", target, strings.NewReader(body))
	if chunked {
		r.ContentLength = -1
	}
	w := httptest.NewRecorder()
	d.ServeHTTP(w, r)
	return w
}

func TestHooksLetOnlySoManyWait(t *testing.T) {
	for _, tt := range []struct {
		name    string
		target  string
		body    string
		chunked bool
		fit     int
	}{
		{"small", started, "{}", false, Crowd},
		{"small, length not said", started, "{}", true, Crowd},
		{"as large as they may be", started, strings.Repeat("x", 64<<10), false, Crowd},
		{"larger than most", large, strings.Repeat("x", 1<<20), false, held >> 20},
		{"larger than most, length not said", large, strings.Repeat("x", 1<<20), true, held >> 20},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d, disk := newDesk(), make(chan struct{})
				d.record = func(context.Context) error {
					<-disk
					return nil
				}
				var waiting sync.WaitGroup
				statuses := make(chan int, tt.fit)
				for range tt.fit {
					waiting.Go(func() { statuses <- answered(d, tt.target, tt.body, tt.chunked).Code })
					if tt.chunked {
						synctest.Wait() // until it is read, it may be as long as is allowed
					}
				}
				synctest.Wait()
				if n := len(d.taken()); n != tt.fit {
					t.Fatalf("%d wait for the disk, want %d", n, tt.fit)
				}
				w := answered(d, tt.target, tt.body, tt.chunked)
				if w.Code != 429 || w.Header().Get("Retry-After") != "1" || w.Body.Len() != 0 {
					t.Errorf("one more: %d %v %q, want an empty 429 with Retry-After: 1", w.Code, w.Header(), w.Body)
				}
				if got := d.refusals(); len(got) != 1 || !strings.HasSuffix(got[0], ": "+RefusedCrowd) {
					t.Errorf("counted %q, want the one too many", got)
				}
				close(disk)
				waiting.Wait()
				for range tt.fit {
					if got := <-statuses; got != 200 {
						t.Fatalf("one that waited was answered %d", got)
					}
				}
				if got := answered(d, tt.target, tt.body, tt.chunked).Code; got != 200 {
					t.Errorf("afterwards: %d, want 200", got)
				}
				if in, bytes := d.inside.Load(), d.bytes.Load(); in != 0 || bytes != 0 {
					t.Errorf("%d and %d bytes are counted though none waits", in, bytes)
				}
			})
		})
	}
}

func TestHooksDropWhatBreaksOff(t *testing.T) {
	for name, text := range map[string]string{
		"length said": "Content-Length: 100\r\n\r\nonly this",
		"in chunks":   "Transfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			d, refused := newDesk(), make(chan string, 1)
			d.Refused = func(_, why string) { refused <- why }
			conn, err := net.Dial("tcp", serve(t, d))
			if err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(conn, "POST "+started+" HTTP/1.1\r\nHost: x\r\n"+text); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if got := <-refused; got != RefusedBroken {
				t.Errorf("counted as %q", got)
			}
			if n := len(d.taken()); n != 0 {
				t.Errorf("%d deliveries were recorded, want none", n)
			}
		})
	}
}

func TestHooksKeepWhatCameWhole(t *testing.T) {
	d, gone, kept := newDesk(), make(chan (<-chan struct{}), 1), make(chan error, 1)
	left := make(chan struct{})
	d.record = func(ctx context.Context) error {
		<-left
		kept <- ctx.Err()
		return nil
	}
	addr := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		gone <- r.Context().Done()
		d.ServeHTTP(w, r)
	}))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, "POST "+started+" HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
		t.Fatal(err)
	}
	done := <-gone
	conn.Close()
	<-done
	close(left)
	if err := <-kept; err != nil {
		t.Errorf("the sender did not wait for the answer, and his webhook is given up: %v", err)
	}
}

func TestHooksTellNoSecret(t *testing.T) {
	d := newDesk()
	addr := serve(t, d)
	d.record = func(context.Context) error { return errors.New("not stored") }
	var answers strings.Builder
	for _, target := range []string{started, signed, large, started + "x", started + "?" + token} {
		for _, method := range []string{"POST", "GET", "PUT"} {
			for _, size := range []int{0, 2 << 20} {
				got := send(t, addr, request{method: method, target: target, header: "User-Agent: " + token + "\r\n", body: strings.Repeat("x", size)})
				answers.WriteString(cmp.Diff(answer{}, got))
			}
		}
	}
	if len(d.said()) == 0 || len(d.refusals()) == 0 {
		t.Fatal("nothing was refused, so nothing is shown")
	}
	if strings.Contains(answers.String(), token) || strings.Contains(d.said(), token) {
		t.Errorf("the token is told:\n%s\n%s", answers.String(), d.said())
	}
	if lines := strings.Count(d.said(), "\n"); lines != strings.Count(d.said(), `"vendor":`) {
		t.Errorf("a line does not name its vendor:\n%s", d.said())
	}
}

func TestForwarded(t *testing.T) {
	broken := errors.New("not stored")
	for _, tt := range []struct {
		name, source, kind, body string
		record                   error
		want                     error // nil: recorded; errAny: any other
		refused                  []string
	}{
		{name: "a kind", source: "equiwatt", kind: "started", body: "{}"},
		{name: "no body", source: "equiwatt", kind: "ended"},
		{name: "no kind", source: "openvolt", body: "x"},
		{name: "as large as it may be", source: "equiwatt", kind: "started", body: strings.Repeat("x", 64<<10)},
		{name: "too large", source: "equiwatt", kind: "started", body: strings.Repeat("x", 64<<10+1), want: errAny, refused: []string{"equiwatt: " + RefusedSize}},
		{name: "signed", source: "ecomon", body: "x", want: errAny, refused: []string{"ecomon: " + RefusedSignature}},
		{name: "source off", source: "capacitor", want: ErrForeign},
		{name: "kind missing", source: "equiwatt", want: ErrForeign},
		{name: "kind unknown", source: "equiwatt", kind: "x", want: ErrForeign},
		{name: "kind too many", source: "openvolt", kind: "started", want: ErrForeign},
		{name: "kind with more", source: "equiwatt", kind: "started/x", want: ErrForeign},
		{name: "nothing", want: ErrForeign},
		{name: "not stored", source: "openvolt", body: "x", record: broken, want: broken},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk()
			d.record = func(context.Context) error { return tt.record }
			err := d.Forwarded(t.Context(), tt.source, tt.kind, []byte(tt.body))
			if tt.want == errAny && err == nil || tt.want != errAny && !errors.Is(err, tt.want) {
				t.Errorf("error %v, want %v", err, tt.want)
			}
			if err != nil && (strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "xxx")) {
				t.Errorf("%q is no line for people", err)
			}
			if !cmp.Equal(d.refusals(), tt.refused) {
				t.Errorf("counted %q, want %q", d.refusals(), tt.refused)
			}
			var want []event.Delivery
			if tt.want == nil || tt.record != nil {
				want = []event.Delivery{{Received: arrival, Source: tt.source, Kind: tt.kind, Via: event.ViaMQTT, Body: []byte(tt.body)}}
			}
			if diff := cmp.Diff(want, d.taken()); diff != "" {
				t.Errorf("recorded:\n%s", diff)
			}
		})
	}
}

var errAny = errors.New("any")
