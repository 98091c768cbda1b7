package resolver

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// reply is the message being built at buf[base:].
type reply struct {
	buf     []byte
	base    int
	records int // where they begin, behind the question
	limit   int // of len(buf), with the OPT record to come taken off
	most    int // the same for what a pool hands out: less where the source may be forged
	rcode   int
	scope   uint8 // of the client subnet, when one is echoed
	apex    *apex // of the zone that answers; nil: none
	ede     ede
	packer  *packer // nil: what was packed beforehand is copied
	verdict Verdict
}

// Where the header has its counts.
const (
	answers     = 6
	authorities = 8
	additionals = 10
)

// begin begins the reply: the query's header with its counts and flags
// cleared, and its question octet for octet.
func (r *reply) begin(dst, msg []byte, q *query, how *Transport) {
	r.base = len(dst)
	r.limit = r.base + how.limit(&q.edns)
	if q.edns.present {
		r.limit -= optLen + q.edns.room
	}
	r.buf = append(dst, msg[:q.end]...)
	r.records = len(r.buf)
	h := r.buf[r.base:]
	h[2] = h[2]&^(flagAA|flagTC) | flagQR
	clear(h[3:headerLen])
	if q.asked() {
		h[5] = 1
	}
}

// counted adds n to one of the header's counts.
func (r *reply) counted(section, n int) {
	c := r.buf[r.base+section:]
	binary.BigEndian.PutUint16(c, binary.BigEndian.Uint16(c)+uint16(n))
}

// fail settles a reply without authority, and without the CNAMEs that led here.
func (r *reply) fail(rcode int, v Verdict) {
	r.rcode, r.verdict = rcode, v
	r.buf = r.buf[:r.records]
	clear(r.buf[r.base+answers : r.base+headerLen])
	r.buf[r.base+2] &^= flagAA
}

// refuse fails with REFUSED, and why.
func (r *reply) refuse(why ede) {
	r.fail(dns.RcodeRefused, Refused)
	r.ede = why
}

// settle settles an authoritative one. with is buf and the records that make
// it; when they are too long, TC takes their place.
func (r *reply) settle(with []byte, section, n, rcode int, v Verdict) {
	r.rcode, r.verdict = rcode, v
	var tc byte
	if len(with) > r.limit {
		with, n, tc = with[:len(r.buf)], 0, flagTC
		r.scope, r.verdict = 0, Truncated
	}
	r.buf = with // which may be another array than buf was
	r.buf[r.base+2] |= flagAA | tc
	r.counted(section, n)
}

func (r *reply) answered(with []byte, n int) {
	r.settle(with, answers, n, 0, Answered)
}

// static answers with an RRset, and the glue that fits.
func (r *reply) static(owner []byte, set *rrset) {
	text := ""
	if r.packer != nil {
		text = textOf(owner)
	}
	if r.add(text, set, answers, Answered) {
		r.beside(set.extra)
	}
}

// add appends an RRset, and reports whether it fitted.
func (r *reply) add(owner string, set *rrset, section int, v Verdict) bool {
	r.settle(r.with(owner, set), section, int(set.count), r.rcode, v)
	return r.verdict != Truncated
}

// beside appends to the additional section as many of the sets as fit.
func (r *reply) beside(extra []rrset) {
	for i := range extra {
		with := r.with(extra[i].owner, &extra[i])
		if len(with) > r.limit {
			return
		}
		r.buf = with
		r.counted(additionals, int(extra[i].count))
	}
}

// repack has records packed for where they are put from here on: it takes more
// time than to copy them, and wildcards, delegations and what is behind a CNAME
// want it.
func (r *reply) repack() {
	if r.packer == nil {
		p := newPacker(r.buf, r.base)
		r.packer = &p
	}
}

// with is buf and an RRset behind it.
func (r *reply) with(owner string, set *rrset) []byte {
	if r.packer != nil {
		return r.packer.behind(r.buf, owner, set)
	}
	return append(r.buf, set.wire...)
}

// behind is buf and an RRset that was sealed behind it.
func (p *packer) behind(buf []byte, owner string, set *rrset) []byte {
	p.buf = buf
	p.set(owner, set)
	return p.buf
}

// negative says that there is nothing, with the SOA for how long to remember
// it (RFC 2308 sections 2 and 3).
func (r *reply) negative(q *query, rcode int, v Verdict) {
	a := r.apex
	if r.packer != nil {
		r.settle(r.with(a.soa.owner, &a.soa), authorities, 1, rcode, v)
		return
	}
	at, shift := len(r.buf), q.nameLen-len(a.wire)
	with := append(r.buf, a.soa.wire...)
	for _, p := range a.pointers {
		c := with[at+p:]
		binary.BigEndian.PutUint16(c, binary.BigEndian.Uint16(c)+uint16(shift))
	}
	r.settle(with, authorities, 1, rcode, v)
}

// finish appends the OPT record, exactly when the query had one (RFC 6891
// section 6.1.1), and sets the rcode. What nobody asked for comes as far as
// there is room.
func (r *reply) finish(q *query, s *Snapshot, how *Transport) []byte {
	r.buf[r.base+3] = byte(r.rcode & 0xF)
	if !q.edns.present {
		return r.buf
	}
	opt := len(r.buf)
	left := r.limit - opt
	r.buf = q.edns.appendOPT(r.buf, r.rcode)
	if q.edns.any {
		q.edns.answered(r, s, how)
	}
	if r.ede.text != "" && r.ede.len() <= left {
		left -= r.ede.len()
		r.buf = r.ede.append(r.buf)
	}
	if s.agent != "" && r.apex != nil && 4+len(s.agent) <= left {
		r.buf = appendText(r.buf, dns.EDNS0REPORTING, s.agent)
	}
	if q.edns.padding && how.TLS {
		r.pad()
	}
	binary.BigEndian.PutUint16(r.buf[opt+optLen-2:], uint16(len(r.buf)-opt-optLen))
	r.counted(additionals, 1)
	return r.buf
}
