package resolver

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// The octets of the table: names, questions, and OPT records as asked and as
// answered.
const (
	nPool = "04 706f6f6c 07 6578616d706c65 00 "
	nDead = "04 64656164 " + nPool
	nGone = "04 676f6e65 " + nPool
	inA   = "0001 0001 "
	qPool = nPool + inA
	qGone = nGone + inA
	l63   = "3f 787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878787878 "
	root  = "00 "

	opt  = "00 0029 1000 00 00 0000 "
	ours = "00 0029 04d0 00 00 0000 "

	// the negative SOA behind a question whose apex begins at octet 12, and at 17
	soaRest = "0006 0001 0000001e 0033 "
	soaNums = "00000007 00003840 00000e10 00127500 0000001e "
	mbox    = "0b 686f73742e6d6173746572 07 6578616d706c65 03 6f7267 00 "
	soa12   = "c00c " + soaRest + "03 6e7331 c00c " + mbox + soaNums
	soa17   = "c011 " + soaRest + "03 6e7331 c011 " + mbox + soaNums
)

// head is a query's header with these counts, id 1234 and RD; reply the header
// of what comes back.
func head(counts string) string        { return "1234 0100 " + counts + " " }
func back(flags, counts string) string { return "1234 " + flags + " " + counts + " " }

