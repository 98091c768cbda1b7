package resolver

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
	"go.uber.org/goleak"
)

// serving returns a running server and where it listens; the test ends with
// no goroutine of it left.
func serving(t testing.TB, m *sample, cfg Config, addrs ...string) *Server {
	t.Helper()
	leaks := goleak.IgnoreCurrent()
	for _, a := range addrs {
		cfg.Listen = append(cfg.Listen, netip.MustParseAddrPort(a))
	}
	s := NewServer(cfg)
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	if m != nil {
		s.Publish(m.Snapshot)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		goleak.VerifyNone(t, leaks)
	})
	return s
}

func exchange(t testing.TB, network, addr string, q *dns.Msg) *dns.Msg {
	t.Helper()
	reply, _, err := (&dns.Client{Net: network, Timeout: 5 * time.Second}).Exchange(q, addr)
	if err != nil {
		t.Fatalf("%s %s: %v", network, addr, err)
	}
	return reply
}

func question(owner string, rrtype uint16) *dns.Msg { return new(dns.Msg).SetQuestion(owner, rrtype) }

func TestServe(t *testing.T) {
	bothLoops(t, func(t *testing.T, single bool) {
		s := serving(t, newSample(t), Config{single: single}, "127.0.0.1:0", "[::1]:0")
		for _, addr := range s.Addrs() {
			for _, network := range []string{"udp", "tcp"} {
				if r := exchange(t, network, addr.String(), question("quad.pool.example.", dns.TypeA)); len(r.Answer) != 4 || !r.Authoritative {
					t.Errorf("%s %s: %v", network, addr, r)
				}
				if r := exchange(t, network, addr.String(), question("gone.pool.example.", dns.TypeA)); r.Rcode != dns.RcodeNameError {
					t.Errorf("%s %s: %v", network, addr, r)
				}
			}
		}
		want := [Verdicts]uint64{Answered: 2, NXDomain: 2}
		if c := s.Counters(); c.UDP != want || c.TCP != want || c.Accepted != 4 {
			t.Errorf("%+v", c)
		}
	})
}

// TestUDPSize: a reply that the client has no room for comes whole over TCP.
func TestUDPSize(t *testing.T) {
	bothLoops(t, func(t *testing.T, single bool) {
		s := serving(t, newSample(t), Config{single: single}, "127.0.0.1:0")
		q := question(longLabel+".pool.example.", dns.TypeAAAA)
		q.SetEdns0(512, false)
		if r := exchange(t, "udp", s.Addrs()[0].String(), q); !r.Truncated {
			t.Error(r)
		}
		if r := exchange(t, "tcp", s.Addrs()[0].String(), q); r.Truncated || len(r.Answer) != 16 {
			t.Error(r)
		}
	})
}

// bothLoops runs a test with the loop of this system and with the simple one.
func bothLoops(t *testing.T, test func(t *testing.T, single bool)) {
	t.Run("loop=own", func(t *testing.T) { test(t, false) })
	t.Run("loop=single", func(t *testing.T) { test(t, true) })
}

// TestReplyAddress: a wildcard socket answers from the address that was asked,
// which a connected client insists on.
func TestReplyAddress(t *testing.T) {
	bothLoops(t, func(t *testing.T, single bool) {
		if runtime.GOOS != "linux" {
			t.Skip("only Linux tells which address was asked")
		}
		s := serving(t, newSample(t), Config{Loops: 2, single: single}, "0.0.0.0:0", "[::]:0")
		for i, host := range []string{"127.0.0.1", "127.0.0.77", "::1"} {
			addr := netip.AddrPortFrom(netip.MustParseAddr(host), s.Addrs()[i/2].Port()).String()
			for range 4 { // from several ports, so that both sockets are asked
				exchange(t, "udp", addr, question("quad.pool.example.", dns.TypeA))
			}
			exchange(t, "tcp", addr, question("quad.pool.example.", dns.TypeA))
		}
	})
}

// TestLoops: every socket of an address is read, and their counters add up.
func TestLoops(t *testing.T) {
	bothLoops(t, func(t *testing.T, single bool) {
		s := serving(t, newSample(t), Config{Loops: 3, single: single}, "127.0.0.1:0")
		for range 60 {
			exchange(t, "udp", s.Addrs()[0].String(), question("pool.example.", dns.TypeA))
		}
		if n := s.Counters().UDP[Answered]; n != 60 {
			t.Errorf("%d answered", n)
		}
		for _, l := range s.udp {
			if l.tally.n[Answered].Load() == 0 && sharedPorts {
				t.Errorf("loop %d was never asked", l.lane)
			}
		}
	})
}

