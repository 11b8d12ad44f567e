package web

import (
	"net"
	"net/http"
	"net/url"
	"strings"
)

// sameOrigin reports whether no foreign page can have sent r. Browsers say so
// in Sec-Fetch-Site, but only over https and to localhost; over plain http the
// Origin has to be the host the browser asked for, which behind a proxy, and
// behind ingress, is X-Forwarded-Host. Who sends neither is not a browser.
func sameOrigin(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return true
	case "":
	default:
		return false
	}
	if len(r.Header.Values("Origin")) == 0 {
		return true
	}
	origin, err := url.Parse(r.Header.Get("Origin"))
	if err != nil || origin.Host == "" {
		return false
	}
	forwarded, _, _ := strings.Cut(r.Header.Get("X-Forwarded-Host"), ",")
	for _, host := range []string{r.Host, strings.TrimSpace(forwarded)} {
		if host != "" && plainHost(host, origin.Scheme) == plainHost(origin.Host, origin.Scheme) {
			return true
		}
	}
	return false
}

// plainHost is a host in lower case without the port that goes without saying.
func plainHost(host, scheme string) string {
	host = strings.ToLower(host)
	name, port, err := net.SplitHostPort(host)
	if err == nil && (scheme == "http" && port == "80" || scheme == "https" && port == "443") {
		if strings.Contains(name, ":") {
			return "[" + name + "]"
		}
		return name
	}
	return host
}
