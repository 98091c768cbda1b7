package resolver

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/timepool/timepool/zones"
)

// builtAllIn is a snapshot of a registry all of whose members are in.
func builtAllIn(t testing.TB, r *zones.Registry, o Options) *Snapshot {
	t.Helper()
	scores := zones.Scores{}
	for _, m := range r.Members {
		for _, addr := range m.Addresses {
			scores[addr] = zones.Score{Value: 20, Standing: zones.In}
		}
	}
	s, err := Build(r, zones.NewAtlas(r, nil), scores, o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestThrice: no pool answer to a client whose address may be forged makes a
// packet more than three times as long as the query's, and on the
// demonstration's registry none is the shorter for it. Over TCP, and with a
// cookie, it is whole.
func TestThrice(t *testing.T) {
	demo, err := zones.Load("../cmd/timepool/demo.yaml")
	if err != nil {
		t.Fatal(err)
	}
	short := *demo
	short.Zone.Name, short.Zone.Nameservers = "a.b", []zones.Nameserver{{Name: "ns.other.net"}}
	short.Pools = []zones.Pool{{TTL: time.Minute, Answers: 9, Floor: 9}}
	secret := Secret{1}
	now := time.Now()
	for _, r := range []*zones.Registry{demo, &short} {
		s := builtAllIn(t, r, Options{Seed: 1, Serial: 1, Cookies: []Secret{secret}})
		turns, seen, cut := newTurns(s, nil, 1), 0, 0
		for wire, n := range s.names {
			if !n.pool {
				continue
			}
			for _, client := range []string{"203.0.113.9", "2001:db8::9", "10.32.0.1"} {
				for _, q := range plainQueries(t, wire) {
					client := netip.MustParseAddr(client)
					whole, _ := s.Answer(nil, q, client, Transport{TCP: true}, turns)
					over, v := s.Answer(nil, q, client, Transport{Now: now}, turns)
					headers := 28
					if client.Is6() {
						headers = 48
					}
					if v == Answered && over[7] == 0 || headers+len(over) > 3*(headers+len(q)) {
						t.Fatalf("%v: %d octets for %d: %x", v, len(over), len(q), over)
					}
					if seen++; len(over) < len(whole) {
						cut++
					}
				}
			}
		}
		if seen < 50 || (cut > 0) != (r == &short) {
			t.Errorf("%s: %d seen, %d cut", r.Zone.Name, seen, cut)
		}
		q := question("a.b.", dns.TypeAAAA)
		if r == &short {
			known := cookieFor(t, s, q, netip.MustParseAddr("203.0.113.9"), now)
			over, _ := s.Answer(nil, known, netip.MustParseAddr("203.0.113.9"), Transport{Now: now}, turns)
			if whole, _ := s.Answer(nil, known, netip.MustParseAddr("203.0.113.9"), Transport{TCP: true, Now: now}, turns); over[7] != whole[7] {
				t.Errorf("%d answers with a cookie, %d over TCP", over[7], whole[7])
			}
		}
	}
}

// plainQueries ask for the addresses of a name, with EDNS and without.
func plainQueries(t testing.TB, wire string) (queries [][]byte) {
	for _, rrtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		q := append(unhex(t, "123401000001000000000000"), wire...)
		q = binary.BigEndian.AppendUint16(q, rrtype)
		q = append(q, 0, 1)
		with := append(append([]byte(nil), q...), unhex(t, "00 0029 1000 00000000 0000")...)
		with[11] = 1
		queries = append(queries, q, with)
	}
	return queries
}

// cookieFor packs q with the cookie that the server gives to that client.
func cookieFor(t testing.TB, s *Snapshot, q *dns.Msg, client netip.Addr, now time.Time) []byte {
	t.Helper()
	option := &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: "0102030405060708"}
	q.SetEdns0(1232, false).IsEdns0().Option = []dns.EDNS0{option}
	for range 2 {
		raw, err := q.Pack()
		if err != nil {
			t.Fatal(err)
		}
		if len(option.Cookie) > 16 {
			return raw
		}
		reply, _ := s.Answer(nil, raw, client, Transport{TCP: true, Now: now}, newTurns(s, nil, 1))
		var m dns.Msg
		if err := m.Unpack(reply); err != nil {
			t.Fatal(err)
		}
		option.Cookie = m.IsEdns0().Option[0].(*dns.EDNS0_COOKIE).Cookie
	}
	panic("unreachable")
}

