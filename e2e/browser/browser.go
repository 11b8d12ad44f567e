// Package browser shows pages to a headless Chromium, for assertions on their text and for pictures.
package browser

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/grid2mqtt/grid2mqtt/e2e/debian"
)

// patience is for what takes a second where the machine has nothing else to do.
const patience = 3 * time.Minute

// Page is one browser with one tab.
type Page struct {
	ctx   context.Context
	stop  []func()
	dir   string
	still bool // its pages run no scripts

	mu   sync.Mutex // guards what follows
	said []chromedp.ConsoleMessage
}

// allText reads through the shadow roots that Home Assistant's frontend is made of.
const allText = `(() => { const out = []; const walk = n => {
  if (n.nodeType === 3) { const t = n.textContent.trim(); if (t) out.push(t); return }
  if (n.nodeName === 'STYLE' || n.nodeName === 'SCRIPT') return;
  if (n.shadowRoot) walk(n.shadowRoot);
  if (n.nodeName === 'SLOT') return;
  for (const c of n.childNodes) walk(c) };
  walk(document.body); return out.join('\n') })()`

// Open starts a browser, installing Debian's Chromium where there is none. Width and height are in pixels. The caller calls
// Close.
func Open(ctx context.Context, width, height int) (*Page, error) {
	program, err := debian.Program(ctx, "chromium", "chromium", "google-chrome")
	if err != nil {
		return nil, fmt.Errorf("browser: %w", err)
	}
	dir, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		return nil, fmt.Errorf("browser: %w", err)
	}
	alloc, stopAlloc := chromedp.NewExecAllocator(context.WithoutCancel(ctx),
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.Headless, chromedp.DisableGPU, chromedp.NoFirstRun,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.WSURLReadTimeout(patience), chromedp.UserDataDir(dir), chromedp.WindowSize(width, height))
	tab, stopTab := chromedp.NewContext(alloc)
	p := &Page{ctx: tab, stop: []func(){stopTab, stopAlloc}, dir: dir}
	// The first Do must have no deadline: it carries the browser.
	if err := chromedp.Do(tab, chromedp.Navigate("about:blank")); err != nil {
		return nil, errors.Join(fmt.Errorf("browser: %w", err), p.Close())
	}
	return p, nil
}

// Close ends the browser.
func (p *Page) Close() error {
	for _, stop := range p.stop {
		stop()
	}
	return os.RemoveAll(p.dir)
}

// LogIn to the Home Assistant at url with a long-lived token.
func (p *Page) LogIn(url, token string) error {
	tokens, _ := json.Marshal(map[string]any{
		"access_token": token, "token_type": "Bearer", "refresh_token": "", "expires_in": 315360000,
		"hassUrl": url, "clientId": url + "/", "expires": time.Now().Add(24 * time.Hour).UnixMilli(), "ha_auth_provider": "homeassistant",
	})
	keep := fmt.Sprintf("localStorage.setItem('hassTokens', %q)", tokens)
	_, err := run(p, chromedp.Steps(chromedp.Navigate(url+"/manifest.json"), chromedp.Evaluate[chromedp.Void](keep)))
	return err
}

// Show goes to an address and waits until the page shows all these words. The error tells what it shows instead.
func (p *Page) Show(url string, words ...string) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if _, err := run(p, chromedp.Navigate(url)); err != nil {
		return err
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		// A page that is just being replaced by the next one cannot be asked.
		text, err := p.Text()
		missing := slices.DeleteFunc(slices.Clone(words), func(w string) bool { return strings.Contains(text, w) })
		if err == nil && len(missing) == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("browser: %s does not show %q but:\n%s", url, missing, text), err)
		case <-tick.C:
		}
	}
}

// Text is all the page shows.
func (p *Page) Text() (string, error) { return run(p, chromedp.Evaluate[string](allText)) }

// Picture writes what is seen as PNG, once nothing moves any more: Home Assistant's cards come in with animations.
func (p *Page) Picture(file string) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	var last []byte
	for range 50 {
		png, err := run(p, chromedp.CaptureScreenshot())
		if err != nil {
			return err
		}
		if bytes.Equal(png, last) {
			if err := os.WriteFile(file, png, 0o644); err != nil {
				return fmt.Errorf("browser: %w", err)
			}
			return nil
		}
		last = png
		<-tick.C
	}
	return errors.New("browser: the page does not come to rest")
}

func run[T any](p *Page, a chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, a)
	if err != nil {
		return v, fmt.Errorf("browser: %w", err)
	}
	return v, nil
}
