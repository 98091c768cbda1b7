package limit

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gaissmai/bart"
)

// Rates says how much the prefixes around a client's address may ask.
type Rates struct {
	Rate  int // requests a second in the long run of a Width with Times 1; 1 to 10⁶
	Burst int // requests at once; 1 and up, and what Rate gives in 73 minutes at most
	// The prefixes that are counted, at most four of a family.
	IPv4, IPv6 []Width
	Slots      int            // prefixes remembered, rounded up to a power of two; 8 octets each
	Exempt     []netip.Prefix // never limited
}

// Width is a length of prefix, and how many times Rate and Burst such a prefix
// has, as the longer ones within share it.
type Width struct{ Bits, Times int }

// Limiter is a leaky bucket per prefix in a fixed array. It never grows: a
// prefix that finds no place takes that of the emptiest bucket in its set of
// four, so a flood from millions of spoofed sources pushes out each other and
// quiet clients (who start anew and notice nothing), but not the loud ones. The
// hash is keyed, so nobody can aim at somebody else's set.
//
// It is safe for concurrent use and allocates nothing after New.
type Limiter struct {
	exempt    *bart.Lite // nil: nobody is
	four, six []width
	seeds     [2]uint64
	slots     []atomic.Uint64 // tag<<44 | the tick at which the bucket is empty
	mask      uint64          // number of sets − 1
	depth     uint64          // ticks a bucket holds
}

// width is a Width, made ready.
type width struct {
	hi, lo uint64 // the mask; IPv4 stands in the upper half of hi
	salt   uint64 // keeps equal bits of different widths apart
	cost   uint64 // ticks that a request adds
}

const (
	most     = 4 // widths of a family
	ways     = 4
	tagShift = 44 // 2⁴⁴ ns is 4.9 hours; what is left of older entries is told by an impossible level
	tickMask = 1<<tagShift - 1
)

// New makes a Limiter of empty buckets.
func New(r Rates) *Limiter {
	sets := uint64(1)
	for sets*ways < uint64(r.Slots) {
		sets *= 2
	}
	interval := uint64(time.Second) / uint64(r.Rate)
	l := &Limiter{
		four: widths(r.IPv4, interval), six: widths(r.IPv6, interval),
		seeds: [2]uint64{rand.Uint64(), rand.Uint64()},
		slots: make([]atomic.Uint64, sets*ways),
		mask:  sets - 1,
		depth: min(interval*uint64(r.Burst), tickMask/4),
	}
	for _, p := range r.Exempt {
		if l.exempt == nil {
			l.exempt = new(bart.Lite)
		}
		l.exempt.Insert(p)
	}
	return l
}

func widths(list []Width, interval uint64) (ready []width) {
	for _, w := range list[:min(len(list), most)] {
		ready = append(ready, width{
			hi: ^uint64(0) << max(0, 64-w.Bits), lo: ^uint64(0) << (128 - w.Bits),
			salt: uint64(w.Bits) * 0x9E3779B97F4A7C15, cost: interval / uint64(w.Times),
		})
	}
	return ready
}

// Tick is the instant that Take wants: the nanoseconds since an instant of the
// caller's choice, always the same.
func Tick(since time.Duration) uint64 { return uint64(since) & tickMask }

// Take counts one request of client, and says whether each of its prefixes is
// within what it may ask. One that is over is charged to none of them.
func (l *Limiter) Take(client netip.Addr, tick uint64) bool {
	client = client.Unmap()
	if l.exempt != nil && l.exempt.Contains(client) {
		return true
	}
	widths, hi, lo := l.six, uint64(0), uint64(0)
	if client.Is4() {
		a := client.As4()
		widths, hi = l.four, uint64(binary.BigEndian.Uint32(a[:]))<<32
	} else {
		a := client.As16()
		hi, lo = binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(a[8:])
	}
	var buckets [most]bucket
	for i := range widths {
		w, b := &widths[i], &buckets[i]
		b.hash = l.hash(hi&w.hi, lo&w.lo, w.salt)
		b.set = (*[ways]atomic.Uint64)(l.slots[(b.hash&l.mask)*ways:])
		b.set[0].Load() // all sets are under way from memory before the first is looked at
	}
	for i := range widths {
		b := &buckets[i]
		if l.find(b, tick); b.level+widths[i].cost > l.depth {
			return false
		}
	}
	for i := range widths {
		b, cost := &buckets[i], widths[i].cost
		for !b.slot.CompareAndSwap(b.old, b.hash>>tagShift<<tagShift|(tick+min(b.level+cost, l.depth))&tickMask) {
			l.find(b, tick)
		}
	}
	return true
}

// hash multiplies by secrets, the results of which nobody sees from outside.
func (l *Limiter) hash(hi, lo, salt uint64) uint64 {
	a, b := bits.Mul64(hi^l.seeds[0]^salt, lo^l.seeds[1])
	return a ^ b
}

// bucket is one as it was found.
type bucket struct {
	hash, old, level uint64 // level in ticks
	set              *[ways]atomic.Uint64
	slot             *atomic.Uint64 // of set
}

// find finds the bucket of b.hash, or the emptiest one of the set, which then
// counts as empty.
func (l *Limiter) find(b *bucket, tick uint64) {
	same := uint64(0) // by bit: whose tag it is. Nobody could predict a branch on it.
	for i := range b.set {
		same |= ((b.set[i].Load()^b.hash)>>tagShift - 1) >> 63 << i
	}
	if same != 0 {
		b.slot = &b.set[bits.TrailingZeros64(same)%ways]
		b.old = b.slot.Load()
		b.level = l.level(b.old, tick)
		return
	}
	b.level = l.depth + 1
	for i := range b.set {
		word := b.set[i].Load()
		if level := l.level(word, tick); level < b.level {
			b.slot, b.old, b.level = &b.set[i], word, level
		}
	}
	b.level = 0
}

func (l *Limiter) level(word, tick uint64) uint64 {
	left := (word - tick) & tickMask
	if left > l.depth {
		return 0 // in the past, modulo 2⁴⁴
	}
	return left
}
