package resolver

import "math/bits"

// turnBits is how much of a turn counts. What is above says where the deck's
// circle begins, so that a counter starts at the beginning of a run, wherever
// that is.
const turnBits = 48

// rotation is √2 as a fraction of a full turn, in units of 2⁻⁶⁴.
const rotation = 0x6A09E667F3BCC909

// deal appends the records that are due in turn t of d, nearer rings first, and
// returns how many they are.
//
// Query n of a deck stands at the point (n mod length)·step + ⌊n/length⌋·shift
// of the circle, so a run of length queries is evenly spread on it, one in each
// cell of a grid. Within a ring the order is rotated: from run to run by √2 of a
// turn, from cell to cell by chance. So each cell, and with it every set, shows
// its members at each position equally often. (A rotation by the query's number
// would fall in step with some lengths: 13² √2 is 239.002.)
func (d *deck) deal(dst []byte, t uint64) ([]byte, int) {
	n := t & (1<<turnBits - 1)
	run := n / uint64(d.length)
	point := t>>turnBits<<turnBits + (n-run*uint64(d.length))*d.step + run*d.shift
	set := d.set(uint32(point >> 32))

	cell, _ := bits.Mul64(point, uint64(d.length))
	turn := (run*rotation + mix(cell^d.id)) >> 32
	size, records := d.suit.terms.size(), d.suit.records
	from, ends := 0, d.rings>>1
	for ends != 0 {
		ring := bits.TrailingZeros32(ends) + 1
		ends >>= ring
		k := int(turn * uint64(ring) >> 32)
		for range ring {
			at := int(set[from+k]) * size
			dst = append(dst, records[at:at+size]...)
			if k++; k == ring {
				k = 0
			}
		}
		from += ring
	}
	return dst, from
}

// set returns the set of the card in whose arc x falls. Arcs are about as long as
// each other, so it is looked for around the place where it then would stand, and
// only if it is not there among all: what a query has to fetch from memory that
// nobody used lately is most of what it costs. The search itself has no branch to
// predict but its loop: x is as good as random.
func (d *deck) set(x uint32) []uint32 {
	first, n := 0, len(d.until)
	here := int(uint64(x) * uint64(n) >> 32)
	around := 1 << (bits.Len(uint(n)) / 2) // about √n: how far sums of n random lengths stray
	from, to := max(here-around, 0), min(here+around, n)
	if (from == 0 || d.until[from-1] <= x) && (to == n || x < d.until[to-1]) {
		first, n = from, to-from
	}
	for n > 1 {
		half := n >> 1
		skip := half
		if d.until[first+half-1] > x {
			skip = 0
		}
		first, n = first+skip, n-half
	}
	return d.sets[first*d.size():][:d.size()]
}
