package resolver

import (
	"bytes"
	"encoding/binary"
	"net/netip"

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

// follow answers where more is to be done than to copy what stands at the
// question's name: wildcards, CNAMEs, delegations, names that are not there. A
// CNAME is followed as long as it stays in the zone, whose name a chain ends at
// gives the rcode (RFC 6604).
func (s *Snapshot) follow(r *reply, q *query, client netip.Addr, turns *Turns) {
	a := s.nearest(q)
	if r.apex = a; a == nil {
		r.refuse(notOurs)
		return
	}
	owner := q.name[:q.nameLen]
	n := s.find(owner, a)
	if n == nil {
		r.negative(q, dns.RcodeNameError, NXDomain)
		return
	}
	p := newPacker(r.buf, r.base)
	var owners [maxChain][]byte
	for hop := range owners {
		if n == nil {
			r.negative(q, dns.RcodeNameError, NXDomain)
			return
		}
		for _, before := range owners[:hop] {
			if bytes.Equal(before, owner) { // in a circle
				return
			}
		}
		next := s.step(r, q, &p, n, owner, client, turns)
		if next == nil || !r.add(&p, owner, next, answers, Answered) {
			return
		}
		owners[hop] = owner
		if owner, _ = next.target(next.plain); !isBelow(owner, a.wire) {
			return
		}
		n = s.find(owner, a)
	}
}

// step answers from n, which stands for owner, unless that is by another name:
// it returns the CNAME then.
func (s *Snapshot) step(r *reply, q *query, p *packer, n *name, owner []byte, client netip.Addr, turns *Turns) *rrset {
	set := n.set(q.qtype)
	switch c := n.cut; {
	case c != nil && (q.qtype != dns.TypeDS || len(owner) > len(c.ns.owner)):
		r.refer(p, c)
		return nil
	case c != nil && c.ds.count > 0:
		set = &c.ds
	case q.qtype == dns.TypeANY && len(n.static) > 0:
		r.answered(append(r.buf, hinfo...), 1)
		return nil
	case n.pool && q.qtype == dns.TypeA, n.pool && q.qtype == dns.TypeAAAA:
		s.offerBehind(r, q, p, n, owner, client, turns)
		return nil
	case set == nil:
		if set = n.set(dns.TypeCNAME); set != nil {
			return set
		}
	}
	if set == nil {
		r.negative(q, dns.RcodeSuccess, NoData)
	} else if r.add(p, owner, set, answers, Answered) {
		r.beside(p, set.extra)
	}
	return nil
}

// offerBehind deals the pool's next set behind the CNAME that led to owner.
func (s *Snapshot) offerBehind(r *reply, q *query, p *packer, n *name, owner []byte, client netip.Addr, turns *Turns) {
	at, family := len(r.buf), 0
	if q.qtype == dns.TypeAAAA {
		family = 1
	}
	s.offer(r, q, n, family, client, turns)
	switch {
	case r.rcode == dns.RcodeServerFailure:
		r.buf = r.buf[:r.base+q.end]
		clear(r.buf[r.base+answers : r.base+headerLen])
		r.buf[r.base+2] &^= flagAA
	case r.verdict == Answered:
		pointer := 0xC000 | p.find(owner)
		for size := (&terms{family: family}).size(); at < len(r.buf); at += size {
			binary.BigEndian.PutUint16(r.buf[at:], pointer)
		}
	}
}

// nearest returns the apex at or above the question's name, nil when there is
// none.
func (s *Snapshot) nearest(q *query) (a *apex) {
	for i := range s.apexes {
		if b := &s.apexes[i]; (a == nil || len(b.wire) > len(a.wire)) && isBelow(q.name[:q.nameLen], b.wire) {
			a = b
		}
	}
	return a
}

// isBelow reports whether a name ends in apex, at a label's edge (a label may
// hold octets that look like one).
func isBelow(name []byte, apex string) bool {
	above := len(name) - len(apex)
	if above < 0 || string(name[above:]) != apex {
		return false
	}
	i := 0
	for i < above {
		i += 1 + int(name[i])
	}
	return i == above
}
