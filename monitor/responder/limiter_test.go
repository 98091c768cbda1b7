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

// Over the limit one in four is answered all the same, so a victim whose
// address is being spoofed still gets through; and kisses are few.
func TestLimiterLeakAndKisses(t *testing.T) {
	now := time.Now()
	l := NewLimiter(Limit{Rate: 1, Burst: 1}, now)
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
	if most := uint64(11 * kissRate); c[Kissed] < most-10 || c[Kissed] > most+10 { // for ten seconds, and the burst
		t.Errorf("kissed %d, want %d a second", c[Kissed], kissRate)
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
