package openvolt

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/grid2mqtt/grid2mqtt/pkg/event"
)

// vendor is a server that answers with a status and a body, and a client of it.
func vendor(t *testing.T, status int, body string) (c *Client, asked *[]*http.Request) {
	t.Helper()
	asked = &[]*http.Request{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = append(*asked, r)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(s.Close)
	return &Client{URL: s.URL + "/v1/", Key: secret}, asked
}

var april27 = time.Date(2024, 4, 27, 0, 0, 0, 0, time.UTC)

func TestReadingsAsksForHalfAnHourMore(t *testing.T) {
	c, asked := vendor(t, 200, `{"granularity":"hh","data":[]}`)
	r, err := c.Readings(t.Context(), "a&b", april27, april27.Add(24*time.Hour))
	if err != nil || len(r.List) != 0 || r.Date.IsZero() {
		t.Fatal(r, err)
	}
	q := (*asked)[0]
	want := url.Values{"meter_id": {"a&b"}, "granularity": {"hh"}, "start_date": {"2024-04-26T23:30:00Z"}, "end_date": {"2024-04-28T00:30:00Z"}}
	if diff := cmp.Diff(want, q.URL.Query()); diff != "" || q.URL.Path != "/v1/interval-data" || q.Header.Get("x-api-key") != secret {
		t.Error(diff, q.URL, q.Header)
	}
}

// The end is exclusive whatever the vendor sends, and labels are starts or ends
// as the household says.
func TestReadingsKeepsToTheSpan(t *testing.T) {
	minutes := func(t time.Time) float64 { return t.Sub(april27).Minutes() }
	var rows []string
	for at := april27.Add(-HalfHour); !at.After(april27.Add(24*time.Hour + HalfHour)); at = at.Add(HalfHour) {
		rows = append(rows, fmt.Sprintf(`{"start_interval":%q,"consumption":"%v","consumption_units":"Wh"}`, at.Format(time.RFC3339), minutes(at)))
	}
	for _, offset := range []time.Duration{0, -HalfHour} {
		c, _ := vendor(t, 200, `{"data":[`+strings.Join(rows, ",")+`]}`)
		c.LabelOffset = offset
		got, err := c.Readings(t.Context(), "m", april27, april27.Add(24*time.Hour))
		if err != nil || len(got.List) != 48 || got.Unread != 0 {
			t.Fatal(offset, err, got)
		}
		for i, r := range got.List {
			start := april27.Add(time.Duration(i) * HalfHour)
			if !r.Start.Equal(start) || r.WattHours != minutes(start.Add(-offset)) {
				t.Errorf("offset %v, %d: %+v", offset, i, r)
			}
		}
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		status       int
		body, want   string
		unauthorized bool
	}{
		{401, `{"message":"no"}`, "Openvolt refuses the API key: copy the newest one from Openvolt's dashboard.", true},
		{404, `{"message":"Meter not found"}`, "Openvolt reports a failure: “Meter not found”", false},
		{404, `<html>`, "Openvolt answered with HTTP status 404 instead of data: is the address right?", false},
		{400, `{"message":"bad key ` + secret + `"}`, "Openvolt answered with HTTP status 400 instead of data: is the address right?", false},
		{429, ``, "Openvolt asks for a pause: too many calls.", false},
		{502, `{"message":"upstream"}`, "Openvolt has a problem of its own (HTTP status 502).", false},
		{200, ``, "Openvolt's answer is empty.", false},
		{200, `{}`, "Openvolt's answer cannot be read.", false},
		{200, `7`, "Openvolt's answer cannot be read.", false},
	} {
		client, _ := vendor(t, c.status, c.body)
		_, listErr := client.Meters(t.Context())
		_, err := client.Readings(t.Context(), "m", april27, april27.Add(HalfHour))
		for _, err := range []error{listErr, err} {
			var r *event.Refusal
			if !errors.As(err, &r) || r.Reason != c.want || r.Unauthorized != c.unauthorized || r.Status != c.status {
				t.Errorf("%d %s: %v", c.status, c.body, err)
			}
		}
	}
}
