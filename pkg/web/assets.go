package web

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"maps"
	"net/http"
	"slices"
)

//go:embed *.html style/*.css theme.js page.js icon.svg htmx/*.js
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
		"theme.js": "text/javascript; charset=utf-8", "page.js": "text/javascript; charset=utf-8", "icon.svg": "image/svg+xml",
		"htmx/htmx.min.js": "text/javascript; charset=utf-8", "htmx/hx-sse.min.js": "text/javascript; charset=utf-8",
	} {
		content, _ := files.ReadFile(name) // they are in the binary
		all["/"+name] = asset{content: content, mime: mime}
	}
	all["/style.css"] = asset{content: style(), mime: "text/css; charset=utf-8"}
	sum := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		sum.Write(all[name].content)
	}
	return all, hex.EncodeToString(sum.Sum(nil)[:6])
}

// style is the style in its order: what is later wins.
func style() []byte {
	var whole []byte
	for _, name := range []string{"colours", "frame", "forms", "now", "days", "lists", "phone"} {
		content, _ := files.ReadFile("style/" + name + ".css")
		whole = append(whole, content...)
	}
	return whole
}

func (a asset) serve(version string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("v") == version {
			w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
		}
		write(w, http.StatusOK, a.mime, a.content)
	}
}
