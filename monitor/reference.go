package monitor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"
)

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
			failed = append(failed, fmt.Sprintf("%v is at %s", r.addr, signed(r.offset)))
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
		why = fmt.Sprintf("frozen: the clock of this node was stepped by %s, and not enough have vouched for it since", signed(b.stepBy))
	}
	return why, later(upTo, now.Add(-longest))
}
