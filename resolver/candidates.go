package resolver

import (
	"encoding/binary"
	"hash/fnv"
	"math"
	"net/netip"
	"slices"
	"time"

	"github.com/timepool/timepool/zones"
)

// Record types and class as they stand on the wire (RFC 1035, RFC 3596).
var rrtypes = [2]uint16{1, 28}

// terms are what a suit is dealt by.
type terms struct {
	pool    string
	quarter int // 0 … 3, −1 for all
	family  int // 0: A, 1: AAAA
	answers int // addresses in one answer
	need    int // rings are taken until this many hosts are in …
	speed   int // … and this netspeed …
	sites   int // … from this many spots, which every answer is to span
	ttl     uint32
	seed    uint64
}

// size returns the octets of one record: 16 for A, 28 for AAAA.
func (t *terms) size() int { return 16 + 12*t.family }

// short reports whether so many hosts with so much netspeed do not meet the floors.
func (t *terms) short(hosts int, speed uint64) bool { return hosts < t.need || speed < uint64(t.speed) }

// host is one member in one suit, with all its addresses of the family.
type host struct {
	rank   uint64 // where it stands in line: a hash of seed, suit and name
	weight uint64 // netspeed in units of 1/share
	first  uint32 // number of its first record
	count  uint16 // of records
	spot   uint16 // index into ground.spots
	spare  bool   // only where the others cannot meet the floor
}

// share divides a host's weight among its addresses: 1 to 8 of them exactly.
const share = 840

// offer is a member that may be handed out, and by which addresses.
type offer struct {
	member int
	addrs  []netip.Addr
	tenths uint64 // of its netspeed that count
	spare  bool
}

// view is what the scores make of one address, as far as offers go.
type view struct {
	standing zones.Standing
	tenths   uint8
}

// views reads the scores once for all pools: by member, in the order of its
// addresses.
func (g *ground) views(scores zones.Scores) [][]view {
	all, from := make([][]view, len(g.registry.Members)), make([]view, 0, len(scores))
	for i := range g.registry.Members {
		begin := len(from)
		for _, a := range g.registry.Members[i].Addresses {
			s := scores[a.Unmap()]
			from = append(from, view{s.Standing, uint8(tenths(s.Value, g.registry.Zone.Ramp))})
		}
		all[i] = from[begin:len(from):len(from)]
	}
	return all
}

// offers lists who of pool p may be handed out: members with a netspeed by the
// addresses that are In; when there is none, by those that merely fell silent.
// Active members come before fallbacks, and each of them by spot.
func (g *ground) offers(p, family int, views [][]view) (list []offer, resort bool) {
	for _, want := range []zones.Standing{zones.In, zones.Resort} {
		for _, i := range g.order {
			if g.quarters[p][i] < 0 {
				continue
			}
			m := &g.registry.Members[i]
			o := offer{member: i, spare: m.State == zones.Fallback}
			for n, v := range views[i] {
				if a := m.Addresses[n]; v.standing == want && familyOf(a) == family {
					o.addrs = append(o.addrs, a.Unmap())
					o.tenths += uint64(v.tenths)
				}
			}
			if o.addrs != nil {
				o.tenths /= uint64(len(o.addrs))
				list = append(list, o)
			}
		}
		if list != nil {
			return list, want == zones.Resort
		}
	}
	return nil, false
}

// quartersOf is how many names with a number there are.
const quartersOf = 4

// numbered returns who stands behind a name with a number, and sets how much of
// the floors it needs. Fewer than four active hosts cannot be split: then every
// number has them all. So has a number whose own quarter has none of them left,
// which is better than no answer.
func (g *ground) numbered(p int, t *terms, all []offer) []offer {
	var own []offer
	active, mine := 0, 0
	for _, o := range all {
		here := int(g.quarters[p][o.member]) == t.quarter
		if here {
			own = append(own, o)
		}
		if !o.spare {
			active++
			if here {
				mine++
			}
		}
	}
	if active < quartersOf {
		t.need = max(active, t.need)
		return all
	}
	if mine == 0 {
		own = all
	}
	t.need, t.speed = (t.need+quartersOf-1)/quartersOf, (t.speed+quartersOf-1)/quartersOf
	return own
}

// tenths returns how much of a member's netspeed counts at that score, where
// all of it does from full on (0: always). It goes up in few steps, so that a
// score that wiggles hardly ever deals anew.
func tenths(score float64, full int) uint64 {
	if full <= eligible || score >= float64(full) {
		return 10
	}
	return uint64(1 + max(0, 9*(score-eligible)/float64(full-eligible)))
}

// eligible is the score from which members are handed out.
const eligible = 10

// newSuit returns an undealt suit of these offers. The suits of a pool share
// the records of b, unless of some member not all addresses are offered.
func (g *ground) newSuit(t terms, offers []offer, b *book) *suit {
	s := &suit{terms: t, records: b.records, hosts: make([]host, 0, len(offers))}
	s.id = hash("pool", t.pool, string(rune('0'+t.quarter)), string(rune('0'+t.family)))
	for _, o := range offers {
		h := host{
			rank:   mix(t.seed ^ s.id ^ g.names[o.member]),
			weight: uint64(min(g.registry.Members[o.member].Netspeed, math.MaxInt32)) * share * o.tenths / 10,
			first:  b.firsts[o.member],
			count:  uint16(len(o.addrs)),
			spot:   g.spot[o.member],
			spare:  o.spare,
		}
		s.hosts = append(s.hosts, h)
		if h.first+uint32(h.count) == b.firsts[o.member+1] {
			continue
		}
		if &s.records[0] == &b.records[0] {
			s.records = slices.Clone(b.records)
		}
		appendRecords(s.recordsOf(&h)[:0], t.ttl, o.addrs)
	}
	return s
}

// appendRecords appends the address records of a name that the question holds.
func appendRecords(dst []byte, ttl uint32, addrs []netip.Addr) []byte {
	for _, a := range addrs {
		a = a.Unmap()
		dst = append(dst, 0xC0, 0x0C)
		dst = binary.BigEndian.AppendUint16(dst, rrtypes[familyOf(a)])
		dst = binary.BigEndian.AppendUint16(dst, 1)
		dst = binary.BigEndian.AppendUint32(dst, ttl)
		dst = binary.BigEndian.AppendUint16(dst, uint16(a.BitLen()/8))
		dst = append(dst, a.AsSlice()...)
	}
	return dst
}

// seconds returns a TTL as it stands on the wire (RFC 2181 section 8).
func seconds(d time.Duration) uint32 { return uint32(min(d/time.Second, math.MaxInt32)) }

// hash is FNV-1a over the parts, each ended by a zero octet, and mixed: FNV
// alone hardly moves its high bits for short names.
func hash(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		h.Write([]byte(p + "\x00"))
	}
	return mix(h.Sum64())
}

// mix is the finalizer of SplitMix64: each bit of x moves about half of the
// result's.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
