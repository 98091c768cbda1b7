package resolver

import (
	"net/netip"
	"slices"

	"github.com/miekg/dns"
)

// maxChain bounds how many CNAMEs one answer follows.
const maxChain = 8

// find returns what answers for a name below a (RFC 1034 section 4.3.2): the
// name itself, the delegation that it lies in, or the wildcard at its closest
// encloser (RFC 4592 section 3.3.1); nil when it does not exist. As every name
// has all those above it, it looks from the apex down to the first that is not
// there.
func (s *Snapshot) find(wire []byte, a *apex) *name {
	if n := s.names[string(wire)]; n != nil {
		return n
	}
	var starts [maxName / 2]uint8 // of the labels below the apex
	labels := 0
	for i := 0; i < len(wire)-len(a.wire); i += 1 + int(wire[i]) {
		starts[labels] = uint8(i)
		labels++
	}
	encloser := s.names[a.wire]
	for labels > 0 && encloser.cut == nil {
		labels--
		next := s.names[string(wire[starts[labels]:])]
		if next == nil {
			break
		}
		encloser = next
	}
	if encloser.cut != nil {
		return encloser
	}
	return encloser.wild
}

// resolve answers a well-formed question of class IN. A CNAME is followed as long
// as it stays in the zone, whose name a chain ends at gives the rcode (RFC 6604).
func (s *Snapshot) resolve(r *reply, q *query, client netip.Addr, turns *Turns) {
	owner := q.name[:q.nameLen]
	n := s.names[string(owner)]
	if n == nil {
		if s.tell(r, q, client) {
			return
		}
		apex := s.apexOf(owner)
		if apex < 0 {
			r.refuse(notOurs)
			return
		}
		r.apex = &s.apexes[apex]
		if n = s.find(owner, r.apex); n != nil {
			r.repack()
		}
	} else {
		r.apex = &s.apexes[n.apex]
	}
	var before []string
	for {
		cname := s.step(r, q, n, owner, client, turns)
		if cname == nil || !r.add(textOf(owner), cname, answers, Answered) {
			return
		}
		before = append(before, string(owner))
		wire, err := wireName(cname.rrs[0].(*dns.CNAME).Target)
		owner = []byte(wire)
		if err != nil || len(before) == maxChain || slices.Contains(before, wire) || s.apexOf(owner) != n.apex {
			return
		}
		n = s.find(owner, r.apex)
	}
}

// step answers from n, which stands for owner, unless that is by another name:
// it returns the CNAME then.
func (s *Snapshot) step(r *reply, q *query, n *name, owner []byte, client netip.Addr, turns *Turns) (cname *rrset) {
	switch {
	case n == nil:
		r.negative(q, dns.RcodeNameError, NXDomain)
	case n.cut != nil:
		r.refer(q, n.cut, textOf(owner))
	case q.qtype == dns.TypeANY && (n.pool || len(n.static) > 0):
		r.answered(append(r.buf, hinfo...), 1)
	case n.pool && q.qtype == dns.TypeA:
		s.offer(r, q, n, owner, 0, client, turns)
	case n.pool && q.qtype == dns.TypeAAAA:
		s.offer(r, q, n, owner, 1, client, turns)
	default:
		if set := n.set(q.qtype); set != nil {
			r.static(owner, set)
		} else if cname = n.set(dns.TypeCNAME); cname != nil {
			r.repack()
		} else {
			r.negative(q, dns.RcodeSuccess, NoData)
		}
	}
	return cname
}

// refer points to a delegation's name servers (RFC 1034 section 4.3.2), but for
// its DS records, which are ours. Glue for those inside it that does not fit
// means TC (RFC 9471 section 3.1).
func (r *reply) refer(q *query, c *cut, owner string) {
	r.repack()
	if q.qtype == dns.TypeDS && len(owner) == len(c.ns.owner) {
		if c.ds.count == 0 {
			r.negative(q, dns.RcodeSuccess, NoData)
		} else {
			r.add(owner, &c.ds, answers, Answered)
		}
		return
	}
	aa := r.buf[r.base+2] & flagAA // a CNAME before it is ours
	whole := r.add(c.ns.owner, &c.ns, authorities, Referred)
	for i := 0; whole && i < c.ns.must; i++ {
		whole = r.add(c.ns.extra[i].owner, &c.ns.extra[i], additionals, Referred)
	}
	if whole {
		r.beside(c.ns.extra[c.ns.must:])
	}
	r.buf[r.base+2] = r.buf[r.base+2]&^flagAA | aa
}
