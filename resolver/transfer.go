package resolver

import (
	"iter"
	"maps"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// Transfers says who may copy the zone, and who is told when it changed. What
// they get is a disaster's copy: all that is static, and at every pool name the
// members that a client whom nothing places would get if all were well. The zero
// value is nobody.
type Transfers struct {
	Keys     []*Key         // who signs with one of these
	Networks []netip.Prefix // who asks from here, unsigned
	Notify   []Secondary
}

// permit reports whether the client may have the zone. key has signed its query.
func (t *Transfers) permit(client netip.Addr, key *Key) bool {
	return key != nil || slices.ContainsFunc(t.Networks, func(p netip.Prefix) bool { return p.Contains(client) })
}

const (
	standbySet   = 8        // addresses of a pool name in a transfer, unless an answer has more
	transferSize = 16 << 10 // octets of a transfer's messages before compression, about
)

// copying is a transfer over TCP: Answer grants it, and the zone goes out in
// place of its reply.
type copying struct {
	query *dns.Msg
	from  *Snapshot // nil: none was granted
	apex  int
	key   *Key // that signed the query
}

// transfer answers AXFR and IXFR as far as one message does (RFC 5936 section
// 2.2.1, RFC 1995 section 2): the SOA for IXFR by UDP, or when the client has
// nothing to catch up with. What takes more is granted.
func (s *Snapshot) transfer(r *reply, q *query, msg []byte, client netip.Addr, how *Transport) {
	n, c := s.names[string(q.name[:q.nameLen])], how.copying
	switch {
	case !s.made.Transfers.permit(client, how.key):
		r.refuse(ede{dns.ExtendedErrorCodeNotSupported, "no transfers"})
		return
	case n == nil || n.set(dns.TypeSOA) == nil:
		r.fail(dns.RcodeNotAuth, NotAuth)
		return
	case c == nil && q.qtype == dns.TypeAXFR:
		r.refuse(ede{dns.ExtendedErrorCodeNotSupported, "transfers by TCP only"})
		return
	case c == nil:
		r.static(nil, n.set(dns.TypeSOA))
		return
	}
	c.query, c.apex, c.key = new(dns.Msg), n.apex, how.key
	switch err := c.query.Unpack(msg); {
	case err != nil:
		r.fail(dns.RcodeFormatError, FormErr)
	case s.current(c.query):
		r.static(nil, n.set(dns.TypeSOA))
	default:
		c.from, r.verdict = s, Transferred
	}
}

// current reports whether the SOA in an IXFR query is not behind ours.
func (s *Snapshot) current(query *dns.Msg) bool {
	if len(query.Ns) == 0 {
		return false
	}
	soa, ok := query.Ns[0].(*dns.SOA)
	return ok && int32(s.Serial-soa.Serial) <= 0
}

// copyZone sends the zone that was granted. False means that the connection
// shall be closed.
func (l *tcpLoop) copyZone(conn net.Conn, client netip.Addr, c *copying) (ok bool) {
	log := l.server.cfg.Log.With("client", client, "zone", dotted(c.from.apexes[c.apex].wire), "serial", c.from.Serial)
	defer func() {
		if p := recover(); p != nil {
			l.tally.count(Panicked)
			log.Error("a transfer panicked", "panic", p, "stack", string(debug.Stack()))
		}
		c.from = nil
	}()
	view, err := l.server.standby(c.from)
	if err == nil {
		err = c.send(view, conn, l.server.cfg.TCP.Transfer)
	}
	if err != nil {
		log.Warn("transfer failed", "error", err)
		return false
	}
	log.Info("zone transferred")
	return true
}

// send sends the zone in view, in as many messages as it takes: each signed when
// the query was, the first with an OPT record if the query had one. The client
// has patience to take each.
func (c *copying) send(view *Snapshot, conn net.Conn, patience time.Duration) error {
	m := new(dns.Msg).SetReply(c.query)
	m.Authoritative, m.Compress, m.CheckingDisabled = true, true, false
	if opt := c.query.IsEdns0(); opt != nil {
		m.SetEdns0(maxUDP, opt.Do())
	}
	mac, more, size := "", false, 0
	if t := c.query.IsTsig(); t != nil {
		mac = t.MAC
	}
	flush := func() error {
		packed, own, err := c.key.sign(m, mac, more)
		if err != nil {
			return err
		}
		m.Answer, m.Extra, mac, more, size = m.Answer[:0], nil, own, true, 0
		conn.SetWriteDeadline(time.Now().Add(patience))
		_, err = (&dns.Conn{Conn: conn}).Write(packed)
		return err
	}
	for rr := range view.zone(c.apex) {
		if size += dns.Len(rr); size > transferSize && len(m.Answer) > 0 {
			if err := flush(); err != nil {
				return err
			}
		}
		m.Answer = append(m.Answer, rr)
	}
	return flush()
}

// standby returns the snapshot that is transferred in place of live: the same
// registry, with everybody well, so that it moves when the serial does and not
// with the scores. It is made for the first who asks.
func (s *Server) standby(live *Snapshot) (*Snapshot, error) {
	s.copying.Lock()
	defer s.copying.Unlock()
	if v := s.copied; v != nil && v.ground == live.ground && v.Serial == live.Serial {
		return v, nil
	}
	scores := zones.Scores{}
	for _, m := range live.ground.registry.Members {
		for _, a := range m.Addresses {
			scores[a.Unmap()] = zones.Score{Value: 20, Standing: zones.In}
		}
	}
	v, err := Build(live.ground.registry, live.atlas, scores, Options{Serial: live.Serial, Seed: live.made.Seed, Previous: live})
	if err == nil {
		s.copied = v
	}
	return v, err
}

// zone iterates over the records of a zone as they are transferred: SOA, the
// rest by name, SOA.
func (s *Snapshot) zone(apex int) iter.Seq[dns.RR] {
	return func(yield func(dns.RR) bool) {
		soa := s.names[s.apexes[apex].wire].set(dns.TypeSOA).rrs[0]
		if !yield(soa) {
			return
		}
		for _, wire := range slices.Sorted(maps.Keys(s.names)) {
			n := s.names[wire]
			if n.apex != apex {
				continue
			}
			for _, rr := range s.records(n, wire) {
				if rr != soa && !yield(rr) {
					return
				}
			}
		}
		yield(soa)
	}
}

// records returns all that stands at a name, and below it when it is delegated.
func (s *Snapshot) records(n *name, wire string) (all []dns.RR) {
	stand := n.static
	if c := n.cut; c != nil {
		stand = append([]rrset{c.ns, c.ds}, c.ns.extra[:c.ns.must]...)
	}
	for i := range stand {
		all = append(all, stand[i].rrs...)
	}
	for family := range rrtypes {
		if !n.pool {
			break
		}
		if deck, _ := s.deckFor(n, family, 0); deck != nil {
			all = append(all, deck.standing(textOf([]byte(wire)))...)
		}
	}
	return all
}

// standing returns enough of the deck's members to carry the load when they are
// the only ones.
func (d *deck) standing(owner string) (rrs []dns.RR) {
	t := &d.suit.terms
	head := dns.RR_Header{Name: owner, Rrtype: rrtypes[t.family], Class: dns.ClassINET, Ttl: t.ttl}
	var taken []uint32
	d.each(func(record uint32, _ int, _ float64) {
		if len(taken) == max(standbySet, t.answers) || slices.Contains(taken, record) {
			return
		}
		taken = append(taken, record)
		if addr := d.suit.address(record).AsSlice(); t.family == 0 {
			rrs = append(rrs, &dns.A{Hdr: head, A: addr})
		} else {
			rrs = append(rrs, &dns.AAAA{Hdr: head, AAAA: addr})
		}
	})
	return rrs
}
