package resolver

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// Transport is what the answer has to know of the way a query came.
type Transport struct {
	TCP  bool // or TLS
	TLS  bool
	Idle time.Duration // TCP: how long the connection may be idle after the reply; 0: not told
	Now  time.Time     // about when the query came, for cookies, signatures and limits

	key      *Key     // that signed the query
	reserved int      // octets of the reply that its signature takes
	limits   *limits  // nil: none
	copying  *copying // nil: a transfer has no way to go
}

// limit is how long the reply may be (RFC 6891 section 6.2.5).
func (t *Transport) limit(e *edns) int {
	if t.TCP {
		return maxTCP - t.reserved
	}
	return min(max(int(e.size), minUDP), maxUDP) - t.reserved
}

// Answer appends to dst the reply to the query msg, which came from client, and
// tells what became of it. It appends nothing when there shall be no reply.
//
// The reply keeps the client's id, opcode, RD and question as they came; Z, RA,
// AD and CD are zero (RFC 4035 section 3.1.6). It never exceeds the transport's
// limit: an RRset that does not fit is left out whole and TC set. Given room in
// dst, Answer allocates nothing. dst and msg must not overlap. It is safe for
// concurrent use: all that moves is a counter in turns.
func (s *Snapshot) Answer(dst, msg []byte, client netip.Addr, how Transport, turns *Turns) ([]byte, Verdict) {
	if len(msg) < headerLen || msg[2]&flagQR != 0 {
		return dst, Dropped
	}
	var q query
	ok := q.parse(msg)
	client = client.Unmap().WithZone("")
	if q.edns.any && ok {
		q.edns.admit(s, client, &how)
	} else if q.edns.any {
		q.edns.options = options{}
	}
	against := how.limits.judge(client, how.TCP || q.edns.cookie.good, how.Now)
	switch {
	case against == Denied, against == Limited:
		return dst, against
	case against == Answered && !ok:
		against = FormErr
	case against == Answered && q.tsig > 0:
		return s.signed(dst, msg, &q, client, &how, turns)
	}
	return s.reply(dst, msg, &q, against, client, &how, turns)
}

// reply appends the reply to what was parsed; against is Answered where nothing
// stands against an answer.
func (s *Snapshot) reply(dst, msg []byte, q *query, against Verdict, client netip.Addr, how *Transport, turns *Turns) ([]byte, Verdict) {
	var r reply
	r.begin(dst, msg, q, how)
	if r.most = r.limit; !how.TCP && !q.edns.cookie.good {
		r.most = min(r.limit, r.limit-how.limit(&q.edns)+thrice(msg, client))
	}
	switch {
	case against == Slipped:
		r.slipped(q)
	case against == Refused:
		r.refuse(ede{dns.ExtendedErrorCodeProhibited, "not for this client"})
	case !q.known():
		r.fail(dns.RcodeNotImplemented, NotImp)
	case against == FormErr:
		r.fail(dns.RcodeFormatError, FormErr)
	case against == NotAuth:
		r.fail(dns.RcodeNotAuth, NotAuth)
	case q.edns.version != 0:
		r.fail(dns.RcodeBadVers, BadVers)
	case !q.asked() && q.edns.cookie.present && q.opcode == dns.OpcodeQuery:
		r.fail(dns.RcodeSuccess, NoData)
	case !q.asked():
		r.fail(dns.RcodeFormatError, FormErr)
	case q.opcode != dns.OpcodeQuery:
		r.refuse(ede{dns.ExtendedErrorCodeNotSupported, "queries only"})
	case q.absurd():
		r.fail(dns.RcodeFormatError, FormErr)
		r.ede = ede{dns.ExtendedErrorCodeInvalidQueryType, "never asked for"}
	case q.qclass == dns.ClassCHAOS:
		s.chaos(&r, q)
	case q.qclass != dns.ClassINET:
		r.refuse(notOurs)
	case q.qtype == dns.TypeAXFR, q.qtype == dns.TypeIXFR:
		s.transfer(&r, q, msg, client, how)
	default:
		s.resolve(&r, q, client, turns)
	}
	return r.finish(q, s, how), r.verdict
}

// hinfo is the answer to ANY: small, and true for a cache to keep (RFC 8482
// section 4.2).
const hinfo = "\xC0\x0C\x00\x0D\x00\x01\x00\x00\x0E\x10\x00\x09\x07RFC8482\x00"

// offer deals the next set of the pool that is owner's. Where nobody of either
// family may be handed out it fails rather than say NODATA: a cached NODATA would
// keep resolvers from asking the other name server.
func (s *Snapshot) offer(r *reply, q *query, n *name, owner []byte, family int, client netip.Addr, turns *Turns) {
	var place zones.PlaceID
	var scope uint8
	if n.clientDependent() {
		place, scope = s.locate(client, &q.edns.subnet)
		turns.asked.count(place, q.edns.subnet.source > 0)
	}
	d, number := s.deckFor(n, family, place)
	if d == nil {
		if other, _ := s.deckFor(n, 1-family, place); other != nil {
			r.negative(q, dns.RcodeSuccess, NoData)
			return
		}
		r.fail(dns.RcodeServerFailure, ServFail)
		r.ede = ede{dns.ExtendedErrorCodeOther, "no time server fit to be handed out"}
		return
	}
	at := len(r.buf)
	out, count := d.deal(r.buf, turns.next(number))
	r.scope = scope
	r.answered(r.modest(out, count))
	for r.packer != nil && at < len(r.buf) { // behind the CNAME that has the owner
		binary.BigEndian.PutUint16(r.buf[at:], 0xC000|uint16(r.packer.names[textOf(owner)]))
		at += d.suit.terms.size()
	}
	r.limit = max(len(r.buf), r.most) // of what nobody asked for, too
}
