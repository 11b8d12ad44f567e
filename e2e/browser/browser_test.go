package browser_test

import (
	"errors"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/grid2mqtt/grid2mqtt/e2e/browser"
	"github.com/grid2mqtt/grid2mqtt/e2e/debian"
)

const page = `<!doctype html><body><style>p { color: red }</style><p>plain <x-card></x-card></p>
<script>customElements.define('x-card', class extends HTMLElement {
  connectedCallback() { setTimeout(() => this.attachShadow({mode: 'open'}).innerHTML = '<style>@keyframes grow { from { width: 0 } to { width: 600px } } b { display: block; height: 300px; background: lime; animation: grow 1s forwards }</style><b>in the shadow</b>', 50) } })</script>`

func TestPage(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(page)) }))
	defer server.Close()
	p, err := browser.Open(t.Context(), 640, 480)
	switch {
	case errors.Is(err, debian.ErrMissing) && testing.Short():
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := p.Show(server.URL, "plain", "in the shadow"); err != nil {
		t.Fatal(err)
	}
	if text, err := p.Text(); err != nil || strings.Contains(text, "color") || strings.Contains(text, "customElements") {
		t.Error(text, err)
	}
	file := filepath.Join(t.TempDir(), "page.png")
	if err := p.Picture(file); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	picture, err := png.Decode(f)
	if err != nil || picture.Bounds().Dx() != 640 {
		t.Fatal(err, picture.Bounds())
	}
	if r, g, b, _ := picture.At(590, 250).RGBA(); r != 0 || g != 0xffff || b != 0 {
		t.Error("taken while it moved:", r, g, b)
	}
}

// TestPressHitsWhatMovesAway, as what is renewed above it makes it.
func TestPressHitsWhatMovesAway(t *testing.T) {
	const page = `<!doctype html><button style="position: absolute; top: 0" onclick="document.title = 'hit'"
onmousedown="if (!this.moved) { this.moved = true; this.style.top = '300px' }">Go <b>on</b></button>`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(page)) }))
	defer server.Close()
	p, err := browser.Open(t.Context(), 640, 480)
	switch {
	case errors.Is(err, debian.ErrMissing) && testing.Short():
		t.Skip(err)
	case err != nil:
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := errors.Join(p.Go(server.URL), p.Press("button", "Go on")); err != nil {
		t.Fatal(err)
	}
	if title, err := browser.Ask[string](p, "document.title"); err != nil || title != "hit" {
		t.Errorf("%q, %v", title, err)
	}
}
