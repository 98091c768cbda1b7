package responder

import (
	"slices"
	"sync"
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

// drains are one by each who asked and did not lift it, oldest first; those that
// are over stay, so that asking again does not begin anew.
type drains struct {
	mu     sync.Mutex
	list   []Drained
	census *census // of those who ask meanwhile; nil while none holds
}

// Drain has c announce itself, from the next Poll on, at stratum 15 for two
// minutes and then unsynchronised, until that instant or until 24 hours after by
// first asked for it, whichever is first; a zero until is the latter. To ask
// again changes the end, not the beginning.
func (c *Clock) Drain(by, reason string, until time.Time) {
	c.drains.mu.Lock()
	defer c.drains.mu.Unlock()
	list := &c.drains.list
	i := slices.IndexFunc(*list, func(d Drained) bool { return d.By == by })
	if i < 0 {
		i = len(*list)
		*list = append(*list, Drained{By: by, Since: time.Now()})
	}
	d := &(*list)[i]
	d.Reason, d.Until = reason, until
	if last := d.Since.Add(longestDrain); until.IsZero() || until.After(last) {
		d.Until = last
	}
}

// Undrain lifts what by asked for, from the next Poll on.
func (c *Clock) Undrain(by string) {
	c.drains.mu.Lock()
	defer c.drains.mu.Unlock()
	c.drains.list = slices.DeleteFunc(c.drains.list, func(d Drained) bool { return d.By == by })
}

// apply makes of a what is announced under a drain, where one holds.
func (d *drains) apply(a *Announcement, now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.list {
		if now.Before(x.Until) {
			a.Drains = append(a.Drains, x)
		}
	}
	if len(a.Drains) == 0 {
		d.census = nil
		return
	}
	if d.census == nil {
		d.census = newCensus(now)
	}
	d.census.turn(now)
	if a.State.Synchronised() && now.Sub(a.Drains[0].Since) < farewell {
		a.State.Stratum, a.State.RootDispersion = MaxStratum-1, worthless-time.Second
	} else {
		a.State = Unsynchronised()
	}
	a.State.asked = d.census
}

// Asking is how many clients asked in the last minute or two, about; they are
// counted while drains hold.
func (a *Announcement) Asking() int {
	if a.State.asked == nil {
		return 0
	}
	return a.State.asked.count()
}
