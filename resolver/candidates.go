package resolver

import (
	"encoding/binary"
	"math"
	"net/netip"
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
	need    int // rings are taken until this many hosts are in
	ttl     uint32
	seed    uint64
}

// size returns the octets of one record: 16 for A, 28 for AAAA.
func (t *terms) size() int { return 16 + 12*t.family }

// host is one member in one suit, with all its addresses of the family.
type host struct {
	rank   uint64 // where it stands in line: a hash of seed, suit and name
	weight uint64 // netspeed in units of 1/share
	first  uint32 // number of its first record
	count  uint16 // of records
	spot   uint16 // index into ground.spots
}

// share divides a host's weight among its addresses: 1 to 8 of them exactly.
const share = 840

// offer is a member that may be handed out, and by which addresses.
type offer struct {
	member int
	addrs  []netip.Addr
}

// offers lists by spot who of pool p may be handed out: active members with a netspeed
// by the addresses that are In; when there is none, by those that merely fell
// silent.
func (g *ground) offers(p, family int, scores zones.Scores) (list []offer, resort bool) {
	for _, want := range []zones.Standing{zones.In, zones.Resort} {
		for _, i := range g.order {
			if g.quarters[p][i] < 0 {
				continue
			}
			var addrs []netip.Addr
			for _, a := range g.registry.Members[i].Addresses {
				if a = a.Unmap(); a.Is6() == (family == 1) && scores[a].Standing == want {
					addrs = append(addrs, a)
				}
			}
			if addrs != nil {
				list = append(list, offer{i, addrs})
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

// numbered returns who stands behind a name with a number, and how many hosts
// it needs. Fewer than four hosts cannot be split: then every number has them
// all. So has a number whose own quarter has nobody left, which is better than
// no answer.
func (g *ground) numbered(p, quarter, floor int, all []offer) ([]offer, int) {
	if len(all) < quartersOf {
		return all, len(all)
	}
	var own []offer
	for _, o := range all {
		if int(g.quarters[p][o.member]) == quarter {
			own = append(own, o)
		}
	}
	if own == nil {
		own = all
	}
	return own, (floor + quartersOf - 1) / quartersOf
}

// newSuit returns an undealt suit of these offers.
func (g *ground) newSuit(t terms, offers []offer) *suit {
	s := &suit{terms: t}
	s.id = hash("pool", t.pool, string(rune('0'+t.quarter)), string(rune('0'+t.family)))
	for _, o := range offers {
		s.hosts = append(s.hosts, host{
			rank:   mix(t.seed ^ s.id ^ g.names[o.member]),
			weight: uint64(min(g.registry.Members[o.member].Netspeed, math.MaxInt32)) * share,
			first:  uint32(len(s.records) / t.size()),
			count:  uint16(len(o.addrs)),
			spot:   g.spot[o.member],
		})
		for _, a := range o.addrs {
			s.records = append(s.records, 0xC0, 0x0C)
			s.records = binary.BigEndian.AppendUint16(s.records, rrtypes[t.family])
			s.records = binary.BigEndian.AppendUint16(s.records, 1)
			s.records = binary.BigEndian.AppendUint32(s.records, t.ttl)
			s.records = binary.BigEndian.AppendUint16(s.records, uint16(a.BitLen()/8))
			s.records = append(s.records, a.AsSlice()...)
		}
	}
	return s
}

// seconds returns a TTL as it stands on the wire (RFC 2181 section 8).
func seconds(d time.Duration) uint32 { return uint32(min(d/time.Second, math.MaxInt32)) }

// hash is FNV-1a over the parts, each ended by a zero octet, and mixed: FNV
// alone hardly moves its high bits for short names.
func hash(parts ...string) uint64 {
	h := uint64(0xCBF29CE484222325)
	for _, p := range parts {
		for i := range len(p) {
			h = (h ^ uint64(p[i])) * 0x100000001B3
		}
		h *= 0x100000001B3
	}
	return mix(h)
}

// mix is the finalizer of SplitMix64: each bit of x moves about half of the
// result's.
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return x ^ x>>31
}
