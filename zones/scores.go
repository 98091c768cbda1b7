package zones

import (
	"net/netip"
	"time"
)

// Standing is the monitor's verdict on one address, before the registry's own
// wishes (state, netspeed) are applied.
type Standing uint8

// The verdicts, worst first.
const (
	Out    Standing = iota // never handed out
	Resort                 // was In and merely fell silent: handed out when nothing In is left anywhere
	In                     // score ≥ 10, or served while the pool boots
)

// Score is what the monitor thinks of one address.
type Score struct {
	Value    float64 // −100 … 20
	Standing Standing
	Since    time.Time     // when Standing last changed
	Why      string        // one line for people
	Fault    string        // the kind of what is wrong, one word; "" when nothing is
	Back     time.Duration // how long it takes until it is In if every check is good from now on; 0 when it is
}

// Scores is keyed by address: an A and an AAAA of one member are scored apart.
// An address that is missing is Out.
type Scores map[netip.Addr]Score
