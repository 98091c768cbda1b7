package zones

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"slices"
)

// ranges cuts the addresses of one family into runs of one value each, which
// together cover every address; neighbours differ in value. K holds the first 32
// bits of an address (IPv4, all of it) or the first 64 (IPv6).
//
// In a big file a lookup costs what it costs to reach places in memory that
// nobody used lately: it touches one block, and what leads there stays in the cache.
type ranges[K uint32 | uint64, V uint16 | uint32] struct {
	blocks []block[K, V]
	n      int      // runs; run i is number i%fill of blocks[i/fill]
	low    []uint64 // the last 64 bits of each run's end; nil while all are ones, as with no network beyond /64
	value  V        // while painting: of what comes after run n−1

	lasts   []K        // the last end in each block
	tables  []table[K] // over lasts; tables[0] is the root
	entries []uint32   // of all tables

	heads []uint8 // by the first 16 bits of an address: see fillHeads
}

// block holds fill neighbouring runs: run i ends at ends[i+1] and starts after ends[i].
type block[K uint32 | uint64, V uint16 | uint32] struct {
	ends   [fill + 1]K // ends[0] is the end of the block before, or ^0 as the address before 0
	values [fill]V
}

// table spreads the lasts of neighbouring blocks over slots of equal width, so
// that one shift finds a slot with a few of them. Address space is used in clusters:
// a slot with many has a table of its own, from its own first to its last.
type table[K uint32 | uint64] struct {
	first K      // the first block's last end
	at    uint32 // entries[at : at+slots]
	slots uint32
	shift uint8 // width of a slot, log2
}

const (
	fill   = 15
	crowd  = 8       // blocks a slot holds without a table of its own
	busy   = 255     // no scope: look it up
	nested = 1 << 31 // marks an entry that is the number of a table, not of a block
)

// set gives everything from k, low on the value v. Calls come by ascending
// address; a later one at the same address replaces the earlier.
func (r *ranges[K, V]) set(k K, low uint64, v V) {
	if low--; low == ^uint64(0) {
		k--
	}
	switch {
	case k != r.last() || low != r.lowOf(r.n-1):
		if r.value != v {
			r.push(k, low)
		}
	case r.n > 0 && r.at(r.n-1) == v:
		r.n-- // what came before goes on
	}
	r.value = v
}

// push ends the current run.
func (r *ranges[K, V]) push(k K, low uint64) {
	if low != ^uint64(0) && r.low == nil {
		r.low = slices.Repeat([]uint64{^uint64(0)}, r.n)
	}
	if r.low != nil {
		r.low = append(r.low[:r.n], low)
	}
	if r.n == len(r.blocks)*fill {
		r.blocks = append(r.blocks, block[K, V]{})
	}
	b, i := &r.blocks[r.n/fill], r.n%fill
	if i == 0 {
		b.ends[0] = r.last()
	}
	b.ends[i+1], b.values[i] = k, r.value
	r.n++
}

// last returns the end of the last run; before the first, the address before 0.
func (r *ranges[K, V]) last() K {
	if r.n == 0 {
		return ^K(0)
	}
	return r.end(r.n - 1)
}

func (r *ranges[K, V]) end(i int) K { return r.blocks[i/fill].ends[i%fill+1] }
func (r *ranges[K, V]) at(i int) V  { return r.blocks[i/fill].values[i%fill] }

func (r *ranges[K, V]) lowOf(i int) uint64 {
	if r.low == nil || i < 0 {
		return ^uint64(0)
	}
	return r.low[i]
}

// seal ends the last run, frees what appending left over and makes the tables.
func (r *ranges[K, V]) seal() {
	r.push(^K(0), ^uint64(0))
	r.blocks, r.low = slices.Clone(r.blocks[:(r.n+fill-1)/fill]), slices.Clone(r.low)
	last := &r.blocks[len(r.blocks)-1]
	for i := r.n % fill; i != 0 && i < fill; i++ {
		last.ends[i+1] = ^K(0)
	}
	r.lasts = make([]K, len(r.blocks))
	for i := range r.blocks {
		r.lasts[i] = r.blocks[i].ends[fill]
	}
	r.spread(0, len(r.lasts)-1)
}

// spread makes the table of the blocks i to last, and those below it. The
// entry of a slot is the first block that ends no earlier than the slot starts.
func (r *ranges[K, V]) spread(i, last int) (number uint32) {
	first, span := r.lasts[i], r.lasts[last]-r.lasts[i]
	t := table[K]{first: first, at: uint32(len(r.entries))}
	// Half as many slots as blocks at most, since more would not stay in the cache;
	// two at least for a crowd, so that each table spans at most half of the one
	// above it and this ends.
	t.shift = uint8(max(bits.Len64(uint64(span))-bits.Len(uint(last-i)>>2), 0))
	t.slots = uint32(span>>t.shift) + 1
	number = uint32(len(r.tables))
	r.tables = append(r.tables, t)
	r.entries = append(r.entries, make([]uint32, t.slots)...)
	for slot := range t.slots {
		end := i // the first block that ends past the slot
		for end <= last && (r.lasts[end]-first)>>t.shift == K(slot) {
			end++
		}
		entry := uint32(min(i, last))
		if end-i > crowd && r.lasts[i] != r.lasts[end-1] {
			entry = nested | r.spread(i, end-1)
		}
		r.entries[t.at+slot] = entry
		i = end
	}
	return number
}

