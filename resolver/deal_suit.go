package resolver

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// dealer makes the decks of one suit. What is in it beside the suit is scratch.
type dealer struct {
	*suit
	start []uint32 // by spot: index of its first host, then the same for fallbacks; one more at the end
	speed []uint64 // by the same: netspeed of its hosts
	taken []bool   // by the same: it has hosts
	steps map[uint32]uint64

	known map[string]uint32 // decks that were cut here, by key

	old     *suit             // the same before some of its hosts changed, or nil
	same    []bool            // by spot, as start: its hosts are the old ones
	changed []bool            // by spot: they are not, here or behind
	before  map[string]uint32 // decks of old by key; made when a row needs it
	moved   []uint32          // by deck of old: its number here, noDeck until it is taken over

	key    []byte
	hosts  []host
	ends   []int // by ring: index behind its last host in hosts
	lines  []line
	events []event
	set    []uint32
}

// deal makes the decks: one for each different choice of rings that the places
// make, then those of the names of places. old may have some of them.
func (s *suit) deal(g *ground, old *suit) {
	if len(s.hosts) == 0 {
		s.rows = slices.Repeat([]uint32{noDeck}, len(g.rows)+len(g.labels))
		return
	}
	d := &dealer{
		suit: s, start: make([]uint32, 2*len(g.spots)+1), speed: make([]uint64, 2*len(g.spots)),
		taken: make([]bool, 2*len(g.spots)), steps: map[uint32]uint64{},
	}
	if d.known = map[string]uint32{}; old != nil {
		s.decks, s.keys = make([]deck, 0, len(old.decks)), make([]string, 0, len(old.decks))
	}
	s.rows, s.reach = make([]uint32, 0, len(g.rows)+len(g.labels)), make([]uint16, 0, len(g.rows)+len(g.labels))
	for _, h := range s.hosts {
		at := h.at(len(g.spots))
		d.speed[at], d.taken[at] = d.speed[at]+h.weight/share, true
	}
	s.count(d.start)
	if old != nil && len(old.decks) > 0 {
		d.compare(old)
	}
	for i := range g.rows {
		s.rows = append(s.rows, d.deck(&g.rows[i], g.places[i]))
	}
	for i := range g.labelRows {
		s.rows = append(s.rows, d.deck(&g.labelRows[i], hash("name", g.labels[i])))
	}
}

// at returns the number of the host's spot, with fallbacks behind all others.
func (h *host) at(spots int) int {
	if h.spare {
		return spots + int(h.spot)
	}
	return int(h.spot)
}

// count sets by spot where its hosts begin.
func (s *suit) count(start []uint32) {
	for _, h := range s.hosts {
		start[h.at(len(start)/2)+1]++
	}
	for i := range start[1:] {
		start[i+1] += start[i]
	}
}

// compare finds out what of old is as it was. A deck depends on its hosts, in
// their order, and terms alone; a host that stays keeps the numbers of its
// records.
func (d *dealer) compare(old *suit) {
	spots := len(d.speed) / 2
	d.old, d.same, d.changed = old, make([]bool, len(d.speed)), make([]bool, spots)
	d.moved = slices.Repeat([]uint32{noDeck}, len(old.decks))
	start := make([]uint32, len(d.start))
	old.count(start)
	first := func(start []uint32, hosts []host) bool { return start[spots] == uint32(len(hosts)) }
	fallbacks := first(start, old.hosts) != first(d.start, d.suit.hosts) // then rows that are short end otherwise
	for i := range d.same {
		before, now := old.hosts[start[i]:start[i+1]], d.suit.hosts[d.start[i]:d.start[i+1]]
		d.same[i] = slices.EqualFunc(before, now, func(a, b host) bool {
			return a == b && bytes.Equal(old.recordsOf(&a), d.suit.recordsOf(&b))
		})
		d.changed[i%spots] = d.changed[i%spots] || !d.same[i] || fallbacks
	}
}

// recordsOf returns the records of one of the suit's hosts.
func (s *suit) recordsOf(h *host) []byte {
	size := s.terms.size()
	return s.records[int(h.first)*size : (int(h.first)+int(h.count))*size]
}

