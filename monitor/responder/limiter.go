package responder

import (
	"hash/maphash"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"
)

// Limit says how much one client prefix (an IPv4 address, an IPv6 /64) may
// ask. Zero fields take the default.
type Limit struct {
	Rate   int            // requests a second in the long run; 200: 12,800 clients behind one address at 64 s
	Burst  int            // requests at once; 8000: 2000 such clients starting with iburst after a power cut
	Kisses int            // kiss codes RATE a second, over all clients; 50
	Slots  int            // prefixes remembered, rounded up to a power of two; 65536, 8 octets each
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
	interval uint64          // µs a request adds to its bucket
	depth    uint64          // µs a bucket holds
	exempt   []netip.Prefix
	start    time.Time
	random   func() uint64

	kissEmpty    atomic.Int64 // µs: the bucket of all kisses
	kissInterval int64
}

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
	for sets*ways < or(l.Slots, 65536) {
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
	hash := l.hash(client)
	tick := uint64(now.Sub(l.start)/time.Microsecond) & tickMask
	set := l.slots[(hash&l.mask)*ways:][:ways]
	tag := hash >> tagShift
	for {
		slot, old, level := l.find(set, tag, tick)
		if level+l.interval > l.depth {
			return l.over(int64(now.Sub(l.start) / time.Microsecond))
		}
		if slot.CompareAndSwap(old, tag<<tagShift|(tick+level+l.interval)&tickMask) {
			return Answered
		}
	}
}

// hash is keyed and covers the prefix that shares a bucket.
func (l *Limiter) hash(client netip.Addr) uint64 {
	key := client.As16()
	n := 16
	if client.Is6() {
		n = 8
	}
	return maphash.Bytes(l.seed, key[:n])
}

// find gives the bucket of tag with its level in µs, or the emptiest one of
// the set with level 0.
func (l *Limiter) find(set []atomic.Uint64, tag, tick uint64) (slot *atomic.Uint64, old, level uint64) {
	emptiest := uint64(1<<64 - 1)
	for i := range set {
		word := set[i].Load()
		left := (word - tick) & tickMask
		if left > l.depth {
			left = 0 // in the past, modulo 2⁴⁴
		}
		if word>>tagShift == tag {
			return &set[i], word, left
		}
		if left < emptiest {
			slot, old, emptiest = &set[i], word, left
		}
	}
	return slot, old, 0
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
