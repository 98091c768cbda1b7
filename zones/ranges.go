package zones

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
	"sort"
)

// ranges cuts the addresses of one family into runs of one value each, which
// together cover every address; neighbours differ in value. K holds the first 32
// bits of an address (IPv4, all of it) or the first 64 (IPv6).
//
// In a big file a lookup costs what it costs to reach places in memory that
// nobody used lately: it touches one block, and what leads there stays in the cache.
type ranges[K uint32 | uint64] struct {
	blocks []block[K]
	n      int      // runs; run i is number i%fill of blocks[i/fill]
	low    []uint64 // the last 64 bits of each run's end; nil while all are ones, as with no network beyond /64
	value  uint16   // while painting: of what comes after run n−1

	lasts []K // the last end in each block
	// Slots of 1<<shift from the first of lasts to the last but one: index has the
	// first block that ends in a slot or past it.
	shift uint8
	index []uint32

	heads []uint8 // by the first 16 bits of an address: see fillHeads
}

// block holds fill neighbouring runs: run i ends at ends[i+1] and starts after ends[i].
type block[K uint32 | uint64] struct {
	ends   [fill + 1]K // ends[0] is the end of the block before, or ^0 as the address before 0
	values [fill]uint16
}

const (
	fill    = 15
	busy    = 255 // no scope: look it up
	allOnes = ^uint64(0)
)

// after gives everything past k, low the value v; past the last address of all is
// from 0 on. Calls come by ascending address; a later one at the same address
// replaces the earlier.
func (r *ranges[K]) after(k K, low uint64, v uint16) {
	last, lastLow := r.end(r.n - 1)
	switch {
	case k != last || low != lastLow:
		if r.value != v {
			r.push(k, low)
		}
	case r.n > 0 && r.at(r.n-1) == v:
		r.n-- // what came before goes on
	}
	r.value = v
}

// push ends the current run.
func (r *ranges[K]) push(k K, low uint64) {
	if low != allOnes && r.low == nil {
		r.low = slices.Repeat([]uint64{allOnes}, r.n)
	}
	if r.low != nil {
		r.low = append(r.low[:r.n], low)
	}
	if r.n == len(r.blocks)*fill {
		r.blocks = append(r.blocks, block[K]{})
	}
	b, i := &r.blocks[r.n/fill], r.n%fill
	if i == 0 {
		b.ends[0], _ = r.end(r.n - 1)
	}
	b.ends[i+1], b.values[i] = k, r.value
	r.n++
}

// end returns the last address of a run; before run 0 stands the last of all.
func (r *ranges[K]) end(i int) (k K, low uint64) {
	if i < 0 {
		return ^K(0), allOnes
	}
	if low = allOnes; r.low != nil {
		low = r.low[i]
	}
	return r.blocks[i/fill].ends[i%fill+1], low
}

func (r *ranges[K]) at(i int) uint16 { return r.blocks[i/fill].values[i%fill] }

// seal ends the last run, frees what appending left over and makes the index.
func (r *ranges[K]) seal() {
	r.push(^K(0), allOnes)
	r.blocks, r.low = slices.Clone(r.blocks[:(r.n+fill-1)/fill]), slices.Clone(r.low)
	last := len(r.blocks) - 1
	for i := r.n % fill; i != 0 && i < fill; i++ {
		r.blocks[last].ends[i+1] = ^K(0)
	}
	r.lasts = make([]K, len(r.blocks))
	for i := range r.blocks {
		r.lasts[i] = r.blocks[i].ends[fill]
	}
	// Half as many slots as blocks, since more would not stay in the cache.
	span := uint64(r.lasts[max(0, last-1)] - r.lasts[0])
	r.shift = uint8(max(0, bits.Len64(span)-bits.Len(uint(last)/2)))
	r.index = make([]uint32, span>>r.shift+2)
	i := 0
	for slot := range r.index {
		for i < last && uint64((r.lasts[i]-r.lasts[0])>>r.shift) < uint64(slot) {
			i++
		}
		r.index[slot] = uint32(i)
	}
}

// block returns the block that holds k, or the first of several.
func (r *ranges[K]) block(k K) int {
	first := r.lasts[0]
	slot := min((max(k, first)-first)>>r.shift, K(len(r.index)-2))
	i, end := int(r.index[slot]), int(r.index[slot+1])
	for end-i > 4 { // where address space is crowded
		if middle := (i + end) / 2; r.lasts[middle] < k {
			i = middle + 1
		} else {
			end = middle
		}
	}
	for r.lasts[i] < k {
		i++
	}
	return i
}

