package capacitor

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Quota is how many calls a day the organisation may make, shared by all of
// its keys (https://portal.capacitor.live/docs/authentication).
type Quota struct {
	Limit     int       `json:"limit"`     // a day; zero: not told
	Remaining int       `json:"remaining"` //
	Reset     time.Time `json:"reset"`     // when it is all there again
}

// quotaOf reads the RateLimit headers, which every answer carries; now is the
// vendor's clock.
func quotaOf(h http.Header, now time.Time) (q Quota, told bool) {
	limit, okLimit := whole(h.Get("RateLimit-Limit"))
	remaining, okRemaining := whole(h.Get("RateLimit-Remaining"))
	if !okLimit || !okRemaining || limit == 0 {
		return q, false
	}
	return Quota{Limit: int(limit), Remaining: int(min(remaining, limit)), Reset: reset(h.Get("RateLimit-Reset"), now)}, true
}

// reset reads when the quota is there again. The vendor does not say whether
// that is seconds to go or since 1970, but that it is at midnight UTC.
func reset(text string, now time.Time) time.Time {
	const epoch = 1_000_000_000
	now = now.UTC()
	if n, ok := whole(text); ok {
		at := now.Add(time.Duration(min(n, epoch)) * time.Second)
		if n > epoch {
			at = time.Unix(n, 0).UTC()
		}
		if n > 0 && at.After(now) && at.Before(now.Add(25*time.Hour)) {
			return at
		}
	}
	return time.Date(now.Year(), now.Month(), now.Day()+1, 0, 0, 0, 0, time.UTC)
}

// whole is a number of at most 12 digits; what follows a comma or a semicolon
// is the policy of newer drafts of these headers.
func whole(text string) (int64, bool) {
	if i := strings.IndexAny(text, ",;"); i >= 0 {
		text = text[:i]
	}
	n, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	return n, err == nil && n >= 0 && n < 1e12
}
