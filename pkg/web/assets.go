package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
)

//go:embed *.html style.css theme.js page.js icon.svg htmx/*.js
var files embed.FS

// asset is a file that the pages load.
type asset struct {
	content []byte
	mime    string
}

// assets returns them by their place, and a word for what they hold. It stands
// in their addresses, so that a browser may keep them and never keeps old ones.
func assets() (map[string]asset, string) {
	all := map[string]asset{}
	for name, mime := range map[string]string{
		"style.css": "text/css; charset=utf-8", "theme.js": "text/javascript; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
		"htmx/htmx.min.js": "text/javascript; charset=utf-8", "htmx/hx-sse.min.js": "text/javascript; charset=utf-8",
	} {
		content, _ := files.ReadFile(name) // they are in the binary
		all["/"+name] = asset{content: content, mime: mime}
	}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		sum.Write(all[name].content)
	}
	return all, hex.EncodeToString(sum.Sum(nil)[:6])
}

func (a asset) serve(version string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("v") == version {
			w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		}
		write(w, http.StatusOK, a.mime, a.content)
	}
}
