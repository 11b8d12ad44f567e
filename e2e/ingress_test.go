package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

const ingressPath = "/api/hassio_ingress/zoYLKLsXVQa6SGw2mGAXFiHsRBY3bcN2PTYVqoZCNlI/"

// frontend stands in for Home Assistant's: its own page with its colours, and ours in a frame behind a prefix that we do not
// know of, as its proxies do it.
type frontend struct {
	URL     string // Home Assistant's page
	Ingress string // ours

	refuse atomic.Int64 // so many streams are not let through
}

func openFrontend(t *testing.T, page string) *frontend {
	t.Helper()
	to, err := url.Parse(page)
	must(t, err)
	proxy := &httputil.ReverseProxy{FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.URL.Path = "/" + strings.TrimPrefix(r.In.URL.Path, ingressPath)
		r.Out.Host = to.Host
		r.Out.Header.Set("X-Ingress-Path", strings.TrimSuffix(ingressPath, "/"))
		r.SetXForwarded()
	}}
	f := &frontend{}
	mux := http.NewServeMux()
	mux.HandleFunc(ingressPath, func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/live") && f.refuse.Add(-1) >= 0 {
			http.Error(w, "the app is not ready yet", http.StatusBadGateway)
			return
		}
		proxy.ServeHTTP(w, r)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/" {
			http.NotFound(w, r) // a link that leads out of ingress
			return
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><html lang="en"><title>Home Assistant</title><link rel="icon" href="data:,">
<style>html { --primary-color: #03a9f4; --primary-background-color: #fafafa; } html.dark { --primary-color: #ff9800; --primary-background-color: #111111; } iframe { width: 100%%; height: 95vh; border: 0; }</style>
<home-assistant></home-assistant><iframe title="Grid2MQTT" src="%s"></iframe></html>`, ingressPath)
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	t.Cleanup(s.CloseClientConnections)
	f.URL, f.Ingress = s.URL+"/", s.URL+ingressPath
	return f
}
