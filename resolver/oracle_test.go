package resolver

import (
	"math"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"
)

// oracle says what the reply to a well-formed query has to be, from the zone
// file and what the sample's decks deal, with names as strings and no care for
// speed or size.
func (m *sample) oracle(q *dns.Msg, client netip.Addr) *dns.Msg {
	want := new(dns.Msg).SetRcode(q, dns.RcodeSuccess)
	want.CheckingDisabled, want.Compress = false, true
	question := q.Question[0]
	owner := strings.ToLower(question.Name)
	var subnet *dns.EDNS0_SUBNET
	if opt := q.IsEdns0(); opt != nil {
		want.SetEdns0(1232, opt.Do())
		if opt.Version() > 0 {
			want.Rcode = dns.RcodeBadVers
			return want
		}
		for _, o := range opt.Option {
			if s, ok := o.(*dns.EDNS0_SUBNET); ok && m.ecs.On {
				echo := *s
				subnet = &echo
				want.IsEdns0().Option = append(want.IsEdns0().Option, subnet)
			}
		}
	}
	refuse := func(code uint16, text string) *dns.Msg {
		want.Rcode = dns.RcodeRefused
		addEDE(want, code, text)
		return want
	}
	if question.Qclass != dns.ClassINET {
		return refuse(dns.ExtendedErrorCodeNotAuthoritative, "not a name of this server")
	}
	if question.Qtype == dns.TypeAXFR || question.Qtype == dns.TypeIXFR {
		return refuse(dns.ExtendedErrorCodeNotSupported, "no transfers")
	}
	zone := ""
	for _, z := range []string{"pool.example.", "ntp.corp.example."} {
		if dns.IsSubDomain(z, owner) {
			zone = z
		}
	}
	if zone == "" {
		return refuse(dns.ExtendedErrorCodeNotAuthoritative, "not a name of this server")
	}
	want.Authoritative = true
	negative := func(rcode int) {
		want.Rcode = rcode
		soa := dns.Copy(m.static[zone][0])
		soa.Header().Ttl = 30
		want.Ns = []dns.RR{soa}
	}
	static, pool := m.static[owner], m.pools[owner]
	family, isAddress := map[uint16]int{dns.TypeA: 0, dns.TypeAAAA: 1}[question.Qtype]
	switch {
	case static == nil && pool == nil:
		negative(dns.RcodeNameError)
		for other := range m.static {
			if dns.IsSubDomain(owner, other) { // an empty non-terminal
				want.Rcode = dns.RcodeSuccess
			}
		}
	case question.Qtype == dns.TypeANY:
		want.Answer = []dns.RR{&dns.HINFO{Hdr: dns.RR_Header{Name: question.Name, Rrtype: dns.TypeHINFO, Class: dns.ClassINET, Ttl: 3600}, Cpu: "RFC8482"}}
	case pool != nil && isAddress:
		asked, scope := client, -1
		if subnet != nil && subnet.SourceNetmask > 0 {
			asked, _ = netip.AddrFromSlice(subnet.Address)
			if subnet.Family == 1 {
				asked = asked.Unmap()
			}
			_, prefix := m.atlas.Find(asked)
			scope = prefix.Bits()
		}
		place, _ := m.atlas.Find(asked)
		d, number := m.deckFor(pool, family, place)
		other, _ := m.deckFor(pool, 1-family, place)
		switch {
		case d != nil:
			want.Answer = m.due(d, number, question.Name)
			if scope >= 0 {
				subnet.SourceScope = uint8(scope)
			}
		case other != nil:
			negative(dns.RcodeSuccess)
		default:
			want.Authoritative, want.Rcode = false, dns.RcodeServerFailure
			addEDE(want, dns.ExtendedErrorCodeOther, "no time server fit to be handed out")
		}
	default:
		for _, rr := range static {
			if rr.Header().Rrtype == question.Qtype {
				want.Answer = append(want.Answer, rr)
			}
		}
		if want.Answer == nil {
			negative(dns.RcodeSuccess)
		}
		var glue []dns.RR
		for _, rr := range want.Answer {
			if ns, ok := rr.(*dns.NS); ok {
				glue = append(glue, m.static[ns.Ns]...)
			}
		}
		want.Extra = append(glue, want.Extra...)
	}
	return want
}

