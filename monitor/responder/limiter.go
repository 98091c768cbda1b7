package responder

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"time"

	"github.com/timepool/timepool/zones/limit"
)

// Limit says how much one client prefix (an IPv4 address, an IPv6 /64) may
// ask. The networks around it, each shared by the prefixes in it, may ask a
// fixed multiple: an IPv4 /24 and an IPv6 /56 8 times, an IPv6 /48 32 times as
// much. Zero fields take the default.
type Limit struct {
	Rate   int            // requests a second in the long run; 200: 12,800 clients behind one address at 64 s
	Burst  int            // requests at once; 8000: 2000 such clients starting with iburst after a power cut
	Exempt []netip.Prefix // never limited: the networks the pool measures from
}

// Limiter decides about requests by what their prefixes asked lately. One in
// four over the limit is answered all the same, at random: a client whose address
// is being spoofed is slowed but not silenced.
//
// It is safe for concurrent use and allocates nothing after NewLimiter.
type Limiter struct {
	prefixes *limit.Limiter
	kisses   *limit.Limiter // one bucket for all clients
	start    time.Time
	random   func() uint64
}

const (
	leak      = 4       // one in so many requests over the limit is answered
	kissOdds  = 4       // one in so many of the rest may be kissed
	kissRate  = 50      // kiss codes RATE a second, over all clients, twice as many after a rest
	remembers = 1 << 17 // prefixes, 8 octets each
)

// NewLimiter makes a Limiter; now starts its clock and must, like every
// instant given to Take, come from time.Now.
func NewLimiter(l Limit, now time.Time) *Limiter {
	return &Limiter{
		prefixes: limit.New(limit.Rates{
			Rate: cmp.Or(max(0, l.Rate), 200), Burst: cmp.Or(max(0, l.Burst), 8000),
			IPv4:  []limit.Width{{Bits: 32, Times: 1}, {Bits: 24, Times: 8}},
			IPv6:  []limit.Width{{Bits: 64, Times: 1}, {Bits: 56, Times: 8}, {Bits: 48, Times: 32}},
			Slots: remembers, Exempt: l.Exempt,
		}),
		kisses: limit.New(limit.Rates{Rate: kissRate, Burst: kissRate, IPv4: []limit.Width{{Bits: 0, Times: 1}}}),
		start:  now,
		random: rand.Uint64,
	}
}

// Take counts one request of client at the instant now. It says Answered, or
// when the client is over its limit, Kissed or Limited.
func (l *Limiter) Take(client netip.Addr, now time.Time) Verdict {
	tick := limit.Tick(now.Sub(l.start))
	if l.prefixes.Take(client, tick) {
		return Answered
	}
	switch r := l.random(); {
	case r%leak == 0:
		return Answered
	case r/leak%kissOdds == 0 && l.kisses.Take(netip.IPv4Unspecified(), tick):
		return Kissed
	}
	return Limited
}
