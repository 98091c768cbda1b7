package monitor

import (
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

// waits reports whether the oldest check held of the address has yet to wait.
func (b *Board) waits(a *address) bool {
	h := &a.held[0]
	switch {
	case b.stands(a), h.suspect == nobody:
		return false
	case h.at.After(b.freezes[family(a.addr)].vouched[h.suspect]):
		return true
	case h.suspect == ourClock:
		return false
	}
	// Most of a site silent at once is the path more often than the clocks. One
	// that was measured wrong has no such grace.
	h.again = a.host >= 0 && (h.again || a.standing == zones.In && !a.rows[0].row.Wrong && b.quiet[b.hosts[a.host].Site])
	return h.again && len(a.held) == 1
}

// stands reports whether no check of the address counts now.
func (b *Board) stands(a *address) bool {
	return b.freezes[family(a.addr)].why != "" || a.host >= 0 && b.hosts[a.host].Paused
}

// release lets checks of the address count, oldest first, until one has to wait.
// One that does not count makes the Row no younger, and no older either: it was
// on our side that nothing could be measured.
func (b *Board) release(a *address, now time.Time) {
	e := &a.rows[0]
	for len(a.held) > 0 && !b.waits(a) {
		h, before := a.held[0], e.row.Checks
		a.held = a.held[1:]
		e.row = e.row.After(h.Sample, b.profile, b.stands(a) || h.again && a.held[0].Outcome != Silent)
		e.at = b.freezes[family(a.addr)].clock(now)
		if e.row.Checks != before {
			e.age = 0
		}
		if before == 0 {
			e.first = e.at
		}
		if b.o.Keep != nil {
			b.o.Keep(e.row)
		}
		if a.host >= 0 {
			b.judge(a, now)
		}
	}
	if n := len(a.held); n > 0 {
		e.row, b.waiting[a] = e.row.After(a.held[n-1].Sample, b.profile, true), true
		e.row.Frozen = false // it is shown what it says, though it does not count yet
		return
	}
	a.held = nil
	delete(b.waiting, a)
}
