package resolver

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unsafe"
)

// dealer makes the decks of one suit. What is in it beside the suit is scratch.
type dealer struct {
	*suit
	start []uint32 // by spot: index of its first host, then the same for fallbacks; one more at the end
	speed []uint64 // by the same: netspeed of its hosts
	taken []bool   // by the same: it has hosts
	steps map[uint32]uint64

	known map[string]uint32 // decks by key

	old     *suit             // the same before some of its hosts changed, or nil
	kept    []bool            // by spot, as start: its hosts are the old ones
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

// same reports whether other, which may be nil, is made from the same.
func (s *suit) same(other *suit) bool {
	return other != nil && s.terms == other.terms && slices.Equal(s.hosts, other.hosts) && bytes.Equal(s.records, other.records)
}

// deal makes the decks: one for each different choice of rings that the places
// make, then those of the names of places. old, which may be nil, is what it
// returns where that is the same, and else may have some of them.
func (s *suit) deal(g *ground, old *suit) *suit {
	if s.same(old) {
		return old
	}
	if old != nil && s.terms != old.terms {
		old = nil
	}
	if s.rows = make([]uint32, 0, len(g.rows)); len(s.hosts) == 0 {
		s.rows = slices.Repeat([]uint32{noDeck}, len(g.rows))
		return s
	}
	s.reach = make([]uint16, 0, len(g.rows))
	d := &dealer{
		suit: s, start: s.starts(len(g.spots)), speed: make([]uint64, 2*len(g.spots)), taken: make([]bool, 2*len(g.spots)),
		steps: map[uint32]uint64{}, known: map[string]uint32{},
	}
	for i := range s.hosts {
		at := s.hosts[i].at(len(g.spots))
		d.speed[at], d.taken[at] = d.speed[at]+s.hosts[i].weight/share, true
	}
	if old != nil && len(old.decks) > 0 {
		d.compare(old)
	}
	for i := range g.rows {
		s.rows = append(s.rows, d.deck(&g.rows[i], g.keys[i]))
	}
	s.bytes += len(s.decks)*int(unsafe.Sizeof(deck{})) + 4*s.cards*(1+s.terms.answers) +
		len(s.hosts)*int(unsafe.Sizeof(host{})) + 6*len(s.rows)
	return s
}

// compare finds out what of old is as it was. A deck depends on its hosts, in
// their order, and terms alone; a host that stays keeps the numbers of its
// records.
func (d *dealer) compare(old *suit) {
	spots, start := len(d.speed)/2, old.starts(len(d.speed)/2)
	d.old, d.kept, d.changed = old, make([]bool, 2*spots), make([]bool, spots)
	d.moved = slices.Repeat([]uint32{noDeck}, len(old.decks))
	d.decks, d.keys = make([]deck, 0, len(old.decks)), make([]string, 0, len(old.decks))
	spares := func(start []uint32) bool { return start[spots] < start[2*spots] }
	for i := range d.kept {
		before, now := old.hosts[start[i]:start[i+1]], d.suit.hosts[d.start[i]:d.start[i+1]]
		d.kept[i] = slices.EqualFunc(before, now, func(a, b host) bool {
			return a == b && bytes.Equal(old.recordsOf(&a), d.suit.recordsOf(&b))
		})
		// With the first fallback, and without the last, rows that are short end otherwise.
		d.changed[i%spots] = d.changed[i%spots] || !d.kept[i] || spares(start) != spares(d.start)
	}
}

// at returns the number of the host's spot, with fallbacks behind all others.
func (h *host) at(spots int) int {
	if h.spare {
		return spots + int(h.spot)
	}
	return int(h.spot)
}

// starts returns by spot where its hosts begin.
func (s *suit) starts(spots int) []uint32 {
	start := make([]uint32, 2*spots+1)
	for i := range s.hosts {
		start[s.hosts[i].at(spots)+1]++
	}
	for i := range start[1:] {
		start[i+1] += start[i]
	}
	return start
}

// recordsOf returns the records of one of the suit's hosts.
func (s *suit) recordsOf(h *host) []byte {
	size := s.terms.size()
	return s.records[int(h.first)*size : (int(h.first)+int(h.count))*size]
}

// deck returns the number of the deck for the rings of a row. Places that come
// to the same rings share it; it is named after the first of them. It is noDeck
// for a row that has nobody.
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
	if old, ok := d.formerly(d.gather()); ok {
		return d.again(old, place)
	}
	key := string(d.key)
	d.known[key] = d.add(d.cut(mix(d.id^place)), key)
	return d.known[key]
}

// moves reports whether somebody came or went at one of the spots. It is a loop
// of its own as most of what a flap costs is here.
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

// formerly returns the deck of old with this key, if its hosts were kept.
func (d *dealer) formerly(kept bool) (number uint32, ok bool) {
	if !kept {
		return noDeck, false
	}
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
	number := uint32(len(d.decks))
	d.decks, d.keys = append(d.decks, made), append(d.keys, key)
	d.cards += len(made.until)
	d.bytes += int(unsafe.Sizeof(key)) + len(key)
	return number
}

// ringEnd stands in a key behind the spots of a ring.
const ringEnd = ^uint32(0)

// gather takes the hosts of key's spots, ring by ring. It reports whether they
// are all as they were in old.
func (d *dealer) gather() (same bool) {
	d.hosts, d.ends = d.hosts[:0], d.ends[:0]
	same = d.old != nil
	for i := 0; i < len(d.key); i += 4 {
		if at := binary.LittleEndian.Uint32(d.key[i:]); at == ringEnd {
			d.ends = append(d.ends, len(d.hosts))
		} else {
			same = same && d.kept[at]
			d.hosts = append(d.hosts, d.suit.hosts[d.start[at]:d.start[at+1]]...)
		}
	}
	return same
}

// widen writes into key who a row comes to, by numbers of spots: the nearest
// rings, until the floors of terms are met, the last of them whole. Where all of
// them do not meet the floors, the fallbacks' rings follow, nearest first again,
// until they do. It returns how many of the row's spots that hung on.
func (d *dealer) widen(r *row) (looked int) {
	d.key = d.key[:0]
	in, speed, sites, spots := 0, uint64(0), 0, len(d.speed)/2
	for spare := 0; spare <= spots; spare += spots {
		if spare > 0 && (!d.terms.short(in, speed) || d.start[spare] == uint32(len(d.suit.hosts))) {
			return looked
		}
		from, before := uint16(0), in
		for _, end := range r.ends {
			for _, spot := range r.spots[from:end] {
				at := spare + int(spot)
				if !d.taken[at] {
					continue // most of them, in a small pool
				}
				d.key = binary.LittleEndian.AppendUint32(d.key, uint32(at))
				in, speed, sites = in+int(d.start[at+1]-d.start[at]), speed+d.speed[at], sites+1
			}
			looked = max(looked, int(end))
			if from = end; in == before {
				continue // nobody of this suit is in that ring
			}
			d.key = binary.LittleEndian.AppendUint32(d.key, ringEnd)
			if before = in; !d.terms.short(in, speed) && (spare > 0 || sites >= d.terms.sites) {
				return looked
			}
		}
	}
	return looked
}
