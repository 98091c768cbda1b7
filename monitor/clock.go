package monitor

import (
	"fmt"
	"math"
	"net"
	"net/netip"
	"slices"
	"strings"
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
	side := 2 * truth(p[2] > p[0])
	return fmt.Sprintf("frozen: %d of %d members have the clock of this node %v or more %s",
		p[side], p.votes(), least[side].Round(time.Millisecond), [...]string{0: "ahead", 2: "behind"}[side]), p.votes(), time.Time{}
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

const (
	referenceKept = 180 * time.Second // how long the word of a reference stands
	stepLimit     = 128 * time.Millisecond
)

// reference is a server whose word on the clock of this node counts.
type reference struct {
	addr   netip.Addr
	at     time.Time // of its last answer; zero: none yet
	offset time.Duration
	ok     bool // it was synchronised and within 10 ms
}

// hear takes a check of the reference in. One without an answer changes nothing.
func (r *reference) hear(s *Sample, now time.Time) {
	if s.Outcome == Answered {
		r.at, r.offset, r.ok = now, s.Offset, valid(s) && s.Offset.Abs() <= slack
	}
}

// mayFail is how many of n references may.
func mayFail(n int) int { return max(0, n-(n+2)/2) }

// referencesVote tells why the references do not vouch for the clock of this
// node, if so: more than mayFail of them have failed. One that was not heard
// since begin has not, until grace is over. It also returns how many vouch, and
// up to when enough of them do.
func referencesVote(refs []*reference, begin, now time.Time, grace time.Duration) (why string, votes int, upTo time.Time) {
	var failed []string
	var vouch []time.Time
	for _, r := range refs {
		switch {
		case r.at.IsZero() && now.Sub(begin) <= grace:
		case r.at.IsZero() || now.Sub(r.at) > max(referenceKept, grace):
			failed = append(failed, fmt.Sprintf("%v is silent", r.addr))
		case !r.ok:
			failed = append(failed, fmt.Sprintf("%v is at %s", r.addr, OffsetText(r.offset)))
		default:
			vouch = append(vouch, r.at)
		}
	}
	slices.SortFunc(vouch, func(x, y time.Time) int { return y.Compare(x) })
	if need := len(refs) - mayFail(len(refs)); need > 0 && len(vouch) >= need {
		upTo = vouch[need-1]
	}
	if len(failed) > mayFail(len(refs)) {
		why = fmt.Sprintf("frozen: %d of %d references do not vouch for the clock of this node: %s", len(failed), len(refs), strings.Join(failed, ", "))
	}
	return why, len(vouch), upTo
}

// stepped notes when the wall clock of this node moved otherwise than time went
// by: it was set, or the machine slept. What was measured before says nothing
// any more of whether the clock is right.
func (b *Board) stepped(now time.Time) {
	wall := b.o.Wall()
	if by := wall.Sub(b.wall) - now.Sub(b.wallAt); by.Abs() > stepLimit {
		b.step, b.stepBy = now, by
		for _, r := range b.references {
			r.at = time.Time{}
		}
	}
	b.wall, b.wallAt = wall, now
}

// clockDoubt tells why the clock of this node is not to be trusted, if so, and up
// to when checks that hang on it may count.
func (b *Board) clockDoubt(hosts []voter, now time.Time) (why string, upTo time.Time) {
	why, b.votes, upTo = clockVote(hosts, now)
	vouched, need, longest := b.votes, 3, b.fresh()
	if n := len(b.references); n > 0 {
		why, vouched, upTo = referencesVote(b.references, b.step, now, b.fresh())
		need, longest = min(need, n), max(referenceKept, longest)
	}
	if why == "" && b.stepBy != 0 && vouched < need && now.Sub(b.step) <= b.fresh() {
		why = fmt.Sprintf("frozen: the clock of this node was stepped by %s, and not enough have vouched for it since", OffsetText(b.stepBy))
	}
	return why, later(upTo, now.Add(-longest))
}
