package app

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/vendors/rest"
)

// knockWithin is how long a call of our own may take to come back to us.
const knockWithin = 15 * time.Second

// knocks are the calls of our own that are on their way to the hook listener.
type knocks struct {
	mu   sync.Mutex
	open []*knock
}

// knock is one of them: it is known by its nonce, once.
type knock struct {
	sum   [sha256.Size]byte
	heard chan struct{}
}

// expect makes the next knock known.
func (k *knocks) expect() (nonce string, n *knock) {
	nonce = base64.RawURLEncoding.EncodeToString(noise(24))
	n = &knock{sum: sha256.Sum256([]byte(nonce)), heard: make(chan struct{})}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = append(k.open, n)
	return nonce, n
}

// hear reports whether a knock is ours, as long for one that is not.
func (k *knocks) hear(nonce string) bool {
	sum := sha256.Sum256([]byte(nonce))
	k.mu.Lock()
	defer k.mu.Unlock()
	found := -1
	for i, n := range k.open {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(sum[:], n.sum[:]), i, found)
	}
	if found < 0 {
		return false
	}
	close(k.open[found].heard)
	k.open = slices.Delete(k.open, found, found+1)
	return true
}

// forget closes the door to a knock, and reports whether it was heard.
func (k *knocks) forget(n *knock) (heard bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.open = slices.DeleteFunc(k.open, func(o *knock) bool { return o == n })
	select {
	case <-n.heard:
		return true
	default:
		return false
	}
}

// visit is what became of a knock.
type visit struct {
	heard  bool // it came to our hook listener
	answer rest.Answer
	bad    string // why no answer came back, one sentence; empty: one did
}

// knock calls the hook listener under an address, as a vendor would.
func (a *App) knock(ctx context.Context, base string) (visit, error) {
	nonce, n := a.knocks.expect()
	u, err := url.Parse(base + "/hook/check/" + nonce)
	if err != nil {
		return visit{}, err
	}
	client := rest.Client{Vendor: u.Host, HTTP: &http.Client{}, Agent: a.agent(), Timeout: knockWithin, Plain: true, Biggest: 4 << 10}
	if u.User != nil {
		password, _ := u.User.Password()
		client.Header = http.Header{"Authorization": {"Basic " + base64.StdEncoding.EncodeToString([]byte(u.User.Username()+":"+password))}}
		u.User = nil
	}
	var got visit
	got.answer, err = client.Do(ctx, http.MethodPost, u.String(), []byte(`{"check":true}`))
	got.heard = a.knocks.forget(n)
	var refusal *event.Refusal
	if errors.As(err, &refusal) {
		got.bad, err = refusal.Reason, nil
	}
	return got, err
}

// Local is how a process on this machine reaches a listener; where addr is no
// address, the page's usual one.
func Local(addr string) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "127.0.0.1:8099"
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
