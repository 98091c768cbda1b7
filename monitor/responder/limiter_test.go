package responder

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// tally counts what n requests of client get, spaced by gap from *now on.
func tally(l *Limiter, client netip.Addr, now *time.Time, n int, gap time.Duration) (c Counters) {
	for range n {
		c[l.Take(client, *now)]++
		*now = now.Add(gap)
	}
	return c
}

// never is a random source by which nothing leaks and nobody is kissed.
func never() uint64 { return 1<<64 - 1 }

func TestLimiterBurstAndRate(t *testing.T) {
	now := time.Now()
	l := NewLimiter(Limit{Rate: 100, Burst: 50}, now)
	l.random = never
	client := netip.MustParseAddr("192.0.2.1")
	if c := tally(l, client, &now, 80, 0); c[Answered] != 50 || c[Limited] != 30 {
		t.Fatalf("a burst of 80: %v", c)
	}
	now = now.Add(100 * time.Millisecond)
	if c := tally(l, client, &now, 20, 0); c[Answered] != 10 {
		t.Fatalf("100 ms later: %v", c)
	}
	// At its rate for ever, at twice its rate half.
	now = now.Add(time.Hour)
	if c := tally(l, client, &now, 5000, 10*time.Millisecond); c[Answered] != 5000 {
		t.Fatalf("at the rate: %v", c)
	}
	if c := tally(l, client, &now, 10000, 5*time.Millisecond); c[Answered] < 5000 || c[Answered] > 5060 {
		t.Fatalf("at twice the rate: %v", c)
	}
	// A clock that wraps around: a bucket of long ago is empty, not full.
	for _, d := range []time.Duration{24 * time.Hour, 203 * 24 * time.Hour, 500 * 24 * time.Hour} {
		now = now.Add(d)
		if c := tally(l, client, &now, 50, 0); c[Answered] != 50 {
			t.Fatalf("%v later: %v", d, c)
		}
	}
}

// What must always pass: two thousand chrony clients behind one address that
// start with iburst (four requests, 2 s apart) and then poll each 64 s.
func TestLimiterDefaultsPassASite(t *testing.T) {
	now := time.Now()
	l := NewLimiter(Limit{}, now)
	l.random = never
	site := netip.MustParseAddr("198.51.100.1")
	for range 4 {
		at := now
		if c := tally(l, site, &at, 2000, 0); c[Answered] != 2000 {
			t.Fatalf("iburst: %v", c)
		}
		now = now.Add(2 * time.Second)
	}
	if c := tally(l, site, &now, 20000, 64*time.Second/2000); c[Answered] != 20000 {
		t.Fatalf("polling: %v", c)
	}
}

func TestLimiterPrefixes(t *testing.T) {
	now := time.Now()
	l := NewLimiter(Limit{Rate: 1, Burst: 4, Exempt: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:f::/48")}}, now)
	l.random = never
	take := func(addr string, want Verdict) {
		t.Helper()
		if v := l.Take(netip.MustParseAddr(addr), now); v != want {
			t.Errorf("%s: %v, want %v", addr, v, want)
		}
	}
	for range 4 {
		take("192.0.2.1", Answered)
		take("2001:db8:1:2::1", Answered)
	}
	take("192.0.2.1", Limited)
	take("::ffff:192.0.2.1", Limited)
	take("192.0.2.2", Answered)
	take("2001:db8:1:2:ffff::9", Limited)
	take("2001:db8:1:3::1", Answered)
	for range 100 {
		take("203.0.113.200", Answered)
		take("::ffff:203.0.113.200", Answered)
		take("2001:db8:f:1::1", Answered)
	}
}

// Clients that stay below their own limit are held to that of the networks
// around them, and a network over its limit does not touch its neighbours.
func TestLimiterAggregates(t *testing.T) {
	for _, x := range []struct {
		name   string
		client func(i uint16) netip.Addr
		want   uint64
		beside string
	}{
		{"v4 /24", func(i uint16) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}) }, 8 * 10, "192.0.3.1"},
		{"v6 /56", func(i uint16) netip.Addr { return netip.AddrFrom16([16]byte{0x20, 1, 13, 0xb8, 0, 1, 2, byte(i)}) }, 8 * 10, "2001:db8:1:300::"},
		{"v6 /48", func(i uint16) netip.Addr {
			return netip.AddrFrom16([16]byte{0x20, 1, 13, 0xb8, 0, 1, byte(i), byte(i >> 8)})
		}, 32 * 10, "2001:db8:2::"},
	} {
		now := time.Now()
		l := NewLimiter(Limit{Rate: 1, Burst: 10}, now)
		l.random = never
		var c Counters
		for i := range uint16(512) {
			c[l.Take(x.client(i), now)]++
		}
		if c[Answered] != x.want {
			t.Errorf("%s: %d answered, want %d", x.name, c[Answered], x.want)
		}
		if v := l.Take(netip.MustParseAddr(x.beside), now); v != Answered {
			t.Errorf("%s: its neighbour is %v", x.name, v)
		}
	}
}

// Over the limit one in four is answered all the same, so a victim whose
// address is being spoofed still gets through; and kisses are few.
func TestLimiterLeakAndKisses(t *testing.T) {
	now := time.Now()
	l := NewLimiter(Limit{Rate: 1, Burst: 1, Kisses: 10}, now)
	var r uint64
	l.random = func() uint64 { r++; return r }
	var c Counters
	for i := range 100_000 { // 10 s, from 100 addresses
		v := l.Take(netip.AddrFrom4([4]byte{10, 0, 0, byte(i % 100)}), now)
		c[v]++
		now = now.Add(100 * time.Microsecond)
	}
	if c[Answered] < 24_900 || c[Answered] > 26_200 {
		t.Errorf("answered %d, want a quarter and the rate", c[Answered])
	}
	if c[Kissed] < 95 || c[Kissed] > 115 {
		t.Errorf("kissed %d, want 10 a second", c[Kissed])
	}
}

// A flood from 10 million spoofed sources (fewer under the race detector) grows nothing and does not free a
// loud client.
func TestLimiterFlood(t *testing.T) {
	now := time.Now()
	l := NewLimiter(Limit{Slots: 1 << 12}, now)
	l.random = never
	loud := netip.MustParseAddr("192.0.2.1")
	at := now
	tally(l, loud, &at, 10_000, 0)
	before := len(l.slots)
	var addr [4]byte
	i := uint32(0)
	allocs := testing.AllocsPerRun(1, func() { // and once for warming up
		for range flood / 2 {
			i++
			binary.BigEndian.PutUint32(addr[:], i*389) // all of IPv4, each once
			l.Take(netip.AddrFrom4(addr), now)
		}
	})
	if allocs != 0 || len(l.slots) != before || before != 1<<12 {
		t.Errorf("%v allocations, %d slots, then %d", allocs, before, len(l.slots))
	}
	if v := l.Take(loud, now); v != Limited {
		t.Errorf("the loud client is %v", v)
	}
}

func BenchmarkLimiter(b *testing.B) {
	now := time.Now()
	l := NewLimiter(Limit{}, now)
	i := uint32(0)
	for b.Loop() {
		var addr [4]byte
		i++
		binary.BigEndian.PutUint32(addr[:], i&0x3fff)
		l.Take(netip.AddrFrom4(addr), now)
	}
}
