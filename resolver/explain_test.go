package resolver

import (
	"math"
	"net/netip"
	"slices"
	"testing"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
	"pgregory.net/rapid"
)

// TestExplainTellsWhatIsDealt: over a run of turns each address comes up as
// often as its share says, in the ring it is said to be in, and every address
// of the pool is told of exactly once.
func TestExplainTellsWhatIsDealt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		r := twelve()
		for i := range r.Members {
			r.Members[i].Netspeed = rapid.SampledFrom([]int{0, 500, 1000, 1000, 9000}).Draw(rt, "netspeed")
		}
		scores := zones.Scores{}
		for _, m := range r.Members {
			for _, a := range m.Addresses {
				scores[a] = zones.Score{Standing: rapid.SampledFrom([]zones.Standing{zones.In, zones.In, zones.Resort, zones.Out}).Draw(rt, "standing")}
			}
		}
		r.Pools[0].Floor = rapid.IntRange(1, 8).Draw(rt, "floor")
		s := build(t, r, scores, Options{Seed: rapid.Uint64().Draw(rt, "seed")})
		owner := rapid.SampledFrom([]string{"pool.example", "1.pool.example", "asia.pool.example", "at.ntp.corp.example", "dmz.pool.example"}).Draw(rt, "owner")
		client := netip.MustParseAddr(rapid.SampledFrom([]string{fra, tyo, nowhere}).Draw(rt, "client"))
		e, err := s.Explain(client, netip.Prefix{}, owner)
		if err != nil {
			rt.Fatal(err)
		}
		for family := range e.Types {
			c := &e.Types[family]
			want := addressesOf(r, e.Pool, family == 1)
			told := map[netip.Addr]int{}
			for _, gone := range slices.Concat(c.Out, c.Further) {
				told[gone.Address]++
				if gone.Why == "" {
					rt.Errorf("%s is out without a reason", gone.Address)
				}
			}
			rings := map[netip.Addr]int{}
			for i, ring := range c.Rings {
				if len(ring.Members) == 0 || (ring.Widened == "") != (i == 0) {
					rt.Errorf("ring %d: %+v", i, ring)
				}
				for _, m := range ring.Members {
					told[m.Address]++
					rings[m.Address] = i
				}
			}
			for _, a := range want {
				if told[a] != 1 {
					rt.Errorf("%s is told %d times", a, told[a])
				}
			}
			if len(told) != len(want) {
				rt.Errorf("told of %d addresses of %d", len(told), len(want))
			}
			checkShares(rt, s, c, owner, client, rings)
		}
	})
}

func addressesOf(r *zones.Registry, pool string, v6 bool) (all []netip.Addr) {
	for _, p := range r.Pools {
		for i := range r.Members {
			for _, a := range r.Members[i].Addresses {
				if p.Name == pool && p.Has(&r.Members[i]) && a.Is6() == v6 {
					all = append(all, a)
				}
			}
		}
	}
	return all
}

// checkShares deals many turns and holds them against the explanation.
func checkShares(t *rapid.T, s *Snapshot, c *Choice, owner string, client netip.Addr, rings map[netip.Addr]int) {
	const turns = 2000
	query := queryFor(owner, c.Type)
	counted, seen := map[netip.Addr]int{}, newTurns(s, nil, 1)
	for range turns {
		reply, _ := s.Answer(nil, query, client, Transport{TCP: true}, seen)
		last := 0
		addrs := answered(t, reply)
		if len(addrs) != c.Answers {
			t.Fatalf("%d addresses, told %d", len(addrs), c.Answers)
		}
		for _, a := range addrs {
			ring, ok := rings[a]
			if !ok || ring < last {
				t.Fatalf("%s of ring %d (told: %t) stands behind ring %d", a, ring, ok, last)
			}
			last = ring
			counted[a]++
		}
	}
	for _, ring := range c.Rings {
		for _, m := range ring.Members {
			if got := float64(counted[m.Address]) / turns; math.Abs(got-m.Share) > 0.02 {
				t.Errorf("%s %s: in %.3f of the answers, told %.3f", owner, m.Address, got, m.Share)
			}
		}
	}
}

func queryFor(owner, rrtype string) []byte {
	q, err := new(dns.Msg).SetQuestion(owner+".", dns.StringToType[rrtype]).Pack()
	if err != nil {
		panic(err)
	}
	return q
}

// answered returns the addresses in a reply.
func answered(t *rapid.T, reply []byte) (addrs []netip.Addr) {
	var m dns.Msg
	if err := m.Unpack(reply); err != nil {
		t.Fatal(err)
	}
	for _, rr := range m.Answer {
		switch rr := rr.(type) {
		case *dns.A:
			addrs = append(addrs, netip.MustParseAddr(rr.A.String()))
		case *dns.AAAA:
			addrs = append(addrs, netip.MustParseAddr(rr.AAAA.String()))
		}
	}
	return addrs
}

// TestExplainNames: a name is taken with the zone or without.
func TestExplainNames(t *testing.T) {
	s := newSample(t)
	for owner, want := range map[string]string{
		"": "pool.example", "Pool.Example.": "pool.example", "0.asia": "0.asia.pool.example", "ntp.corp.example": "ntp.corp.example",
		"ns1": "", "nobody": "", "other.example": "", "a..b": "",
	} {
		e, err := s.Explain(netip.MustParseAddr("10.16.0.9"), netip.Prefix{}, owner)
		if got := ""; err == nil {
			if got = e.Name; got != want {
				t.Errorf("%q: %s, want %s", owner, got, want)
			}
		} else if want != "" {
			t.Errorf("%q: %v", owner, err)
		}
	}
}

// TestTellingCostsOthersNothing: beside the names that explain, an answer takes
// no memory, also one that there is no such name.
func TestTellingCostsOthersNothing(t *testing.T) {
	s, buf := newSample(t), make([]byte, 0, 4096)
	for _, owner := range []string{"pool.example", "nobody.pool.example", "other.example"} {
		query, client := queryFor(owner, "TXT"), netip.MustParseAddr("10.16.0.9")
		if n := testing.AllocsPerRun(100, func() { s.Answer(buf, query, client, Transport{}, s.turns) }); n != 0 {
			t.Errorf("%s: %v allocations", owner, n)
		}
	}
}
