package resolver

import "github.com/timepool/timepool/zones"

// Snapshot is everything a query needs, decided beforehand. Build makes it;
// nothing changes it afterwards.
type Snapshot struct {
	Serial uint32 // of every SOA in it

	atlas  *zones.Atlas
	ecs    zones.ECS
	agent  string // where resolvers may report errors: wire format, "" for nowhere
	apexes []apex
	names  map[string]*name // by owner name: wire format, lower case, root octet included
	suits  []*suit
	bases  []uint32 // by suit: number of its first deck, as Turns counts them

	ground *ground // for the next Build
	stats  Stats

	scores zones.Scores // what it was made of, for Explain
	made   Options      // the same; no Previous
}

// apex is one served zone: zone.name or one of zone.also.
type apex struct {
	wire     string // wire format, lower case, root octet included
	soa      rrset  // for negative answers: TTL = min(SOA TTL, minimum) (RFC 2308 section 3)
	pointers []int  // where soa.wire has compression pointers; a question longer by n octets moves each by n
}

// name is what stands at one owner name. A name that is in Snapshot.names
// exists; without records of the asked type it is NODATA.
type name struct {
	apex   int  // index into Snapshot.apexes
	pool   bool // answers A and AAAA from decks
	static []rrset
	cut    *cut  // a delegation begins here; static is empty then
	wild   *name // what stands at * below it

	suit  int // index into Snapshot.suits for A; the one for AAAA is perFamily further
	place int // index into ground.rows for names that mean the same to every client, else byClient
}

// byClient is the place of a name that means the client's own place.
const byClient = -1

// noDeck stands where nobody of that family may be handed out.
const noDeck = ^uint32(0)

// deck is a fair way of dealing sets of members to the clients of one name,
// place and family. The unit interval is cut into arcs, one a card, and query t
// takes the card in whose arc its point falls. The points of length queries lie
// evenly, so that after length of them every member has come up as often as its
// weight says; Snapshot.deal tells how, and no state but t is needed.
type deck struct {
	id     uint64 // stable over rebuilds: names the counter in Turns
	suit   *suit
	until  []uint32 // by card, ascending: where the next arc begins, in units of 2⁻³²; the last one's is not read
	sets   []uint32 // by card, as many as rings say: numbers of suit.records, nearer rings first
	step   uint64   // from one point to the next, in units of 2⁻⁶⁴
	shift  uint64   // from each run of length points to the next
	length uint32
	rings  uint32 // bit i: a ring begins with the set's record i; one more bit ends the last ring
}

// suit is all that is dealt for one pool, quarter and family. A suit never
// changes, so the next Snapshot shares it when all it is made from is the same,
// and else those of its decks that are.
type suit struct {
	id      uint64
	terms   terms
	hosts   []host // the candidates, by spot
	records []byte // the pool's book, with the addresses that are offered first in each member's
	decks   []deck
	keys    []string // by deck: who is in it, see dealer.widen
	rows    []uint32 // index into decks, or noDeck, by ground.rows
	reach   []uint16 // by the same: how many spots of the row were looked at

	cards int // in decks
	bytes int // of decks, cards, sets, keys, hosts and rows; not of records, which the pool's suits share
}

// deckFor returns the deck for the family (0: A, 1: AAAA) of a pool name as
// seen from place, and its number for Turns; nil where nobody may be handed out.
// A number that has nobody there, for its quarter is gone or the place strict,
// answers as the bare name does: better that than no answer.
func (s *Snapshot) deckFor(n *name, family int, place zones.PlaceID) (d *deck, number uint32) {
	at := n.place
	if at == byClient {
		at = int(place)
	}
	bare := n.suit - n.suit%perFamily
	for _, i := range [2]int{n.suit, bare} {
		i += family * perFamily
		if number = s.suits[i].rows[at]; number != noDeck {
			return &s.suits[i].decks[number], s.bases[i] + number
		}
	}
	return nil, noDeck
}

// clientDependent reports whether the answer depends on where the client is,
// and so whether an ECS scope may be other than 0.
func (n *name) clientDependent() bool { return n.pool && n.place == byClient }
