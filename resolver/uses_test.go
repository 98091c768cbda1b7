package resolver

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/timepool/timepool/zones"
)

// Uses tells what clients got, over snapshots that come and go, and from where
// they asked.
func TestUses(t *testing.T) {
	r := twelve()
	r.Pools[0].Answers = 2
	atlas := zones.NewAtlas(r, nil)
	build := func(scores zones.Scores, previous *Snapshot) *Snapshot {
		s, err := Build(r, atlas, scores, Options{Serial: 1, Previous: previous})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	all, fewer := allIn(r, zones.In), allIn(r, zones.In)
	delete(fewer, r.Members[0].Addresses[0])
	server := NewServer(Config{Loops: 2})
	if a, d := server.Uses(); len(a) != 0 || len(d) != 0 {
		t.Errorf("before the first: %v, %v", a, d)
	}
	got, total := map[netip.Addr]float64{}, 0.0
	question := dns.Question{Name: dns.Fqdn(r.Zone.Name), Qtype: dns.TypeA, Qclass: dns.ClassINET}
	msg, err := (&dns.Msg{MsgHdr: dns.MsgHdr{Id: 1}, Question: []dns.Question{question}}).Pack()
	if err != nil {
		t.Fatal(err)
	}
	site := r.Sites[0]
	client := site.Networks[0].Addr()
	ask := func(queries int) {
		for i := range queries {
			var verdicts tally
			from := client
			if i%4 == 3 {
				from = netip.MustParseAddr("203.0.113.9") // nobody's
			}
			var reply dns.Msg
			if err := reply.Unpack(server.serve(nil, msg, from, Transport{Now: time.Now()}, i%2, &verdicts)); err != nil {
				t.Fatal(err)
			}
			for _, rr := range reply.Answer {
				addr, _ := netip.AddrFromSlice(rr.(*dns.A).A)
				got[addr.Unmap()]++
				total++
			}
		}
	}
	var s *Snapshot
	for i := range 8 {
		scores := all
		if i%2 == 1 {
			scores = fewer
		}
		s = build(scores, s)
		server.Publish(s)
		ask(600)
		if i == 3 {
			server.Uses() // reading changes nothing
		}
	}
	askers, dealt := server.Uses()
	told := 0.0
	for addr, n := range got {
		told += dealt[addr]
		if math.Abs(dealt[addr]-n) > 40+n/50 {
			t.Errorf("%v was handed out %v times, told are %.1f", addr, n, dealt[addr])
		}
	}
	if math.Abs(told-total) > 1e-6*total {
		t.Errorf("%v addresses were handed out, told are %.2f", total, told)
	}
	if n := askers[Asked{Site: site.Name, Found: "registry"}]; n != 8*450 {
		t.Errorf("%d from %s, want %d in %v", n, site.Name, 8*450, askers)
	}
	if n := askers[Asked{Site: r.Zone.Default, Found: "default"}]; n != 8*150 {
		t.Errorf("%d from nowhere, want %d in %v", n, 8*150, askers)
	}

	// Another registry: what was asked before is kept.
	other := twelve()
	other.Sites = append([]zones.Site{}, other.Sites[1:]...)
	for i := range other.Members {
		if other.Members[i].Site == site.Name {
			other.Members[i].Site = other.Sites[0].Name
		}
	}
	next, err := Build(other, zones.NewAtlas(other, nil), all, Options{Serial: 1, Previous: s})
	if err != nil {
		t.Fatal(err)
	}
	server.Publish(next)
	ask(4)
	if askers, _ := server.Uses(); askers[Asked{Site: site.Name, Found: "registry"}] != 8*450 || askers[Asked{Site: r.Zone.Default, Found: "default"}] != 8*150+4 {
		t.Errorf("after an edit: %v", askers)
	}
}

func TestAskedBySubnet(t *testing.T) {
	s := serving(t, newSample(t), Config{}, "127.0.0.1:0")
	q := question("pool.example.", dns.TypeA)
	q.SetEdns0(1232, false)
	q.IsEdns0().Option = append(q.IsEdns0().Option, &dns.EDNS0_SUBNET{Code: dns.EDNS0SUBNET, Family: 1, SourceNetmask: 24, Address: []byte{203, 0, 113, 0}})
	exchange(t, "udp", s.Addrs()[0].String(), q)
	exchange(t, "tcp", s.Addrs()[0].String(), question("pool.example.", dns.TypeA))
	askers, _ := s.Uses()
	subnets, senders := uint64(0), uint64(0)
	for from, n := range askers {
		if from.Subnet {
			subnets += n
		} else {
			senders += n
		}
	}
	if subnets != 1 || senders != 1 {
		t.Errorf("%v", askers)
	}
}

func TestLatency(t *testing.T) {
	var l latency
	l.observe(15*time.Microsecond, 32)
	l.observe(10*time.Microsecond, 1)
	l.observe(time.Second, 2)
	var sum Latency
	l.addTo(&sum)
	l.addTo(&sum)
	buckets, count := sum.Buckets()
	if count != 70 || buckets[1e-5] != 2 || buckets[2e-5] != 66 || buckets[0.2] != 66 || sum.Sum != 2*(480+10+2_000_000)*time.Microsecond {
		t.Errorf("%d, %v, %v", count, buckets, sum.Sum)
	}

	s := serving(t, newSample(t), Config{}, "127.0.0.1:0")
	for _, network := range []string{"udp", "tcp", "tcp"} {
		exchange(t, network, s.Addrs()[0].String(), question("pool.example.", dns.TypeA))
	}
	// A reply is seen before it is counted.
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		c := s.Counters()
		if _, udp := c.Latency[0].Buckets(); udp == 1 {
			if _, tcp := c.Latency[1].Buckets(); tcp == 2 && c.Latency[0].Sum > 0 && c.Latency[1].Sum > 0 {
				return
			}
		}
	}
	t.Errorf("%+v", s.Counters().Latency)
}
