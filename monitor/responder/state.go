package responder

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"math/bits"
	"net/netip"
	"strings"
	"time"
)

// NotInSync is the leap indicator of a clock that is not synchronised
// (RFC 5905 figure 9).
const NotInSync = 3

// MaxStratum stands for "unsynchronised" in a State (RFC 5905 figure 11).
const MaxStratum = 16

// worthless is the root dispersion of an unsynchronised clock: MAXDISP of
// RFC 5905, at which every client gives up, even one that looks neither at
// leap nor at stratum.
const worthless = 16 * time.Second

// growth is PHI of RFC 5905 §7.3, the rate at which dispersion is taken to
// grow while nobody measures the clock: 15 ppm.
const growth = 15

// State is what a server announces of its clock. Its zero value is an
// unsynchronised clock.
type State struct {
	Leap           uint8         // 0 none, 1 insert, 2 delete a second this month, 3 NotInSync
	Stratum        uint8         // 1–15; anything else is unsynchronised
	Precision      int8          // log2 seconds, see Precision
	RefID          uint32        // four ASCII letters at stratum 1, else the upstream's address (ParseRefID)
	RefTime        time.Time     // when the clock was last set or corrected
	RootDelay      time.Duration // round trip to the primary source, ≥ 0
	RootDispersion time.Duration // error bound at the instant Since, ≥ 0
	Since          time.Time     // from here RootDispersion grows by 15 ppm; zero: it does not grow

	// Offset is added to every stamp that is sent. It makes a wrong clock out
	// of a right one, for demonstrations and tests; nothing else sets it.
	Offset time.Duration
	// Smearing is what smearing a leap second adds to the clock now; 0 where it does not.
	Smearing time.Duration

	smear  *smear  // where it does
	asking *census // of those to whom this is announced; may be nil
}

// offset is what is added to every stamp that is sent.
func (s *State) offset() time.Duration {
	if s.smear == nil {
		return s.Offset
	}
	return s.Offset + s.smear.offset(time.Now())
}

// Unsynchronised is the State of a clock nothing is known about.
func Unsynchronised() State {
	return State{Leap: NotInSync, Stratum: MaxStratum, RootDispersion: worthless}
}

// Synchronised reports whether s is announced as a clock to follow.
func (s *State) Synchronised() bool {
	return s.Leap < NotInSync && 0 < s.Stratum && s.Stratum < MaxStratum
}

// dispersion is the root dispersion at the instant now.
func (s *State) dispersion(now Stamp) time.Duration {
	if s.Since.IsZero() {
		return s.RootDispersion
	}
	return s.RootDispersion + max(0, now.Sub(StampOf(s.Since)))*growth/1e6
}

// ParseRefID reads a reference identifier (RFC 5905 §7.3) as operators write
// it: at stratum 1 one to four printable ASCII letters ("GPS", "PPS"), above
// it the address of the upstream server, of which IPv6 gives the first four
// octets of its MD5.
func ParseRefID(text string, stratum uint8) (uint32, error) {
	if stratum > 1 {
		addr, err := netip.ParseAddr(text)
		if err != nil {
			return 0, fmt.Errorf("reference %q: at stratum %d this is the upstream server's IP address", text, stratum)
		}
		octets := addr.Unmap().AsSlice()
		if len(octets) == 16 {
			sum := md5.Sum(octets)
			octets = sum[:]
		}
		return binary.BigEndian.Uint32(octets), nil
	}
	if text == "" || len(text) > 4 || strings.ContainsFunc(text, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return 0, fmt.Errorf("reference %q: one to four printable ASCII letters such as GPS or PPS", text)
	}
	var id [4]byte
	copy(id[:], text)
	return binary.BigEndian.Uint32(id[:]), nil
}

// Precision measures how finely this system's clock can be read (RFC 5905
// §7.3): log2 seconds of the smallest step between two readings, rounded up.
// It takes well under 100 ms.
func Precision() int8 {
	step, last := time.Second, time.Now()
	// A thousand steps, or the first of a coarse clock; under test one may stand still.
	for n := 0; n < 1000 || step == time.Second && n < 1<<20; n++ {
		now := time.Now()
		if d := now.Sub(last); d > 0 {
			step = min(step, d)
		}
		last = now
	}
	return int8(bits.Len64(uint64(step)<<32/1e9) - 32)
}
