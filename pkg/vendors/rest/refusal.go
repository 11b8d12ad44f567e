package rest

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

func refuse(reason string, status int) *event.Refusal {
	return &event.Refusal{Reason: reason, Status: status}
}

func (c *Client) credential() string { return cmp.Or(c.Credential, "API key") }

// Refuse says what the status of an answer means that the caller did not want:
// 401 and 403 are Unauthorized, of 429 and 5xx RetryAfter is kept. Where the
// vendor's body tells more, see Failure.
func (c *Client) Refuse(a Answer) *event.Refusal {
	r := &event.Refusal{Status: a.Status}
	switch {
	case (a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden) && !a.stranger:
		r.Reason, r.Unauthorized = c.Vendor+" refuses the "+c.credential()+": "+cmp.Or(c.Remedy, "is it right?"), true
	case a.Status == http.StatusUnauthorized || a.Status == http.StatusForbidden:
		r.Reason = c.Vendor + " sends us to another host, which wants the " + c.credential() + " too: it is not sent there. Is the address right?"
	case a.Status == http.StatusTooManyRequests:
		r.Reason, r.RetryAfter = c.Vendor+" asks for a pause: too many calls.", c.retryAfter(a)
	case a.Status >= 500:
		r.Reason, r.RetryAfter = fmt.Sprintf("%s has a problem of its own (HTTP status %d).", c.Vendor, a.Status), c.retryAfter(a)
	default:
		r.Reason = fmt.Sprintf("%s answered with HTTP status %d instead of data: is the address right?", c.Vendor, a.Status)
	}
	return r
}

// NoJSON says why a body is not one JSON document; nil: it is one. Blanks and a
// byte order mark in front do not matter, see Text.
func (c *Client) NoJSON(a Answer) *event.Refusal {
	text := Text(a.Body)
	switch {
	case len(text) == 0:
		return refuse(c.Vendor+"'s answer is empty.", a.Status)
	case text[0] == '<':
		return refuse(c.Vendor+" answered with a web page instead of data: is the address right?", a.Status)
	case json.Valid(text):
		return nil
	case truncated(text):
		return refuse(c.Vendor+"'s answer is cut off in the middle.", a.Status)
	}
	return refuse(c.Vendor+"'s answer cannot be read: it is not JSON.", a.Status)
}

// Text is a body without the blanks around it and the byte order mark that some
// servers put in front.
func Text(body []byte) []byte {
	return bytes.TrimSpace(bytes.TrimPrefix(body, []byte("\ufeff")))
}

// truncated reports whether the text would be JSON if it went on.
func truncated(text []byte) bool {
	var v json.RawMessage
	return errors.Is(json.NewDecoder(bytes.NewReader(text)).Decode(&v), io.ErrUnexpectedEOF)
}

// Garbled is for an answer that is JSON, but not what the vendor documents.
func (c *Client) Garbled(a Answer) *event.Refusal {
	return refuse(c.Vendor+"'s answer cannot be read.", a.Status)
}

// Failure quotes why the vendor says no, as Quote does.
func (c *Client) Failure(message string, a Answer) *event.Refusal {
	reason := c.Vendor + " reports a failure and gives no reason."
	if text := printable(message); c.echoed(text) {
		reason = c.Vendor + " reports a failure; its reason is left out because it repeats the " + c.credential() + "."
	} else if text != "" {
		reason = c.Vendor + " reports a failure: “" + short(text) + "”"
	}
	return refuse(reason, a.Status)
}

// Quote is a vendor's own message as one printable line of at most 120
// characters; empty where there is nothing to read in it, or where it repeats a
// secret.
func (c *Client) Quote(message string) string {
	text := printable(message)
	if c.echoed(text) {
		return ""
	}
	return short(text)
}

func printable(message string) string {
	return strings.Join(strings.FieldsFunc(message, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}), " ")
}

