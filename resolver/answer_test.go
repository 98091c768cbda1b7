package resolver

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// TestTruncated: question and OPT stay, nothing of the RRset does; a smaller
// size than 512 means 512.
func TestTruncated(t *testing.T) {
	m := newSample(t)
	for _, c := range []struct {
		size    uint16 // 0: no EDNS
		how     Transport
		verdict Verdict
	}{
		{0, Transport{}, Truncated},
		{100, Transport{}, Truncated},
		{512, Transport{}, Truncated},
		{600, Transport{}, Answered},
		{4096, Transport{reserved: maxUDP - 512}, Truncated}, // the ceiling
		{4096, Transport{}, Answered},
		{0, Transport{TCP: true}, Answered},
	} {
		q := new(dns.Msg).SetQuestion(longLabel+".pool.example.", dns.TypeAAAA)
		if c.size != 0 {
			q.SetEdns0(c.size, false)
		}
		raw, _ := q.Pack()
		reply, verdict := m.Answer(nil, raw, netip.IPv6Loopback(), c.how, m.turns)
		got := new(dns.Msg)
		if err := got.Unpack(reply); err != nil || verdict != c.verdict {
			t.Errorf("size %d %+v: %v %v", c.size, c.how, verdict, err)
		}
		if n := len(got.Answer); got.Truncated != (verdict == Truncated) || got.Truncated != (n == 0) || len(got.Question) != 1 || (got.IsEdns0() != nil) != (c.size != 0) {
			t.Errorf("size %d %+v:\n%v", c.size, c.how, got)
		}
	}
}

// TestGlueThatFits: an NS answer is whole, and as many of the name servers'
// RRsets come with it as fit.
func TestGlueThatFits(t *testing.T) {
	r := sampleRegistry
	r.Zone.Nameservers = nil
	for i := range 6 {
		ns := zones.Nameserver{Name: string(rune('a'+i)) + ".nic.pool.example", Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, byte(i)})}}
		for j := range 3 {
			ns.Addresses = append(ns.Addresses, netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 14: byte(i), 15: byte(j)}))
		}
		r.Zone.Nameservers = append(r.Zone.Nameservers, ns)
	}
	s := &Snapshot{}
	if err := s.addStatic(&r); err != nil {
		t.Fatal(err)
	}
	for limit, glue := range map[int]int{512: 13, 600: 17, 1232: 24} {
		q := new(dns.Msg).SetQuestion("pool.example.", dns.TypeNS)
		if limit > 512 {
			q.SetEdns0(uint16(limit), false)
		}
		raw, _ := q.Pack()
		reply, _ := s.Answer(nil, raw, netip.IPv6Loopback(), Transport{}, nil)
		got := new(dns.Msg)
		if err := got.Unpack(reply); err != nil {
			t.Fatal(err)
		}
		if limit > 512 {
			glue++ // the OPT
		}
		if len(reply) > limit || got.Truncated || len(got.Answer) != 6 || len(got.Extra) != glue {
			t.Errorf("limit %d: %d octets, %d glue records, TC %v", limit, len(reply), len(got.Extra), got.Truncated)
		}
	}
}