func addEDE(m *dns.Msg, code uint16, text string) {
	if opt := m.IsEdns0(); opt != nil {
		opt.Option = append(opt.Option, &dns.EDNS0_EDE{InfoCode: code, ExtraText: text})
	}
}

// anyQuery draws a query that is well-formed, and a client.
func anyQuery(t *rapid.T) (*dns.Msg, netip.Addr) {
	owner := rapid.SampledFrom([]string{
		"pool.example.", "ntp.corp.example.", "quad.pool.example.", "v4.pool.example.", "dead.pool.example.",
		longLabel + ".pool.example.", "ns1.pool.example.", "b.dns.pool.example.", "dns.pool.example.",
		"gone.pool.example.", "a.b.c.quad.pool.example.", "x.ntp.corp.example.", "corp.example.", "example.", ".",
		"xpool.example.", `a\.pool.example.`, `x\004pool.example.`, "pool.example.org.",
		strings.Repeat(longLabel+".", 3) + strings.Repeat("y", 48) + ".pool.example.", // 255 octets
	}).Draw(t, "owner")
	upper := rapid.SliceOfN(rapid.Bool(), len(owner), len(owner)).Draw(t, "upper")
	mixed := []byte(owner)
	for i, c := range mixed {
		if upper[i] && 'a' <= c && c <= 'z' {
			mixed[i] -= 32
		}
	}
	q := &dns.Msg{Question: []dns.Question{{
		Name: string(mixed),
		Qtype: rapid.SampledFrom([]uint16{dns.TypeA, dns.TypeAAAA, dns.TypeA, dns.TypeAAAA, dns.TypeSOA, dns.TypeNS, dns.TypeTXT,
			dns.TypeDS, dns.TypeRRSIG, dns.TypeHINFO, dns.TypeANY, dns.TypeAXFR, dns.TypeIXFR, 0, 65535}).Draw(t, "type"),
		Qclass: rapid.SampledFrom([]uint16{dns.ClassINET, dns.ClassINET, dns.ClassINET, dns.ClassINET, dns.ClassCHAOS, dns.ClassANY}).Draw(t, "class"),
	}}}
	q.Id = rapid.Uint16().Draw(t, "id")
	flags := []*bool{&q.RecursionDesired, &q.RecursionAvailable, &q.Authoritative, &q.Truncated, &q.Zero, &q.AuthenticatedData, &q.CheckingDisabled}
	for _, f := range flags {
		*f = rapid.Bool().Draw(t, "flag")
	}
	q.Rcode = rapid.IntRange(0, 15).Draw(t, "rcode")
	clients := []string{"203.0.113.9", "10.16.3.4", "10.16.128.9", "10.32.0.1", "fd12:3456:10::9", "fd12:3456:20::9", "2001:db8::9", "::1"}
	if rapid.Bool().Draw(t, "edns") {
		q.SetEdns0(rapid.SampledFrom([]uint16{0, 511, 512, 513, 700, 1232, 4096, 65535}).Draw(t, "size"), rapid.Bool().Draw(t, "do"))
		opt := q.IsEdns0()
		opt.SetVersion(rapid.SampledFrom([]uint8{0, 0, 0, 0, 1, 255}).Draw(t, "version"))
		if rapid.Bool().Draw(t, "unknown") {
			opt.Option = append(opt.Option, &dns.EDNS0_LOCAL{Code: dns.EDNS0LOCALSTART, Data: []byte{1, 2}})
		}
		if rapid.Bool().Draw(t, "ecs") {
			addr := netip.MustParseAddr(rapid.SampledFrom(clients).Draw(t, "subnet"))
			p, _ := addr.Prefix(rapid.IntRange(0, addr.BitLen()).Draw(t, "source"))
			family := uint16(1)
			if addr.Is6() {
				family = 2
			}
			opt.Option = append(opt.Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: family, SourceNetmask: uint8(p.Bits()), Address: p.Addr().AsSlice()})
		}
	}
	return q, netip.MustParseAddr(rapid.SampledFrom(clients).Draw(t, "client"))
}

