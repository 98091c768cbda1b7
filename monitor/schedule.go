package monitor

import (
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"net/netip"
	"time"
)

const (
	earningPeriod = 8 * time.Second  // while an address earns its way in; chronyd's default ratelimit allows it
	ratePeriod    = 16 * time.Minute // the longest after RATE
	denyPeriod    = time.Hour        // after DENY and RSTR
)

// phase is where in every period an address is checked, as a share of the
// period in 1/2⁶⁴. It hangs on nothing but the vantage and the address, so the
// load is as even after a restart as before, and two vantages do not ask a
// member in the same moment.
type phase uint64

func phaseOf(vantage string, addr netip.Addr) phase {
	sum := sha256.Sum256(addr.AppendTo(append([]byte(vantage), 0)))
	return phase(binary.BigEndian.Uint64(sum[:]))
}

// slot returns the first moment at or after earliest that has this phase in a
// grid of periods that starts at the Unix epoch. The wall clock only chooses
// the grid: the result keeps earliest's monotonic reading, so neither a stepped
// clock nor a night in suspend makes anything due at once.
func (h phase) slot(period time.Duration, earliest time.Time) time.Time {
	offset, _ := bits.Mul64(uint64(h), uint64(period))
	wait := (time.Duration(offset) - time.Duration(earliest.UnixNano())%period) % period
	if wait < 0 {
		wait += period
	}
	return earliest.Add(wait)
}

// pace is how often an address is checked, and with how many samples.
type pace struct {
	period  time.Duration
	samples int
	held    bool // slower than we like, on the member's demand
}

// paceOf returns the pace for an address: held back by kiss codes to one sample
// in so long (0: not held), earning its way in, or as configured.
func paceOf(interval time.Duration, samples int, held time.Duration, r Row) pace {
	switch {
	case held > 0:
		return pace{held, 1, true}
	case r.Earning():
		return pace{min(earningPeriod, interval), 1, false}
	}
	return pace{interval, samples, false}
}

// backoff returns how long an address is to be held back after a check, given
// how long it was (0: not). RFC 5905 §7.4: RATE asks for fewer packets, DENY
// and RSTR for none; silence changes nothing and any other answer ends it.
func backoff(held, interval time.Duration, s Sample) time.Duration {
	switch {
	case s.Outcome != Answered:
		return held
	case s.Kiss == "RATE":
		return max(held, interval, min(2*max(held, interval), ratePeriod))
	case s.Kiss == "DENY" || s.Kiss == "RSTR":
		return max(interval, denyPeriod)
	}
	return 0
}

// due returns when an address is checked next after a check from start to end.
// It falls on the address's slot, so start times do not drift by what checks
// take. Half a period at least lies between two starts (a late one does not
// pull its successor close) and a gap between two checks. Who is held back has
// no slot: it waits its whole period.
func (h phase) due(p pace, gap time.Duration, start, end time.Time) time.Time {
	if p.held {
		return later(start.Add(p.period), end.Add(gap))
	}
	return h.slot(p.period, later(start.Add(p.period/2), end.Add(gap)))
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
