package web

import (
	"bytes"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var colour = regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`)

// WCAG AA asks for 4.5 to 1 between a text and its ground.
func TestContrast(t *testing.T) {
	css := style()
	light, rest, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	dark, chosen, also := strings.Cut(rest, `[data-theme="dark"]`)
	if !ok || !also {
		t.Fatal("there is no dark page")
	}
	pairs := []string{
		"text ground", "text card", "muted ground", "muted card", "muted calm-ground", "text calm-ground", "link card", "link ground", "on-button button",
		"good good-ground", "warn warn-ground", "bad bad-ground", "calm calm-ground",
		"run run-ground", "text run-ground", "link run-ground", "rehearse rehearse-ground", "text rehearse-ground", "link rehearse-ground",
	}
	for theme, text := range map[string]string{"light": light, "dark": dark, "dark because Home Assistant is": chosen} {
		colours := map[string]string{}
		for _, m := range colour.FindAllStringSubmatch(text, -1) {
			colours[m[1]] = m[2]
		}
		for _, pair := range pairs {
			front, back, _ := strings.Cut(pair, " ")
			a, b := luminance(t, colours[front]), luminance(t, colours[back])
			if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 4.5 {
				t.Errorf("%s: %s on %s is %.2f to 1", theme, front, back, ratio)
			}
		}
		// … and for 3 to 1 between what is drawn and its ground.
		for _, source := range append(looks, "other") {
			for _, back := range []string{"card", "calm-ground"} {
				a, b := luminance(t, colours[source]), luminance(t, colours[back])
				if ratio := (max(a, b) + 0.05) / (min(a, b) + 0.05); ratio < 3 {
					t.Errorf("%s: %s on %s is %.2f to 1", theme, source, back, ratio)
				}
			}
		}
	}
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	n, err := strconv.ParseUint(hex, 16, 32)
	if err != nil {
		t.Fatal(err)
	}
	channel := func(shift int) float64 {
		v := float64(n>>shift&0xff) / 255
		if v <= 0.04045 {
			return v / 12.92
		}
		return math.Pow((v+0.055)/1.055, 2.4)
	}
	return 0.2126*channel(16) + 0.7152*channel(8) + 0.0722*channel(0)
}

// Every file of the style is served, and the two dark pages are the same.
func TestStyle(t *testing.T) {
	entries, err := files.ReadDir("style")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		content, err := files.ReadFile("style/" + e.Name())
		if err != nil || !bytes.Contains(style(), content) {
			t.Errorf("%s is not served, %v", e.Name(), err)
		}
		n += len(content)
	}
	if n != len(style()) {
		t.Errorf("%d bytes are served of %d", len(style()), n)
	}
	_, rest, _ := strings.Cut(string(style()), "@media (prefers-color-scheme: dark)")
	asked, chosen, _ := strings.Cut(rest, `[data-theme="dark"]`)
	if a, b := colour.FindAllString(asked, -1), colour.FindAllString(chosen, -1); !slices.Equal(a, b) || len(a) < 20 {
		t.Errorf("dark is\n%v\nand because Home Assistant is\n%v", a, b)
	}
}
