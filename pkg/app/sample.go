package app

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
	"github.com/grid2mqtt/grid2mqtt/pkg/journal"
)

// sampled returns a delivery as text that may be shown to strangers.
func (a *App) sampled(ctx context.Context, id int64) (string, error) {
	d, _, err := a.journal.Delivery(ctx, id)
	if errors.Is(err, journal.ErrNoDelivery) {
		return "", errGone
	}
	if err != nil {
		return "", err
	}
	return a.scrub(sample(d)), nil
}

// sample is a delivery as text: what it was, the harmless headers, the query
// and the body, the last two masked.
func sample(d event.Delivery) string {
	var b strings.Builder
	kind := ""
	if d.Kind != "" {
		kind = " " + d.Kind
	}
	fmt.Fprintf(&b, "%s%s, by %s, %s, %s, %d bytes\n", d.Source, kind, d.Via, d.Verdict, d.Received.UTC().Format(time.RFC3339), len(d.Body))
	if v := mediaType.FindString(d.Header["Content-Type"]); v != "" {
		fmt.Fprintf(&b, "Content-Type: %s\n", v)
	}
	if v := agent.FindString(d.Header["User-Agent"]); v != "" {
		fmt.Fprintf(&b, "User-Agent: %s\n", strings.TrimSpace(v))
	}
	if d.Query != "" {
		fmt.Fprintf(&b, "Query: %s\n", maskedQuery(d.Query))
	}
	fmt.Fprintf(&b, "\n%s\n", masked(d.Body))
	return b.String()
}

var (
	mediaType = regexp.MustCompile(`^[a-z]+/[a-z.+-]+`)
	agent     = regexp.MustCompile(`^[A-Za-z][A-Za-z-]{0,20}(/[0-9.]{1,8})?( |$)`)
)