// TestECS: whose subnet is believed, where it leads, and for whom the answer
// is good.
func TestECS(t *testing.T) {
	m := newSample(t)
	on := zones.ECS{On: true}
	trusted := zones.ECS{On: true, Trusted: prefixes("203.0.113.0/24")}
	for _, c := range []struct {
		what           string
		ecs            zones.ECS
		client, subnet string
		first          string // what the first address begins with
		scope          int    // −1: not echoed
	}{
		{"believed", on, "203.0.113.9", "10.16.1.0/24", "10.16.", 17},
		{"the scope is longer than the source", on, "203.0.113.9", "10.16.128.0/20", "10.32.", 24},
		{"the scope is shorter than the source", on, "203.0.113.9", "10.40.1.0/24", "10.32.", 12},
		{"nobody's network", on, "10.16.0.9", "198.51.100.0/24", "10.", 1},
		{"IPv6", on, "203.0.113.9", "fd12:3456:20::/48", "10.32.", 44},
		{"source 0: the sender's own place", on, "10.16.0.9", "0.0.0.0/0", "10.16.", 0},
		{"off", zones.ECS{}, "10.32.0.9", "10.16.1.0/24", "10.32.", -1},
		{"trusted", trusted, "203.0.113.9", "10.16.1.0/24", "10.16.", 17},
		{"trusted, as an IPv6 socket says it", trusted, "::ffff:203.0.113.9", "10.16.1.0/24", "10.16.", 17},
		{"not trusted", trusted, "10.32.0.9", "10.16.1.0/24", "10.32.", -1},
	} {
		m.ecs = c.ecs
		q := new(dns.Msg).SetQuestion("pool.example.", dns.TypeA)
		p := netip.MustParsePrefix(c.subnet)
		family := uint16(1)
		if p.Addr().Is6() {
			family = 2
		}
		q.SetEdns0(1232, false)
		q.IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()}}
		raw, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		reply, _ := m.Answer(nil, raw, netip.MustParseAddr(c.client), Transport{}, m.turns)
		got := new(dns.Msg)
		if err := got.Unpack(reply); err != nil {
			t.Fatal(err)
		}
		if a := got.Answer[0].(*dns.A).A.String(); !strings.HasPrefix(a, c.first) {
			t.Errorf("%s: got %s", c.what, a)
		}
		scope := -1
		for _, o := range got.IsEdns0().Option {
			s := o.(*dns.EDNS0_SUBNET)
			if scope = int(s.SourceScope); s.SourceNetmask != uint8(p.Bits()) || s.Family != family || s.Address.String() != p.Addr().String() {
				t.Errorf("%s: echoed %v", c.what, s)
			}
		}
		if scope != c.scope {
			t.Errorf("%s: scope %d, want %d", c.what, scope, c.scope)
		}
	}
}

// shapes are the queries that have to be fast.
func shapes(t testing.TB) map[string][]byte {
	pack := func(owner string, rrtype uint16, options ...dns.EDNS0) []byte {
		q := new(dns.Msg).SetQuestion(owner, rrtype)
		q.SetEdns0(1232, true).IsEdns0().Option = options
		raw, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return raw
	}
	subnet := &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{10, 16, 1, 0}}
	truncated, _ := new(dns.Msg).SetQuestion(longLabel+".pool.example.", dns.TypeAAAA).Pack()
	plain, _ := new(dns.Msg).SetQuestion("PoOl.ExAmPlE.", dns.TypeA).Pack()
	return map[string][]byte{
		"plain":    plain,
		"A":        pack("pool.example.", dns.TypeA),
		"AAAA":     pack("pool.example.", dns.TypeAAAA),
		"SOA":      pack("pool.example.", dns.TypeSOA),
		"NS":       pack("pool.example.", dns.TypeNS),
		"ANY":      pack("pool.example.", dns.TypeANY),
		"NODATA":   pack("v4.pool.example.", dns.TypeAAAA),
		"NXDOMAIN": pack("gone.pool.example.", dns.TypeA),
		"REFUSED":  pack("example.org.", dns.TypeA),
		"SERVFAIL": pack("dead.pool.example.", dns.TypeA),
		"TC":       truncated,
		"unknown":  pack("pool.example.", dns.TypeA, &dns.EDNS0_LOCAL{Code: 65001}),
		"FORMERR":  append(pack("pool.example.", dns.TypeA), 0),
		"ECS":      pack("pool.example.", dns.TypeA, subnet),
		"cookie":   pack("pool.example.", dns.TypeA, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "2464c4abcf10c957" + "01000000000000005a5a5a5a5a5a5a5a"}),
		"all": pack("pool.example.", dns.TypeA, subnet, &dns.EDNS0_NSID{Code: dns.EDNS0NSID}, &dns.EDNS0_TCP_KEEPALIVE{Code: dns.EDNS0TCPKEEPALIVE},
			&dns.EDNS0_LOCAL{Code: dns.EDNS0ZONEVERSION}, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "2464c4abcf10c957"}),
	}
}

