package equiwatt

import (
	"crypto/tls"
	"crypto/x509"
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

// fault is what is wrong with an answer, in one sentence. It is the same for
// the same reason: nothing in it changes from call to call.
type fault string

const (
	none           fault = ""
	faultEmpty     fault = "Equiwatt's answer is empty."
	faultHTML      fault = "Equiwatt answered with a web page instead of data: is the address right?"
	faultTruncated fault = "Equiwatt's answer is cut off in the middle."
	faultNotJSON   fault = "Equiwatt's answer cannot be read: it is not JSON."
	faultForeign   fault = "Equiwatt's answer cannot be read: it does not say whether it is a success."
	faultNoData    fault = "Equiwatt's answer is without data."
	faultGarbled   fault = "Equiwatt's answer cannot be read."
	faultFailure   fault = "Equiwatt reports a failure and gives no reason."
	faultTooBig    fault = "Equiwatt's answer is too big: more than 1 MiB."

	faultToken    fault = "Equiwatt refuses the token: ask for a new token in the Equiwatt app."
	faultTooMany  fault = "Equiwatt asks for a pause: too many calls."
	faultStranger fault = "Equiwatt sends us to another host, which wants the token too: it is not sent there. Is the address right?"
	faultRedirect fault = "Equiwatt sends us to an address that is not safe to follow."
	faultCircle   fault = "Equiwatt sends us from one address to the next without end."

	faultTimeout     fault = "Equiwatt did not answer in time."
	faultRefused     fault = "Equiwatt cannot be reached: the connection was refused."
	faultNoRoute     fault = "Equiwatt cannot be reached: this network has no way to it. Is the internet connection up?"
	faultBroken      fault = "Equiwatt broke the connection off."
	faultUnreachable fault = "Equiwatt cannot be reached."

	faultExpired   fault = "Equiwatt's certificate is not valid at this time: is this machine's clock right?"
	faultAuthority fault = "Equiwatt's certificate is signed by an authority that this machine does not know."
	faultOtherHost fault = "Equiwatt's certificate belongs to another host."
	faultCert      fault = "Equiwatt's certificate cannot be trusted."
	faultTLS       fault = "A secure connection to Equiwatt cannot be made (TLS)."
)

func refuse(f fault, status int) *event.Refusal {
	return &event.Refusal{Reason: string(f), Status: status}
}

// refuseStatus is for answers that are neither 200 nor a redirect.
func refuseStatus(h http.Header, status int, proven bool, now time.Time) *event.Refusal {
	r := &event.Refusal{Status: status}
	switch {
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && proven:
		r.Reason, r.Unauthorized = string(faultToken), true
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		r.Reason = string(faultStranger)
	case status == http.StatusTooManyRequests:
		r.Reason, r.RetryAfter = string(faultTooMany), retryAfter(h, now)
	case status >= 500:
		r.Reason, r.RetryAfter = fmt.Sprintf("Equiwatt has a problem of its own (HTTP status %d).", status), retryAfter(h, now)
	default:
		r.Reason = fmt.Sprintf("Equiwatt answered with HTTP status %d instead of data: is the address right?", status)
	}
	return r
}

// refuseFailure quotes why the vendor says no, but never the token.
func refuseFailure(message, token string, status int) *event.Refusal {
	text := strings.Join(strings.FieldsFunc(message, func(r rune) bool {
		return unicode.IsSpace(r) || unicode.IsControl(r) || !unicode.IsPrint(r) || r == utf8.RuneError
	}), " ")
	switch {
	case text == "":
		return refuse(faultFailure, status)
	case echoes(text, token):
		return refuse("Equiwatt reports a failure; its reason is left out because it repeats the token.", status)
	}
	const long = 120
	if runes := []rune(text); len(runes) > long {
		text = string(runes[:long-1]) + "…"
	}
	return refuse(fault("Equiwatt reports a failure: “"+text+"”"), status)
}

// echoes reports whether text repeats the token or eight characters of it in a
// row, which is more than chance and less than half of any token.
func echoes(text, token string) bool {
	squeeze := func(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }
	token = squeeze(token)
	for _, t := range []string{squeeze(text), squeeze(unescaped(text))} {
		for i := 0; i == 0 || i+8 <= len(token); i++ {
			if part := token[i:min(i+8, len(token))]; part != "" && strings.Contains(t, part) {
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
func retryAfter(h http.Header, now time.Time) time.Duration {
	const year = 365 * 24 * time.Hour
	text := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.Duration(min(max(n, 0), int64(year/time.Second))) * time.Second
	}
	until, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	if d := date(h); !d.IsZero() {
		now = d
	}
	return min(max(until.Sub(now), 0), year)
}

// date is the vendor's clock; zero: not said.
func date(h http.Header) time.Time {
	t, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// refuseNetwork says in a household's words why no answer came. What the
// network's own errors say of addresses and ports changes from call to call,
// so none of it is repeated. The status is that of an answer whose body did
// not arrive; zero: there was none.
func refuseNetwork(err error, host string, status int) *event.Refusal {
	var dns *net.DNSError
	if errors.As(err, &dns) {
		host = strings.ToValidUTF8(host[:min(len(host), 80)], "")
		return refuse(fault("The name "+host+" cannot be looked up: is the internet connection up?"), 0)
	}
	f := network(err)
	if f == faultUnreachable && status != 0 {
		f = faultGarbled
	}
	return refuse(f, status)
}

func network(err error) fault {
	var timeout net.Error
	switch {
	case errors.As(err, &timeout) && timeout.Timeout():
		return faultTimeout
	case errors.Is(err, syscall.ECONNREFUSED):
		return faultRefused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETDOWN):
		return faultNoRoute
	}
	if f := secure(err); f != none {
		return f
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		return faultBroken
	}
	return faultUnreachable
}

// secure is the reason of a failed TLS handshake; none: it was something else.
func secure(err error) fault {
	var (
		invalid   x509.CertificateInvalidError
		authority x509.UnknownAuthorityError
		host      x509.HostnameError
		cert      *tls.CertificateVerificationError
	)
	switch {
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return faultExpired
	case errors.As(err, &authority):
		return faultAuthority
	case errors.As(err, &host):
		return faultOtherHost
	case errors.As(err, &invalid), errors.As(err, &cert):
		return faultCert
	case strings.Contains(err.Error(), "tls: "), strings.Contains(err.Error(), "HTTP response to HTTPS client"):
		return faultTLS // Go gives these no type
	}
	return none
}