var wire = []struct {
	what, query, reply string
	verdict            Verdict
}{
	// RFC 1035 section 4.1, RFC 9619
	{"nothing", "", "", Dropped},
	{"eleven octets", "1234 0100 0001 0000 0000 00", "", Dropped},
	{"a response", "1234 8100 0001 0000 0000 0000 " + qPool, "", Dropped},
	{"a response under an unknown opcode", "1234 f800 0001 0000 0000 0000 ", "", Dropped},
	{"a header that promises a question", head("0001 0000 0000 0000"), back("8101", "0000 0000 0000 0000"), FormErr},
	{"no question", head("0000 0000 0000 0000"), back("8101", "0000 0000 0000 0000"), FormErr},
	{"no question, an OPT", head("0000 0000 0000 0001") + opt + "0000", back("8101", "0000 0000 0000 0001") + ours + "0000", FormErr},
	{"two questions", head("0002 0000 0000 0000") + qPool + qPool, back("8101", "0000 0000 0000 0000"), FormErr},
	{"a name without end", head("0001 0000 0000 0000") + "04 706f6f6c", back("8101", "0000 0000 0000 0000"), FormErr},
	{"a label cut short", head("0001 0000 0000 0000") + "04 706f", back("8101", "0000 0000 0000 0000"), FormErr},
	{"no type", head("0001 0000 0000 0000") + nPool, back("8101", "0000 0000 0000 0000"), FormErr},
	{"half a class", head("0001 0000 0000 0000") + nPool + "0001 00", back("8101", "0000 0000 0000 0000"), FormErr},
	{"label type 01", head("0001 0000 0000 0000") + "41 61 00 " + inA, back("8101", "0000 0000 0000 0000"), FormErr},
	{"label type 10", head("0001 0000 0000 0000") + "81 61 00 " + inA, back("8101", "0000 0000 0000 0000"), FormErr},
	{"a pointer to itself", head("0001 0000 0000 0000") + "c00c " + inA, back("8101", "0000 0000 0000 0000"), FormErr},
	{"a pointer forward", head("0001 0000 0000 0000") + "c010 " + inA + "00", back("8101", "0000 0000 0000 0000"), FormErr},
	{"a pointer into the header", head("0001 0000 0000 0000") + "c004 " + inA, back("8101", "0000 0000 0000 0000"), FormErr},
	{"256 octets of name", head("0001 0000 0000 0000") + l63 + l63 + l63 + "3e" + l63[5:] + root + inA, back("8101", "0000 0000 0000 0000"), FormErr},
	{"an answer in a query", head("0001 0001 0000 0000") + qPool + "c00c 0001 0001 00000000 0004 0a000001", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an authority in a query", head("0001 0000 0001 0000") + qPool + "c00c 0001 0001 00000000 0004 0a000001", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an additional record that is not there", head("0001 0000 0000 0001") + qPool, back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an additional record's data cut short", head("0001 0000 0000 0001") + qPool + "c00c 0001 0001 00000000 0004 0a0000", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an additional record's owner points forward", head("0001 0000 0000 0001") + qPool + "c0ff 0001 0001 00000000 0000", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an additional record's owner points into the header", head("0001 0000 0000 0001") + qPool + "c00b 0001 0001 00000000 0000", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an additional record's owner is half a pointer", head("0001 0000 0000 0001") + qPool + "c0", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an additional record's owner has label type 10", head("0001 0000 0000 0001") + qPool + "80 0001 0001 00000000 0000", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an additional record's owner has no end", head("0001 0000 0000 0001") + qPool + "3f", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an octet behind the question", head("0001 0000 0000 0000") + qPool + "00", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an octet behind the OPT", head("0001 0000 0000 0001") + qPool + opt + "0000 00", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"any additional record does no harm", head("0001 0000 0000 0001") + qGone + "01 78 c011 0010 0001 00000000 0001 00", back("8503", "0001 0000 0001 0000") + qGone + soa17, NXDomain},
	{"flags of the query mean nothing but RD", "1234 07ff 0001 0000 0000 0000 " + qGone, back("8503", "0001 0000 0001 0000") + qGone + soa17, NXDomain},
	{"without RD", "1234 0000 0001 0000 0000 0000 " + qGone, back("8403", "0001 0000 0001 0000") + qGone + soa17, NXDomain},

	// opcodes and classes
	{"IQUERY", "1234 0900 0001 0000 0000 0000 " + qPool, back("8904", "0000 0000 0000 0000"), NotImp},
	{"STATUS", "1234 1000 0000 0000 0000 0000", back("9004", "0000 0000 0000 0000"), NotImp},
	{"opcode 15, whatever follows", "1234 7800 ffff ffff ffff ffff 00", back("f804", "0000 0000 0000 0000"), NotImp},
	{"NOTIFY", "1234 2400 0001 0001 0000 0000 " + nPool + "0006 0001 c00c 0006 0001 00000000 0000", back("a005", "0001 0000 0000 0000") + nPool + "0006 0001", Refused},
	{"UPDATE", "1234 2800 0001 0000 0001 0001 " + nPool + "0006 0001 c00c 00ff 00ff 00000000 0000" + opt + "0000", back("a805", "0001 0000 0000 0001") + nPool + "0006 0001" + ours + "0012 000f 000e 0015 71756572696573206f6e6c79", Refused},
	{"UPDATE cut short", "1234 2800 0001 0000 0001 0000 " + nPool + "0006 0001 c00c", back("a801", "0001 0000 0000 0000") + nPool + "0006 0001", FormErr},
	{"class CH", head("0001 0000 0000 0000") + nPool + "0010 0003", back("8105", "0001 0000 0000 0000") + nPool + "0010 0003", Refused},
	{"class ANY", head("0001 0000 0000 0000") + nPool + "0001 00ff", back("8105", "0001 0000 0000 0000") + nPool + "0001 00ff", Refused},
	{"class 0", head("0001 0000 0000 0000") + nPool + "0001 0000", back("8101", "0001 0000 0000 0000") + nPool + "0001 0000", FormErr},
	{"class NONE", head("0001 0000 0000 0000") + nPool + "0001 00fe", back("8101", "0001 0000 0000 0000") + nPool + "0001 00fe", FormErr},
	{"type OPT", head("0001 0000 0000 0000") + nPool + "0029 0001", back("8101", "0001 0000 0000 0000") + nPool + "0029 0001", FormErr},
	{"type TKEY", head("0001 0000 0000 0000") + nPool + "00f9 0001", back("8101", "0001 0000 0000 0000") + nPool + "00f9 0001", FormErr},
	{"type TSIG", head("0001 0000 0000 0000") + nPool + "00fa 0001", back("8101", "0001 0000 0000 0000") + nPool + "00fa 0001", FormErr},
	{"AXFR", head("0001 0000 0000 0000") + nPool + "00fc 0001", back("8105", "0001 0000 0000 0000") + nPool + "00fc 0001", Refused},

	// RFC 6891, RFC 8906
	{"EDNS", head("0001 0000 0000 0001") + qGone + opt + "0000", back("8503", "0001 0000 0001 0001") + qGone + soa17 + ours + "0000", NXDomain},
	{"DO", head("0001 0000 0000 0001") + qGone + "00 0029 1000 00 00 8000 0000", back("8503", "0001 0000 0001 0001") + qGone + soa17 + "00 0029 04d0 00 00 8000 0000", NXDomain},
	{"unknown flags and options", head("0001 0000 0000 0001") + qGone + "00 0029 1000 ff 00 7fff 0007 fde9 0003 010203", back("8503", "0001 0000 0001 0001") + qGone + soa17 + ours + "0000", NXDomain},
	{"an OPT between others", head("0001 0000 0000 0003") + qGone + "c011 0010 0001 00000000 0000" + opt + "0000" + "c011 0010 0001 00000000 0000", back("8503", "0001 0000 0001 0001") + qGone + soa17 + ours + "0000", NXDomain},
	{"version 1", head("0001 0000 0000 0001") + qPool + "00 0029 1000 00 01 8000 0000", back("8100", "0001 0000 0000 0001") + qPool + "00 0029 04d0 01 00 8000 0000", BadVers},
	{"version 1 and options of another kind", head("0001 0000 0000 0001") + qPool + "00 0029 1000 00 01 0000 0001 ff", back("8100", "0001 0000 0000 0001") + qPool + "00 0029 04d0 01 00 0000 0000", BadVers},
	{"two OPT", head("0001 0000 0000 0002") + qPool + opt + "0000" + opt + "0000", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"an OPT with an owner", head("0001 0000 0000 0001") + qPool + nPool + opt[3:] + "0000", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an OPT with a pointer to the root", head("0001 0000 0000 0001") + qPool + "c019 " + opt[3:] + "0000", back("8101", "0001 0000 0000 0000") + qPool, FormErr},
	{"an OPT in an UPDATE's authority", "1234 2800 0001 0000 0001 0000 " + nPool + "0006 0001 " + opt + "0000", back("a801", "0001 0000 0000 0000") + nPool + "0006 0001", FormErr},
	{"half an option's header", head("0001 0000 0000 0001") + qPool + opt + "0003 fde900", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"an option longer than the record", head("0001 0000 0000 0001") + qPool + opt + "0005 fde9 0002 00", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},

	// RFC 7871
	{"ECS", head("0001 0000 0000 0001") + qGone + opt + "000b 0008 0007 0001 18 00 0a1001", back("8503", "0001 0000 0001 0001") + qGone + soa17 + ours + "000b 0008 0007 0001 18 00 0a1001", NXDomain},
	{"ECS of an unknown family", head("0001 0000 0000 0001") + qPool + opt + "000b 0008 0007 0003 18 00 0a1001", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"ECS of family 0", head("0001 0000 0000 0001") + qPool + opt + "0008 0008 0004 0000 00 00", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"ECS of IPv4/33", head("0001 0000 0000 0001") + qPool + opt + "000d 0008 0009 0001 21 00 0a10010180", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"ECS of IPv6/129", head("0001 0000 0000 0001") + qPool + opt + "0019 0008 0015 0002 81 00 fd1234560010000000000000000000010080", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"ECS with a scope", head("0001 0000 0000 0001") + qPool + opt + "000b 0008 0007 0001 18 18 0a1001", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"ECS an octet short", head("0001 0000 0000 0001") + qPool + opt + "000a 0008 0006 0001 18 00 0a10", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"ECS an octet long", head("0001 0000 0000 0001") + qPool + opt + "000c 0008 0008 0001 18 00 0a100100", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"ECS with stray bits", head("0001 0000 0000 0001") + qPool + opt + "000b 0008 0007 0001 17 00 0a1001", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"ECS of three octets", head("0001 0000 0000 0001") + qPool + opt + "0007 0008 0003 0001 00", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},
	{"ECS twice", head("0001 0000 0000 0001") + qPool + opt + "0010 0008 0004 0001 00 00 0008 0004 0001 00 00", back("8101", "0001 0000 0000 0001") + qPool + ours + "0000", FormErr},

	// RFC 1034, 2308, 4592, 8020, 8482, 8914
	{"NODATA", head("0001 0000 0000 0000") + nPool + "0010 0001", back("8500", "0001 0000 0001 0000") + nPool + "0010 0001" + soa12, NoData},
	{"ANY", head("0001 0000 0000 0000") + nPool + "00ff 0001", back("8500", "0001 0001 0000 0000") + nPool + "00ff 0001 c00c 000d 0001 00000e10 0009 07 52464338343832 00", Answered},
	{"the question in the case it came", head("0001 0000 0000 0000") + "04 506f4f6c 07 4578416d506c4500 0010 0001", back("8500", "0001 0000 0001 0000") + "04 506f4f6c 07 4578416d506c4500 0010 0001" + soa12, NoData},
	{"outside", head("0001 0000 0000 0000") + "07 6578616d706c65 00 0001 0001", back("8105", "0001 0000 0000 0000") + "07 6578616d706c65 00 0001 0001", Refused},
	{"outside, with EDNS", head("0001 0000 0000 0001") + "00 0001 0001" + opt + "0000", back("8105", "0001 0000 0000 0001") + "00 0001 0001" + ours + "001f 000f 001b 0014 6e6f742061206e616d65206f66207468697320736572766572", Refused},
	{"255 octets of name", head("0001 0000 0000 0000") + l63 + l63 + l63 + "3d" + l63[7:] + root + inA, back("8105", "0001 0000 0000 0000") + l63 + l63 + l63 + "3d" + l63[7:] + root + inA, Refused},
	{"a label of NULs", head("0001 0000 0000 0000") + "02 0000 " + nPool + inA, back("8503", "0001 0000 0001 0000") + "02 0000 " + nPool + inA + "c00f " + soaRest + "03 6e7331 c00f " + mbox + soaNums, NXDomain},
	{"a label that looks like the zone", head("0001 0000 0000 0000") + "05 04706f6f6c 07 6578616d706c65 00 " + inA, back("8105", "0001 0000 0000 0000") + "05 04706f6f6c 07 6578616d706c65 00 " + inA, Refused},
	{"nobody to hand out", head("0001 0000 0000 0000") + nDead + inA, back("8102", "0001 0000 0000 0000") + nDead + inA, ServFail},
}

// TestWire: octets in, octets out. Whatever gets a reply gets the same one
// appended to what is in dst already, and over TCP.
func TestWire(t *testing.T) {
	m := newSample(t)
	for _, c := range wire {
		t.Run(c.what, func(t *testing.T) {
			want := unhex(t, c.reply)
			reply, verdict := m.ask(unhex(t, c.query))
			if !bytes.Equal(reply, want) || verdict != c.verdict {
				t.Errorf("got  %x %v\nwant %x %v", reply, verdict, want, c.verdict)
			}
			reply, verdict = m.Answer([]byte("abc"), unhex(t, c.query), netip.IPv6Loopback(), Transport{TCP: true}, m.turns)
			if string(reply) != "abc"+string(want) || verdict != c.verdict {
				t.Errorf("appended: %x %v", reply, verdict)
			}
		})
	}
}

// TestTruncated: question and OPT stay, nothing of the RRset does; a smaller
// size than 512 means 512; the configured ceiling holds.
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
		{4096, Transport{UDP: 512}, Truncated},
		{600, Transport{}, Answered},
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
		"TC":       append([]byte(nil), pack(longLabel+".pool.example.", dns.TypeAAAA, &dns.EDNS0_LOCAL{Code: 65001})...),
		"FORMERR":  append(pack("pool.example.", dns.TypeA), 0),
		"ECS":      pack("pool.example.", dns.TypeA, subnet),
	}
}

