package resolver

import (
	"sync/atomic"

	"github.com/timepool/timepool/zones"
)

// Turns is how far one server loop has dealt each deck: the only thing that
// moves between two queries. It outlives Snapshots.
type Turns struct {
	suits    []*suit
	counters []*atomic.Uint64 // by deck
	known    map[uint64]*atomic.Uint64

	registry *zones.Registry
	asked    askers // by the sites of registry
}

// newTurns returns the counters for s. Decks that are in previous go on where
// they are, on the very counters, so that a loop that still holds previous loses
// no turn. A deck that is gone is remembered for when it comes back (places part
// and meet again as members flap), until those outnumber the others. A new one
// gets its start from seed and id, so that neither decks nor loops are in step.
//
// previous gives its memory away: it can be counted on, but not continued again.
func newTurns(s *Snapshot, previous *Turns, seed uint64) *Turns {
	t := &Turns{suits: s.suits, counters: make([]*atomic.Uint64, s.stats.Decks), known: map[uint64]*atomic.Uint64{}}
	before := map[*suit][]*atomic.Uint64{}
	if t.registry = s.ground.registry; previous != nil && previous.registry == t.registry {
		t.asked = previous.asked
	} else {
		t.asked = newAskers(t.registry)
	}
	if previous != nil {
		t.known = previous.known
		counters := previous.counters
		for _, suit := range previous.suits {
			before[suit], counters = counters[:len(suit.decks)], counters[len(suit.decks):]
		}
	}
	counters := t.counters
	for _, suit := range s.suits {
		if copy(counters, before[suit]) == 0 {
			for i := range suit.decks {
				counters[i] = t.counter(suit.decks[i].id, seed)
			}
		}
		counters = counters[len(suit.decks):]
	}
	if len(t.known) > 2*len(t.counters)+1024 {
		clear(t.known)
		for i, suit := range s.suits {
			for n := range suit.decks {
				t.known[suit.decks[n].id] = t.counters[s.bases[i]+uint32(n)]
			}
		}
	}
	return t
}

// counter returns the counter of the deck with that id.
func (t *Turns) counter(id, seed uint64) *atomic.Uint64 {
	c := t.known[id]
	if c == nil {
		c = new(atomic.Uint64)
		c.Store(mix(id^seed) >> turnBits << turnBits)
		t.known[id] = c
	}
	return c
}

// next returns the turn that is due in a deck, for Snapshot.deal.
func (t *Turns) next(deck uint32) uint64 { return t.counters[deck].Add(1) - 1 }
