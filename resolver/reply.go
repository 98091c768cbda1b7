package resolver

import (
	"encoding/binary"

	"github.com/miekg/dns"
)

// reply is the message being built at buf[base:].
type reply struct {
	buf     []byte
	base    int
	limit   int // of len(buf), with the OPT record to come taken off
	most    int // the same for what a pool hands out: less where the source may be forged
	rcode   int
	scope   uint8 // of the client subnet, when one is echoed
	apex    *apex // of the zone that answers; nil: none
	ede     ede
	verdict Verdict
}

// Where the header has its counts.
const (
	answers     = 6
	authorities = 8
	additionals = 10
)

// newReply begins the reply: the query's header with its counts and flags
// cleared, and its question octet for octet.
func newReply(dst, msg []byte, q *query, s *Snapshot, how *Transport) reply {
	r := reply{base: len(dst)}
	r.limit = r.base + how.limit(&q.edns)
	if q.edns.present {
		r.limit -= optLen
		if q.edns.any {
			r.limit -= q.edns.room(s)
		}
	}
	r.buf = append(dst, msg[:q.end]...)
	h := r.buf[r.base:]
	h[2] = h[2]&^(flagAA|flagTC) | flagQR
	clear(h[3:headerLen])
	if q.asked() {
		h[5] = 1
	}
	return r
}

// counted adds n to one of the header's counts.
func (r *reply) counted(section, n int) {
	c := r.buf[r.base+section:]
	binary.BigEndian.PutUint16(c, binary.BigEndian.Uint16(c)+uint16(n))
}

// fail settles a reply without authority.
func (r *reply) fail(rcode int, v Verdict) { r.rcode, r.verdict = rcode, v }

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

// static answers with a packed RRset, and the glue that fits.
func (r *reply) static(set *rrset) {
	r.answered(append(r.buf, set.wire...), int(set.count))
	for i := range set.extra {
		glue := &set.extra[i]
		if r.verdict == Truncated || len(r.buf)+len(glue.wire) > r.limit {
			return
		}
		r.buf = append(r.buf, glue.wire...)
		r.counted(additionals, int(glue.count))
	}
}

// negative says that there is nothing, with the SOA for how long to remember
// it (RFC 2308 sections 2 and 3).
func (r *reply) negative(q *query, rcode int, v Verdict) {
	a := r.apex
	if len(r.buf) > r.base+q.end { // behind CNAMEs, where its pointers would be wrong
		p := newPacker(r.buf, r.base)
		p.set(a.soa.owner, &a.soa)
		r.settle(p.buf, authorities, 1, rcode, v)
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
		r.buf = appendReport(r.buf, s.agent)
	}
	if q.edns.padding && how.TLS {
		r.pad()
	}
	closeOPT(r.buf, opt)
	r.counted(additionals, 1)
	return r.buf
}
