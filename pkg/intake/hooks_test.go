package intake

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rs/zerolog"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

const (
	token   = "correct-horse_battery-staple-01"
	started = "/hook/equiwatt/" + token + "/started"
	signed  = "/hook/ecomon/" + token
	large   = "/hook/openvolt/" + token
)

var arrival = time.Date(2026, 1, 15, 17, 1, 16, 0, time.UTC)

// desk is what stands behind the door: it notes what is recorded, refused and logged.
type desk struct {
	Hooks
	record func(ctx context.Context) error // nil: all is stored

	mu      sync.Mutex
	got     []event.Delivery
	events  [][]event.Event
	refused []string
	logs    bytes.Buffer
}

func (d *desk) Write(p []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logs.Write(p)
}

func (d *desk) taken() []event.Delivery {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.got)
}

func (d *desk) refusals() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.refused)
}

func (d *desk) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.logs.String()
}

func newDesk() *desk {
	d := &desk{}
	decode := func(e event.Delivery) []event.Event {
		return []event.Event{{Source: e.Source, Key: "of " + e.Kind, Notice: &event.Notice{Code: string(e.Body)}}}
	}
	verify := func(h http.Header, body []byte) ([]byte, error) {
		if h.Get("X-Signature") != "right" {
			return nil, errors.New("the signature should have been right")
		}
		return bytes.TrimPrefix(body, []byte("envelope:")), nil
	}
	d.Hooks = Hooks{
		Sources: []Source{
			{Name: "equiwatt", Kinds: []string{"started", "ended"}, Limit: 64 << 10, Decode: decode},
			{Name: "ecomon", Limit: 64 << 10, Verify: verify, Decode: decode},
			{Name: "openvolt", Limit: 1 << 20, Decode: decode},
		},
		Token: func() []string { return []string{token} },
		Now:   func() time.Time { return arrival },
		Log:   zerolog.New(d),
	}
	d.Record = func(ctx context.Context, e event.Delivery, events []event.Event) error {
		d.mu.Lock()
		d.got, d.events = append(d.got, e), append(d.events, events)
		d.mu.Unlock()
		if d.record != nil {
			return d.record(ctx)
		}
		return nil
	}
	d.Refused = func(source, why string) {
		d.mu.Lock()
		d.refused = append(d.refused, source+": "+why)
		d.mu.Unlock()
	}
	return d
}

