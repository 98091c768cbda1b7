package resolver

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// besidePool is the sample with static data in the way of its pool names.
func besidePool(t testing.TB, also func(*zones.Registry)) (*Snapshot, *Turns) {
	t.Helper()
	r := sampleRegistry
	r.Members = []zones.Member{{Name: "m", Site: "fra", Addresses: addrs("10.16.0.1", "fd12:3456:10::1"), Netspeed: 1, Tags: []string{"v4"}}}
	r.Records = []zones.Record{
		{Name: "@", TTL: time.Hour, TXT: []string{"v=spf1 -all"}, MX: []zones.MX{{Host: "."}}},
		{Name: "_ntp._udp", TTL: time.Hour, SRV: []zones.SRV{{Port: 123, Target: "pool.example"}}},
		{Name: "time", TTL: time.Hour, CNAME: "fra.pool.example"},
		{Name: "empty", TTL: time.Hour, CNAME: "quad.pool.example"},
		{Name: "gone", TTL: time.Hour, CNAME: "nobody.pool.example"},
		{Name: "*.w", TTL: time.Hour, CNAME: "time.pool.example"},
	}
	r.Delegations = []zones.Delegation{{Name: "lab", TTL: time.Hour, Nameservers: []zones.Nameserver{{Name: "ns.lab.pool.example", Addresses: addrs("192.0.2.9")}}}}
	if also != nil {
		also(&r)
	}
	scores := allIn(&r, zones.In)
	s, err := Build(&r, zones.NewAtlas(&r, nil), scores, Options{Serial: 7})
	if err != nil {
		t.Fatal(err)
	}
	return s, newTurns(s, nil, 1)
}

// TestBesidePool tells what each question gets, in the words of a zone file.
func TestBesidePool(t *testing.T) {
	s, turns := besidePool(t, nil)
	soa := "pool.example. 30 IN SOA ns1.pool.example. host\\.master.example.org. 7 14400 3600 1209600 30"
	for _, c := range []struct {
		owner  string
		rrtype uint16
		rcode  int
		aa     bool
		answer []string
		ns     []string
		v      Verdict
	}{
		{"pool.example.", dns.TypeMX, 0, true, []string{"pool.example. 3600 IN MX 0 ."}, nil, Answered},
		{"NTP.corp.example.", dns.TypeTXT, 0, true, []string{`NTP.corp.example. 3600 IN TXT "v=spf1 -all"`}, nil, Answered},
		{"pool.example.", dns.TypeCAA, 0, true, nil, []string{soa}, NoData},
		{"_udp.pool.example.", dns.TypeSRV, 0, true, nil, []string{soa}, NoData},
		{"_ntp._udp.pool.example.", dns.TypeSRV, 0, true, []string{"_ntp._udp.pool.example. 3600 IN SRV 0 0 123 pool.example."}, nil, Answered},
		{"Time.Pool.Example.", dns.TypeAAAA, 0, true, []string{"Time.Pool.Example. 3600 IN CNAME fra.Pool.Example.", "fra.Pool.Example. 150 IN AAAA fd12:3456:10::1"}, nil, Answered},
		{"a.b.w.pool.example.", dns.TypeA, 0, true, []string{"a.b.w.pool.example. 3600 IN CNAME time.pool.example.", "time.pool.example. 3600 IN CNAME fra.pool.example.", "fra.pool.example. 150 IN A 10.16.0.1"}, nil, Answered},
		{"a.w.pool.example.", dns.TypeANY, 0, true, []string{"a.w.pool.example. 3600 CLASS1 TYPE13 RFC8482"}, nil, Answered},
		{"w.pool.example.", dns.TypeA, 0, true, nil, []string{soa}, NoData},
		{"time.pool.example.", dns.TypeTXT, 0, true, []string{"time.pool.example. 3600 IN CNAME fra.pool.example."}, []string{soa}, NoData},
		{"time.ntp.corp.example.", dns.TypeA, 0, true, []string{"time.ntp.corp.example. 3600 IN CNAME fra.pool.example."}, nil, Answered},
		{"empty.pool.example.", dns.TypeA, dns.RcodeServerFailure, false, nil, nil, ServFail},
		{"gone.pool.example.", dns.TypeA, dns.RcodeNameError, true, []string{"gone.pool.example. 3600 IN CNAME nobody.pool.example."}, []string{soa}, NXDomain},
		{"x.fra.pool.example.", dns.TypeA, dns.RcodeNameError, true, nil, []string{soa}, NXDomain},
		{"lab.pool.example.", dns.TypeANY, 0, false, nil, []string{"lab.pool.example. 3600 IN NS ns.lab.pool.example."}, Referred},
		{"lab.pool.example.", dns.TypeDS, 0, true, nil, []string{soa}, NoData},
		{"lab.ntp.corp.example.", dns.TypeNS, dns.RcodeNameError, true, nil, []string{strings.Replace(soa, "pool.example", "ntp.corp.example", 1)}, NXDomain},
		{"x.lab.pool.example.", dns.TypeDS, 0, false, nil, []string{"lab.pool.example. 3600 IN NS ns.lab.pool.example."}, Referred},
	} {
		got, verdict := askSnapshot(t, s, turns, question(c.owner, c.rrtype))
		fields := func(rrs []dns.RR) (lines []string) {
			for _, rr := range rrs {
				line := strings.Join(strings.Fields(rr.String()), " ")
				if h, ok := rr.(*dns.HINFO); ok {
					line = fmt.Sprintf("%s %d CLASS1 TYPE13 %s", h.Hdr.Name, h.Hdr.Ttl, h.Cpu)
				}
				lines = append(lines, line)
			}
			return lines
		}
		if got.Rcode != c.rcode || got.Authoritative != c.aa || verdict != c.v || !slices.Equal(fields(got.Answer), c.answer) || !slices.Equal(fields(got.Ns), c.ns) {
			t.Errorf("%s %s: %v\n%v", c.owner, dns.TypeToString[c.rrtype], verdict, got)
		}
	}
}

