package responder

import (
	"encoding/binary"
	"net/netip"
	"testing"
	"time"
)

// interleaved is a request in interleaved mode after reply, which came with
// that receive stamp.
func interleaved(reply []byte, receive, transmit uint64) []byte {
	p := packet(4, modeClient)
	copy(p[24:32], reply[32:40])
	binary.BigEndian.PutUint64(p[32:], receive)
	binary.BigEndian.PutUint64(p[40:], transmit)
	return p
}

// recalled is when the reply left that request asks for, as a server sees it. It
// may be asked for again.
func recalled(m *memory, client netip.Addr, request []byte) Stamp {
	if !interleaves(request) {
		return 0
	}
	left := m.recall(client, stampIn(request, 24))
	if left != 0 {
		m.keep(client, stampIn(request, 24), left, true)
	}
	return left
}

func TestMemory(t *testing.T) {
	m := newMemory(1000)
	if len(m.words) != 1024 {
		t.Fatalf("%d replies", len(m.words))
	}
	left := received.Add(12345 * time.Nanosecond)
	m.keep(home.Addr(), received, left, false)
	reply := packet(4, modeServer)
	binary.BigEndian.PutUint64(reply[32:], uint64(received))
	ask := interleaved(reply, 1, 2)
	if got := recalled(m, home.Addr(), ask).Sub(left).Abs(); got > 1 {
		t.Errorf("wrong by %v", got)
	}
	m.keep(home.Addr(), received, left.Add(time.Microsecond), true) // the kernel's is better
	for name, x := range map[string]struct {
		from    netip.Addr
		request []byte
	}{
		"somebody else":    {netip.MustParseAddr("192.0.2.77"), ask},
		"no origin":        {home.Addr(), packet(4, modeClient)},
		"another origin":   {home.Addr(), interleaved(make([]byte, 48), 1, 2)},
		"basic mode meant": {home.Addr(), interleaved(reply, 2, 2)},
		"version 3":        {home.Addr(), append([]byte{3<<3 | modeClient}, ask[1:]...)},
		"mode 1":           {home.Addr(), append([]byte{4<<3 | modeActive}, ask[1:]...)},
	} {
		if got := recalled(m, x.from, x.request); got != 0 {
			t.Errorf("%s: %x", name, got)
		}
	}
	if first, again := m.recall(home.Addr(), received), m.recall(home.Addr(), received); first == 0 || again != 0 {
		t.Errorf("told %x, then %x", first, again)
	}
	// What cannot be is not remembered.
	m = newMemory(1)
	for _, d := range []time.Duration{-time.Nanosecond, 2 * time.Second} {
		m.keep(home.Addr(), received, received.Add(d), false)
	}
	if got := recalled(m, home.Addr(), ask); got != 0 {
		t.Errorf("remembered %x", got)
	}
}

// Where the clock does not move between two readings, a client in basic mode, whose
// origin is the transmit stamp, is not taken for one that interleaves.
func TestCoarseClock(t *testing.T) {
	s := &Server{State: always(good), memory: newMemory(64)}
	ask := func(request []byte) ([]byte, Verdict) {
		j := s.judge(request, home, instant)
		return s.reply(nil, request, home.Addr(), received, received, &j), j.Verdict
	}
	first, _ := ask(interleaved(golden(t, conversation{packet: packet(4, modeClient)}), 1, 2))
	basic := interleaved(first, 3, 4)
	copy(basic[24:32], first[40:48])
	if second, v := ask(basic); v != Answered {
		t.Errorf("%v: % x", v, second)
	}
	if third, v := ask(interleaved(first, 3, 4)); v != Interleaved {
		t.Errorf("%v: % x", v, third)
	}
}

// Newcomers, however many, do not push out who interleaves, and grow nothing.
func TestMemoryKeepsInterleavers(t *testing.T) {
	m := newMemory(64)
	m.keep(home.Addr(), received, received.Add(time.Microsecond), true)
	reply := packet(4, modeServer)
	binary.BigEndian.PutUint64(reply[32:], uint64(received))
	for i := range uint32(100_000) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], i)
		m.keep(netip.AddrFrom4(a), received, received, false)
	}
	if recalled(m, home.Addr(), interleaved(reply, 1, 2)) == 0 || len(m.words) != 64 {
		t.Error("pushed out")
	}
}

// A conversation over a socket: basic, then interleaved, where each reply says
// when the one before it left, and nothing allocates.
func TestServerInterleaves(t *testing.T) {
	for _, listen := range []string{"127.0.0.1:0", "0.0.0.0:0", "[::1]:0"} {
		s := &Server{State: always(good), Interleave: 64, Sockets: 2}
		addr := open(t, s, listen)
		if addr.Addr().IsUnspecified() {
			addr = netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), addr.Port())
		}
		stop := run(t, s)
		c := dial(t, addr)
		c.send(packet(4, modeClient))
		first := c.receive()
		if stampIn(first, 24) != stampIn(packet(4, modeClient), 40) {
			t.Fatal("the first reply is not in basic mode")
		}
		c.send(interleaved(first, 1, 2)) // only now it is known that this client wants the mode
		last := c.receive()
		if stampIn(last, 24) != 2 {
			t.Fatal("the second reply is not in basic mode")
		}
		for n := uint64(1); n < 20; n++ {
			c.send(interleaved(last, 7+n, 1000+n))
			next := c.receive()
			departed := stampIn(next, 40)
			if origin := uint64(stampIn(next, 24)); origin != 7+n {
				t.Fatalf("reply %d: origin %d, want the receive stamp of the request", n, origin)
			}
			if departed.Sub(stampIn(last, 32)) < 0 || stampIn(next, 32).Sub(departed) < 0 {
				t.Errorf("reply %d: its predecessor came %v, left %v, and it came %v", n, stampIn(last, 32), departed, stampIn(next, 32))
			}
			last = next
		}
		buf, request := make([]byte, 100), interleaved(last, 5, 6)
		if allocs := testing.AllocsPerRun(200, func() {
			c.Write(request)
			if _, err := c.Read(buf); err != nil {
				t.Fatal(err)
			}
			copy(request[24:32], buf[32:40])
		}); allocs != 0 {
			t.Errorf("%v allocations an exchange", allocs)
		}
		stop()
		if got := s.Counters(); got[Answered] != 2 || got[Interleaved] != 19+201 {
			t.Errorf("%s: counters %v", listen, got)
		}
	}
}