// find returns the value of an address, and the length of the shortest prefix
// around it that lies wholly in its run: one bit more than the address shares with
// the nearest ones outside.
func (r *ranges[K]) find(k K, low uint64) (v uint16, scope int) {
	j := r.block(k)
	b := &r.blocks[j]
	// Counts instead of branching: nobody could predict the branches.
	i := 4 * (before(b.ends[4], k) + before(b.ends[8], k) + before(b.ends[12], k)) & fill
	i = (i + before(b.ends[(i+1)&fill], k) + before(b.ends[(i+2)&fill], k) + before(b.ends[(i+3)&fill], k)) & fill
	switch {
	case r.low != nil:
		return r.findLow(j*fill+int(i), k, low)
	case r.n == 1:
		return b.values[0], 0
	}
	// At either end of the address space the subtraction wraps around to an address
	// that shares no more than the other neighbour does.
	near := min(k^b.ends[i], k^(b.ends[(i+1)&fill]+1))
	return b.values[min(i, fill-1)], bits.Len64(uint64(^K(0))) - bits.Len64(uint64(near)) + 1
}

// findLow is find where runs may begin within a /64, from the first run that
// ends in the address's own /64 or later.
func (r *ranges[K]) findLow(i int, k K, low uint64) (v uint16, scope int) {
	if r.n == 1 {
		return r.at(0), 0
	}
	i += sort.Search(r.n-1-i, func(n int) bool {
		end, endLow := r.end(i + n)
		return end != k || endLow >= low
	})
	before, beforeLow := r.end(i - 1)
	next, nextLow := r.end(i)
	if nextLow++; nextLow == 0 {
		next++
	}
	return r.at(i), 1 + max(shared(k, low, before, beforeLow), shared(k, low, next, nextLow))
}

// before is 1 if end < k, else 0.
func before[K uint32 | uint64](end, k K) uint64 {
	_, borrow := bits.Sub64(uint64(end), uint64(k), 0)
	return borrow
}

// fillHeads notes for each 16 bits whether every address that begins with them
// has the value 0, and then their scope, else busy. In ranges that are mostly 0 most
// lookups end there.
func (r *ranges[K]) fillHeads() {
	r.heads = make([]uint8, 1<<16)
	for head := range r.heads {
		r.heads[head] = busy
		if v, scope := r.find(K(head)<<headShift[K](), 0); v == 0 && scope <= 16 {
			r.heads[head] = uint8(scope)
		}
	}
}

func headShift[K uint32 | uint64]() int { return bits.Len64(uint64(^K(0))) - 16 }

// shared counts the leading bits that two addresses have in common.
func shared[K uint32 | uint64](a K, aLow uint64, b K, bLow uint64) int {
	if a != b {
		return bits.Len64(uint64(^K(0))) - bits.Len64(uint64(a^b))
	}
	return 64 + bits.LeadingZeros64(aLow^bLow)
}

// families is the ranges of both families, to be painted network by network.
type families struct {
	v4 *ranges[uint32]
	v6 *ranges[uint64]
}

// newFamilies returns ranges in which every address has the value 0.
func newFamilies() families {
	return families{v4: &ranges[uint32]{}, v6: &ranges[uint64]{}}
}

// from gives everything from the first address of a network on the value v.
func (f families) from(network netip.Prefix, v uint16) {
	if network.Addr().Is4() {
		f.v4.after(key4(network.Addr())-1, allOnes, v)
		return
	}
	k, low := key6(network.Addr())
	if low == 0 {
		k--
	}
	f.v6.after(k, low-1, v)
}

// past gives everything past the last address of a network the value v.
func (f families) past(network netip.Prefix, v uint16) {
	if network.Addr().Is4() {
		if k := key4(network.Addr()) | ^uint32(0)>>network.Bits(); k != ^uint32(0) {
			f.v4.after(k, allOnes, v)
		}
		return
	}
	k, low := key6(network.Addr())
	k, low = k|allOnes>>network.Bits(), low|allOnes>>max(0, network.Bits()-64)
	if k != allOnes || low != allOnes {
		f.v6.after(k, low, v)
	}
}

func (f families) seal() {
	f.v4.seal()
	f.v6.seal()
}

// key4 returns the key of an IPv4 address.
func key4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// key6 returns the key of an IPv6 address and its last 64 bits.
func key6(a netip.Addr) (k, low uint64) {
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}
