package intake

import (
	"fmt"
	"sync"
	"time"
)

// credible is how far this machine's clock may be from a vendor's and still
// be right, and how far it may be set without anybody having to know.
const credible = time.Minute

// witness is how long after a vendor told the same time as here another one
// that tells a quite different time is not believed.
const witness = time.Hour

// Clock tells the time by which things are judged. A small computer without a
// battery starts with a wrong clock and is set right later, by a day or more;
// so a vendor's Date header is believed over a clock that is far from it, and
// once a vendor was heard a jump of the machine's clock changes nothing. A
// vendor that both this machine and another vendor contradict is not believed.
type Clock struct {
	// Wall and Elapsed are this machine's clock and the time since any fixed
	// moment by a clock that is never set; nil: the real ones.
	Wall    func() time.Time
	Elapsed func() time.Duration
	// Stepped hears by how much the time by which things are judged jumped,
	// before anybody reads the new one; it must not read the clock itself.
	Stepped func(by time.Duration)

	mu       sync.Mutex
	offset   time.Duration // add to the wall clock
	sure     time.Duration // the offset when a vendor last told the time
	anchored bool          // a vendor told the time
	floored  bool          // … an earlier process, and the clock is behind that
	wall     time.Time
	elapsed  time.Duration
	agreed   map[string]time.Duration // when each vendor last told the time as it is here
}

var began = time.Now()

func (c *Clock) read() (wall time.Time, elapsed time.Duration) {
	now := time.Now()
	wall, elapsed = now, now.Sub(began)
	if c.Wall != nil {
		wall = c.Wall()
	}
	if c.Elapsed != nil {
		elapsed = c.Elapsed()
	}
	return wall.Round(0), elapsed
}

// Now returns the time by which things are judged, UTC.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, step := c.now()
	c.tell(step)
	return now
}

func (c *Clock) now() (now time.Time, step time.Duration) {
	wall, elapsed := c.read()
	if !c.wall.IsZero() {
		jump := wall.Sub(c.wall) - (elapsed - c.elapsed)
		if jump.Abs() > credible {
			clear(c.agreed)
		}
		switch {
		case jump.Abs() <= credible:
		case c.anchored:
			c.offset -= jump
		case c.floored:
			before := c.offset
			c.offset = max(0, c.offset-jump) // what is past stays past
			step = jump + c.offset - before
		default:
			step = jump
		}
	}
	c.wall, c.elapsed = wall, elapsed
	if c.offset.Abs() <= credible {
		c.offset = 0
	}
	return wall.Add(c.offset).UTC(), step
}

// Ahead tells how far this machine's clock is ahead, for Resume; empty: it is
// not, as far as a vendor told. For one that is behind there is NotBefore.
func (c *Clock) Ahead() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now()
	if !c.anchored || c.offset >= 0 {
		return ""
	}
	return fmt.Sprintf("%d %d", c.wall.UnixNano(), c.offset)
}

// Resume takes what Ahead told an earlier process, while nothing is dated yet.
// Where the clock has not gone back since, nobody set it right.
func (c *Clock) Resume(text string) {
	var wall, offset int64
	if n, err := fmt.Sscanf(text, "%d %d", &wall, &offset); err != nil || n != 2 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.now(); c.wall.UnixNano() >= wall {
		c.offset = time.Duration(offset)
		c.sure, c.anchored = c.offset, true
	}
}

// NotBefore takes an instant that a vendor's word once proved to be past, while
// nothing is dated yet. A clock that is behind it is wrong; the time goes on
// from there until the clock is set beyond it or a vendor is heard.
func (c *Clock) NotBefore(past time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now, _ := c.now()
	if behind := past.Sub(now); behind > credible && !c.anchored {
		c.offset += behind
		c.floored = true
	}
}

// Heard takes the Date header of a vendor that has just come.
func (c *Clock) Heard(vendor string, date time.Time) {
	if date.IsZero() {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_, step := c.now()
	offset := date.Sub(c.wall)
	if change := offset - c.offset; change.Abs() > credible {
		if offset.Abs() > credible && c.contradicted(vendor) {
			c.tell(step)
			return
		}
		clear(c.agreed)
		if offset.Abs() <= credible {
			offset, change = 0, -c.offset
		}
		// Where the offset is again what it was, nobody set the clock: the
		// machine slept, and what was dated before was dated rightly.
		if (offset - c.sure).Abs() > credible {
			step += change
		}
		c.offset = offset
	}
	c.sure = c.offset
	c.anchored = true
	if c.agreed == nil {
		c.agreed = map[string]time.Duration{}
	}
	c.agreed[vendor] = c.elapsed
	c.tell(step)
}

// contradicted reports whether another vendor told the time as it is here.
func (c *Clock) contradicted(vendor string) bool {
	for name, at := range c.agreed {
		if name != vendor && c.elapsed-at <= witness {
			return true
		}
	}
	return false
}

func (c *Clock) tell(step time.Duration) {
	if step != 0 && c.Stepped != nil {
		c.Stepped(step)
	}
}

// Skew returns how far this machine's clock is ahead of the vendor's; zero
// where they agree or no vendor was heard.
func (c *Clock) Skew() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return -c.offset
}
