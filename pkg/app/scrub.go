package app

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
)

// leastSecret is how long a secret has to be to be looked for in a text: to
// find a shorter one would spoil every text. Whoever sets one so short has no
// secret.
const leastSecret = 4

// hidden stands where a secret stood.
const hidden = "[secret]"

// scrub takes every secret of the household out of a text that is meant for
// strangers, however it was escaped on its way there. Nothing is meant to have
// one in it in the first place.
func (a *App) scrub(text string) string {
	var pairs []string
	for _, secret := range a.private() {
		for _, form := range forms(secret) {
			pairs = append(pairs, form, hidden)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// private is all that the household or this program keeps secret, the longest
// first: one may be part of another.
func (a *App) private() []string {
	list := a.secrets.all()
	for _, v := range a.config.values() {
		if secret(v.key) {
			list = append(list, v.value, strings.TrimSpace(strings.TrimPrefix(v.value, "Bearer")))
		}
		u, err := url.Parse(v.value)
		if err != nil {
			continue
		}
		if password, ok := u.User.Password(); ok {
			list = append(list, password, u.User.String())
		}
		if v.key == "PUBLIC_URL" && net.ParseIP(u.Hostname()) == nil {
			list = append(list, u.Hostname())
		}
	}
	if b := a.lent.Load(); b != nil {
		list = append(list, b.Password)
	}
	if token, ok := a.journal.Setting(responseToken); ok {
		list = append(list, token)
	}
	list = slices.DeleteFunc(list, func(s string) bool { return len(s) < leastSecret })
	slices.SortStableFunc(list, func(a, b string) int { return len(b) - len(a) })
	return list
}

// forms are the ways in which a secret is written in other texts.
func forms(secret string) []string {
	quoted, _ := json.Marshal(secret) // a text can always be encoded
	list := []string{
		secret, strings.Trim(string(quoted), `"`), strings.Trim(fmt.Sprintf("%q", secret), `"`), url.QueryEscape(secret), url.PathEscape(secret), url.UserPassword("", secret).String()[1:],
		base64.StdEncoding.EncodeToString([]byte(secret)), base64.URLEncoding.EncodeToString([]byte(secret)), base64.RawURLEncoding.EncodeToString([]byte(secret)),
	}
	slices.Sort(list)
	return slices.Compact(list)
}