func TestAnswerAllocatesNothing(t *testing.T) {
	m := newSample(t)
	dst, client := make([]byte, 0, 4096), netip.MustParseAddr("10.16.0.9")
	for what, query := range shapes(t) {
		if n := testing.AllocsPerRun(100, func() { m.Answer(dst, query, client, Transport{}, m.turns) }); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	m := newSample(b)
	dst, client := make([]byte, 0, 4096), netip.MustParseAddr("203.0.113.9")
	for _, what := range []string{"plain", "A", "AAAA", "ECS", "cookie", "NXDOMAIN", "NS"} {
		query := shapes(b)[what]
		b.Run(what, func(b *testing.B) {
			for b.Loop() {
				m.Answer(dst, query, client, Transport{}, m.turns)
			}
		})
	}
}

// FuzzAnswer: whatever comes in, what goes out is in bounds, the client's own
// id and opcode, and readable; nothing answers a response.
func FuzzAnswer(f *testing.F) {
	m := newSample(f)
	c := newCoder(f, netip.MustParseAddr("10.16.0.9"))
	for _, p := range packets(f) {
		f.Add(c.octets(p.query), false)
	}
	for _, q := range shapes(f) {
		f.Add(q, true)
	}
	f.Fuzz(func(t *testing.T, query []byte, tcp bool) {
		sent := slices.Clone(query)
		how := Transport{TCP: tcp, Idle: 10 * time.Second, Now: time.Unix(1795321721, 0)}
		reply, verdict := m.Answer(nil, query, netip.MustParseAddr("10.16.0.9"), how, m.turns)
		if !bytes.Equal(query, sent) {
			t.Fatal("the query was changed")
		}
		if len(query) < headerLen || query[2]&flagQR != 0 {
			if reply != nil || verdict != Dropped {
				t.Fatalf("%x %v to what gets no reply", reply, verdict)
			}
			return
		}
		got := new(dns.Msg)
		if err := got.Unpack(reply); err != nil {
			t.Fatalf("%x: %v", reply, err)
		}
		limit := maxUDP
		if asked := new(dns.Msg); asked.Unpack(query) == nil && verdict != FormErr {
			limit = limitOf(asked, how)
		}
		if len(reply) > limit && !tcp || !bytes.Equal(reply[:2], query[:2]) || reply[2]&^(flagAA|flagTC) != flagQR|query[2]&^(flagAA|flagTC) || reply[3]&0xF0 != 0 {
			t.Fatalf("%x", reply)
		}
		if asked := query[4] | query[5]; asked > 0 && verdict != FormErr && verdict != NotImp && len(got.Question) != 1 {
			t.Fatalf("no question in %x", reply)
		}
		if len(got.Question) == 1 && !bytes.HasPrefix(query[headerLen:], reply[headerLen:questionEnd(reply)]) {
			t.Fatalf("question not echoed: %x", reply)
		}
	})
}

func questionEnd(msg []byte) int {
	_, off, _ := dns.UnpackDomainName(msg, headerLen)
	return off + 4
}

// FuzzParse: what parses is a message that miekg can read too, with the same
// question, OPT and subnet.
func FuzzParse(f *testing.F) {
	c := newCoder(f, netip.MustParseAddr("10.16.0.9"))
	for _, p := range packets(f) {
		f.Add(c.octets(p.query))
	}
	for _, q := range shapes(f) {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		var q query
		if len(msg) < headerLen || !q.parse(msg) || q.opcode != dns.OpcodeQuery || !q.asked() {
			return
		}
		owner, off, err := dns.UnpackDomainName(msg, headerLen)
		if err != nil {
			t.Fatal(err)
		}
		if wire, _ := wireName(owner); wire != string(q.name[:q.nameLen]) || off+4 != q.end ||
			q.qtype != binary.BigEndian.Uint16(msg[off:]) || q.qclass != binary.BigEndian.Uint16(msg[off+2:]) {
			t.Fatalf("%q %d %+v", owner, off, q)
		}
		for at := q.end; at < len(msg); {
			rr, next, err := dns.UnpackRR(msg, at)
			if err != nil {
				return // of a type that is not looked into here
			}
			if opt, ok := rr.(*dns.OPT); ok {
				if !q.edns.present || q.edns.version != opt.Version() || q.edns.do != opt.Do() || q.edns.size != opt.UDPSize() {
					t.Fatalf("%v %+v", opt, q.edns)
				}
				for _, o := range opt.Option {
					if s, ok := o.(*dns.EDNS0_SUBNET); ok && opt.Version() == 0 && s.SourceNetmask != q.edns.subnet.source {
						t.Fatalf("%v %+v", s, q.edns.subnet)
					}
				}
			}
			at = next
		}
	})
}
