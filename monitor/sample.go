package monitor

import (
	"net/netip"
	"time"
)

// Outcome says whether a check told anything about the member.
type Outcome uint8

const (
	// Answered: a packet of the member arrived; whether it was any good is the
	// profile's to judge.
	Answered Outcome = iota
	// Silent: nothing came, or the far side refused.
	Silent
	// Unmeasured: the check failed on our side (no route, EPERM, EMFILE). It
	// moves no score.
	Unmeasured
)

// Sample is the result of one check of one address from one vantage: the best
// of a few exchanges. It is a plain value that is stored and sent as it is.
type Sample struct {
	Time    time.Time // wall clock at the end of the check
	Vantage string
	Addr    netip.Addr
	Outcome Outcome

	Offset       time.Duration // member's clock minus ours; 0 when the packet had no usable times
	RTT          time.Duration
	RootDistance time.Duration // RTT/2 + root delay/2 + root dispersion, to the primary source
	Stratum      uint8
	Leap         uint8 // 0–3, RFC 5905 figure 9
	RefID        uint32
	Kiss         string // "RATE", "DENY", …; "" when no kiss code came
	Invalid      string // why freshness or order of times is wrong; "" when they are right

	Sent, Lost int    // requests that left in this check and, of those, unanswered
	Err        string // for Silent and Unmeasured: what happened, without the address
}