// serve opens the door on a real listener and returns its address.
func serve(t testing.TB, h http.Handler) string {
	t.Helper()
	s := httptest.NewUnstartedServer(h)
	s.Config.DisableGeneralOptionsHandler = true
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// request is one on the wire, where a client library would tidy it up.
type request struct {
	method, target string
	header         string // whole lines
	body           string
	chunked        bool
}

func (q request) String() string {
	return fmt.Sprintf("%s %.60s, %d bytes", q.method, q.target, len(q.body))
}

// answer is what came back, but for Date and Connection.
type answer struct {
	Status int
	Header map[string][]string
	Body   string
}

func send(t testing.TB, addr string, q request) answer {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	head := q.method + " " + q.target + " HTTP/1.1\r\nHost: hooks.example\r\n" + q.header
	body := q.body
	switch {
	case q.chunked:
		head += "Transfer-Encoding: chunked\r\n"
		body = fmt.Sprintf("%x\r\n%s\r\n0\r\n\r\n", len(q.body), q.body)
	case q.body != "" || q.method == "POST":
		head += fmt.Sprintf("Content-Length: %d\r\n", len(q.body))
	}
	go func() { _, _ = io.WriteString(conn, head+"\r\n"+body) }() // who is refused may be cut off
	method := q.method
	if method == "CONNECT" {
		method = "GET" // or the client takes what follows for a tunnel
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	res.Header.Del("Date")
	res.Header.Del("Connection")
	return answer{Status: res.StatusCode, Header: res.Header, Body: string(text)}
}

func empty(status int) answer {
	return answer{Status: status, Header: map[string][]string{"Content-Length": {"0"}}}
}

func TestHooksTakeARightDelivery(t *testing.T) {
	for _, tt := range []struct {
		name string
		q    request
		want event.Delivery
	}{
		{"a kind", request{target: started}, event.Delivery{Source: "equiwatt", Kind: "started", Body: []byte{}}},
		{"the other", request{target: strings.Replace(started, "started", "ended", 1), body: "{}"}, event.Delivery{Source: "equiwatt", Kind: "ended", Body: []byte("{}")}},
		{"no kind", request{target: large, body: "x"}, event.Delivery{Source: "openvolt", Body: []byte("x")}},
		{"signed", request{target: signed, header: "X-Signature: right\r\n", body: "envelope:letter"}, event.Delivery{Source: "ecomon", Body: []byte("envelope:letter")}},
		{"a query", request{target: started + "?start_time={start}&a=%2F;b"}, event.Delivery{Source: "equiwatt", Kind: "started", Query: "start_time={start}&a=%2F;b", Body: []byte{}}},
		{"any bytes", request{target: started, body: "\x00\xff\r\n\r\n0\r\n"}, event.Delivery{Source: "equiwatt", Kind: "started", Body: []byte("\x00\xff\r\n\r\n0\r\n")}},
		{"in chunks", request{target: started, body: "in chunks", chunked: true}, event.Delivery{Source: "equiwatt", Kind: "started", Body: []byte("in chunks")}},
		{"letters escaped", request{target: strings.Replace(started, "-", "%2D", 1)}, event.Delivery{Source: "equiwatt", Kind: "started", Body: []byte{}}},
		{"headers", request{target: started, header: "Content-Type: text/plain\r\nUser-Agent: " + strings.Repeat("u", 300) + "\r\nAuthorization: Bearer secret\r\nCookie: a=secret\r\nX-Api-Key: secret\r\nReferer: http://x/secret\r\n"},
			event.Delivery{Source: "equiwatt", Kind: "started", Body: []byte{}, Header: map[string]string{"Content-Type": "text/plain", "User-Agent": strings.Repeat("u", 200)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk()
			tt.q.method = "POST"
			if got := send(t, serve(t, d), tt.q); !cmp.Equal(got, empty(200)) {
				t.Errorf("answer: %+v, want an empty 200", got)
			}
			tt.want.Received, tt.want.Via = arrival, event.ViaHTTP
			if diff := cmp.Diff([]event.Delivery{tt.want}, d.taken()); diff != "" {
				t.Errorf("recorded:\n%s", diff)
			}
			proven := strings.TrimPrefix(string(tt.want.Body), "envelope:")
			if got := d.events[0][0].Notice.Code; got != proven {
				t.Errorf("decoded %q, want what was proven, %q", got, proven)
			}
		})
	}
}

func TestHooksGreetWhoLooks(t *testing.T) {
	d := newDesk()
	addr := serve(t, d)
	for _, target := range []string{started, signed, large + "?a=b"} {
		got := send(t, addr, request{method: "GET", target: target})
		if got.Status != 200 || strings.Count(got.Body, "\n") != 1 || !strings.Contains(got.Body, "right address") {
			t.Errorf("GET: %+v, want one friendly line", got)
		}
		head := send(t, addr, request{method: "HEAD", target: target})
		if head.Status != 200 || head.Body != "" || !maps.EqualFunc(head.Header, got.Header, slices.Equal) {
			t.Errorf("HEAD: %+v, want as GET without its body", head)
		}
	}
	if n := len(d.taken()); n != 0 {
		t.Errorf("%d deliveries were recorded of those who only look", n)
	}
}

func TestHooksHideEverythingElse(t *testing.T) {
	d := newDesk()
	addr := serve(t, d)
	post := func(target string) request { return request{method: "POST", target: target} }
	swap := func(old, with string) request { return post(strings.Replace(started, old, with, 1)) }
	requests := []request{
		swap(token, token[1:]), swap(token, token+"x"), swap(token, strings.ToUpper(token)), swap(token, "x"), swap(token, ""), swap(token, "%20"),
		swap("equiwatt", "capacitor"), swap("equiwatt", "Equiwatt"), swap("equiwatt", ""), swap("equiwatt", "ecomon"),
		swap("/started", ""), swap("started", ""), swap("started", "Started"), swap("started", "startedended"), swap("started", "x"),
		swap("started", "started/"), swap("started", "started/x"), post(signed + "/"), post(signed + "/started"), post(large + "//"),
		swap("/hook", "//hook"), swap("/hook/", "/hook//"), swap("/"+token, "//"+token), swap("/started", "//started"),
		swap("/hook/", "/%2Fhook/"), swap("/hook/", "/hook%2F"), swap("/"+token, "%2F"+token), swap("/started", "%2fstarted"), swap("/started", "%252Fstarted"),
		swap("/hook/", "/hook/./"), swap("/hook/", "/x/../hook/"), swap("/hook", "/HOOK"), swap("/hook", "/hooks"), swap("started", "started;x"), swap("started", "started%00"),
		post("/"), post("/hook"), post("/hook/"), post("/hook/equiwatt"), post("/hook/ecomon/"), post("/healthz"), post("/metrics?" + token),
		post("/" + strings.Repeat("a", 200<<10)), post(strings.Repeat("/", 200<<10)), post(started + strings.Repeat("/started", 20<<10)), swap(token, strings.Repeat(token, 1<<10)),
		{method: "GET", target: "/"}, {method: "GET", target: "/hook/equiwatt/wrong/started"}, {method: "HEAD", target: "/hook/equiwatt/wrong/started"},
		{method: "OPTIONS", target: "*"}, {method: "GET", target: "*"},
		{method: "POST", target: "/hook/ecomon/wrong", header: "X-Signature: right\r\n", body: "x"},
		{method: "POST", target: "/hook/equiwatt/wrong/started", header: "Expect: 100-continue\r\n", body: "x"},
		{method: "POST", target: "/hook/equiwatt/" + token, body: strings.Repeat("x", 65<<10)},
	}
	for _, method := range []string{"PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND", "post", "POSTPOST", "X"} {
		requests = append(requests, request{method: method, target: started}, request{method: method, target: "/"})
	}
	for _, size := range []int{64<<10 + 1, 1 << 20, 4 << 20} {
		big := request{method: "POST", target: "/hook/equiwatt/wrong/started", body: strings.Repeat("x", size)}
		requests = append(requests, big)
		big.chunked = true
		requests = append(requests, big)
	}
	want := answer{Status: 404, Body: "not found\n", Header: map[string][]string{"Content-Type": {"text/plain; charset=utf-8"}, "Content-Length": {"10"}}}
	for _, q := range requests {
		want := want
		got := send(t, addr, q)
		if q.method == "HEAD" {
			want.Body = ""
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: not the same 404 as the others:\n%s", q, diff)
		}
	}
	if n := len(d.taken()) + len(d.refusals()) + len(d.said()); n != 0 {
		t.Errorf("strangers left traces: %d recorded, refused %q, logged %q", len(d.taken()), d.refusals(), d.said())
	}
}

func TestHooksKeepSizes(t *testing.T) {
	for _, tt := range []struct {
		target string
		limit  int
	}{{started, 64 << 10}, {large, 1 << 20}} {
		for _, chunked := range []bool{false, true} {
			d := newDesk()
			addr := serve(t, d)
			q := request{method: "POST", target: tt.target, body: strings.Repeat("0123456789abcdef", tt.limit/16), chunked: chunked}
			if got := send(t, addr, q); !cmp.Equal(got, empty(200)) {
				t.Errorf("%s, chunked %t: %+v, want 200", q, chunked, got)
			}
			if got := d.taken(); len(got) != 1 || string(got[0].Body) != q.body {
				t.Errorf("%s, chunked %t: not recorded byte for byte", q, chunked)
			}
			for _, more := range []string{"x", strings.Repeat("x", 1<<20)} {
				long := q
				long.body += more
				if got := send(t, addr, long); !cmp.Equal(got, empty(413)) {
					t.Errorf("%s, chunked %t: %+v, want an empty 413", long, chunked, got)
				}
			}
			if n := len(d.taken()); n != 1 {
				t.Errorf("%d deliveries were recorded, want only the one within the limit", n)
			}
			if got := d.refusals(); len(got) != 2 || !strings.HasSuffix(got[0], ": "+RefusedSize) {
				t.Errorf("counted %q, want both that were too big", got)
			}
		}
	}
}

func TestHooksTakeEveryValidToken(t *testing.T) {
	d := newDesk()
	addr := serve(t, d)
	for _, tt := range []struct {
		valid []string
		want  int
	}{
		{nil, 404},
		{[]string{""}, 404},
		{[]string{"another-token-of-this-house", token}, 200},
		{[]string{token, "another-token-of-this-house"}, 200},
		{[]string{token, token}, 200},
		{[]string{"another-token-of-this-house"}, 404},
	} {
		d.Token = func() []string { return tt.valid }
		if got := send(t, addr, request{method: "POST", target: started}); got.Status != tt.want {
			t.Errorf("valid %q: %d, want %d", tt.valid, got.Status, tt.want)
		}
		if got := send(t, addr, request{method: "POST", target: "/hook/openvolt/"}); got.Status != 404 {
			t.Errorf("valid %q: no token: %d, want 404", tt.valid, got.Status)
		}
	}
}

func TestHooksTakeNoTokenThatIsAlmostRight(t *testing.T) {
	d := newDesk()
	for i := range token {
		for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") {
			given := []byte(token)
			given[i] = c
			if got, _ := d.proven(string(given)); got != (string(given) == token) {
				t.Errorf("%s: proven %t", given, got)
			}
		}
	}
}

// TestHooksLetWhatIsTakenBeSeen: whole, with its headers, and nothing else.
func TestHooksLetWhatIsTakenBeSeen(t *testing.T) {
	d := newDesk()
	var seen []string
	d.Sources[1].Observe = func(h http.Header, body []byte) { seen = append(seen, h.Get("X-Other")+" "+string(body)) }
	addr := serve(t, d)
	send(t, addr, request{method: "POST", target: signed, header: "X-Signature: right\r\nX-Other: a\r\n", body: "envelope:letter"})
	send(t, addr, request{method: "POST", target: signed, header: "X-Signature: wrong\r\nX-Other: b\r\n", body: "x"})
	send(t, addr, request{method: "GET", target: signed, header: "X-Other: c\r\n"})
	if diff := cmp.Diff([]string{"a envelope:letter"}, seen); diff != "" {
		t.Error(diff)
	}
}
