//go:build linux

package resolver

import (
	"net"
	"runtime"
	"testing"
	"time"
)

// hold opens n connections to s that have sent what is given and read nothing.
func hold(t testing.TB, s *Server, n int, sent []byte) {
	t.Helper()
	for range n {
		conn, err := net.Dial("tcp", s.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		conn.SetDeadline(time.Now().Add(20 * time.Second))
		if _, err := conn.Write(sent); err != nil {
			t.Fatal(err)
		}
	}
	for s.Counters().Accepted < uint64(n) {
		time.Sleep(time.Millisecond)
	}
}

// neverRead has n clients send queries and read no reply until the server can
// take no more of them, and returns the octets that its process and its sockets'
// send buffers then hold for them.
func neverRead(t testing.TB, s *Server, n int) (octets int) {
	memory := func() int {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.HeapInuse + m.StackInuse)
	}
	queries := framed(t, shapes(t)["A"], shapes(t)["AAAA"])
	for len(queries) < 32<<10 {
		queries = append(queries, queries...)
	}
	runtime.GC()
	before := memory()
	for range n {
		conn := dial(t, "tcp", s)
		conn.(*net.TCPConn).SetReadBuffer(4 << 10)
		conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
		for err := error(nil); err == nil; {
			_, err = conn.Write(queries)
		}
	}
	return memory() - before + n*2*kernelBuf
}

// TestNeverRead: twenty clients that never read hold less than 20 MB, in
// process and kernel. What the kernel gives a socket is twice what was asked for.
func TestNeverRead(t *testing.T) {
	s := serving(t, newSample(t), Config{}, "127.0.0.1:0")
	if octets := neverRead(t, s, 20); octets > 20e6 {
		t.Errorf("%d octets", octets)
	}
	s.conns.mu.Lock()
	defer s.conns.mu.Unlock()
	for e := s.conns.open.Front(); e != nil; e = e.Next() {
		if got := sendBuffer(t, e.Value.(*place).conn.(*net.TCPConn)); got > 2*kernelBuf {
			t.Errorf("a send buffer of %d octets", got)
		}
	}
}

// TestIdleMany: 2,000 idle connections and 100 half-way through a query are
// held, and a newcomer and UDP are answered beside them.
func TestIdleMany(t *testing.T) {
	s := serving(t, newSample(t), Config{TCP: TCPLimits{Connections: 4096, PerSource: 4096}}, "127.0.0.1:0")
	hold(t, s, 2000, nil)
	hold(t, s, 100, framed(t, shapes(t)["A"])[:9])
	for _, network := range []string{"tcp", "udp"} {
		exchange(t, network, s.Addrs()[0].String(), question("pool.example.", 1))
	}
	if c := s.Counters(); c.Evicted != 0 || c.Open < 2050 { // the half-sent ones may have had their time on a slow machine
		t.Errorf("%+v", c)
	}
}

// BenchmarkAbuse is what a well-behaved client pays while others misbehave,
// and what these cost.
func BenchmarkAbuse(b *testing.B) {
	query, buf := framed(b, shapes(b)["A"]), make([]byte, 1500)
	fresh := func(b *testing.B, s *Server) {
		for b.Loop() {
			conn, err := net.Dial("tcp", s.Addrs()[0].String())
			if err != nil {
				b.Fatal(err)
			}
			conn.Write(query)
			if _, err := conn.Read(buf); err != nil {
				b.Fatal(err)
			}
			conn.Close()
		}
	}
	overUDP := func(b *testing.B, s *Server) {
		conn := dial(b, "udp", s)
		for b.Loop() {
			conn.Write(query[frameLen:])
			if _, err := conn.Read(buf); err != nil {
				b.Fatal(err)
			}
		}
	}
	roomy := Config{TCP: TCPLimits{Connections: 4096, PerSource: 4096, Idle: time.Minute, Transfer: time.Minute}}
	for _, c := range []struct {
		name       string
		cfg        Config
		idle, half int
		run        func(*testing.B, *Server)
	}{
		{"fresh-TCP", Config{}, 0, 0, fresh},
		{"fresh-TCP/half-sent=100", Config{}, 0, 100, fresh}, // more than one source's share
		{"fresh-TCP/half-sent=100/roomy", roomy, 0, 100, fresh},
		{"UDP", Config{}, 0, 0, overUDP},
		{"UDP/idle=2000/half-sent=100", roomy, 2000, 100, overUDP},
	} {
		b.Run(c.name, func(b *testing.B) {
			s := serving(b, newSample(b), c.cfg, "127.0.0.1:0")
			hold(b, s, c.idle, nil)
			hold(b, s, c.half, query[:9])
			c.run(b, s)
		})
	}
	b.Run("never-read=20", func(b *testing.B) {
		octets := neverRead(b, serving(b, newSample(b), Config{}, "127.0.0.1:0"), 20)
		for b.Loop() { // it is what they hold that counts
		}
		b.ReportMetric(float64(octets)/1e6, "MB")
	})
}
