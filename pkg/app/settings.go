package app

import (
	"cmp"
	"fmt"
	"net/url"
	"reflect"
	"strings"
)

// value is one variable of the configuration.
type value struct{ key, value, standard string }

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
				list = append(list, value{prefix + key, fmt.Sprint(v.Field(i).Interface()), f.Tag.Get("envDefault")})
			}
		}
	}
	walk(reflect.ValueOf(c), "")
	return list
}

// settings are the values as they may be shown to strangers: of a secret, of
// who somebody is and of where he lives it says only that they are set.
func (c Config) settings() string {
	var b strings.Builder
	for _, v := range c.values() {
		fmt.Fprintf(&b, "%s=%s\n", v.key, v.shown())
	}
	return b.String()
}

func (v value) shown() string {
	const set = "(set)"
	switch {
	case v.value == "":
		return "(not set)"
	case v.value == v.standard:
		return v.value
	case secret(v.key) && v.key != "MQTT_URL", strings.HasSuffix(v.key, "_USERNAME"), strings.HasSuffix(v.key, "_TENANT"):
		return set
	case strings.HasSuffix(v.key, "_URL"):
		u, err := url.Parse(v.value)
		if err != nil {
			return set
		}
		host := u.Host
		if v.key == "PUBLIC_URL" {
			host = set
		}
		return u.Scheme + "://" + cmp.Or(host, set)
	}
	return v.value
}
