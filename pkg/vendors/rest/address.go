package rest

import (
	"net"
	"net/url"
	"strings"
)

// Unusable says why a URL cannot be asked, without repeating it; empty: it can.
// It is https, or http on this machine itself: over plain HTTP a key would
// travel readable.
func Unusable(rawURL string) string {
	u, err := url.Parse(rawURL)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return "it is not a web address"
	case u.User != nil:
		return "it must not contain a name or a password"
	case u.Scheme == "https", u.Scheme == "http" && loopback(u):
		return ""
	}
	return "it must begin with https:// (http:// is for this machine itself only)"
}

// plain reports whether all that makes a URL unusable is plain HTTP.
func plain(rawURL string) bool {
	rest, ok := strings.CutPrefix(rawURL, "http://")
	return ok && Unusable("https://"+rest) == ""
}

func loopback(u *url.URL) bool {
	host := u.Hostname()
	return strings.EqualFold(host, "localhost") || net.ParseIP(host).IsLoopback()
}

// safe reports whether a redirect keeps the call private: never from https to
// plain http, and plain http never leaves this machine.
func safe(from, to *url.URL) bool {
	switch {
	case to.Hostname() == "":
		return false
	case to.Scheme == "https":
		return true
	}
	return to.Scheme == "http" && loopback(to) && loopback(from)
}

func sameHost(a, b *url.URL) bool {
	return strings.EqualFold(a.Hostname(), b.Hostname()) && port(a) == port(b)
}

func port(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}
