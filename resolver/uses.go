package resolver

import (
	"math"
	"net/netip"
	"sync/atomic"

	"github.com/timepool/timepool/zones"
)

// Asked is where queries came from whose answer hangs on it: a site, and how it
// was found.
type Asked struct {
	Site   string // "" where none is known
	Found  string // registry, geoip or default
	Subnet bool   // by a believed client subnet (RFC 7871) and not by the sender
}

// askers counts queries: by the sites in the registry's order, behind the
// default place and before all that GeoIP knows; each by sender and by subnet.
type askers [][2]atomic.Uint64

func newAskers(r *zones.Registry) askers { return make(askers, len(r.Sites)+2) }

func (a askers) count(place zones.PlaceID, subnet bool) {
	by := 0
	if subnet {
		by = 1
	}
	a[min(int(place), len(a)-1)][by].Add(1)
}

// askedTo adds the counts of all lanes to sum.
func (p *publication) askedTo(sum map[Asked]uint64) {
	for _, lane := range p.turns {
		r := lane.registry
		for i := range lane.asked {
			from := Asked{Site: r.Zone.Default, Found: foundBy[zones.FromDefault]}
			switch {
			case i > len(r.Sites):
				from = Asked{Found: foundBy[zones.FromGeoIP]}
			case i > 0:
				from = Asked{Site: r.Sites[i-1].Name, Found: foundBy[zones.FromRegistry]}
			}
			for by := range lane.asked[i] {
				from.Subnet = by == 1
				sum[from] += lane.asked[i][by].Load()
			}
		}
	}
}

// handedOut is how many answers held each address. No query counts anything for
// it: how far each deck was dealt, and how often a deck deals each address, tell
// it afterwards, but for the last run of each deck, which may be under way.
type handedOut struct {
	dealt   map[netip.Addr]float64
	counted [][]uint64 // by suit of the live Snapshot, and deck: turns that are in dealt
}

// settle adds what was dealt of live since it was last settled.
func (h *handedOut) settle(live *publication) {
	for i, suit := range live.snapshot.suits {
		var held []float64 // by record
		for n := range suit.decks {
			dealt := live.dealt(i, n)
			turns := float64(dealt - h.counted[i][n])
			if h.counted[i][n] = dealt; turns == 0 {
				continue
			}
			if held == nil {
				held = make([]float64, len(suit.records)/suit.terms.size())
			}
			suit.decks[n].each(func(record uint32, _ int, share float64) { held[record] += share * turns })
		}
		for record, answers := range held {
			if answers > 0 {
				h.dealt[suit.address(uint32(record))] += answers
			}
		}
	}
}

// start makes next what settle settles, from now on.
func (h *handedOut) start(next *publication) {
	h.counted = make([][]uint64, len(next.snapshot.suits))
	for i, suit := range next.snapshot.suits {
		h.counted[i] = make([]uint64, len(suit.decks))
		for n := range suit.decks {
			h.counted[i][n] = next.dealt(i, n)
		}
	}
}

// dealt is how many turns of a deck all lanes took together, ever.
func (p *publication) dealt(suit, deck int) (turns uint64) {
	for _, lane := range p.turns {
		turns += lane.counters[p.snapshot.bases[suit]+uint32(deck)].Load() & (1<<turnBits - 1)
	}
	return turns
}

// each calls do for every record of every set, with its place in the set and how
// often the set is dealt, 0 … 1.
func (d *deck) each(do func(record uint32, slot int, share float64)) {
	from := uint64(0)
	for i, next := range d.until {
		until := uint64(next)
		if i == len(d.until)-1 {
			until = math.MaxUint32 + 1
		}
		for slot, record := range d.sets[i*d.size():][:d.size()] {
			do(record, slot, float64(until-from)/(math.MaxUint32+1))
		}
		from = until
	}
}
