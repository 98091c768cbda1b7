package limit

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

var (
	ipv4 = []Width{{32, 1}, {24, 8}, {20, 32}}
	ipv6 = []Width{{128, 1}, {64, 4}, {56, 8}, {48, 32}}
)

// take counts how many of n requests of client, spaced by gap from *now on, are
// within the limit.
func take(l *Limiter, client netip.Addr, now *time.Duration, n int, gap time.Duration) (within int) {
	for range n {
		if l.Take(client, Tick(*now)) {
			within++
		}
		*now += gap
	}
	return within
}

func TestBurstAndRate(t *testing.T) {
	now := time.Duration(0)
	l := New(Rates{Rate: 100, Burst: 50, IPv4: ipv4, Slots: 1 << 10})
	client := netip.MustParseAddr("192.0.2.1")
	if n := take(l, client, &now, 80, 0); n != 50 {
		t.Fatalf("a burst of 80: %d", n)
	}
	now += 100 * time.Millisecond
	if n := take(l, client, &now, 20, 0); n != 10 {
		t.Fatalf("100 ms later: %d", n)
	}
	// At its rate for ever, at twice its rate half.
	now += time.Hour
	if n := take(l, client, &now, 5000, 10*time.Millisecond); n != 5000 {
		t.Fatalf("at the rate: %d", n)
	}
	if n := take(l, client, &now, 10000, 5*time.Millisecond); n < 5000 || n > 5060 {
		t.Fatalf("at twice the rate: %d", n)
	}
	// A clock that wraps around: a bucket of long ago is empty, not full.
	for _, d := range []time.Duration{24 * time.Hour, 203 * 24 * time.Hour, 500 * 24 * time.Hour} {
		now += d
		if n := take(l, client, &now, 50, 0); n != 50 {
			t.Fatalf("%v later: %d", d, n)
		}
	}
}

func TestPrefixes(t *testing.T) {
	l := New(Rates{Rate: 1, Burst: 4, IPv4: ipv4, IPv6: []Width{{64, 1}}, Slots: 1 << 10, Exempt: []netip.Prefix{
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8:f::/48"),
	}})
	wants := func(addr string, n, want int) {
		t.Helper()
		var now time.Duration
		if got := take(l, netip.MustParseAddr(addr), &now, n, 0); got != want {
			t.Errorf("%s: %d, want %d", addr, got, want)
		}
	}
	wants("192.0.2.1", 3, 3)
	wants("::ffff:192.0.2.1", 3, 1)
	wants("192.0.2.2", 5, 4)
	wants("2001:db8:1:2::1", 5, 4)
	wants("2001:db8:1:2:ffff::9", 1, 0)
	wants("2001:db8:1:3::1", 5, 4)
	for _, exempt := range []string{"203.0.113.200", "::ffff:203.0.113.200", "2001:db8:f:1::1"} {
		wants(exempt, 100, 100)
	}
}

