package intake

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestHooksKnowTheirOwnKnock, and nobody else can tell that there is a door.
func TestHooksKnowTheirOwnKnock(t *testing.T) {
	d := newDesk()
	addr := serve(t, d)
	stranger := send(t, addr, request{method: "POST", target: "/nothing/here", body: "{}"})
	if stranger.Status != 404 {
		t.Fatalf("a stranger: %+v", stranger)
	}
	knock := request{method: "POST", target: "/hook/check/once-only", body: "{}"}
	if got := send(t, addr, knock); !cmp.Equal(got, stranger) {
		t.Errorf("where nobody knocks: %+v, want a stranger's %+v", got, stranger)
	}
	var heard []string
	d.Knock = func(nonce string) bool { heard = append(heard, nonce); return nonce == "once-only" && len(heard) == 1 }
	if got := send(t, addr, knock); !cmp.Equal(got, empty(200)) {
		t.Errorf("our own: %+v, want an empty 200", got)
	}
	for _, r := range []request{
		knock, // again
		{method: "POST", target: "/hook/check/wrong", body: "{}"},
		{method: "POST", target: "/hook/check/", body: "{}"},
		{method: "POST", target: "/hook/check/" + token, body: "{}"},
		{method: "POST", target: "/hook/check", body: "{}"},
		{method: "GET", target: "/hook/check/once-only"},
		{method: "PUT", target: "/hook/check/once-only", body: "{}"},
	} {
		want := send(t, addr, request{method: r.method, target: "/nothing/here", body: r.body})
		if got := send(t, addr, r); !cmp.Equal(got, want) {
			t.Errorf("%s %s: %+v, want a stranger's %+v", r.method, r.target, got, want)
		}
	}
	if want := []string{"once-only", "once-only", "wrong", "", token}; !cmp.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
	if len(d.taken()) != 0 || len(d.refusals()) != 0 {
		t.Errorf("a knock is taken for a webhook: %v %v", d.taken(), d.refusals())
	}
}

// TestHooksCountWhoComesWithAnOldToken, whatever becomes of his webhook.
func TestHooksCountWhoComesWithAnOldToken(t *testing.T) {
	const old, older = "correct-horse_battery-staple-00", "correct-horse_battery-staple-99"
	d := newDesk()
	d.Token = func() []string { return []string{token, old, older} }
	var outdated []string
	addr := serve(t, d)
	send(t, addr, request{method: "POST", target: "/hook/openvolt/" + old}) // nobody counts
	d.Outdated = func(source string) { outdated = append(outdated, source) }
	for _, r := range []request{
		{method: "POST", target: started},
		{method: "POST", target: "/hook/equiwatt/" + old + "/ended"},
		{method: "POST", target: "/hook/openvolt/" + older},
		{method: "POST", target: "/hook/ecomon/" + old}, // not signed
		{method: "GET", target: "/hook/openvolt/" + old},
		{method: "POST", target: "/hook/equiwatt/" + old + "/other"},
		{method: "POST", target: "/hook/equiwatt/" + old[1:] + "/ended"},
	} {
		send(t, addr, r)
	}
	if want := []string{"equiwatt", "openvolt", "ecomon"}; !cmp.Equal(outdated, want) {
		t.Errorf("counted %q, want %q", outdated, want)
	}
	if n := len(d.taken()); n != 4 {
		t.Errorf("%d were taken, want 4", n)
	}
}
