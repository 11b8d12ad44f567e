package app

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/web"
)

const (
	// overlap is how long an old path secret stays valid: time to paste the new
	// one wherever only a person can.
	overlap = 7 * 24 * time.Hour
	// rotateWithin is how long vendors may take to be told of a new secret:
	// somebody sits in front of the page.
	rotateWithin = 25 * time.Second

	tokenKey    = "hook_token"
	oldTokenKey = "hook_token_old"
)

// pathSecrets are those in the hooks' URLs: the newest, and old ones that are
// still valid.
type pathSecrets struct {
	mu     sync.Mutex
	newest string
	former former
}

// former is what is kept of old path secrets.
type former struct {
	Tokens []formerToken  `json:"tokens"` // the newest first
	Uses   map[string]int `json:"uses,omitempty"`
	Last   time.Time      `json:"last,omitzero"`
}

type formerToken struct {
	Token string    `json:"token"`
	Until time.Time `json:"until"`
}

// load reads what an earlier process kept.
func (p *pathSecrets) load(newest, kept string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.newest = newest
	if json.Unmarshal([]byte(kept), &p.former) != nil {
		p.former = former{}
	}
	p.former.Tokens = slices.DeleteFunc(p.former.Tokens, func(t formerToken) bool { return t.Token == "" || t.Token == newest })
}

// token is the newest.
func (p *pathSecrets) token() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.newest
}

// valid are those that are valid at now, the newest first.
func (p *pathSecrets) valid(now time.Time) []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	list := []string{p.newest}
	for _, t := range p.former.Tokens {
		if now.Before(t.Until) {
			list = append(list, t.Token)
		}
	}
	return list
}

// all are those that were ever valid, as far as they are kept.
func (p *pathSecrets) all() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.former.Tokens {
		list = append(list, t.Token)
	}
	return append(list, p.newest)
}

// hide takes every path secret out of a text.
func (p *pathSecrets) hide(text string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range append([]formerToken{{Token: p.newest}}, p.former.Tokens...) {
		if t.Token != "" {
			text = strings.ReplaceAll(text, t.Token, "…")
		}
	}
	return text
}

// retired are the old ones once the newest is one of them.
func (p *pathSecrets) retired(now time.Time) (was string, f former) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f.Tokens = []formerToken{{p.newest, now.Add(overlap)}}
	for _, t := range p.former.Tokens {
		if now.Before(t.Until) {
			f.Tokens = append(f.Tokens, t)
		}
	}
	return p.newest, f
}

// take makes another the newest.
func (p *pathSecrets) take(newest string, f former) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.newest, p.former = newest, f
}

// used counts a use of an old one, and returns what is to be kept of that.
func (p *pathSecrets) used(source string, now time.Time) (kept string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.former.Uses == nil {
		p.former.Uses = map[string]int{}
	}
	p.former.Uses[source]++
	p.former.Last = now
	return string(encode(p.former))
}

// rotation is what the page shows of old path secrets; nil: none is valid.
func (a *App) rotation() *web.Rotation {
	a.secrets.mu.Lock()
	defer a.secrets.mu.Unlock()
	f := a.secrets.former
	if len(f.Tokens) == 0 || !a.clock.Now().Before(f.Tokens[0].Until) {
		return nil
	}
	r := &web.Rotation{Until: f.Tokens[0].Until, Last: f.Last}
	for _, s := range a.table {
		if n := f.Uses[s.name]; n > 0 {
			r.Uses = append(r.Uses, web.Use{Source: s.title, N: n})
		}
	}
	return r
}

// openToken takes the path secret of the configuration, or the one that was
// made once and kept. A configured one is the only one.
func (a *App) openToken(ctx context.Context) {
	if a.config.HookToken != "" {
		a.secrets.load(a.config.HookToken, "")
		return
	}
	kept, _ := a.journal.Setting(oldTokenKey)
	a.secrets.load(a.once(ctx, tokenKey, newToken), kept)
}

func newToken() string { return base64.RawURLEncoding.EncodeToString(noise(24)) }

// outdated notes that a vendor still posts to an old URL.
func (a *App) outdated(source string) {
	a.journal.SetSoon(oldTokenKey, a.secrets.used(source, a.clock.Now()))
}

// RotateToken makes a new path secret at once; the old one stays valid for
// seven days. Vendors with whom our webhook is registered are told of the new
// URL; the lines say what was done, and what is left for a person to do. No
// line and no error holds a secret.
func (a *App) RotateToken(ctx context.Context) (lines []string, err error) {
	if a.config.HookToken != "" {
		return nil, errors.New("the secret in the hook URLs is set by HOOK_TOKEN (option hook_token): change it there; the old one is then no longer taken")
	}
	a.rotating.Lock()
	defer a.rotating.Unlock()
	// First that the old one stays valid: what follows may be cut short.
	was, former := a.secrets.retired(a.clock.Now())
	if err := a.journal.Set(ctx, oldTokenKey, string(encode(former))); err != nil {
		return nil, fmt.Errorf("the hook URLs stay as they are: %w", err)
	}
	fresh := newToken()
	err = a.journal.Set(ctx, tokenKey, fresh)
	a.secrets.take(fresh, former)
	lines = append(lines, "The hook URLs are new; the old ones are taken until "+a.clock.Now().Add(overlap).In(a.zone()).Format("2 January 15:04")+".")
	if err != nil {
		lines = append(lines, "They are not on the disk yet: do not restart before they are ("+err.Error()+").")
	}
	ctx, cancel := context.WithTimeout(ctx, rotateWithin)
	defer cancel()
	for _, s := range a.table {
		if s.on {
			lines = append(lines, a.secrets.hide(a.moved(ctx, s, was)))
		}
	}
	for _, line := range lines {
		a.log.Info().Str("source", "app").Msg(line)
	}
	return lines, nil
}

// moved tells a vendor of our new URL, where ours was registered with the old
// one, and says what is left to be done.
func (a *App) moved(ctx context.Context, s source, was string) string {
	byHand := s.title + ": give it the new hook URL, which the page shows."
	r := s.registrar
	if r == nil || r.check == nil || r.register == nil || a.config.PublicURL == "" {
		return byHand
	}
	h := hook{URL: hookAt(a.config.PublicURL, s.name, was), Agent: a.agent(), Get: a.journal.Setting, Set: func(k, v string) { a.set(ctx, k, v) }}
	if _, err := s.run(ctx, r.check, h); err != nil {
		return s.title + ": our webhook was not found there (" + err.Error() + "). If it is there, give it the new hook URL, which the page shows."
	}
	fresh := h
	fresh.URL, fresh.Former = a.hookURL(s), h.URL
	if _, err := s.run(ctx, r.register, fresh); err != nil {
		return s.title + ": it could not be told of the new hook URL (" + err.Error() + "). Register it again."
	}
	if r.remove == nil {
		return s.title + ": it is told of the new hook URL. Take the old one away there."
	}
	if _, err := s.run(ctx, r.remove, h); err != nil {
		return s.title + ": it is told of the new hook URL, but the old one could not be taken away (" + err.Error() + ")."
	}
	return s.title + ": it is told of the new hook URL."
}

// hookAt is where a source's vendor posts with a path secret.
func hookAt(public, source, token string) string { return public + "/hook/" + source + "/" + token }
