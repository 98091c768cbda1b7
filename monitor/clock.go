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
		if h := &hosts[i]; !h.mute() && !h.reference {
			voters = append(voters, h)
		}
	}
	slices.SortFunc(voters, func(x, y *voter) int { return y.spoke().Compare(x.spoke()) })
	var p poll
	least := [3]time.Duration{math.MaxInt64, 0, math.MaxInt64}
	for i, v := range voters {
		if p.lost(len(voters) - i) {
			now = v.spoke() // until this one has spoken, too
		}
		if v.best != nil {
			side := v.off()
			p[side]++
			least[side] = min(least[side], v.best.Offset.Abs())
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

// saysSmear reports whether a reference identifier says that its clock spreads a leap
// second now: as ntpd shows it while it does, and timepool's responder.
func saysSmear(refid uint32) bool { return refid>>24 == 254 }

// unsmear takes from the offset of a sample what a leap second adds to it, where
// its member is declared to smear or says so itself. What is left is judged,
// shown and kept.
func (b *Board) unsmear(s *Sample, declared bool) {
	if b.o.Smeared != nil && valid(s) && (declared || saysSmear(s.RefID)) {
		s.Offset -= b.o.Smeared(s.Time, s.Offset)
	}
}
