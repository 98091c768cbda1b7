package resolver

import (
	"bytes"
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
	d.cards += len(made.until)
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
