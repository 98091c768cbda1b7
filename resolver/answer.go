package resolver

import (
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
	forced   int      // rcode of a reply to what is not rightly signed
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
	known := how.TCP || q.edns.cookie.good
	verdict := how.limits.judge(client, known, how.Now)
	if verdict == Denied || verdict == Limited {
		return dst, verdict
	}
	if verdict == Answered && ok && q.tsig > 0 && how.key == nil && how.forced == 0 {
		return s.signed(dst, msg, client, how, turns)
	}
	r := newReply(dst, msg, &q, s, &how)
	if r.most = r.limit; !known {
		r.most = min(r.limit, r.limit-how.limit(&q.edns)+thrice(msg, client))
	}
	switch {
	case verdict == Slipped:
		r.slipped(&q)
	case verdict == Refused:
		r.refuse(ede{dns.ExtendedErrorCodeProhibited, "not for this client"})
	case !q.known():
		r.fail(dns.RcodeNotImplemented, NotImp)
	case !ok:
		r.fail(dns.RcodeFormatError, FormErr)
	case how.forced == dns.RcodeNotAuth:
		r.fail(dns.RcodeNotAuth, NotAuth)
	case how.forced != 0:
		r.fail(how.forced, FormErr)
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
		s.chaos(&r, &q)
	case q.qclass != dns.ClassINET:
		r.refuse(notOurs)
	case q.qtype == dns.TypeAXFR, q.qtype == dns.TypeIXFR:
		s.transfer(&r, &q, msg, client, how)
	default:
		s.resolve(&r, &q, client, turns)
	}
	return r.finish(&q, s, &how), r.verdict
}

// resolve answers a well-formed question of class IN.
func (s *Snapshot) resolve(r *reply, q *query, client netip.Addr, turns *Turns) {
	n := s.names[string(q.name[:q.nameLen])]
	if n != nil {
		r.apex = &s.apexes[n.apex]
	}
	switch {
	case n == nil:
		if !s.tell(r, q, client) {
			s.follow(r, q, client, turns)
		}
	case q.qtype == dns.TypeANY && (n.pool || len(n.static) > 0):
		r.answered(append(r.buf, hinfo...), 1)
	case n.pool && q.qtype == dns.TypeA:
		s.offer(r, q, n, 0, client, turns)
	case n.pool && q.qtype == dns.TypeAAAA:
		s.offer(r, q, n, 1, client, turns)
	default:
		switch set := n.set(q.qtype); {
		case set != nil:
			r.static(set)
		case n.cut != nil, n.set(dns.TypeCNAME) != nil:
			s.follow(r, q, client, turns)
		default:
			r.negative(q, dns.RcodeSuccess, NoData)
		}
	}
}

// hinfo is the answer to ANY: small, and true for a cache to keep (RFC 8482
// section 4.2).
const hinfo = "\xC0\x0C\x00\x0D\x00\x01\x00\x00\x0E\x10\x00\x09\x07RFC8482\x00"

// offer deals the pool's next set. Where nobody of either family may be handed
// out it fails rather than say NODATA: a cached NODATA would keep resolvers
// from asking the other name server.
func (s *Snapshot) offer(r *reply, q *query, n *name, family int, client netip.Addr, turns *Turns) {
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
	out, count := d.deal(r.buf, turns.next(number))
	r.scope = scope
	r.answered(r.modest(out, count))
	r.limit = max(len(r.buf), r.most) // of what nobody asked for, too
}
