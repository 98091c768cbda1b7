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
	quarter int  // 0 … 3, −1 for all
	family  int  // 0: A, 1: AAAA
	resort  bool // nobody is In: these merely fell silent
	answers int  // addresses in one answer
	need    int  // rings are taken until this many hosts are in …
	speed   int  // … and this netspeed …
	sites   int  // … from this many spots, which every answer is to span
	ttl     uint32
	seed    uint64
}

// id names the suit over rebuilds.
func (t *terms) id() uint64 {
	return hash("pool", t.pool, string(rune('0'+t.quarter)), string(rune('0'+t.family)))
}

// size returns the octets of one record: 16 for A, 28 for AAAA.
func (t *terms) size() int { return 16 + 12*t.family }

// short reports whether so many hosts with so much netspeed do not meet the floors.
func (t *terms) short(hosts int, speed uint64) bool { return hosts < t.need || speed < uint64(t.speed) }

// host is one member in one suit, with all its addresses of the family.
type host struct {
	rank    uint64 // where it stands in line: a hash of seed, pool, family and name
	weight  uint64 // netspeed in units of 1/share, a multiple of count
	first   uint32 // number of its first record
	count   uint16 // of records
	spot    uint16 // index into ground.spots
	quarter int8
	spare   bool // only where the others cannot meet the floor
}

// share divides a host's weight among its addresses: 1 to 8 of them exactly.
const share = 840

// bare returns the undealt suit of a pool's names without a number: members with
// a netspeed by the addresses that are In; when there is none, by those that
// merely fell silent. Active members come before fallbacks, and each of them by
// spot. Its records are the pool's book, unless of some member not all addresses
// are handed out.
func (g *ground) bare(p, family int, scores zones.Scores, o *Options) *suit {
	pool := &g.registry.Pools[p]
	s := &suit{records: g.books[p][family].records, terms: terms{
		pool: pool.Name, quarter: -1, family: family,
		answers: pool.Answers, need: pool.Floor, speed: pool.FloorNetspeed, sites: pool.MinSites,
		ttl: seconds(pool.TTL), seed: mix(o.Seed + o.Epoch*golden),
	}}
	s.id = s.terms.id()
	s.hosts = make([]host, 0, len(g.casts[p]))
	var fit []netip.Addr
	for _, want := range []zones.Standing{zones.In, zones.Resort} {
		for _, i := range g.casts[p] {
			sum := uint64(0)
			fit = fit[:0]
			for _, a := range g.registry.Members[i].Addresses {
				if a = a.Unmap(); familyOf(a) != family {
					continue
				}
				if score := scores[a]; score.Standing == want {
					fit, sum = append(fit, a), sum+tenths(score.Value, g.registry.Zone.Ramp)
				}
			}
			if len(fit) > 0 {
				s.offer(g, p, i, fit, sum)
			}
		}
		if len(s.hosts) > 0 {
			s.terms.resort = want == zones.Resort
			break
		}
	}
	return s
}

// offer adds the i-th member with these addresses, of whose netspeed so many
// tenths count together.
func (s *suit) offer(g *ground, p, i int, addrs []netip.Addr, tenths uint64) {
	m, b, count := &g.registry.Members[i], &g.books[p][s.terms.family], uint64(len(addrs))
	h := host{
		rank:    mix(s.terms.seed ^ s.id ^ g.names[i]),
		weight:  uint64(min(m.Netspeed, math.MaxInt32)) * (share / 10) * tenths / count,
		first:   b.firsts[i],
		count:   uint16(count),
		spot:    g.spot[i],
		quarter: g.quarters[p][i],
		spare:   m.State == zones.Fallback,
	}
	h.weight -= h.weight % count
	s.hosts = append(s.hosts, h)
	if h.first+uint32(count) == b.firsts[i+1] {
		return
	}
	if &s.records[0] == &b.records[0] {
		s.records = slices.Clone(b.records)
	}
	appendRecords(s.recordsOf(&h)[:0], s.terms.ttl, addrs)
}

// quartersOf is how many names with a number there are.
const quartersOf = 4

// number returns the undealt suit behind a name with a number, of the bare one.
// It needs only a part of the floors. Fewer than four active hosts cannot be
// split: then every number has them all. A number whose own quarter has none of
// them left has nobody: Snapshot.deckFor knows what then.
func (s *suit) number(quarter int) *suit {
	own := &suit{terms: s.terms, records: s.records}
	t, active, mine := &own.terms, 0, 0
	t.quarter = quarter
	own.id = t.id()
	own.hosts = make([]host, 0, len(s.hosts)/2)
	for _, h := range s.hosts {
		here := int(h.quarter) == quarter
		if here {
			own.hosts = append(own.hosts, h)
		}
		if !h.spare {
			active++
			if here {
				mine++
			}
		}
	}
	if active < quartersOf {
		own.hosts, t.need = s.hosts, max(active, t.need)
		return own
	}
	if mine == 0 {
		own.hosts = own.hosts[:0]
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
