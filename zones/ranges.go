package zones

import (
	"math/bits"
	"slices"
	"sort"
)

// ranges cuts the addresses of one family into runs of one value each, which
// together cover every address; neighbours differ in value. An address is its key:
// the first 64 bits, then the last 64.
//
// In a big file a lookup costs what it costs to reach places in memory that
// nobody used lately: it touches one block, and what leads there stays in the cache.
// IPv4 is looked up in slash16s.
type ranges struct {
	blocks []block
	n      int      // runs; run i is number i%fill of blocks[i/fill]
	low    []uint64 // the last 64 bits of each run's end; nil while all are ones, as with no network beyond /64

	lasts []uint64 // the last end in each block
	// Slots of 1<<shift from the first of lasts to the last but one: index has the
	// first block that ends in a slot or past it.
	shift uint8
	index []uint32
}

// block holds fill neighbouring runs: run i ends at ends[i+1] and starts after ends[i].
type block struct {
	ends   [fill + 1]uint64 // ends[0] is the end of the block before, or ^0 as the address before 0
	values [fill]uint16
}

const (
	fill    = 15
	allOnes = ^uint64(0)
)

// push appends a run from the end of the last one to k, low. The one that ends with
// the last address of all completes the ranges.
func (r *ranges) push(k, low uint64, v uint16) {
	if low != allOnes && r.low == nil {
		r.low = slices.Repeat([]uint64{allOnes}, r.n)
	}
	if r.low != nil {
		r.low = append(r.low, low)
	}
	i := r.n % fill
	if i == 0 {
		b := block{}
		for j := range b.ends {
			b.ends[j] = allOnes
		}
		b.ends[0], _ = r.end(r.n - 1)
		r.blocks = append(r.blocks, b)
	}
	b := &r.blocks[len(r.blocks)-1]
	b.ends[i+1], b.values[i] = k, v
	if r.n++; k == allOnes && low == allOnes {
		r.seal()
	}
}

// end returns the last address of a run; before run 0 stands the last of all.
func (r *ranges) end(i int) (k uint64, low uint64) {
	if i < 0 {
		return allOnes, allOnes
	}
	if low = allOnes; r.low != nil {
		low = r.low[i]
	}
	return r.blocks[i/fill].ends[i%fill+1], low
}

func (r *ranges) at(i int) uint16 { return r.blocks[i/fill].values[i%fill] }

// seal makes the index.
func (r *ranges) seal() {
	r.blocks, r.low = slices.Clone(r.blocks), slices.Clone(r.low) // without what appending left over
	last := len(r.blocks) - 1
	r.lasts = make([]uint64, len(r.blocks))
	for i := range r.blocks {
		r.lasts[i] = r.blocks[i].ends[fill]
	}
	// Half as many slots as blocks, since more would not stay in the cache.
	span := r.lasts[max(0, last-1)] - r.lasts[0]
	r.shift = uint8(max(0, bits.Len64(span)-bits.Len(uint(last)/2)))
	r.index = make([]uint32, span>>r.shift+2)
	i := 0
	for slot := range r.index {
		for i < last && (r.lasts[i]-r.lasts[0])>>r.shift < uint64(slot) {
			i++
		}
		r.index[slot] = uint32(i)
	}
}

// block returns the block that holds k, or the first of several.
func (r *ranges) block(k uint64) int {
	first := r.lasts[0]
	slot := min((max(k, first)-first)>>r.shift, uint64(len(r.index)-2))
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
func (r *ranges) find(k uint64, low uint64) (v uint16, scope int) {
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
	return b.values[min(i, fill-1)], 65 - bits.Len64(near)
}

// findLow is find where runs may begin within a /64, from the first run that
// ends in the address's own /64 or later.
func (r *ranges) findLow(i int, k uint64, low uint64) (v uint16, scope int) {
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
func before(end, k uint64) uint64 {
	_, borrow := bits.Sub64(end, k, 0)
	return borrow
}

// shared counts the leading bits that two addresses have in common.
func shared(a, aLow, b, bLow uint64) int {
	if a != b {
		return bits.LeadingZeros64(a ^ b)
	}
	return 64 + bits.LeadingZeros64(aLow^bLow)
}
