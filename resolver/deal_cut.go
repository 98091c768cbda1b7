package resolver

import (
	"cmp"
	"slices"
)

// cut makes one deck of d.hosts in rings up to d.ends.
//
// A set has as many records as the pool's answers, or as there are hosts.
// Nearer rings fill it first, but every ring has one record at least: if it were
// not for that, a floor above the answers would take rings that never show. Where
// there are more rings than records the last ones are one ring.
func (d *dealer) cut(id uint64) deck {
	if len(d.hosts) < d.terms.answers {
		d.split()
	} else if len(d.ends) < d.terms.sites {
		d.spread()
	}
	size := min(d.terms.answers, len(d.hosts))
	if len(d.ends) > size {
		d.ends = append(d.ends[:size-1], len(d.hosts))
	}
	made := deck{id: id, suit: d.suit, rings: 1 << size}
	d.lines = d.lines[:0]
	spare, at, from := size-len(d.ends), 0, 0
	for _, end := range d.ends {
		ring := d.hosts[from:end]
		slots := 1 + min(spare, len(ring)-1)
		d.line(ring, at, slots)
		made.rings |= 1 << at
		spare, at, from = spare-(slots-1), at+slots, end
	}
	d.pace(&made)
	d.lay(&made, size)
	return made
}

// spread cuts rings into smaller ones that have no spot in common, until there
// are as many as an answer is to span sites, the nearest first. As each ring has
// a record in every answer, that many sites have. The parts are about equally
// heavy, for within a part shares are fair, and between them they are as far as
// they weigh alike.
func (d *dealer) spread() {
	missing := d.terms.sites - len(d.ends)
	var all []host
	var ends []int
	from := 0
	for _, end := range d.ends {
		spots := d.bySpot(d.hosts[from:end])
		parts := make([][]host, min(len(spots), 1+missing))
		weights := make([]uint64, len(parts))
		for _, spot := range spots {
			least := 0
			for i := range weights {
				if weights[i] < weights[least] {
					least = i
				}
			}
			parts[least], weights[least] = append(parts[least], spot...), weights[least]+weightOf(spot)
		}
		for _, part := range parts {
			all = append(all, part...)
			ends = append(ends, len(all))
		}
		missing, from = missing-len(parts)+1, end
	}
	d.hosts, d.ends = append(d.hosts[:0], all...), append(d.ends[:0], ends...)
}

// bySpot parts a ring by spot, the heaviest first.
func (d *dealer) bySpot(ring []host) (spots [][]host) {
	for len(ring) > 0 {
		n := 1
		for n < len(ring) && ring[n].spot == ring[0].spot {
			n++
		}
		spots, ring = append(spots, ring[:n:n]), ring[n:]
	}
	slices.SortStableFunc(spots, func(a, b []host) int { return cmp.Compare(weightOf(b), weightOf(a)) })
	return spots
}

func weightOf(hosts []host) (sum uint64) {
	for _, h := range hosts {
		sum += h.weight
	}
	return sum
}

// split makes each address a host of its own. Where there are hosts enough, two
// addresses of one never stand in one answer; where there are not, better that
// than an answer with fewer addresses.
func (d *dealer) split() {
	var all []host
	from := 0
	for i, end := range d.ends {
		for _, h := range d.hosts[from:end] {
			for a := range h.count {
				all = append(all, host{rank: h.rank + uint64(a), weight: h.weight / uint64(h.count), first: h.first + uint32(a), count: 1})
			}
		}
		d.ends[i], from = len(all), end
	}
	d.hosts = append(d.hosts[:0], all...)
}

// line is hosts side by side, each as long as its weight, and slots of a set
// that are filled from it by points at equal distance: systematic sampling. As
// no host is longer than that distance, none is hit twice.
type line struct {
	hosts     []host
	at, slots int
}

// line adds the lines of one ring: one for each host that is in every answer,
// which are all when there is room, else those with more than a slot's weight;
// and one for the rest.
func (d *dealer) line(ring []host, at, slots int) {
	slices.SortFunc(ring, func(a, b host) int {
		if a.rank != b.rank {
			return cmp.Compare(a.rank, b.rank)
		}
		return cmp.Compare(a.first, b.first)
	})
	total := weightOf(ring)
	for i := 0; i < len(ring); i++ {
		if h := ring[i]; slots >= len(ring) || h.weight*uint64(slots) >= total {
			d.lines = append(d.lines, line{[]host{h}, at, 1})
			ring, total = slices.Delete(ring, i, i+1), total-h.weight
			at, slots, i = at+1, slots-1, -1
		}
	}
	if len(ring) > 0 {
		d.lines = append(d.lines, line{ring, at, slots})
	}
}

// event is where on the circle a slot of the set goes over to another record.
type event struct {
	at     uint32 // in units of 2⁻³²
	slot   int
	record uint32
}

// lay lays the cards of all lines round the circle. One turn of the circle
// takes every point of a line to where the next one began.
func (d *dealer) lay(made *deck, size int) {
	d.set, d.events = append(d.set[:0], make([]uint32, size)...), d.events[:0]
	for _, l := range d.lines {
		unit, total := l.measure()
		slots, sum := uint64(l.slots), uint64(0)
		for _, h := range l.hosts {
			each := h.weight / uint64(h.count) / unit
			for a := range uint32(h.count) {
				// The record covers [begin, end) of the line, slots times as long.
				begin, end := sum*slots, (sum+each)*slots
				slot := (begin + total - 1) / total
				if slot*total < end {
					d.set[l.at+int(slot)] = h.first + a
				}
				if begin%total != 0 {
					d.events = append(d.events, event{fraction32(begin%total, total), l.at + int(begin/total), h.first + a})
				}
				sum += each
			}
		}
	}
	slices.SortFunc(d.events, func(a, b event) int {
		if a.at != b.at {
			return cmp.Compare(a.at, b.at)
		}
		return cmp.Or(cmp.Compare(a.slot, b.slot), cmp.Compare(a.record, b.record))
	})
	made.until = make([]uint32, 0, len(d.events)+1)
	made.sets = make([]uint32, 0, size*cap(made.until))
	for i := 0; i < len(d.events); {
		at := d.events[i].at
		if n := len(made.until); at > 0 && (n == 0 || made.until[n-1] < at) {
			made.add(at, d.set)
		}
		for ; i < len(d.events) && d.events[i].at == at; i++ {
			d.set[d.events[i].slot] = d.events[i].record
		}
	}
	made.add(^uint32(0), d.set)
}

// add adds a card and its set.
func (d *deck) add(until uint32, set []uint32) {
	d.until, d.sets = append(d.until, until), append(d.sets, set...)
}
