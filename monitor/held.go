package monitor

import (
	"net/netip"
	"time"

	"github.com/timepool/timepool/zones"
)

// held is a check that waits until it is known whether it counts. One that is
// not good may be our own fault, and then nobody's score moves by it: so it
// waits until the others have spoken, each after it. If what they say has the
// Board frozen, it never counts. Fewer than three hosts can have no vote, and
// one alone nobody beside it: there it does not wait.
type held struct {
	Sample
	at      time.Time
	suspect suspect
	again   bool // most of the site is silent with it: its next check tells whether it counts
}

// suspect is what of ours may be to blame for a check that is not good.
type suspect uint8

const (
	nobody     suspect = iota // the check is good, not measured, or bad by what the member says of itself
	ourNetwork                // it is silent
	ourClock                  // with another offset it would be worth more
)

func suspectOf(s Sample, p zones.Profile) suspect {
	if s.Outcome == Silent {
		return ourNetwork
	}
	step, limit, fault, _ := Judge(s, p)
	s.Offset = 0
	if right, unlimited, _, _ := Judge(s, p); fault != "" && (right > step || unlimited > limit) {
		return ourClock
	}
	return nobody
}

// waits reports whether the oldest check held of the entry has yet to wait.
func (b *Board) waits(e *entry) bool {
	h, v := &e.held[0], b.watched[e.row.Addr]
	switch {
	case b.stands(e.row.Addr), h.suspect == nobody:
		return false
	case h.at.After(b.freezes[family(e.row.Addr)].vouched[h.suspect]):
		return true
	case h.suspect == ourClock:
		return false
	}
	// Most of a site silent at once is the path more often than the clocks. One
	// that was measured wrong has no such grace.
	h.again = v != nil && (h.again || v.standing == zones.In && !e.row.Wrong && b.quiet[b.hosts[v.host].Site])
	return h.again && len(e.held) == 1
}

// stands reports whether no check of the address counts now.
func (b *Board) stands(a netip.Addr) bool {
	v := b.watched[a]
	return b.freezes[family(a)].why != "" || v != nil && b.hosts[v.host].Paused
}

// release lets checks of the entry count, oldest first, until one has to wait.
func (b *Board) release(e *entry, now time.Time) {
	a := e.row.Addr
	for len(e.held) > 0 && !b.waits(e) {
		h := e.held[0]
		e.held = e.held[1:]
		b.move(e, h.Sample, b.stands(a) || h.again && e.held[0].Outcome != Silent, now)
		if v := b.watched[a]; v != nil {
			b.judge(a, v, now)
		}
	}
	if n := len(e.held); n > 0 {
		e.row, b.waiting[a] = e.row.After(e.held[n-1].Sample, b.profile, true), true
		e.row.Frozen = false // it is shown what it says, though it does not count yet
		return
	}
	e.held = nil
	delete(b.waiting, a)
}

// move moves the entry's Row on by a check. One that does not count makes the
// Row no younger, and no older either: it was on our side that nothing could be
// measured.
func (b *Board) move(e *entry, s Sample, frozen bool, now time.Time) {
	before := e.row.Checks
	e.row = e.row.After(s, b.profile, frozen)
	e.at = b.clock(s.Addr, now)
	if e.row.Checks != before {
		e.age = 0
	}
	if before == 0 {
		e.first = e.at
	}
	b.keep(e.row)
}