// TestUnpublished: without a snapshot nothing is said.
func TestUnpublished(t *testing.T) {
	bothLoops(t, func(t *testing.T, single bool) {
		m := newSample(t)
		s := serving(t, nil, Config{single: single}, "127.0.0.1:0")
		conn := dial(t, "udp", s)
		query, _ := question("quad.pool.example.", dns.TypeA).Pack()
		conn.Write(query)
		for s.Counters().UDP[Unready] == 0 {
			time.Sleep(time.Millisecond)
		}
		s.Publish(m.Snapshot)
		conn.Write(query)
		buf := make([]byte, 1500)
		if _, err := conn.Read(buf); err != nil {
			t.Error(err)
		}
		if c := s.Counters().UDP; c[Unready] != 1 || c[Answered] != 1 {
			t.Errorf("%v", c)
		}
	})
}

// TestPanic: a packet that trips over a bug gets no reply, and no other packet
// notices.
func TestPanic(t *testing.T) {
	m := newSample(t)
	wire, _ := wireName("broken.pool.example.")
	n := m.at(wire, 0)
	n.pool, n.suit = true, len(m.suits)
	var mu sync.Mutex
	var log bytes.Buffer
	s := serving(t, m, Config{Log: slog.New(slog.NewTextHandler(locked{&mu, &log}, nil))}, "127.0.0.1:0")
	broken, _ := question("broken.pool.example.", dns.TypeA).Pack()
	for range 3 {
		dial(t, "udp", s).Write(broken)
	}
	tcp := &dns.Client{Net: "tcp"}
	if _, _, err := tcp.Exchange(question("broken.pool.example.", dns.TypeA), s.Addrs()[0].String()); err == nil {
		t.Error("a reply over TCP")
	}
	for s.Counters().UDP[Panicked] != 3 || s.Counters().TCP[Panicked] != 1 {
		time.Sleep(time.Millisecond)
	}
	exchange(t, "udp", s.Addrs()[0].String(), question("quad.pool.example.", dns.TypeA))
	mu.Lock()
	defer mu.Unlock()
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 {
		t.Errorf("%d log lines:\n%s", n, log.String())
	}
}

type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

// TestPublishWhileServing: no query is lost or answered from two snapshots.
func TestPublishWhileServing(t *testing.T) {
	bothLoops(t, func(t *testing.T, single bool) {
		m, other := newSample(t), newSample(t)
		s := serving(t, m, Config{single: single}, "127.0.0.1:0")
		done := make(chan struct{})
		go func() {
			defer close(done)
			for range 200 {
				s.Publish(other.Snapshot)
				s.Publish(m.Snapshot)
				time.Sleep(time.Millisecond / 4)
			}
		}()
		for asked := 0; ; asked++ {
			select {
			case <-done:
				if n := s.Counters().UDP[Answered]; n != uint64(asked) {
					t.Errorf("%d asked, %d answered", asked, n)
				}
				return
			default:
				exchange(t, "udp", s.Addrs()[0].String(), question("pool.example.", dns.TypeA))
			}
		}
	})
}

// TestServeAllocatesNothing covers the guard and the counters around Answer.
func TestServeAllocatesNothing(t *testing.T) {
	m := newSample(t)
	s := NewServer(Config{})
	s.Publish(m.Snapshot)
	var count tally
	dst, query := make([]byte, 0, 4096), shapes(t)["ECS"]
	client := netip.MustParseAddr("10.16.0.9")
	if n := testing.AllocsPerRun(100, func() { s.serve(dst, query, client, Transport{}, 0, &count) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// BenchmarkUDP is a whole exchange over loopback, one at a time.
func BenchmarkUDP(b *testing.B) {
	s := NewServer(Config{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Loops: 1})
	if err := s.Open(); err != nil {
		b.Fatal(err)
	}
	s.Publish(newSample(b).Snapshot)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	conn, err := net.Dial("udp", s.Addrs()[0].String())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	query, buf := shapes(b)["A"], make([]byte, 1500)
	b.ReportAllocs()
	for b.Loop() {
		conn.Write(query)
		if _, err := conn.Read(buf); err != nil {
			b.Fatal(err)
		}
	}
}

func dial(t testing.TB, network string, s *Server) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	conn.SetDeadline(time.Now().Add(20 * time.Second))
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestCountersWhileOpening: pages and metrics are asked for before DNS is open,
// which the race detector watches.
func TestCountersWhileOpening(t *testing.T) {
	s := NewServer(Config{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}})
	defer s.Close()
	asking := make(chan struct{})
	done := make(chan Counters)
	go func() {
		close(asking)
		var c Counters
		for range 1000 {
			c = s.Counters()
		}
		done <- c
	}()
	<-asking
	if err := s.Open(); err != nil {
		t.Fatal(err)
	}
	if c := <-done; c != (Counters{}) {
		t.Errorf("nobody asked: %+v", c)
	}
}
