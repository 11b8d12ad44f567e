package intake

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHooksAnswerAChallenge that the source takes for one, and only then.
func TestHooksAnswerAChallenge(t *testing.T) {
	d := newDesk()
	var open atomic.Bool
	d.Sources[1].Challenge = func(r *http.Request, body []byte) ([]byte, string, bool) {
		text := r.URL.Query().Get("challenge") + strings.TrimPrefix(string(body), "challenge:")
		return []byte("yes to " + text), "text/x-answer", open.Load() && text != "" && text != string(body)+r.URL.RawQuery
	}
	addr := serve(t, d)
	get := request{method: "GET", target: signed + "?challenge=me"}
	post := request{method: "POST", target: signed, body: "challenge:you"}
	other := request{method: "POST", target: signed, header: "X-Signature: right\r\n", body: "letter"}

	if got := send(t, addr, get); got.Status != 200 || !strings.Contains(got.Body, "right address") {
		t.Errorf("closed, GET: %+v", got)
	}
	if got := send(t, addr, post); !cmp.Equal(got, empty(401)) {
		t.Errorf("closed, POST: %+v", got)
	}
	open.Store(true)
	for _, q := range []request{get, post} {
		got := send(t, addr, q)
		if got.Status != 200 || !strings.HasPrefix(got.Body, "yes to ") || !cmp.Equal(got.Header["Content-Type"], []string{"text/x-answer"}) {
			t.Errorf("%v: %+v", q, got)
		}
	}
	if got := send(t, addr, request{method: "GET", target: signed}); !strings.Contains(got.Body, "right address") {
		t.Errorf("who only looks: %+v", got)
	}
	if got := send(t, addr, request{method: "HEAD", target: get.target}); got.Status != 200 || got.Header["Content-Type"][0] == "text/x-answer" {
		t.Errorf("HEAD is answered: %+v", got)
	}
	if got := send(t, addr, request{method: "GET", target: strings.Replace(get.target, token, "x"+token, 1)}); got.Status != 404 {
		t.Errorf("a stranger is answered: %+v", got)
	}
	if got := send(t, addr, request{method: "POST", target: signed, body: strings.Repeat("x", 64<<10+1)}); !cmp.Equal(got, empty(413)) {
		t.Errorf("too big: %+v", got)
	}
	if got := send(t, addr, other); !cmp.Equal(got, empty(200)) || len(d.taken()) != 1 {
		t.Errorf("a delivery: %+v, %d recorded", got, len(d.taken()))
	}
}