func askSnapshot(t testing.TB, s *Snapshot, turns *Turns, q *dns.Msg) (*dns.Msg, Verdict) {
	t.Helper()
	raw, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	reply, verdict := s.Answer(nil, raw, netip.MustParseAddr("203.0.113.9"), Transport{}, turns)
	got := new(dns.Msg)
	if err := got.Unpack(reply); err != nil {
		t.Fatalf("%v: %x: %v", &q.Question[0], reply, err)
	}
	return got, verdict
}

// TestReferralGlue: what a referral cannot do without is there or TC set (RFC
// 9471); the rest is left out silently.
func TestReferralGlue(t *testing.T) {
	s, _ := besidePool(t, func(r *zones.Registry) {
		inside, outside := zones.Delegation{Name: "in", TTL: time.Hour}, zones.Delegation{Name: "out", TTL: time.Hour}
		for i := range 13 {
			n := zones.Nameserver{Name: fmt.Sprintf("ns%d.in.pool.example", i), Addresses: addrs(fmt.Sprintf("192.0.2.%d", i), "2001:db8::1")}
			inside.Nameservers = append(inside.Nameservers, n)
			outside.Nameservers = append(outside.Nameservers, zones.Nameserver{Name: fmt.Sprintf("h%d.hosts.pool.example", i)})
			r.Records = append(r.Records, zones.Record{Name: fmt.Sprintf("h%d.hosts", i), TTL: time.Hour, Addresses: addrs("192.0.2.1", "2001:db8::1")})
		}
		r.Delegations = append(r.Delegations, inside, outside)
	})
	for owner, want := range map[string][2]bool{"a.in.pool.example.": {true, false}, "a.out.pool.example.": {false, false}} {
		small, v := askSnapshot(t, s, nil, question(owner, dns.TypeA))
		if small.Truncated != want[0] || small.Authoritative || len(small.Ns) != 13 || (v == Truncated) != want[0] {
			t.Errorf("%s in 512: %v %v", owner, v, small)
		}
		q := question(owner, dns.TypeA)
		q.SetEdns0(1232, false)
		large, v := askSnapshot(t, s, nil, q)
		if large.Truncated || v != Referred || len(large.Ns) != 13 || len(large.Extra) != 27 {
			t.Errorf("%s in 1232: %v %v", owner, v, large)
		}
	}
}

// TestDeepAllocates nothing: names that are not there are what a flood asks for.
func TestDeepAllocates(t *testing.T) {
	s, turns := besidePool(t, nil)
	dst := make([]byte, 0, 4096)
	for _, owner := range []string{"a.pool.example.", "a.b.c.d.pool.example.", "a.b.fra.pool.example."} {
		raw, _ := question(owner, dns.TypeA).Pack()
		if n := testing.AllocsPerRun(100, func() {
			s.Answer(dst, raw, netip.MustParseAddr("203.0.113.9"), Transport{}, turns)
		}); n != 0 {
			t.Errorf("%s: %v allocations", owner, n)
		}
	}
}

// TestDeepNames: the longest names there are, wildcards and circles end.
func TestDeepNames(t *testing.T) {
	s, turns := besidePool(t, func(r *zones.Registry) {
		r.Records = append(r.Records, zones.Record{Name: "*", TTL: time.Hour, CNAME: "a.star.pool.example"},
			zones.Record{Name: "a.star", TTL: time.Hour, CNAME: "b.star.pool.example"}, zones.Record{Name: "b.star", TTL: time.Hour, CNAME: "a.star.pool.example"})
	})
	got, v := askSnapshot(t, s, turns, question(strings.Repeat("a.", 120)+"pool.example.", dns.TypeA))
	if v != Answered || len(got.Answer) != 3 {
		t.Errorf("%v %v", v, got)
	}
}