// TestOracle compares whole replies with what the oracle says, over both
// transports, by sections and by length.
func TestOracle(t *testing.T) {
	m := newSample(t)
	rapid.Check(t, func(t *rapid.T) {
		q, client := anyQuery(t)
		how := Transport{TCP: rapid.Bool().Draw(t, "tcp")}
		m.ecs.On = rapid.Bool().Draw(t, "believed")
		want := m.oracle(q, client)
		raw, err := q.Pack()
		if err != nil {
			t.Skip(err)
		}
		if asked := q.Question[0]; !how.TCP && m.pools[strings.ToLower(asked.Name)] != nil && (asked.Qtype == dns.TypeA || asked.Qtype == dns.TypeAAAA) {
			tripled(t, want, raw, client, limitOf(q, how))
		}
		reply, verdict := m.Answer(nil, raw, client, how, m.turns)
		got := new(dns.Msg)
		if err := got.Unpack(reply); err != nil {
			t.Fatalf("%x: %v", reply, err)
		}
		compare(t, got, want, len(reply), verdict, limitOf(q, how))
	})
}

// tripled takes from a pool's answer that fits what makes the packet more than
// three times as long as the query's.
func tripled(t *rapid.T, want *dns.Msg, raw []byte, client netip.Addr, limit int) {
	headers := 8 + 20
	if client.Is6() {
		headers = 8 + 40
	}
	for {
		full, err := want.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if len(full) > limit || len(want.Answer) < 2 || headers+len(full) <= 3*(headers+len(raw)) {
			return
		}
		want.Answer, limit = want.Answer[:len(want.Answer)-1], math.MaxInt
	}
}

func limitOf(q *dns.Msg, how Transport) int {
	switch opt := q.IsEdns0(); {
	case how.TCP:
		return 65535
	case opt == nil:
		return 512
	default:
		return min(max(512, int(opt.UDPSize())), 1232)
	}
}

// due returns the records that the deck deals next, as miekg reads them.
func (m *sample) due(d *deck, number uint32, owner string) []dns.RR {
	msg, err := (&dns.Msg{Question: []dns.Question{{Name: owner, Qtype: dns.TypeA, Qclass: dns.ClassINET}}}).Pack()
	if err != nil {
		panic(err)
	}
	msg, n := d.deal(msg, m.shadow.next(number))
	msg[7] = byte(n)
	read := new(dns.Msg)
	if err := read.Unpack(msg); err != nil {
		panic(err)
	}
	return read.Answer
}

// compare also checks that what does not fit is truncated, and nothing else is.
func compare(t *rapid.T, got, want *dns.Msg, size int, verdict Verdict, limit int) {
	full, err := want.Pack()
	if err != nil {
		t.Fatal(err)
	}
	if size > limit {
		t.Fatalf("%d octets, limit %d", size, limit)
	}
	if len(full) > limit {
		want.Truncated, want.Answer, want.Ns = true, nil, nil
		if opt := want.IsEdns0(); opt != nil {
			for _, o := range opt.Option {
				if s, ok := o.(*dns.EDNS0_SUBNET); ok {
					s.SourceScope = 0
				}
			}
		}
	} else if size > len(full) {
		t.Fatalf("%d octets, miekg needs %d", size, len(full))
	}
	if got.MsgHdr != want.MsgHdr {
		t.Fatalf("header %+v, want %+v", got.MsgHdr, want.MsgHdr)
	}
	if w := wantedVerdict(want); verdict != w {
		t.Fatalf("verdict %v, want %v", verdict, w)
	}
	if !slices.Equal(got.Question, want.Question) {
		t.Fatalf("question %v, want %v", got.Question, want.Question)
	}
	for i, sections := range [3][2][]dns.RR{{got.Answer, want.Answer}, {got.Ns, want.Ns}, {got.Extra, want.Extra}} {
		if g, w := text(sections[0]), text(sections[1]); !slices.Equal(g, w) {
			t.Fatalf("section %d:\n got %q\nwant %q", i, g, w)
		}
	}
}

func text(rrs []dns.RR) (lines []string) {
	for _, rr := range rrs {
		rr.Header().Name = strings.ToLower(rr.Header().Name)
		lines = append(lines, strings.ToLower(rr.String()))
	}
	return lines
}

func wantedVerdict(m *dns.Msg) Verdict {
	switch {
	case m.Truncated:
		return Truncated
	case m.Rcode == dns.RcodeSuccess && len(m.Answer) > 0:
		return Answered
	}
	return map[int]Verdict{dns.RcodeSuccess: NoData, dns.RcodeNameError: NXDomain, dns.RcodeRefused: Refused,
		dns.RcodeServerFailure: ServFail, dns.RcodeBadVers: BadVers}[m.Rcode]
}