// TestRates: over the rate a query is dropped, or gets a reply that is no longer
// and by which an honest client comes back; a good cookie, TCP and exempted
// networks are never over, and on trial nothing changes but a counter.
func TestRates(t *testing.T) {
	s := builtAllIn(t, &sampleRegistry, Options{Seed: 1, Serial: 1, Cookies: []Secret{{1}}, Identity: "ns1.fra.pool.example"})
	turns, now := newTurns(s, nil, 1), time.Now()
	client, exempt := netip.MustParseAddr("203.0.113.9"), netip.MustParseAddr("192.0.2.1")
	plain := shapes(t)["SOA"]
	known := cookieFor(t, s, question("pool.example.", dns.TypeSOA), client, now)
	forged := append([]byte(nil), known...)
	forged[len(forged)-1] ^= 1
	q := question("pool.example.", dns.TypeSOA)
	q.SetEdns0(1232, false).IsEdns0().Option = []dns.EDNS0{&dns.EDNS0_NSID{Code: dns.EDNS0NSID}}
	nsid, _ := q.Pack()

	run := func(c Limits, q []byte, from netip.Addr, how Transport) (got [Verdicts]int, last []byte, l *limits) {
		c.Rate, c.Burst, c.Exempt = 1, 10, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
		l = newLimits(c)
		how.limits, how.Now = l, l.start
		for range 100 {
			reply, v := s.Answer(nil, q, from, how, turns)
			if got[v]++; (v == Limited) != (len(reply) == 0) {
				t.Fatalf("%v with %x", v, reply)
			}
			last = reply
		}
		return got, last, l
	}
	if got, last, _ := run(Limits{Slip: 1}, plain, client, Transport{}); got[Answered] != 10 || got[Slipped] != 90 ||
		last[2]&flagTC == 0 || last[2]&flagAA != 0 || last[7] != 0 || len(last) > len(plain) {
		t.Errorf("%v %x", got, last)
	}
	if _, last, _ := run(Limits{Slip: 1}, nsid, client, Transport{}); len(last) > len(nsid) {
		t.Errorf("%d octets for %d", len(last), len(nsid))
	}
	if got, last, _ := run(Limits{Slip: 1}, forged, client, Transport{}); got[Slipped] != 90 || last[3]&0xF != dns.RcodeBadCookie&0xF ||
		last[2]&flagTC != 0 || len(last) > len(forged) {
		t.Errorf("%v %x", got, last)
	}
	if got, _, _ := run(Limits{Slip: -1}, plain, client, Transport{}); got[Answered] != 10 || got[Limited] != 90 {
		t.Errorf("without slip: %v", got)
	}
	if got, _, _ := run(Limits{}, plain, client, Transport{}); got[Answered] != 10 || got[Limited] < 10 || got[Slipped] < 10 {
		t.Errorf("slip of 2: %v", got)
	}
	if got, _, l := run(Limits{OnTrial: true}, plain, client, Transport{}); got[Answered] != 100 || l.over.Load() != 90 {
		t.Errorf("on trial: %v, %d", got, l.over.Load())
	}
	if got, _, _ := run(Limits{}, known, client, Transport{}); got[Answered] != 100 {
		t.Errorf("a good cookie: %v", got)
	}
	if got, _, _ := run(Limits{}, plain, client, Transport{TCP: true}); got[Answered] != 100 {
		t.Errorf("TCP: %v", got)
	}
	if got, _, _ := run(Limits{}, plain, exempt, Transport{}); got[Answered] != 100 {
		t.Errorf("exempted: %v", got)
	}
	if got, _, _ := run(Limits{}, shapes(t)["FORMERR"], client, Transport{}); got[FormErr] != 10 {
		t.Errorf("faults count as well: %v", got)
	}
	if l := newLimits(Limits{Rate: -1}); l.rates != nil {
		t.Error("there is a limit")
	}
}

// TestNetworks: the longest network decides, a denied client gets nothing by
// either transport and one that is not allowed REFUSED.
func TestNetworks(t *testing.T) {
	m := newSample(t)
	for _, c := range []struct {
		allow, deny []netip.Prefix
		client      string
		want        Verdict
	}{
		{nil, nil, "203.0.113.9", Answered},
		{nil, prefixes("203.0.113.0/24"), "203.0.113.9", Denied},
		{nil, prefixes("203.0.113.0/24"), "::ffff:203.0.113.9", Denied},
		{nil, prefixes("203.0.113.0/24"), "203.0.114.9", Answered},
		{prefixes("203.0.113.0/24"), nil, "203.0.113.9", Answered},
		{prefixes("203.0.113.0/24"), nil, "203.0.114.9", Refused},
		{prefixes("203.0.113.0/24"), prefixes("203.0.113.0/28"), "203.0.113.9", Denied},
		{prefixes("203.0.113.0/24"), prefixes("203.0.0.0/16"), "203.0.113.9", Answered},
		{prefixes("203.0.113.0/24"), prefixes("203.0.113.0/24"), "203.0.113.9", Denied},
		{prefixes("2001:db8::/32"), nil, "2001:db8::1", Answered},
		{prefixes("2001:db8::/32"), nil, "203.0.113.9", Refused},
	} {
		for _, tcp := range []bool{false, true} {
			how := Transport{TCP: tcp, limits: newLimits(Limits{Allow: c.allow, Deny: c.deny}), Now: time.Now()}
			reply, v := m.Answer(nil, shapes(t)["A"], netip.MustParseAddr(c.client), how, m.turns)
			if v != c.want || (v == Denied) != (reply == nil) || v == Refused && reply[3]&0xF != dns.RcodeRefused {
				t.Errorf("%+v: %v %x", c, v, reply)
			}
		}
	}
}