// Clients that stay below their own limit are held to that of the networks
// around them, and a network over its limit does not touch its neighbours.
func TestAggregates(t *testing.T) {
	four := func(a ...byte) netip.Addr { return netip.AddrFrom4([4]byte(a)) }
	six := func(a ...byte) netip.Addr {
		return netip.AddrFrom16([16]byte(append(a, make([]byte, 16-len(a))...)))
	}
	for _, x := range []struct {
		name   string
		client func(i, j byte) netip.Addr
		times  int
		beside string
	}{
		{"/32", func(i, j byte) netip.Addr { return four(192, 0, 2, 1) }, 1, "192.0.2.2"},
		{"/24", func(i, j byte) netip.Addr { return four(192, 0, 2, i) }, 8, "192.0.3.1"},
		{"/20", func(i, j byte) netip.Addr { return four(192, 0, i%16, j) }, 32, "192.0.16.1"},
		{"/128", func(i, j byte) netip.Addr { return six(0x20, 1, 13, 0xb8) }, 1, "2001:db8::1"},
		{"/64", func(i, j byte) netip.Addr { return six(0x20, 1, 13, 0xb8, 0, 1, 2, 3, i, j) }, 4, "2001:db8:1:204::"},
		{"/56", func(i, j byte) netip.Addr { return six(0x20, 1, 13, 0xb8, 0, 1, 2, i, j) }, 8, "2001:db8:1:300::"},
		{"/48", func(i, j byte) netip.Addr { return six(0x20, 1, 13, 0xb8, 0, 1, i, j) }, 32, "2001:db8:2::"},
	} {
		for _, rate := range []int{1, 1e6} { // a microsecond apart, too
			l := New(Rates{Rate: rate, Burst: 10, IPv4: ipv4, IPv6: ipv6, Slots: 1 << 16})
			within := 0
			for i := range 1 << 12 {
				if l.Take(x.client(byte(i), byte(i>>4)), 0) {
					within++
				}
			}
			if most := x.times * 10; within < most || within > most+most/100 {
				t.Errorf("%s: %d within at %d a second, want %d", x.name, within, rate, most)
			}
			if !l.Take(netip.MustParseAddr(x.beside), 0) {
				t.Errorf("%s: its neighbour is over", x.name)
			}
		}
	}
}

// A flood from 4 million spoofed sources grows nothing, allocates nothing and
// does not free a loud client.
func TestFlood(t *testing.T) {
	l := New(Rates{Rate: 200, Burst: 8000, IPv4: ipv4, Slots: 1 << 12})
	loud, now := netip.MustParseAddr("192.0.2.1"), time.Duration(0)
	take(l, loud, &now, 10_000, 0)
	i := uint32(0)
	allocs := testing.AllocsPerRun(1, func() { // and once for warming up
		for range 1 << 21 {
			i++
			var addr [4]byte
			binary.BigEndian.PutUint32(addr[:], i*1021) // all over IPv4, each once
			l.Take(netip.AddrFrom4(addr), 0)
		}
	})
	if allocs != 0 || len(l.slots) != 1<<12 {
		t.Errorf("%v allocations, %d slots", allocs, len(l.slots))
	}
	if l.Take(loud, 0) {
		t.Error("the loud client is within")
	}
}

// Many at once take no more than there is, but for those that looked at the
// same moment at the last of it.
func TestConcurrent(t *testing.T) {
	l := New(Rates{Rate: 1, Burst: 1000, IPv4: ipv4, Slots: 1 << 10})
	var within atomic.Int64
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			var now time.Duration
			within.Add(int64(take(l, netip.MustParseAddr("192.0.2.1"), &now, 1000, 0)))
		})
	}
	all.Wait()
	if n := within.Load(); n < 1000 || n > 1003 {
		t.Errorf("%d within", n)
	}
}

func BenchmarkTake(b *testing.B) {
	for _, exempt := range []string{"127.0.0.0/8", "0.0.0.0/0"} {
		for _, sources := range []uint32{1, 1 << 14} {
			b.Run(fmt.Sprintf("IPv4/sources=%d/exempt=%s", sources, exempt), func(b *testing.B) {
				l := New(Rates{Rate: 1e6, Burst: 1 << 30, IPv4: ipv4, Slots: 1 << 17, Exempt: []netip.Prefix{netip.MustParsePrefix(exempt)}})
				var addr [4]byte
				for i := uint32(0); b.Loop(); i++ {
					binary.BigEndian.PutUint32(addr[:], i%sources*389)
					l.Take(netip.AddrFrom4(addr), uint64(i))
				}
			})
		}
	}
	b.Run("IPv6/sources=16384", func(b *testing.B) {
		l := New(Rates{Rate: 1e6, Burst: 1 << 30, IPv6: ipv6, Slots: 1 << 17})
		var addr [16]byte
		for i := uint32(0); b.Loop(); i++ {
			binary.BigEndian.PutUint32(addr[4:], i&0x3fff*389)
			l.Take(netip.AddrFrom16(addr), uint64(i))
		}
	})
}
