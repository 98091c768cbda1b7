//go:build linux

package monitor

import (
	"context"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/timepool/timepool/zones"
)

// hostsOf makes a registry of n hosts in eight sites.
func hostsOf(n int) (*zones.Registry, []netip.Addr) {
	reg, all := &zones.Registry{}, addrs(n)
	for i, a := range all {
		reg.Members = append(reg.Members, zones.Member{Name: fmt.Sprint("ntp", i), Site: fmt.Sprint("site", i%8), Addresses: []netip.Addr{a}, Netspeed: 1000})
	}
	return reg, all
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkScale probes 5,000 addresses every 64 s, three exchanges a check, of
// a chronyd on this host for 16 s, and prints what that takes of one core and how
// far the offsets are from 0; one address in twenty is silent.
//
//	go test ./monitor -run '^$' -bench Scale -benchtime 1x
func BenchmarkScale(b *testing.B) {
	const server, span = "127.77.0.2", 16 * time.Second
	b.Setenv("PATH", "/usr/sbin:/sbin:/usr/bin:/bin")
	startChronyd(b, server)
	reg, all := hostsOf(5000)
	board := NewBoard(BoardOptions{Vantage: "bench", Own: func(netip.Addr) bool { return false }})
	board.Watch(reg)
	offsets := make(chan time.Duration, 2*len(all))
	record := func(s Sample) Row {
		if s.Outcome == Answered {
			offsets <- s.Offset.Abs()
		}
		return board.Record(s)
	}
	p := &Prober{Vantage: "bench", Record: record, Map: map[netip.Addr]netip.AddrPort{}}
	for i, a := range all {
		row := &board.address(a).rows[0].row
		row.Time, row.Reached = time.Now(), true // not earning in
		p.Map[a] = netip.MustParseAddrPort(server + ":123")
		if i%20 == 0 {
			p.Map[a] = netip.MustParseAddrPort("127.77.0.3:123") // nobody
		}
	}
	p.Last = board.Last
	p.Watch(all)
	if b.N > 1 {
		b.Skip("a Prober runs once: -benchtime 1x")
	}
	ctx, cancel := context.WithTimeout(b.Context(), span)
	defer cancel()
	before, done := cpu(b), make(chan error, 1)
	go func() { done <- board.Run(ctx) }()
	if err := p.Run(ctx); err != nil {
		b.Fatal(err)
	}
	<-done
	b.ReportMetric(100*(cpu(b)-before).Seconds()/span.Seconds(), "%-of-a-core")
	close(offsets)
	sorted := slices.Sorted(func(yield func(time.Duration) bool) {
		for d := range offsets {
			yield(d)
		}
	})
	b.ReportMetric(float64(sorted[len(sorted)/2].Nanoseconds())/1e3, "p50-µs")
	b.ReportMetric(float64(sorted[len(sorted)*99/100].Nanoseconds())/1e3, "p99-µs")
}

// BenchmarkMemory prints what 100,000 addresses take in prober and board, each
// checked once.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		reg, all := hostsOf(100_000)
		board := NewBoard(BoardOptions{Vantage: "bench", Own: func(netip.Addr) bool { return false }})
		board.Watch(reg)
		p := &Prober{Vantage: "bench", Record: board.Record}
		p.Watch(all)
		p.open(time.Now())
		start := time.Now()
		for i, a := range all {
			s := good()
			if s.Addr = a; i%10 == 0 {
				s = Sample{Addr: a, Outcome: Silent, Err: timedOut, Sent: 3, Lost: 3}
			}
			board.Record(s)
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/float64(len(all)), "ns/record")
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapInuse+m.StackInuse)/1e6, "MB")
		runtime.KeepAlive(board)
		runtime.KeepAlive(p)
	}
}
