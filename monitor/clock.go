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

// off tells on which side of this voter our clock is off, as far as its interval
// tells: 0 ahead of it, 1 on neither, 2 behind it.
func (v *voter) off() int {
	switch {
	case v.offset.Abs() <= v.distance+slack:
		return 1
	case v.offset > 0:
		return 2
	}
	return 0
}

// poll counts votes on the clock of this host, by off. One vote a host, so that
// a wrong member with two addresses does not vote twice.
type poll [3]int

func (p *poll) votes() int { return p[0] + p[1] + p[2] }

// lost reports whether our clock is off, if so many more vote against us: of at
// least three hosts a majority has it off, and off to the same side.
func (p *poll) lost(more int) bool {
	votes, off := p.votes()+more, max(p[0], p[2])+more
	return votes >= 3 && 2*off > votes
}

// clockVote tells why the clock of this host is not to be trusted, if so, by the
// votes of the members, and how many those are. If it is, they vouch for it up
// to a moment: so many have spoken since that the others could not outvote them
// any more, whatever they will say. That is now when they are too few to vote.
func clockVote(hosts []voter, now time.Time) (why string, votes int, upTo time.Time) {
	var voters []*voter
	for i := range hosts {
		if h := &hosts[i]; !h.mute && !h.reference {
			voters = append(voters, h)
		}
	}
	slices.SortFunc(voters, func(x, y *voter) int { return y.heard.Compare(x.heard) })
	var p poll
	least := [3]time.Duration{math.MaxInt64, 0, math.MaxInt64}
	for i, v := range voters {
		if p.lost(len(voters) - i) {
			now = v.heard // until this one has spoken, too
		}
		if v.valid {
			side := v.off()
			p[side]++
			least[side] = min(least[side], v.offset.Abs())
		}
	}
	if !p.lost(0) {
		return "", p.votes(), now
	}
	side, name := 0, "ahead"
	if p[2] > p[0] {
		side, name = 2, "behind"
	}
	return fmt.Sprintf("frozen: %d of %d members have the clock of this node %v or more %s",
		p[side], p.votes(), least[side].Round(time.Millisecond), name), p.votes(), time.Time{}
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
