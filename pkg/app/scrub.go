package app

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"reflect"
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
	for _, secret := range a.secrets() {
		for _, form := range forms(secret) {
			pairs = append(pairs, form, hidden)
		}
	}
	return strings.NewReplacer(pairs...).Replace(text)
}

// secrets are all that the household or this program keeps secret, the longest
// first: one may be part of another.
func (a *App) secrets() []string {
	list := []string{a.token}
	for _, v := range a.config.values() {
		if secret(v.key) {
			list = append(list, v.value)
			for _, word := range []string{"Bearer ", "bearer "} {
				list = append(list, strings.TrimPrefix(v.value, word))
			}
		}
		if u, err := url.Parse(v.value); err == nil && u.User != nil {
			password, _ := u.User.Password()
			list = append(list, password, u.User.Username(), u.User.String())
		}
	}
	list = slices.DeleteFunc(list, func(s string) bool { return len(s) < leastSecret })
	slices.SortFunc(list, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(list)
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

// value is one variable of the configuration.
type value struct{ key, value string }

// values are the configuration as it is in force, by the names of its
// variables.
func (c Config) values() (list []value) {
	var walk func(v reflect.Value, prefix string)
	walk = func(v reflect.Value, prefix string) {
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if inner, ok := f.Tag.Lookup("envPrefix"); ok {
				walk(v.Field(i), prefix+inner)
			} else if key, ok := f.Tag.Lookup("env"); ok {
				key, _, _ = strings.Cut(key, ",")
				list = append(list, value{prefix + key, fmt.Sprint(v.Field(i).Interface())})
			}
		}
	}
	walk(reflect.ValueOf(c), "")
	return list
}
