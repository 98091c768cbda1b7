package resolver

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"

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
	owner := q.name[:q.nameLen]
	apex := s.apexOf(owner)
	if apex < 0 {
		r.refuse(notOurs)
		return
	}
	r.apex = &s.apexes[apex]
	n := s.find(owner, r.apex)
	if n == nil {
		r.negative(q, dns.RcodeNameError, NXDomain)
		return
	}
	p := newPacker(r.buf, r.base)
	var owners []string
	for len(owners) < maxChain && !slices.Contains(owners, string(owner)) { // nor in a circle
		if n == nil {
			r.negative(q, dns.RcodeNameError, NXDomain)
			return
		}
		text := strings.ToLower(textOf(owner))
		next := s.step(r, q, &p, n, text, client, turns)
		if next == nil || !r.add(&p, text, next, answers, Answered) {
			return
		}
		owners = append(owners, string(owner))
		wire, err := wireName(next.rrs[0].(*dns.CNAME).Target)
		if owner = []byte(wire); err != nil || s.apexOf(owner) != apex {
			return
		}
		n = s.find(owner, r.apex)
	}
}

// step answers from n, which stands for owner, unless that is by another name:
// it returns the CNAME then.
func (s *Snapshot) step(r *reply, q *query, p *packer, n *name, owner string, client netip.Addr, turns *Turns) *rrset {
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
		s.offerBehind(r, q, p.names[owner], n, client, turns)
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

// offerBehind deals the pool's next set behind the CNAME that led to owner,
// which stands at that place of the message.
func (s *Snapshot) offerBehind(r *reply, q *query, owner int, n *name, client netip.Addr, turns *Turns) {
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
		for size := (&terms{family: family}).size(); at < len(r.buf); at += size {
			binary.BigEndian.PutUint16(r.buf[at:], 0xC000|uint16(owner))
		}
	}
}

// refer points to a delegation's name servers (RFC 1034 section 4.3.2). Glue
// for those inside it that does not fit means TC (RFC 9471 section 3.1).
func (r *reply) refer(p *packer, c *cut) {
	aa := r.buf[r.base+2] & flagAA // a CNAME before it is ours
	whole := r.add(p, c.ns.owner, &c.ns, authorities, Referred)
	for i := 0; whole && i < c.ns.must; i++ {
		whole = r.add(p, c.ns.extra[i].owner, &c.ns.extra[i], additionals, Referred)
	}
	if whole {
		r.beside(p, c.ns.extra[c.ns.must:])
	}
	r.buf[r.base+2] = r.buf[r.base+2]&^flagAA | aa
}

// add appends an RRset, and reports whether it fitted.
func (r *reply) add(p *packer, owner string, set *rrset, section int, v Verdict) bool {
	p.buf = r.buf
	p.set(owner, set)
	r.settle(p.buf, section, int(set.count), r.rcode, v)
	return r.verdict != Truncated
}

// beside appends to the additional section as many of the sets as fit.
func (r *reply) beside(p *packer, extra []rrset) {
	for i := range extra {
		p.buf = r.buf
		if p.set(extra[i].owner, &extra[i]); len(p.buf) > r.limit {
			return
		}
		r.buf = p.buf
		r.counted(additionals, int(extra[i].count))
	}
}
