package resolver

import "math/bits"

// Two Fibonacci numbers in a row: the run of a deck whose weights have no
// common measure, and its step. No fraction with so small a denominator spreads
// points more evenly, at every stage of the run.
const (
	longRun  = 28657
	longStep = 17711
)

// golden is the golden ratio's fraction, in units of 2⁻⁶⁴.
const golden = 0x9E3779B97F4A7C15

// pace sets how the points of a deck go round the circle.
//
// The golden ratio alone (point n at n·φ) strays as the logarithm of n: over
// 200,000 queries and 2,000 arcs it was up to 4.3 off, in four of five beyond 2
// somewhere. So a deck has a length, and its points are a grid of that many.
// When all arcs end on the grid, which they do when length is the least common
// denominator of the weights, a run of length queries is exact, and nothing
// strays however long it goes on. That is so for weights in simple proportions,
// and for members all alike length is hosts/gcd(hosts, slots) and each query
// hands out the neighbours of those before: nobody is ever 1 from fair. For other
// weights the run is long, exact but for one at each end of an arc, and each run
// is moved by a fraction of the grid that is the golden ratio's again: at the
// first seven multiples (200,000 queries) everybody is within 1.7, at the first
// 35 (a million) all but 2 in 1,000 within 2. In the midst of a run a member may
// be up to 4 or 5 away: no order of points keeps all arcs within a constant
// (Schmidt 1972).
//
// From run to run the order moves on by one query or two, so that who asks every
// second time only does not always meet the same half of the sets.
func (d *dealer) pace(made *deck) {
	length, sampled, alike := uint64(1), 0, uint64(0)
	for _, l := range d.lines {
		_, total := l.measure()
		if own := total / gcd(total, uint64(l.slots)); own > 1 {
			sampled++
			if length *= min(own, longRun+1) / gcd(length, own); own > longRun || length > longRun {
				length = longRun + 1
			}
			if total == l.records() {
				alike = uint64(l.slots) / gcd(total, uint64(l.slots))
			}
		}
	}
	if length > longRun {
		made.length, made.step, made.shift = longRun, fraction(longStep, longRun), golden/longRun
		return
	}
	step := alike
	if sampled != 1 || alike == 0 {
		if d.steps[uint32(length)] == 0 {
			d.steps[uint32(length)] = even(length)
		}
		step = d.steps[uint32(length)]
	}
	made.length, made.step = uint32(length), fraction(step%length, length)
	made.shift = fraction(step*(1+length%2)%length, length)
}

// measure returns the greatest common measure of a line's records, and how long
// the line is in that unit.
func (l *line) measure() (unit, total uint64) {
	for _, h := range l.hosts {
		each := h.weight / uint64(h.count)
		unit = gcd(unit, each)
		total += each * uint64(h.count)
	}
	return unit, total / unit
}

func (l *line) records() (n uint64) {
	for _, h := range l.hosts {
		n += uint64(h.count)
	}
	return n
}

// even returns the step that spreads points best over a grid of n: prime to n,
// near the golden ratio, and with the smallest quotients in its continued
// fraction, which is what keeps every stretch of it even.
func even(n uint64) uint64 {
	if n < 3 {
		return 1
	}
	centre, _ := bits.Mul64(n, golden)
	best, worst := uint64(1), n
	for away := uint64(0); away < 32; away++ {
		for _, step := range [2]uint64{centre + away, centre - away} {
			if step < 1 || step >= n || gcd(step, n) != 1 {
				continue
			}
			if q := quotient(n, step); q < worst {
				best, worst = step, q
			}
		}
	}
	return best
}

// quotient returns the largest partial quotient of b/a in lowest terms.
func quotient(a, b uint64) (most uint64) {
	for b > 0 {
		q := a / b
		if a, b = b, a%b; b == 0 {
			q-- // the last is at least 2: [… q] is [… q−1 1]
		}
		most = max(most, q)
	}
	return most
}

func gcd(a, b uint64) uint64 {
	for b > 0 {
		a, b = b, a%b
	}
	return a
}

// fraction returns a/b of the circle in units of 2⁻⁶⁴, rounded up: a point that
// belongs on the edge of an arc must not fall before it. a < b.
func fraction(a, b uint64) uint64 {
	q, rest := bits.Div64(a, 0, b)
	if rest > 0 {
		q++
	}
	return q
}

// fraction32 returns a/b in units of 2⁻³², rounded down. a < b.
func fraction32(a, b uint64) uint32 {
	q, _ := bits.Div64(a, 0, b)
	return uint32(q >> 32)
}