// deck returns the deck for the rings of a row: the nearest first, until the
// floors of terms are met, the last of them whole. Where all of them do not meet
// the floors, the fallbacks' rings follow, nearest first again, until they do.
// Places that come to the same rings share it; it is named after the first of
// them. It is noDeck for a row that has nobody.
func (d *dealer) deck(r *row, place uint64) uint32 {
	if i := len(d.reach); d.old != nil && !d.moves(r.spots[:d.old.reach[i]]) {
		d.reach = append(d.reach, d.old.reach[i])
		return d.again(d.old.rows[i], place)
	}
	d.reach = append(d.reach, uint16(d.widen(r)))
	if len(d.key) == 0 {
		return noDeck
	}
	if number, ok := d.known[string(d.key)]; ok {
		return number
	}
	if d.gather() {
		if number, ok := d.formerly(); ok {
			return d.again(number, place)
		}
	}
	key := string(d.key)
	d.known[key] = d.add(d.cut(mix(d.id^place)), key)
	return d.known[key]
}

// moves reports whether somebody came or went at one of the spots.
func (d *dealer) moves(spots []uint16) bool {
	for _, spot := range spots {
		if d.changed[spot] {
			return true
		}
	}
	return false
}

// again returns the number of a deck of old, taken over when place is the first
// to come to it.
func (d *dealer) again(number uint32, place uint64) uint32 {
	if number == noDeck {
		return noDeck
	}
	if d.moved[number] == noDeck {
		made := d.old.decks[number]
		made.id, made.suit = mix(d.id^place), d.suit
		d.moved[number] = d.add(made, d.old.keys[number])
	}
	return d.moved[number]
}

// formerly returns the deck of old with this key.
func (d *dealer) formerly() (number uint32, ok bool) {
	if d.before == nil {
		d.before = make(map[string]uint32, len(d.old.keys))
		for i, key := range d.old.keys {
			d.before[key] = uint32(i)
		}
	}
	number, ok = d.before[string(d.key)]
	return number, ok
}

// add adds a deck and returns its number.
func (d *dealer) add(made deck, key string) uint32 {
	d.decks, d.keys = append(d.decks, made), append(d.keys, key)
	d.cards += len(made.cards)
	return uint32(len(d.decks) - 1)
}

// gather takes the hosts of key's spots, ring by ring. It reports whether they
// are all as they were in old.
func (d *dealer) gather() (same bool) {
	d.hosts, d.ends = d.hosts[:0], d.ends[:0]
	spare, same := 0, d.old != nil
	for i := 0; i < len(d.key); i += 2 {
		if spot := int(binary.BigEndian.Uint16(d.key[i:])); spot != noSpot {
			same = same && d.same[spare+spot]
			d.hosts = append(d.hosts, d.suit.hosts[d.start[spare+spot]:d.start[spare+spot+1]]...)
		} else if i > 0 && len(d.hosts) > 0 && (len(d.ends) == 0 || d.ends[len(d.ends)-1] < len(d.hosts)) {
			d.ends = append(d.ends, len(d.hosts))
		} else {
			spare = len(d.speed) / 2
		}
	}
	return same
}

// widen writes into key which spots a row comes to, each ring ended by noSpot;
// one more noSpot stands before the fallbacks'. It returns how many of the row's
// spots that hung on.
func (d *dealer) widen(r *row) (looked int) {
	d.key = d.key[:0]
	in, speed, sites := 0, uint64(0), 0
	for spare := 0; spare < len(d.speed); spare += len(d.speed) / 2 {
		if spare > 0 {
			if !d.terms.short(in, speed) || d.start[spare] == uint32(len(d.suit.hosts)) {
				return
			}
			d.key = binary.BigEndian.AppendUint16(d.key, noSpot)
		}
		from, before := uint16(0), in
		for _, end := range r.ends {
			for _, spot := range r.spots[from:end] {
				at := spare + int(spot)
				if !d.taken[at] {
					continue // most of them, in a small pool
				}
				d.key = binary.BigEndian.AppendUint16(d.key, spot)
				in, speed, sites = in+int(d.start[at+1]-d.start[at]), speed+d.speed[at], sites+1
			}
			looked = max(looked, int(end))
			if from = end; in == before {
				continue // nobody of this suit is in that ring
			}
			d.key = binary.BigEndian.AppendUint16(d.key, noSpot)
			if before = in; !d.terms.short(in, speed) && (spare > 0 || sites >= d.terms.sites) {
				return looked
			}
		}
		if spare > 0 && in == 0 {
			d.key = d.key[:0]
		}
	}
	return looked
}

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
	made.cards = make([]card, 0, len(d.events)+1)
	made.sets = make([]uint32, 0, size*cap(made.cards))
	for i := 0; i < len(d.events); {
		at := d.events[i].at
		if n := len(made.cards); at > 0 && (n == 0 || made.cards[n-1].until < at) {
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
	d.cards = append(d.cards, card{until, uint32(len(d.sets))})
	d.sets = append(d.sets, set...)
}