func short(text string) string {
	const long = 120
	if runes := []rune(text); len(runes) > long {
		return string(runes[:long-1]) + "…"
	}
	return text
}

func (c *Client) echoed(text string) bool {
	for _, secret := range c.Secrets {
		if echoes(text, secret) {
			return true
		}
	}
	return false
}

// echoes reports whether text repeats the secret or eight characters of it in a
// row, which is more than chance and less than half of any key.
func echoes(text, secret string) bool {
	squeeze := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }
	secret = squeeze(secret)
	for _, t := range []string{squeeze(text), squeeze(unescaped(text))} {
		for i := 0; i == 0 || i+8 <= len(secret); i++ {
			if part := secret[i:min(i+8, len(secret))]; part != "" && strings.Contains(t, part) {
				return true
			}
		}
	}
	return false
}

func unescaped(text string) string {
	if plain, err := url.PathUnescape(text); err == nil {
		return plain
	}
	return text
}

// retryAfter reads seconds or a date, which is measured by the vendor's clock
// where it tells the time. Zero: the vendor did not ask, or not readably.
func (c *Client) retryAfter(a Answer) time.Duration {
	const year = 365 * 24 * time.Hour
	text := strings.TrimSpace(a.Header.Get("Retry-After"))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(year/time.Second))) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	now := a.Date
	if now.IsZero() {
		now = c.now()
	}
	return min(max(until.Sub(now), 0), year)
}

// date is the vendor's clock; zero: not said. An answer that lay in a cache
// says how many seconds it is old.
func date(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	age, bad := strconv.ParseUint(cmp.Or(h.Get("Age"), "0"), 10, 31)
	if err != nil || bad != nil {
		return time.Time{}
	}
	return t.UTC().Add(time.Duration(age) * time.Second)
}

func size(bytes int64) string {
	if bytes%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", bytes>>20)
	}
	return fmt.Sprintf("%d KiB", bytes>>10)
}

// refuseNetwork says in a household's words why no answer came. What the
// network's own errors say of addresses and ports changes from call to call,
// so none of it is repeated. The status is that of an answer whose body did
// not arrive; zero: there was none.
func (c *Client) refuseNetwork(err error, host string, status int) *event.Refusal {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		host = strings.ToValidUTF8(host[:min(len(host), 80)], "")
		return refuse("The name "+host+" cannot be looked up: is the internet connection up?", 0)
	}
	reason := c.network(err)
	switch {
	case reason == "" && status != 0:
		reason = c.Vendor + "'s answer cannot be read."
	case reason == "":
		reason = c.Vendor + " cannot be reached."
	}
	return refuse(reason, status)
}

// network is the reason why a request failed; empty: not known.
func (c *Client) network(err error) string {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return c.Vendor + " did not answer in time."
	case errors.Is(err, syscall.ECONNREFUSED):
		return c.Vendor + " cannot be reached: the connection was refused."
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETDOWN):
		return c.Vendor + " cannot be reached: this network has no way to it. Is the internet connection up?"
	}
	if reason := c.secure(err); reason != "" {
		return reason
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return c.Vendor + " broke the connection off."
	}
	return ""
}

// secure is the reason of a failed TLS handshake; empty: it was something else.
func (c *Client) secure(err error) string {
	var (
		invalid   x509.CertificateInvalidError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		cert      *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return c.Vendor + "'s certificate is not valid at this time: is this machine's clock right?"
	case errors.As(err, &authority):
		return c.Vendor + "'s certificate is signed by an authority that this machine does not know."
	case errors.As(err, &host):
		return c.Vendor + "'s certificate belongs to another host."
	case errors.As(err, &invalid), errors.As(err, &cert):
		return c.Vendor + "'s certificate cannot be trusted."
	case strings.Contains(err.Error(), "tls: "), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return "A secure connection to " + c.Vendor + " cannot be made (TLS)." // Go gives these no type
	}
	return ""
}