// TestDeniedConnection: who gets no reply gets no place either.
func TestDeniedConnection(t *testing.T) {
	s := serving(t, newSample(t), Config{Limits: Limits{Deny: prefixes("127.0.0.0/8")}}, "127.0.0.1:0")
	if _, err := dial(t, "tcp", s).Read(make([]byte, 1)); err == nil {
		t.Error("not closed")
	}
	if c := s.Counters(); c.Accepted != 0 || c.TCP[Denied] != 1 {
		t.Errorf("%+v", c)
	}
}

// TestLimitsAllocateNothing, whatever they decide.
func TestLimitsAllocateNothing(t *testing.T) {
	m := newSample(t)
	l := newLimits(Limits{Rate: 1, Burst: 50, Allow: prefixes("203.0.0.0/16"), Deny: prefixes("203.0.113.0/28")})
	dst, q := make([]byte, 0, 4096), shapes(t)["A"]
	for _, client := range []string{"203.0.113.9", "203.0.113.99", "198.51.100.1", "2001:db8::1"} {
		client := netip.MustParseAddr(client)
		if n := testing.AllocsPerRun(200, func() { m.Answer(dst, q, client, Transport{limits: l, Now: l.start}, m.turns) }); n != 0 {
			t.Errorf("%v: %v allocations", client, n)
		}
	}
}

// TestLimitsBeforeSignatures: what is over the rate is not worth a look at its
// signature, which would take memory.
func TestLimitsBeforeSignatures(t *testing.T) {
	s, turns := besidePool(t, nil)
	s.made.Transfers = Transfers{Keys: []*Key{testKey(t, "hmac-sha256")}}
	l, client, seen := newLimits(Limits{Rate: 1, Burst: 3, Slip: -1}), netip.MustParseAddr("203.0.113.9"), [Verdicts]int{}
	raw, _ := signedQuery(t, question("pool.example.", dns.TypeSOA), "xfr.example.", "hmac-sha256", time.Now())
	ask := func() {
		_, v := s.Answer(nil, raw, client, Transport{limits: l, Now: l.start}, turns)
		seen[v]++
	}
	for range 4 {
		ask()
	}
	if n := testing.AllocsPerRun(100, ask); n != 0 || seen[Answered] != 3 || seen[Limited] != 102 {
		t.Errorf("%v, %v allocations", seen, n)
	}
}

// BenchmarkLimits is what they add to a query.
func BenchmarkLimits(b *testing.B) {
	for _, c := range []struct{ name, client string }{{"counted", "203.0.113.9"}, {"counted6", "2001:db8::9"}, {"exempt", "127.0.0.1"}} {
		b.Run(c.name, func(b *testing.B) {
			l, client := newLimits(Limits{Rate: 1e6, Burst: 1e9}), netip.MustParseAddr(c.client)
			now := time.Now()
			for b.Loop() {
				l.judge(client, false, now)
			}
		})
	}
}

// TestFarm: the default limit lets a farm of resolvers pass that starts cold
// behind one address. Eight unbounds that were asked every name and type of a
// pool sent 20,880 queries within four seconds, and hardly any after.
func TestFarm(t *testing.T) {
	const fills, within = 20880, 4 * time.Second
	l, farm := newLimits(Limits{}), netip.MustParseAddr("192.0.2.53")
	for i := range time.Duration(fills) {
		if v := l.judge(farm, false, l.start.Add(i*within/fills)); v != Answered {
			t.Fatalf("query %d is %v", i, v)
		}
	}
	limited := false
	for range 2 * fills { // which nobody asks for in no time
		limited = limited || l.judge(farm, false, l.start.Add(within)) != Answered
	}
	if !limited {
		t.Error("there is no limit")
	}
}
