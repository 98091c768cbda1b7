package responder

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// longestDrain is when a drain ends that nobody lifts.
const longestDrain = 24 * time.Hour

// farewell is how long a drained responder says that it is far from the time
// before it says that it does not know it. chronyd holds on to a server that
// turns unsynchronised until eight polls later all samples of the others are
// newer than its last; from one that is reachable and suddenly at stratum 15 it
// turns to a better one at once. What is said is worse than the truth, never
// better. ntpd and systemd-timesyncd leave at either.
const farewell = 128 * time.Second

// Drained tells that a responder announces itself unsynchronised because
// somebody wants its clients to leave. Out of DNS is not enough for that: a
// client holds on to a server that it has.
type Drained struct {
	By     string    `json:"by"` // who wants it: one drain each
	Reason string    `json:"reason"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"` // at most 24 h after Since
}

// Drain has c announce itself, from the next Poll on, at stratum 15 for two
// minutes and then unsynchronised, until that instant, or until 24 hours after by first asked for it, whichever is first;
// a zero until is the latter. To ask again changes the end, not the beginning.
func (c *Clock) Drain(by, reason string, until time.Time) {
	c.drains.Lock()
	defer c.drains.Unlock()
	now := time.Now()
	d := Drained{By: by, Reason: reason, Since: now, Until: until}
	if old, ok := c.drains.by[by]; ok {
		d.Since = old.Since
	}
	if last := d.Since.Add(longestDrain); until.IsZero() || until.After(last) {
		d.Until = last
	}
	if c.drains.by == nil {
		c.drains.by = make(map[string]Drained)
	}
	c.drains.by[by] = d
}

// Undrain lifts what by asked for, from the next Poll on.
func (c *Clock) Undrain(by string) {
	c.drains.Lock()
	defer c.drains.Unlock()
	delete(c.drains.by, by)
}

// Drained tells of the drains that hold now, and how many clients asked in the
// last minute or two, about; nil where none does.
func (c *Clock) Drained() (drains []Drained, clients int) {
	c.drains.Lock()
	defer c.drains.Unlock()
	now := time.Now()
	drains = slices.Collect(maps.Values(c.drains.by))
	drains = slices.DeleteFunc(drains, func(d Drained) bool { return !now.Before(d.Until) })
	slices.SortFunc(drains, func(a, b Drained) int { return strings.Compare(a.By, b.By) })
	if len(drains) > 0 {
		clients = c.census.count()
	}
	return drains, clients
}

// drained makes a what is announced under a drain.
func (c *Clock) drained(a Announcement, now time.Time) Announcement {
	drains, _ := c.Drained()
	if len(drains) == 0 {
		c.census.clear()
		return a
	}
	c.census.turn(now)
	a.Drains = drains
	first := slices.MinFunc(drains, func(a, b Drained) int { return a.Since.Compare(b.Since) })
	if a.State.Synchronised() && now.Sub(first.Since) < farewell {
		a.State.Stratum, a.State.RootDispersion = MaxStratum-1, worthless-time.Second
	} else {
		a.State = Unsynchronised()
	}
	a.State.asked = &c.census
	return a
}
