package app

import (
	"context"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

// rotating is an App on a journal of its own, with a clock that the test sets.
func rotating(t *testing.T, c *clerk, now *time.Time) *App {
	t.Helper()
	return office(t, c, func(a *App) {
		a.clock.Wall = func() time.Time { return *now }
		a.clock.Elapsed = func() time.Duration { return now.Sub(time.Unix(0, 0)) }
		a.openToken(t.Context())
	})
}

// opens reports which of some tokens open the door to a source.
func opens(t *testing.T, a *App, tokens ...string) (list []bool) {
	t.Helper()
	for _, token := range tokens {
		list = append(list, slices.Contains(a.secrets.valid(a.clock.Now()), token))
	}
	return list
}

func TestRotation(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	a := rotating(t, &clerk{}, &now)
	first := a.secrets.token()
	if a.rotation() != nil || !tokenShape.MatchString(first) {
		t.Errorf("at first: %+v %q", a.rotation(), first)
	}
	if _, err := a.RotateToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := a.secrets.token()
	if first == second || !tokenShape.MatchString(second) {
		t.Errorf("%q became %q", first, second)
	}
	if diff := cmp.Diff(&web.Rotation{Until: now.Add(7 * 24 * time.Hour)}, a.rotation()); diff != "" {
		t.Error(diff)
	}
	now = now.Add(time.Hour)
	a.outdated("equiwatt")
	a.outdated("equiwatt")
	a.outdated("capacitor")
	used := &web.Rotation{Until: now.Add(7*24*time.Hour - time.Hour), Uses: []web.Use{{Source: "Equiwatt", N: 2}, {Source: "Capacitor", N: 1}}, Last: now}
	if diff := cmp.Diff(used, a.rotation()); diff != "" {
		t.Error(diff)
	}

	// Another process finds all of it.
	if err := a.journal.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := &App{clock: a.clock, journal: a.journal, table: a.table}
	again.openToken(t.Context())
	if again.secrets.token() != second || !cmp.Equal(opens(t, again, first, second), []bool{true, true}) {
		t.Errorf("after a restart: %q", again.secrets.valid(now))
	}
	if diff := cmp.Diff(used, again.rotation()); diff != "" {
		t.Error(diff)
	}

	now = now.Add(3 * 24 * time.Hour)
	if _, err := a.RotateToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	third := a.secrets.token()
	if got := opens(t, a, first, second, third); !cmp.Equal(got, []bool{true, true, true}) || a.rotation().Last != (time.Time{}) {
		t.Errorf("after another: %v %+v", got, a.rotation())
	}
	now = now.Add(4 * 24 * time.Hour) // eight days after the first
	if got := opens(t, a, first, second, third); !cmp.Equal(got, []bool{false, true, true}) || a.rotation() == nil {
		t.Errorf("later: %v", got)
	}
	now = now.Add(3 * 24 * time.Hour)
	if got := opens(t, a, first, second, third); !cmp.Equal(got, []bool{false, false, true}) || a.rotation() != nil {
		t.Errorf("in the end: %v", got)
	}
}

func TestNoRotationOfAConfiguredToken(t *testing.T) {
	now := time.Now()
	a := rotating(t, &clerk{}, &now)
	if _, err := a.RotateToken(t.Context()); err != nil {
		t.Fatal(err)
	}
	a.config.HookToken = goodToken
	a.openToken(t.Context())
	if _, err := a.RotateToken(t.Context()); err == nil || !strings.Contains(err.Error(), "HOOK_TOKEN (option hook_token)") || strings.Contains(err.Error(), goodToken) {
		t.Error(err)
	}
	if got := a.secrets.valid(now); !cmp.Equal(got, []string{goodToken}) || a.rotation() != nil {
		t.Errorf("valid: %d, %+v", len(got), a.rotation())
	}
}

// A crash between the two writes leaves the token as it was.
func TestARotationThatWasCutShort(t *testing.T) {
	now := time.Now()
	a := rotating(t, &clerk{}, &now)
	was, former := a.secrets.retired(now)
	if err := a.journal.Set(t.Context(), oldTokenKey, string(encode(former))); err != nil {
		t.Fatal(err)
	}
	a.openToken(t.Context())
	if got := a.secrets.valid(now); !cmp.Equal(got, []string{was}) || a.rotation() != nil {
		t.Errorf("%q", got)
	}
}

func TestARotationThatTheDiskDoesNotTake(t *testing.T) {
	now := time.Now()
	a := rotating(t, &clerk{}, &now)
	was := a.secrets.token()
	if err := a.journal.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.RotateToken(t.Context()); err == nil || !strings.Contains(err.Error(), "the hook URLs stay as they are") {
		t.Error(err)
	}
	if got := a.secrets.valid(now); !cmp.Equal(got, []string{was}) || a.rotation() != nil {
		t.Errorf("%q", got)
	}
}

// Whom we registered with is told of the new URL, and forgets the old one.
func TestRotationAtTheVendors(t *testing.T) {
	now := time.Now()
	c := &clerk{}
	a := rotating(t, c, &now)
	rotate := func(want ...string) {
		t.Helper()
		lines, err := a.RotateToken(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if lines = lines[1:]; len(lines) != len(want) {
			t.Fatalf("%q", lines)
		}
		for i := range want {
			if !strings.Contains(lines[i], want[i]) || strings.Contains(lines[i], a.secrets.token()) || strings.Contains(lines[i], a.secrets.former.Tokens[0].Token) {
				t.Errorf("%q, want %q", lines[i], want[i])
			}
		}
	}
	byHand := "Equiwatt: give it the new hook URL"
	rotate(byHand, "Capacitor: our webhook was not found there (https://home.example/hook/capacitor/… is not registered)")
	if len(c.hooks) != 0 {
		t.Errorf("registered what was not: %q", c.hooks)
	}
	if _, err := a.Hooks(t.Context(), "register", "capacitor", nil); err != nil {
		t.Fatal(err)
	}
	was := a.hookURL(a.table[1])
	rotate(byHand, "Capacitor: it is told of the new hook URL.")
	if !cmp.Equal(c.hooks, []string{a.hookURL(a.table[1])}) || c.hooks[0] == was {
		t.Errorf("registered: %q, was %q", c.hooks, was)
	}
	if former := c.seen[len(c.seen)-2].Former; former != was {
		t.Errorf("registering was told that it replaces %q, want %q", former, was)
	}

	r := a.table[1].registrar
	remove := r.remove
	r.remove = nil
	rotate(byHand, "Take the old one away there")
	r.remove = remove
	c.hooks = []string{a.hookURL(a.table[1])}
	r.register = func(context.Context, hook) ([]string, error) { return nil, io.ErrUnexpectedEOF }
	rotate(byHand, "Capacitor: it could not be told of the new hook URL (unexpected EOF). Register it again.")
	a.config.PublicURL = ""
	rotate(byHand, "Capacitor: give it the new hook URL")
}

// From outside: both URLs work, and the uses of the old one are counted.
func TestBothURLsWork(t *testing.T) {
	dir := t.TempDir()
	j, err := journal.Open(dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	kept := former{Tokens: []formerToken{{Token: "old-old-old-old-old-old-1", Until: time.Now().Add(time.Hour)}, {Token: "old-old-old-old-old-old-2", Until: time.Now().Add(-time.Hour)}}}
	for key, value := range map[string]string{tokenKey: goodToken, oldTokenKey: string(encode(kept))} {
		if err := j.Set(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	hooks, page := start(t, map[string]string{"DATA_DIR": dir, "HOOK_TOKEN": "", "EQUIWATT_HOOK_TRUST": "believe"})
	for token, want := range map[string]int{goodToken: 200, "old-old-old-old-old-old-1": 200, "old-old-old-old-old-old-2": 404} {
		r, err := http.Post(hooks+"/hook/equiwatt/"+token+"/started", "", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Body.Close()
		if r.StatusCode != want {
			t.Errorf("%s: %d, want %d", token, r.StatusCode, want)
		}
	}
	if text := get(t, page); !strings.Contains(text, goodToken) || strings.Contains(text, "old-old") {
		t.Error("the page does not show the newest URL alone")
	}
}
