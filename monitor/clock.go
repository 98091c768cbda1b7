package monitor

import (
	"fmt"
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

// voter is one member host as it bears on whether this vantage is to be
// trusted: its fresh Rows from here, boiled down.
type voter struct {
	answered, silent, unmeasured bool // some fresh Row is so
	own                          bool // an address of this host: its clock is ours
	valid                        bool // there is a valid answer; of several, the one with the smallest root distance:
	offset, distance             time.Duration
}

// hear adds a fresh sample of an address of the host.
func (v *voter) hear(s *Sample) {
	v.answered = v.answered || s.Outcome == Answered
	v.silent = v.silent || s.Outcome == Silent
	v.unmeasured = v.unmeasured || s.Outcome == Unmeasured
	if valid(s) && (!v.valid || s.RootDistance < v.distance) {
		v.valid, v.offset, v.distance = true, s.Offset, s.RootDistance
	}
}

// valid reports whether a sample says what time its member has.
func valid(s *Sample) bool {
	return s.Outcome == Answered && s.Invalid == "" && s.Kiss == "" && s.Leap != 3 &&
		s.Stratum > 0 && s.Stratum < 16 && s.RootDistance <= 1500*time.Millisecond
}

// networkDown tells why nothing that the vantage measures may count, if so:
// every host is silent, and there are two at least (one that falls silent
// alone is what monitoring is for), or nothing can be sent at all.
func networkDown(hosts []voter) string {
	silent, unmeasured := 0, 0
	for _, h := range hosts {
		switch {
		case h.answered:
			return ""
		case h.silent:
			silent++
		case h.unmeasured:
			unmeasured++
		}
	}
	switch {
	case silent >= 2:
		return "frozen: every member is silent, so the network of this node is in doubt"
	case silent == 0 && unmeasured > 0:
		return "frozen: no check can leave this node"
	}
	return ""
}

// clockOff tells why the clock of this host is not to be trusted, if so: of at
// least three hosts a majority has it off, and off to the same side. One vote
// a host, so that a wrong member with two addresses does not vote twice; and
// none for this host's own. It also returns the number of votes.
func clockOff(hosts []voter) (why string, votes int) {
	var behind, ahead []time.Duration // how far off a voter has our clock
	for _, h := range hosts {
		if h.own || !h.valid {
			continue
		}
		votes++
		switch {
		case h.offset.Abs() <= h.distance+slack:
		case h.offset > 0:
			behind = append(behind, h.offset)
		default:
			ahead = append(ahead, -h.offset)
		}
	}
	off, side := behind, "behind"
	if len(ahead) > len(behind) {
		off, side = ahead, "ahead"
	}
	if votes < 3 || 2*len(off) <= votes {
		return "", votes
	}
	return fmt.Sprintf("frozen: %d of %d members have the clock of this node %v or more %s",
		len(off), votes, slices.Min(off).Round(time.Millisecond), side), votes
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
