package browser

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Device is what a page is seen on.
type Device struct {
	Name          string
	Width, Height int64 // CSS pixels
	Phone         bool  // touched, with a phone's way of laying out pages
	Dark          bool
}

// Use makes the browser that device.
func (p *Page) Use(d Device) error {
	scheme := "light"
	if d.Dark {
		scheme = "dark"
	}
	var opts []chromedp.EmulateViewportOption
	if d.Phone {
		opts = append(opts, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulatePortrait)
	}
	return p.do(chromedp.EmulateViewport(d.Width, d.Height, opts...), chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
		return err
	}))
}

// Listen keeps what the console says from now on.
func (p *Page) Listen() {
	messages := chromedp.Console(p.ctx)
	go func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			p.mu.Lock()
			p.said = append(p.said, m)
			p.mu.Unlock()
		}
	}()
}

// Complaints returns the warnings, errors and exceptions on the console since the last call.
func (p *Page) Complaints() (list []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.said {
		if slices.Contains([]chromedp.ConsoleType{chromedp.ConsoleWarning, chromedp.ConsoleError, chromedp.ConsoleException}, m.Type) {
			list = append(list, fmt.Sprintf("%s (%s:%d)", m, m.URL, m.Line))
		}
	}
	p.said = nil
	return list
}

// Go to an address, without waiting for more than the page itself.
func (p *Page) Go(url string) error { return p.do(chromedp.Navigate(url)) }

// Ask evaluates an expression in the page, waits for it where it is a promise, and returns the value.
func Ask[T any](p *Page, expression string) (T, error) {
	return run(p, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
}

// Load runs a script in the page, whatever the page's own policy for scripts is.
func (p *Page) Load(script []byte) error {
	_, err := run(p, chromedp.Evaluate[chromedp.Void](string(script)+";0"))
	return err
}

// Click what a selector finds first and can be seen, whatever it says.
func (p *Page) Click(selector string) error { return p.Press(selector, "") }

// Press what a selector finds first that says a text and can be seen, once there is such a thing. The page may renew it until it is
// pressed, and what moves away below the pointer is tried again.
func (p *Page) Press(selector, text string) error {
	find := fmt.Sprintf(`(() => { const e = [...document.querySelectorAll(%[1]q)].find((e) => e.textContent.includes(%[2]q) && e.checkVisibility());
  if (!e) return []; e.scrollIntoView({block: "center"}); const r = e.getBoundingClientRect(); window.missed = true;
  window.hit ??= (c) => { if (c.target.closest(window.hits[0])?.textContent.includes(window.hits[1])) window.missed = false };
  window.hits = [%[1]q, %[2]q]; addEventListener("click", window.hit, true); return [r.x + r.width / 2, r.y + r.height / 2] })()`, selector, text)
	for range 20 {
		if err := p.Until(patience, find+".length"); err != nil {
			return err
		}
		at, err := Ask[[]float64](p, find)
		if err != nil {
			return err
		}
		if len(at) != 2 {
			continue
		}
		if err := p.do(chromedp.MouseClickXY(at[0], at[1])); err != nil {
			return err
		}
		// A page that is left knows nothing of it.
		if missed, err := Ask[bool](p, "window.missed === true"); p.still || err != nil || !missed {
			return nil
		}
	}
	return fmt.Errorf("browser: %s %q moves away from the pointer", selector, text)
}

// Fill a field with a text, in place of what is there.
func (p *Page) Fill(selector, text string) error {
	return p.do(chromedp.SetValue(chromedp.CSS(selector), text))
}

// Until waits until an expression is true in the page.
func (p *Page) Until(within time.Duration, expression string) error {
	ctx, cancel := context.WithTimeout(p.ctx, within)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, err := Ask[bool](p, "Boolean("+expression+")")
		if err == nil && ok {
			return nil
		}
		select {
		case <-ctx.Done():
			text, _ := p.Text() // whatever can be told
			return fmt.Errorf("browser: not within %v: %s (%v); the page says:\n%s", within, expression, err, strings.TrimSpace(text))
		case <-tick.C:
		}
	}
}

// Whole writes all of the page as PNG, also what is below the window.
func (p *Page) Whole(file string) error {
	png, err := run(p, chromedp.FullScreenshot(100))
	if err != nil {
		return err
	}
	if err := os.WriteFile(file, png, 0o644); err != nil {
		return fmt.Errorf("browser: %w", err)
	}
	return nil
}

func (p *Page) do(steps ...chromedp.Action[chromedp.Void]) error {
	_, err := run(p, chromedp.Steps(steps...))
	return err
}

// Scripts says whether pages may run scripts, from the next page on.
func (p *Page) Scripts(on bool) error {
	p.still = !on
	return p.do(chromedp.Func(func(ctx context.Context, _ *chromedp.Target) error {
		_, err := chromedp.Call(ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !on})
		return err
	}))
}
