package web

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// A longer body is shown in part: a page is to weigh less than 100 KiB.
	maxBody = 64 << 10
	// Indenting makes deep nesting long by the square of its depth.
	maxDepth = 24
	maxText  = 128 << 10
	maxHex   = 1 << 10
)

// pretty is the beginning of a body for people: JSON is indented, text is
// shown as it is, and other bytes in hexadecimal.
func pretty(body []byte) (text, form string) {
	if len(body) == 0 {
		return "", ""
	}
	if depth(body) <= maxDepth {
		var b bytes.Buffer
		if json.Indent(&b, body, "", "  ") == nil {
			return cut(printable(b.String()), maxText), "JSON"
		}
	}
	if whole := completeRunes(body); utf8.Valid(whole) && !bytes.ContainsRune(whole, 0) {
		return cut(printable(string(whole)), maxText), "text"
	}
	return hex.Dump(body[:min(len(body), maxHex)]), "bytes"
}

func depth(body []byte) int {
	now, most := 0, 0
	for _, b := range body {
		switch b {
		case '{', '[':
			now++
			most = max(most, now)
		case '}', ']':
			now--
		}
	}
	return most
}

// completeRunes leaves out a last rune that was cut in two.
func completeRunes(b []byte) []byte {
	for i := 1; i < utf8.UTFMax && i <= len(b); i++ {
		if last := b[len(b)-i:]; utf8.RuneStart(last[0]) {
			if !utf8.FullRune(last) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	return string(completeRunes([]byte(s[:limit]))) + "\n…"
}

// printable makes visible what would not be seen, or would turn the text
// around it: control and format characters, and bytes that are not text.
func printable(s string) string {
	if plain(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hidden(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r) // a byte that is not text comes as U+FFFD
		}
	}
	return b.String()
}

func plain(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf || s[i] < ' ' && s[i] != '\n' && s[i] != '\t' || s[i] == 0x7f {
			return false
		}
	}
	return true
}

func hidden(r rune) bool {
	if r == '\n' || r == '\t' || r == '\r' {
		return false
	}
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

func size(n int) string {
	switch {
	case n < 1<<10:
		return fmt.Sprintf("%d B", n)
	case n < 1<<20:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
}
