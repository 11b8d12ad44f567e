package web

import (
	"testing"
	"time"
)

func TestSpans(t *testing.T) {
	tests := []struct {
		span           time.Duration
		about, exactly string
	}{
		{0, "0 s", "0 s"},
		{34 * time.Second, "34 s", "34 s"},
		{59900 * time.Millisecond, "59 s", "1 min"},
		{time.Minute, "1 min", "1 min"},
		{3586 * time.Second, "59 min", "59 min 46 s"},
		{time.Hour, "1 h", "1 h"},
		{90*time.Minute + time.Second, "1 h 30 min", "1 h 30 min 1 s"},
		{47 * time.Hour, "47 h", "47 h"},
		{50 * time.Hour, "2 days", "50 h"},
		{50*time.Hour + time.Minute + time.Second, "2 days", "50 h 1 min 1 s"},
	}
	for _, tt := range tests {
		if got := about(tt.span); got != tt.about {
			t.Errorf("about %v: %q, want %q", tt.span, got, tt.about)
		}
		if got := exactly(tt.span); got != tt.exactly {
			t.Errorf("exactly %v: %q, want %q", tt.span, got, tt.exactly)
		}
	}
}

func TestInstants(t *testing.T) {
	london := zone(t, "Europe/London")
	at := func(s string) time.Time {
		v, err := time.Parse(time.RFC3339, s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	tests := []struct{ now, t, exact, relative string }{
		{"2026-11-21T14:23:40Z", "2026-11-21T14:23:40Z", "14:23:40", "just now"},
		{"2026-11-21T14:23:40Z", "2026-11-21T00:00:00Z", "00:00:00", "14 h 23 min ago"},
		{"2026-11-21T14:23:40Z", "2026-11-20T23:59:59Z", "yesterday 23:59:59", "14 h 23 min ago"},
		{"2026-11-21T14:23:40Z", "2026-11-19T23:59:59Z", "Thu 19 Nov 23:59:59", "38 h 23 min ago"},
		{"2026-11-21T14:23:40Z", "2026-11-22T00:10:00Z", "tomorrow 00:10:00", "in 9 h 46 min"},
		{"2026-11-21T14:23:40Z", "2026-11-23T00:00:00Z", "Mon 23 Nov 00:00:00", "in 33 h 36 min"},
		{"2026-01-01T12:00:00Z", "2025-12-30T12:00:00Z", "30 Dec 2025 12:00:00", "2 days ago"},
		{"2026-06-21T12:00:00Z", "2026-06-21T11:59:00Z", "12:59:00", "1 min ago"},
		// The night when the clocks go back has two 01:30, and 25 hours.
		{"2026-10-25T12:00:00Z", "2026-10-25T00:30:00Z", "01:30:00 BST", "11 h 30 min ago"},
		{"2026-10-25T12:00:00Z", "2026-10-25T01:30:00Z", "01:30:00", "10 h 30 min ago"},
		{"2026-10-26T12:00:00Z", "2026-10-24T23:30:00Z", "yesterday 00:30:00 BST", "36 h 30 min ago"},
		{"2026-03-29T12:00:00Z", "2026-03-28T12:00:00Z", "yesterday 12:00:00 GMT", "24 h ago"},
	}
	for _, tt := range tests {
		i := clock{now: at(tt.now).In(london)}.at(at(tt.t))
		if i.Exact() != tt.exact || i.Relative() != tt.relative {
			t.Errorf("%s at %s: %q, %q; want %q, %q", tt.t, tt.now, i.Exact(), i.Relative(), tt.exact, tt.relative)
		}
	}
}

// The page counts on by itself in these words, see page.js.
func TestRelative(t *testing.T) {
	for ago, want := range map[time.Duration]string{
		0: "just now", 999 * time.Millisecond: "just now", time.Second: "1 s ago", 59900 * time.Millisecond: "59 s ago", time.Minute: "1 min ago", 3599 * time.Second: "59 min ago",
		time.Hour: "1 h ago", 90*time.Minute + time.Second: "1 h 30 min ago", 47 * time.Hour: "47 h ago", 50 * time.Hour: "2 days ago", -26 * time.Second: "in 26 s", -90 * time.Minute: "in 1 h 30 min",
	} {
		if got := (instant{t: noon.Add(-ago), now: noon}).Relative(); got != want {
			t.Errorf("%v: %q, want %q", ago, got, want)
		}
	}
	if got := (instant{t: noon.Add(-time.Millisecond), now: noon}).Due(); got != "now" {
		t.Errorf("what is due is %q", got)
	}
}

func TestZoneName(t *testing.T) {
	for name, want := range map[string]string{
		"Europe/London":     "Europe/London, now GMT (UTC+00:00)",
		"America/Sao_Paulo": "America/Sao_Paulo, now -03 (UTC-03:00)",
		"UTC":               "UTC",
	} {
		if got := (clock{now: noon.In(zone(t, name))}).zoneName(); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