func TestAnswerAllocatesNothing(t *testing.T) {
	m := newSample(t)
	dst, client := make([]byte, 0, 4096), netip.MustParseAddr("10.16.0.9")
	for what, query := range shapes(t) {
		if n := testing.AllocsPerRun(100, func() { m.Answer(dst, query, client, Transport{UDP: 512}, m.turns) }); n != 0 {
			t.Errorf("%s: %v allocations", what, n)
		}
	}
}

func BenchmarkAnswer(b *testing.B) {
	m := newSample(b)
	dst, client := make([]byte, 0, 4096), netip.MustParseAddr("203.0.113.9")
	for _, what := range []string{"plain", "A", "AAAA", "ECS", "NXDOMAIN", "NS"} {
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
	for _, c := range wire {
		f.Add(unhex(f, c.query), false)
	}
	for _, q := range shapes(f) {
		f.Add(q, true)
	}
	f.Fuzz(func(t *testing.T, query []byte, tcp bool) {
		sent := slices.Clone(query)
		how := Transport{TCP: tcp}
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
		if len(reply) > defaultUDP && !tcp || !bytes.Equal(reply[:2], query[:2]) || reply[2]&^(flagAA|flagTC) != flagQR|query[2]&^(flagAA|flagTC) || reply[3]&0xF0 != 0 {
			t.Fatalf("%x", reply)
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
	for _, c := range wire {
		f.Add(unhex(f, c.query))
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
