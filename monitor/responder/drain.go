package responder

import (
	"hash/maphash"
	"math"
	"math/bits"
	"net/netip"
	"slices"
	"sync/atomic"
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

// drain is a Drained by one who asked and did not lift it. One that is over stays,
// so that who goes on asking does not begin it anew.
type drain struct {
	Drained
	asked time.Time // last
}

// forgotten is how long after it was last asked for a drain that is over is none.
const forgotten = time.Hour

// Drain has c announce itself, from the next Poll on, at stratum 15 for two
// minutes and then unsynchronised, until that instant or until 24 hours after by
// first asked for it, whichever is first; a zero until is the latter. To ask
// again changes the end, not the beginning, unless the drain was over and an hour
// has passed.
func (c *Clock) Drain(by, reason string, until time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.drains = slices.DeleteFunc(c.drains, func(d drain) bool { return now.After(d.Until) && now.Sub(d.asked) > forgotten })
	i := slices.IndexFunc(c.drains, func(d drain) bool { return d.By == by })
	if i < 0 {
		i = len(c.drains)
		c.drains = append(c.drains, drain{Drained: Drained{By: by, Since: now}})
	}
	d := &c.drains[i]
	d.asked, d.Reason, d.Until = now, reason, d.Since.Add(longestDrain)
	if !until.IsZero() && until.Before(d.Until) {
		d.Until = until
	}
}

// Undrain lifts what by asked for, from the next Poll on.
func (c *Clock) Undrain(by string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.drains = slices.DeleteFunc(c.drains, func(d drain) bool { return d.By == by })
}

// drain makes of a what is announced under a drain, where one holds.
func (c *Clock) drain(a *Announcement, now time.Time) {
	for _, d := range c.drains {
		if now.Before(d.Until) {
			a.Drains = append(a.Drains, d.Drained)
		}
	}
	switch {
	case a.Drains == nil:
		c.asking = nil
		return
	case a.State.Synchronised() && now.Sub(a.Drains[0].Since) < farewell:
		a.State.Stratum, a.State.RootDispersion = MaxStratum-1, worthless-time.Second
	default:
		a.State = Unsynchronised()
	}
	if c.asking == nil || now.Sub(c.asking.since) >= censusWindow {
		c.asking = c.asking.next(now)
	}
	a.State.asking = c.asking
}

// Asking is how many clients asked in the last minute or two, about; they are
// counted while drains hold.
func (a *Announcement) Asking() int {
	if a.State.asking == nil {
		return 0
	}
	return a.State.asking.count()
}

// census estimates how many clients ask, in 16 KB whatever their number: each
// sets a bit by its hash, and the bits that stay clear tell how many there were
// (linear counting, right within 1 % up to 200,000). There are two windows of
// 64 s, so that one is always full.
type census struct {
	seed      maphash.Seed
	now, last *window
	since     time.Time // of now
}

type window [censusBits / 64]atomic.Uint64

const (
	censusBits   = 1 << 16
	censusWindow = 64 * time.Second
)

// next gives a census with a new window, after c or, where c is nil, anew.
func (c *census) next(now time.Time) *census {
	n := &census{maphash.MakeSeed(), new(window), new(window), now}
	if c != nil {
		n.seed, n.last = c.seed, c.now
	}
	return n
}

// add counts client.
func (c *census) add(client netip.Addr) {
	key := client.As16()
	bit := maphash.Bytes(c.seed, key[:]) % censusBits
	word := &c.now[bit/64]
	if mask := uint64(1) << (bit % 64); word.Load()&mask == 0 { // most are there already
		word.Or(mask)
	}
}

// count estimates how many there were in the last 64 to 128 s.
func (c *census) count() int {
	clear := 0
	for i := range c.now {
		clear += bits.OnesCount64(^(c.now[i].Load() | c.last[i].Load()))
	}
	return int(math.Round(censusBits * math.Log(censusBits/float64(max(clear, 1)))))
}
