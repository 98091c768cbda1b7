package resolver

import (
	"net/netip"

	"github.com/timepool/timepool/zones"
)

// Snapshot is everything a query needs, decided beforehand. Build makes it;
// nothing changes it afterwards.
type Snapshot struct {
	Serial uint32 // of every SOA in it

	atlas  *zones.Atlas
	ecs    zones.ECS
	apexes []apex
	names  map[string]*name // by owner name: wire format, lower case, root octet included
	decks  []deck
	sets   []set
	rrs    []byte // the sets' records, packed
}

// apex is one served zone: zone.name or one of zone.also.
type apex struct {
	wire        string // wire format, lower case, root octet included
	soa         rrset  // for answers: owner is the pointer to the question
	negativeSOA []byte // one SOA record for the authority section, TTL = min(SOA TTL, minimum), owner packed in full
}

// name is what stands at one owner name. A name that is in Snapshot.names
// exists; without records of the asked type it is NODATA.
type name struct {
	apex   int  // index into Snapshot.apexes
	pool   bool // answers A and AAAA from decks
	static []rrset

	// Decks by family (0: A, 1: AAAA). byPlace is indexed by zones.PlaceID and
	// nil for names that mean the same to every client; those use fixed.
	byPlace [2][]uint32
	fixed   [2]uint32
}

// noDeck stands where nobody of that family may be handed out.
const noDeck = ^uint32(0)

// rrset is one static RRset, packed. Every record's owner is a pointer to the
// question (0xC00C), so no name inside is compressed against the message.
type rrset struct {
	rrtype uint16
	count  uint16
	wire   []byte
	extra  []byte // records for the additional section (glue), owners in full
	extras uint16
}

// deck is a fair way of dealing sets of members to the clients of one name,
// place and family. The unit interval is cut into arcs, one a card; query t
// takes the card in whose arc frac(seed + t·φ) falls, so that after any number of
// queries each card has come up in proportion to its arc (the golden ratio's
// sequence has the lowest discrepancy), and no state but t is needed.
type deck struct {
	id    uint64 // stable over rebuilds: names the counter in Turns
	cards []card // by until, ascending; the last one's is 2⁶⁴−1
}

// card is one arc: a set, and how far each ring of it is rotated.
type card struct {
	until uint64 // the arc's last point, inclusive, in units of 2⁻⁶⁴
	set   uint32
	turn  uint32
}

// set is the members of one answer, nearer rings first, packed in
// Snapshot.rrs as records that own the question's name (0xC00C). Each set is
// stored once a Snapshot, whichever decks use it.
type set struct {
	at    uint32  // offset in Snapshot.rrs
	size  uint16  // octets of one record: 16 for A, 28 for AAAA
	rings []uint8 // records in each ring; rotation stays within a ring
}

// deckFor returns the deck index for the family (0: A, 1: AAAA) of a pool name
// as seen from place.
func (n *name) deckFor(family int, place zones.PlaceID) uint32 {
	if n.byPlace[family] != nil {
		return n.byPlace[family][place]
	}
	return n.fixed[family]
}

// clientDependent reports whether the answer depends on where the client is,
// and so whether an ECS scope may be other than 0.
func (n *name) clientDependent() bool { return n.byPlace[0] != nil || n.byPlace[1] != nil }

var _ = netip.Addr{}
