package monitor

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"time"
)

// slack is by how much this host's clock may differ from a member's interval
// and still agree with it. Without it a pool of stratum 1 servers, whose root
// distance is microseconds, would call every clock unsound that is merely not
// as good as theirs; no step of a score turns on 10 ms.
const slack = 10 * time.Millisecond

// voter is one host as it bears on whether this vantage is to be trusted: its
// fresh checks from here, boiled down.
type voter struct {
	mute      bool    // what it does says nothing of us
	reference bool    // not a member: it has no vote on the clock, but a path
	path      [2]path // by family

	heard            time.Time // when its vote came, or if it has none its last check
	valid            bool      // there is a valid answer; of several, the one with the smallest root distance:
	offset, distance time.Duration
}

// votes reports whether the host has a vote on our clock, if it answers.
func (v *voter) votes() bool { return !v.mute && !v.reference }

// hear adds a fresh sample of an address of the host, which came at that time.
func (v *voter) hear(s *Sample, family int, at time.Time) {
	v.path[family].hear(s, at)
	switch {
	case valid(s) && (!v.valid || s.RootDistance < v.distance):
		v.valid, v.offset, v.distance, v.heard = true, s.Offset, s.RootDistance, at
	case !v.valid:
		v.heard = later(v.heard, at)
	}
}

// valid reports whether a sample says what time its member has.
func valid(s *Sample) bool {
	return s.Outcome == Answered && s.Invalid == "" && s.Kiss == "" && s.Leap != 3 &&
		s.Stratum > 0 && s.Stratum < 16 && s.RootDistance <= 1500*time.Millisecond
}

// off tells on which side of this voter our clock is off: 1 behind it, −1 ahead
// of it, 0 neither as far as its interval tells.
func (v *voter) off() int {
	switch {
	case v.offset.Abs() <= v.distance+slack:
		return 0
	case v.offset > 0:
		return 1
	}
	return -1
}

// poll counts votes on the clock of this host. One vote a host, so that a wrong
// member with two addresses does not vote twice.
type poll struct {
	votes         int
	behind, ahead int // of those, that have our clock off
}

func (p *poll) add(v *voter) {
	if !v.valid {
		return
	}
	p.votes++
	switch v.off() {
	case 1:
		p.behind++
	case -1:
		p.ahead++
	}
}

// lost reports whether our clock is off: of at least three hosts a majority has
// it off, and off to the same side. It is asked as if so many more had voted
// against us.
func (p *poll) lost(more int) bool {
	votes, off := p.votes+more, max(p.behind, p.ahead)+more
	return votes >= 3 && 2*off > votes
}

// clockOff tells why the clock of this host is not to be trusted, if so, by the
// votes of the members; and how many those are.
func clockOff(hosts []voter) (why string, votes int) {
	var p poll
	for i := range hosts {
		if hosts[i].votes() {
			p.add(&hosts[i])
		}
	}
	if !p.lost(0) {
		return "", p.votes
	}
	side, name := 1, "behind"
	if p.ahead > p.behind {
		side, name = -1, "ahead"
	}
	least := time.Duration(math.MaxInt64)
	for i := range hosts {
		if h := &hosts[i]; h.votes() && h.valid && h.off() == side {
			least = min(least, h.offset.Abs())
		}
	}
	return fmt.Sprintf("frozen: %d of %d members have the clock of this node %v or more %s",
		max(p.behind, p.ahead), p.votes, least.Round(time.Millisecond), name), p.votes
}

// clockVouched returns the moment up to which the members vouch for the clock of
// this host: so many have spoken since that the others could not outvote them
// any more, whatever they will say. It is now when they are too few for a vote,
// and the zero Time when the vote is against us.
func clockVouched(hosts []voter, now time.Time) time.Time {
	var voters []*voter
	for i := range hosts {
		if hosts[i].votes() {
			voters = append(voters, &hosts[i])
		}
	}
	slices.SortFunc(voters, func(x, y *voter) int { return y.heard.Compare(x.heard) })
	var p poll
	for i, v := range voters {
		if !p.lost(len(voters) - i) {
			break
		}
		p.add(v)
		now = v.heard
	}
	if p.lost(0) {
		return time.Time{}
	}
	return now
}

// ownAddrs returns a test for the addresses of this host as they are now, the
// loopback networks included.
func ownAddrs() func(netip.Addr) bool {
	own := map[netip.Addr]bool{}
	addrs, _ := net.InterfaceAddrs() // on error only loopback is known
	for _, a := range addrs {
		if p, err := netip.ParsePrefix(a.String()); err == nil {
			own[p.Addr().Unmap().WithZone("")] = true
		}
	}
	return func(a netip.Addr) bool { return a.IsLoopback() || own[a.Unmap().WithZone("")] }
}