// find returns the value of an address, and the length of the shortest prefix
// around it that lies wholly in its run: one bit more than the address shares with
// the nearest ones outside.
func (r *ranges[K, V]) find(k K, low uint64) (v V, scope int) {
	j := r.block(k)
	b := &r.blocks[j]
	// Counts instead of branching: nobody could predict the branches.
	i := 4 * (before(b.ends[4], k) + before(b.ends[8], k) + before(b.ends[12], k)) & fill
	i = (i + before(b.ends[(i+1)&fill], k) + before(b.ends[(i+2)&fill], k) + before(b.ends[(i+3)&fill], k)) & fill
	switch {
	case r.low != nil:
		return r.gallop(j*fill+int(i), k, low)
	case r.n == 1:
		return b.values[0], 0
	}
	// At either end of the address space the subtraction wraps around to an address
	// that shares no more than the other neighbour does.
	near := min(k^b.ends[i], k^(b.ends[(i+1)&fill]+1))
	return b.values[min(i, fill-1)], bits.Len64(uint64(^K(0))) - bits.Len64(uint64(near)) + 1
}

// fillHeads notes for each 16 bits whether every address that begins with them
// has the value 0, and then their scope, else busy. In ranges that are mostly 0 most
// lookups end there.
func (r *ranges[K, V]) fillHeads() {
	r.heads = make([]uint8, 1<<16)
	for head := range r.heads {
		r.heads[head] = busy
		if v, scope := r.find(K(head)<<headShift[K](), 0); v == 0 && scope <= 16 {
			r.heads[head] = uint8(scope)
		}
	}
}

func headShift[K uint32 | uint64]() int { return bits.Len64(uint64(^K(0))) - 16 }

// before is 1 if end < k, else 0.
func before[K uint32 | uint64](end, k K) uint64 {
	_, borrow := bits.Sub64(uint64(end), uint64(k), 0)
	return borrow
}

// block returns the block that holds k, or the first of several.
func (r *ranges[K, V]) block(k K) int {
	t := &r.tables[0]
	for {
		slot := min((max(k, t.first)-t.first)>>t.shift, K(t.slots-1))
		e := r.entries[t.at+uint32(slot)]
		if e&nested == 0 {
			j := int(e)
			for r.lasts[j] < k {
				j++
			}
			return j
		}
		t = &r.tables[e&^nested]
	}
}

// gallop is find where runs may begin within a /64, from the first run that
// ends in the address's own /64 or later.
func (r *ranges[K, V]) gallop(i int, k K, low uint64) (v V, scope int) {
	short := func(i int) bool { return i < r.n && r.end(i) == k && r.low[i] < low }
	step := 1
	for ; short(i + step - 1); step *= 2 {
		i += step
	}
	for ; step > 0; step /= 2 {
		if short(i + step - 1) {
			i += step
		}
	}
	if i > 0 {
		scope = shared(k, low, r.end(i-1), r.low[i-1]) + 1
	}
	if i+1 < r.n {
		next, nextLow := r.end(i), r.low[i]+1
		if nextLow == 0 {
			next++
		}
		scope = max(scope, shared(k, low, next, nextLow)+1)
	}
	return r.at(i), scope
}

// shared counts the leading bits that two addresses have in common.
func shared[K uint32 | uint64](a K, aLow uint64, b K, bLow uint64) int {
	if a != b {
		return bits.Len64(uint64(^K(0))) - bits.Len64(uint64(a^b))
	}
	return 64 + bits.LeadingZeros64(aLow^bLow)
}

// families is the ranges of both families, to be painted network by network.
type families[V uint16 | uint32] struct {
	v4 *ranges[uint32, V]
	v6 *ranges[uint64, V]
}

// newFamilies returns ranges in which every address has the value 0.
func newFamilies[V uint16 | uint32]() families[V] {
	return families[V]{v4: &ranges[uint32, V]{}, v6: &ranges[uint64, V]{}}
}

// from gives everything from the first address of a network on the value v.
func (f families[V]) from(network netip.Prefix, v V) {
	if network.Addr().Is4() {
		f.v4.set(key4(network.Addr()), 0, v)
		return
	}
	k, low := key6(network.Addr())
	f.v6.set(k, low, v)
}

// past gives everything past the last address of a network the value v.
func (f families[V]) past(network netip.Prefix, v V) {
	length := network.Bits()
	if network.Addr().Is4() {
		if next := (key4(network.Addr()) | uint32(1<<(32-length)-1)) + 1; next != 0 {
			f.v4.set(next, 0, v)
		}
		return
	}
	k, low := key6(network.Addr())
	if length > 64 {
		if low = (low | (1<<(128-length) - 1)) + 1; low != 0 {
			f.v6.set(k, low, v)
			return
		}
		length = 64
	}
	if k = (k | (1<<(64-length) - 1)) + 1; k != 0 {
		f.v6.set(k, 0, v)
	}
}

func (f families[V]) seal() {
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
