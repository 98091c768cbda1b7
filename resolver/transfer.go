package resolver

import (
	"encoding/binary"
	"maps"
	"math/bits"
	"net"
	"net/netip"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// Transfers says who may copy the zone, and who is told when it changed. What
// they get is a disaster's copy: all that is static, and at every pool name the
// members that a client whom nothing places would get if all were well.
type Transfers struct {
	Keys     []*Key         // who signs with one of these
	Networks []netip.Prefix // who asks from here, unsigned
	Notify   []Secondary
}

// permit reports whether the client may have the zone. key has signed its query.
func (t *Transfers) permit(client netip.Addr, key *Key) bool {
	return t != nil && (key != nil || slices.ContainsFunc(t.Networks, func(p netip.Prefix) bool { return p.Contains(client) }))
}

func (t *Transfers) keys() []*Key {
	if t == nil {
		return nil
	}
	return t.Keys
}

const (
	standbySet   = 8        // addresses of a pool name in a transfer, unless an answer has more
	transferSize = 16 << 10 // octets of a transfer's messages, about: how far pointers reach
)

// transfer answers AXFR and IXFR as far as one message does (RFC 5936 section
// 2.2.1, RFC 1995 section 2): the SOA for IXFR by UDP, or when the client has
// nothing to catch up with.
func (s *Snapshot) transfer(r *reply, q *query, client netip.Addr, how Transport) {
	switch n := s.names[string(q.name[:q.nameLen])]; {
	case !how.Transfers.permit(client, how.key):
		r.refuse(ede{dns.ExtendedErrorCodeNotSupported, "no transfers"})
	case n == nil || n.set(dns.TypeSOA) == nil:
		r.fail(dns.RcodeNotAuth, NotAuth)
	case q.qtype == dns.TypeAXFR:
		r.refuse(ede{dns.ExtendedErrorCodeNotSupported, "transfers by TCP only"})
	default:
		r.static(n.set(dns.TypeSOA))
	}
}

// transfers reports whether a message asks for a transfer.
func transfers(msg []byte) bool {
	if len(msg) < headerLen || msg[2]&0xF8 != 0 {
		return false
	}
	at := skipName(msg, headerLen)
	if at < 0 || len(msg)-at < 4 {
		return false
	}
	t := binary.BigEndian.Uint16(msg[at:])
	return t == dns.TypeAXFR || t == dns.TypeIXFR
}

// transfer copies the zone to the client when the first message in in asks for
// it and it may have it, and returns what is left of in. What is not done is
// answered as every other query.
func (l *tcpLoop) transfer(conn net.Conn, in []byte, client netip.Addr) (rest []byte, ok, done bool) {
	live, end := l.server.live.Load(), frameLen+int(binary.BigEndian.Uint16(in))
	msg := in[frameLen:end]
	if live == nil || l.server.cfg.Transfers == nil || !transfers(msg) || l.server.limits.judge(client, true, time.Time{}) != Answered {
		return in, true, false
	}
	defer func() {
		if p := recover(); p != nil {
			l.tally.count(Panicked)
			l.server.cfg.Log.Error("a transfer panicked", "panic", p, "query", msg, "stack", string(debug.Stack()))
			ok, done = false, true
		}
	}()
	o := outgoing{conn: conn, patience: l.server.cfg.TCP.Transfer}
	n := o.accept(msg, client, live.snapshot, l.server.cfg.Transfers)
	if n == nil {
		return in, true, false
	}
	view, err := l.server.standby(live.snapshot)
	if err == nil {
		l.tally.count(Transferred)
		err = view.copyTo(&o, n.apex)
	}
	if err != nil {
		l.server.cfg.Log.Warn("transfer failed", "client", client, "error", err)
	} else {
		l.server.cfg.Log.Info("zone transferred", "zone", dotted(view.apexes[n.apex].wire), "serial", view.Serial, "client", client)
	}
	return in[end:], err == nil, true
}

// outgoing is one transfer's stream of messages.
type outgoing struct {
	conn     net.Conn
	patience time.Duration // for the client to take one message
	head     []byte        // header and question, with room for the length
	edns     edns
	signer   signer
	p        packer
	count    int // records in p
}

// accept reads the query, and returns the apex that is to be copied; nil when
// that is not for this client, or it has it.
func (o *outgoing) accept(msg []byte, client netip.Addr, s *Snapshot, t *Transfers) *name {
	var q query
	if !q.parse(msg) || !q.asked() || q.qclass != dns.ClassINET || q.edns.version != 0 {
		return nil
	}
	if q.tsig > 0 {
		sig, ok := parseSignature(msg, q.tsig)
		if !ok {
			return nil
		}
		key, rcode := verify(msg, q.tsig, &sig, t.Keys, time.Now())
		if rcode != 0 {
			return nil
		}
		o.signer = signer{key: key, prior: sig.mac}
	}
	n := s.names[string(q.name[:q.nameLen])]
	if !t.permit(client, o.signer.key) || n == nil || n.set(dns.TypeSOA) == nil || q.qtype == dns.TypeIXFR && current(msg, s.Serial) {
		return nil
	}
	o.edns = q.edns
	o.head = append(make([]byte, frameLen, frameLen+q.end), msg[:q.end]...)
	h := o.head[frameLen:]
	h[2] = h[2]&flagRD | flagQR | flagAA
	clear(h[3:headerLen])
	h[5] = 1
	return n
}

// current reports whether the SOA in an IXFR query is not behind serial.
func current(msg []byte, serial uint32) bool {
	m := new(dns.Msg)
	if m.Unpack(msg) != nil || len(m.Ns) == 0 {
		return false
	}
	soa, ok := m.Ns[0].(*dns.SOA)
	return ok && int32(serial-soa.Serial) <= 0
}

// add appends an RRset, and sends what there is when it would be too long.
func (o *outgoing) add(owner []byte, set *rrset) error {
	if o.count > 0 && len(o.p.buf)+len(set.plain)+int(set.count)*len(owner) > transferSize {
		if err := o.flush(); err != nil {
			return err
		}
	}
	if o.count == 0 {
		o.p = newPacker(append(o.p.buf[:0], o.head...), frameLen)
	}
	o.p.set(owner, set)
	o.count += int(set.count)
	return nil
}

// flush sends what there is: each message signed, the first with an OPT record
// if the query had one.
func (o *outgoing) flush() error {
	msg := o.p.buf
	binary.BigEndian.PutUint16(msg[frameLen+answers:], uint16(o.count))
	if o.edns.present {
		at := len(msg)
		msg = o.edns.appendOPT(msg, 0)
		closeOPT(msg, at)
		msg[frameLen+additionals+1]++
		o.edns.present = false
	}
	msg = o.signer.sign(msg, frameLen, time.Now())
	binary.BigEndian.PutUint16(msg, uint16(len(msg)-frameLen))
	o.p.buf, o.count = msg, 0
	o.conn.SetWriteDeadline(time.Now().Add(o.patience))
	_, err := o.conn.Write(msg)
	return err
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

// copyTo sends the zone of that apex: SOA, the rest by name, SOA.
func (s *Snapshot) copyTo(o *outgoing, apex int) error {
	top := []byte(s.apexes[apex].wire)
	soa := s.names[s.apexes[apex].wire].set(dns.TypeSOA)
	if err := o.add(top, soa); err != nil {
		return err
	}
	for _, owner := range slices.SortedFunc(maps.Keys(s.names), strings.Compare) {
		n := s.names[owner]
		if n.apex != apex {
			continue
		}
		for _, set := range s.records(n, []byte(owner)) {
			if set.rrtype == dns.TypeSOA {
				continue
			}
			if err := o.add(set.owner, &set); err != nil {
				return err
			}
		}
	}
	if err := o.add(top, soa); err != nil {
		return err
	}
	return o.flush()
}

// records returns all that stands at a name, and below it when it is delegated.
func (s *Snapshot) records(n *name, owner []byte) []rrset {
	all := slices.Clone(n.static)
	if c := n.cut; c != nil {
		all = append(append(all, c.ns), c.ns.extra[:c.ns.must]...)
		if c.ds.count > 0 {
			all = append(all, c.ds)
		}
	}
	for family := range rrtypes {
		if !n.pool {
			break
		}
		if deck, _ := s.deckFor(n, family, 0); deck != nil {
			all = append(all, deck.standing(owner))
		}
	}
	return all
}

// standing returns the first of the deck's sets as one: enough members to carry
// the load when that is the only one.
func (d *deck) standing(owner []byte) rrset {
	size, many := d.suit.terms.size(), max(standbySet, d.suit.terms.answers)
	each := bits.Len32(d.rings) - 1 // records in a set
	set := rrset{rrtype: rrtypes[d.suit.terms.family], owner: owner}
	var taken []uint32
	for _, c := range d.cards {
		for _, record := range d.sets[c.set : int(c.set)+each] {
			if len(taken) == many || slices.Contains(taken, record) {
				continue
			}
			taken = append(taken, record)
			at := int(record) * size
			set.plain = append(set.plain, d.suit.records[at+2:at+size]...) // without the owner, a pointer
		}
		if len(taken) == many {
			break
		}
	}
	set.count = uint16(len(taken))
	return set
}
