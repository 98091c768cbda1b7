package responder

import (
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

// Limit says how much one client prefix (an IPv4 address, an IPv6 /64) may
// ask. The networks around it, each shared by the prefixes in it, may ask a
// fixed multiple: an IPv4 /24 and an IPv6 /56 8 times, an IPv6 /48 32 times as
// much. Zero fields take the default.
type Limit struct {
	Rate   int            // requests a second in the long run; 200: 12,800 clients behind one address at 64 s
	Burst  int            // requests at once; 8000: 2000 such clients starting with iburst after a power cut
	Kisses int            // kiss codes RATE a second, over all clients; 50
	Slots  int            // prefixes remembered, rounded up to a power of two; 131072, 8 octets each
	Exempt []netip.Prefix // never limited: the networks the pool measures from
}

// Limiter is a leaky bucket per client prefix in a fixed array. It never
// grows: a prefix that finds no place takes that of the emptiest bucket in its
// set of four, so a flood from millions of spoofed sources pushes out each
// other and quiet clients (who start anew and notice nothing), but not the
// loud ones. The hash is keyed, so nobody can aim at somebody else's set.
//
// One in four requests over the limit is answered all the same, at random: a
// client whose address is being spoofed is slowed but not silenced.
//
// It is safe for concurrent use and allocates nothing after NewLimiter.
type Limiter struct {
	seed     maphash.Seed
	slots    []atomic.Uint64 // tag<<44 | the instant in µs at which the bucket is empty
	mask     uint64          // number of sets − 1
	interval uint64          // µs a request adds to the bucket of its prefix
	depth    uint64          // µs a bucket holds
	exempt   []netip.Prefix
	start    time.Time
	random   func() uint64

	kissEmpty    atomic.Int64 // µs: the bucket of all kisses
	kissInterval int64
}

// width is a prefix that has a bucket: in octets of the address, with how many
// times the rate and burst of the narrowest.
type width struct{ octets, times uint64 }

var (
	widths4 = [...]width{{16, 1}, {15, 8}} // of the mapped address: /32, /24
	widths6 = [...]width{{8, 1}, {7, 8}, {6, 32}}
)

const (
	ways     = 4
	tagShift = 44 // 2⁴⁴ µs is 203 days; what is left of older entries is told by an impossible level
	tickMask = 1<<tagShift - 1
	leak     = 4 // one in so many requests over the limit is answered
	kissOdds = 4 // one in so many of the rest may be kissed, within Limit.Kisses
)

// NewLimiter makes a Limiter; now starts its clock and must, like every
// instant given to Take, come from time.Now.
func NewLimiter(l Limit, now time.Time) *Limiter {
	or := func(n, standard int) uint64 {
		if n <= 0 {
			n = standard
		}
		return uint64(n)
	}
	sets := uint64(1)
	for sets*ways < or(l.Slots, 131072) {
		sets *= 2
	}
	interval := max(1, 1e6/or(l.Rate, 200))
	return &Limiter{
		seed:         maphash.MakeSeed(),
		slots:        make([]atomic.Uint64, sets*ways),
		mask:         sets - 1,
		interval:     interval,
		depth:        min(interval*or(l.Burst, 8000), tickMask/4),
		exempt:       l.Exempt,
		start:        now,
		random:       rand.Uint64,
		kissInterval: int64(max(1, 1e6/or(l.Kisses, 50))),
	}
}

// Take counts one request of client at the instant now. It says Answered, or
// when the client is over its limit, Kissed or Limited.
func (l *Limiter) Take(client netip.Addr, now time.Time) Verdict {
	client = client.Unmap()
	for _, p := range l.exempt {
		if p.Contains(client) {
			return Answered
		}
	}
	tick := uint64(now.Sub(l.start)/time.Microsecond) & tickMask
	widths := widths4[:]
	if client.Is6() {
		widths = widths6[:]
	}
	key := client.As16()
	var hashes [len(widths6)]uint64
	for i, w := range widths { // nothing is charged unless all of them let it pass
		hashes[i] = maphash.Bytes(l.seed, key[:w.octets])
		if _, _, _, level := l.find(hashes[i], tick); level+l.cost(w) > l.depth {
			return l.over(int64(now.Sub(l.start) / time.Microsecond))
		}
	}
	for i, w := range widths {
		for {
			slot, old, tag, level := l.find(hashes[i], tick)
			if slot.CompareAndSwap(old, tag<<tagShift|(tick+min(level+l.cost(w), l.depth))&tickMask) {
				break
			}
		}
	}
	return Answered
}

// cost is the µs that a request adds to the bucket of a prefix.
func (l *Limiter) cost(w width) uint64 { return max(1, l.interval/w.times) }

// find gives the bucket of hash with its tag and level in µs, or the emptiest
// one of the set with level 0.
func (l *Limiter) find(hash, tick uint64) (slot *atomic.Uint64, old, tag, level uint64) {
	set := l.slots[(hash&l.mask)*ways:][:ways]
	tag = hash >> tagShift
	emptiest := uint64(1<<64 - 1)
	for i := range set {
		word := set[i].Load()
		left := (word - tick) & tickMask
		if left > l.depth {
			left = 0 // in the past, modulo 2⁴⁴
		}
		if word>>tagShift == tag {
			return &set[i], word, tag, left
		}
		if left < emptiest {
			slot, old, emptiest = &set[i], word, left
		}
	}
	return slot, old, tag, 0
}

// over decides about a request over the limit.
func (l *Limiter) over(tick int64) Verdict {
	r := l.random()
	switch {
	case r%leak == 0:
		return Answered
	case r/leak%kissOdds != 0:
		return Limited
	}
	for {
		// A bucket of one second: at most Limit.Kisses in any second, twice that after a rest.
		old := l.kissEmpty.Load()
		next := max(old, tick) + l.kissInterval
		if next > tick+1e6 {
			return Limited
		}
		if l.kissEmpty.CompareAndSwap(old, next) {
			return Kissed
		}
	}
}
