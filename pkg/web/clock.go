package web

import (
	"fmt"
	"time"
)

// clock is the page's now in the household's zone.
type clock struct{ now time.Time }

// instant is a time as the page shows it.
type instant struct {
	t   time.Time // in the household's zone
	now time.Time // likewise
	on  time.Time // the day that stands above and goes without saying; zero: today, and its neighbours have names
}

// at returns nil for the zero time.
func (c clock) at(t time.Time) *instant {
	if t.IsZero() {
		return nil
	}
	return &instant{t: t.In(c.now.Location()), now: c.now}
}

// ISO is for machines.
func (i instant) ISO() string { return i.t.UTC().Format(time.RFC3339) }

// UTC is what hovering tells.
func (i instant) UTC() string { return i.t.UTC().Format("Mon 2 Jan 2006, 15:04:05 UTC") }

// Full is local, with the day and the zone.
func (i instant) Full() string { return i.t.Format("Mon 2 Jan 2006, 15:04:05 MST") }

// Short is local, to the minute.
func (i instant) Short() string { return i.day() + i.t.Format("15:04") + i.zone() }

// Exact is local, to the second.
func (i instant) Exact() string { return i.day() + i.t.Format("15:04:05") + i.zone() }

// Relative is how far away it is: "34 s ago", "in 5 min".
func (i instant) Relative() string {
	d := i.now.Sub(i.t)
	switch {
	case d > -time.Second && d < time.Second:
		return "just now"
	case d > 0:
		return about(d) + " ago"
	}
	return "in " + about(-d)
}

// Due is how far ahead it is; what is due is "now".
func (i instant) Due() string {
	if i.now.Sub(i.t) > -time.Second {
		return "now"
	}
	return i.Relative()
}

// Milli is for scripts.
func (i instant) Milli() int64 { return i.t.UnixMilli() }

func (i instant) day() string {
	if !i.on.IsZero() && i.t.Format(dayForm) == i.on.Format(dayForm) {
		return ""
	}
	y, m, d := i.now.Date()
	midnight := func(offset int) time.Time { return time.Date(y, m, d+offset, 0, 0, 0, 0, i.now.Location()) }
	switch {
	case !i.on.IsZero() || i.t.Before(midnight(-1)) || !i.t.Before(midnight(2)):
		if i.t.Year() == y {
			return i.t.Format("Mon 2 Jan ")
		}
		return i.t.Format("2 Jan 2006 ")
	case i.t.Before(midnight(0)):
		return "yesterday "
	case i.t.Before(midnight(1)):
		return ""
	}
	return "tomorrow "
}

// zone tells the two 01:30 of the night when the clocks go back apart.
func (i instant) zone() string {
	_, a := i.t.Zone()
	_, b := i.now.Zone()
	if a == b {
		return ""
	}
	return i.t.Format(" MST")
}

// zoneName is "Europe/London, now BST (UTC+01:00)".
func (c clock) zoneName() string {
	name := c.now.Location().String()
	abbreviation, _ := c.now.Zone()
	if abbreviation == "UTC" {
		return abbreviation
	}
	short := c.now.Format("MST (UTC-07:00)")
	if name == "Local" {
		return short
	}
	return name + ", now " + short
}

// about is a span in the units in which one speaks of it.
func about(d time.Duration) string {
	if days := int(d / (24 * time.Hour)); days >= 2 {
		return fmt.Sprintf("%d days", days)
	}
	if d >= time.Hour {
		return hours(d)
	}
	if d >= time.Minute {
		return fmt.Sprintf("%d min", int(d/time.Minute))
	}
	return fmt.Sprintf("%d s", int(d/time.Second))
}

// exactly is a span to the second.
func exactly(d time.Duration) string {
	d = d.Round(time.Second)
	text := about(d)
	if d >= time.Hour {
		text = hours(d)
	}
	if s := int(d/time.Second) % 60; d >= time.Minute && s != 0 {
		text += fmt.Sprintf(" %d s", s)
	}
	return text
}

func hours(d time.Duration) string {
	h, m := int(d/time.Hour), int(d/time.Minute)%60
	if m == 0 {
		return fmt.Sprintf("%d h", h)
	}
	return fmt.Sprintf("%d h %d min", h, m)
}

// precisely is a short span to the millisecond, a longer one to the second.
func precisely(d time.Duration) string {
	switch {
	case d < 0:
		return "0 ms"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return exactly(d)
}
