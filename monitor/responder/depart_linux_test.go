//go:build linux && (amd64 || arm64 || riscv64)

package responder

import (
	"net/netip"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// stepped is a loop of the test's over the first socket of s.
func stepped(t testing.TB, s *Server) (l *loop) {
	t.Helper()
	sk := s.sockets[0]
	if err := control(sk.conn, func(fd uintptr) error { l = newLoop(s, sk, fd); return nil }); err != nil {
		t.Fatal(err)
	}
	return l
}

// take receives n packets at once.
func (l *loop) take(t testing.TB, n int) {
	t.Helper()
	if errno := l.receive(); l.used != n {
		t.Fatalf("%d packets, want %d: %v", l.used, n, errno)
	}
}

// The kernel says when a reply in interleaved mode left, and that is what the
// memory then holds; it goes on after a reply that could not be sent.
func TestDepartures(t *testing.T) {
	s := &Server{State: always(good), Interleave: 64}
	c := dial(t, open(t, s, "127.0.0.1:0"))
	r := stepped(t, s)
	turn := func(request []byte) (v Verdict) { // not Run: step by step
		c.send(request)
		r.take(t, 1)
		before := s.Counters()
		r.round()
		for i, n := range s.Counters() {
			if n != before[i] {
				v = Verdict(i)
			}
		}
		return v
	}
	turn(packet(4, modeClient))
	if v := turn(interleaved(c.receive(), 1, 2)); v != Answered { // nobody had asked before
		t.Fatal(v)
	}
	last := c.receive()
	for n := uint32(1); n < 200; n++ {
		before := StampOf(time.Now())
		if v := turn(interleaved(last, 1, 2)); v != Interleaved {
			t.Fatal(v)
		}
		after := StampOf(time.Now())
		last = c.receive()
		if n == 100 {
			r.restart()
		} else if w := r.left.waiting[(r.left.next-1)%64]; r.left.due != 0 || w.client != netip.MustParseAddr("127.0.0.1") || w.received != 0 {
			t.Fatalf("reply %d: no stamp of the kernel: %d due, %+v", n, r.left.due, w)
		}
		if left := recalled(s.memory, netip.MustParseAddr("127.0.0.1"), interleaved(last, 1, 2)); left.Sub(before) < 0 || after.Sub(left) < 0 {
			t.Fatalf("reply %d left %v after its request and %v before now", n, left.Sub(before), after.Sub(left))
		}
	}
}

// A kernel that did not take the option for stamps is not asked for any: it would
// refuse the control message, and the reply with it.
func TestNoDepartures(t *testing.T) {
	s := &Server{State: always(good), Interleave: 64}
	c := dial(t, open(t, s, "127.0.0.1:0"))
	if err := unix.SetsockoptInt(int(stepped(t, s).fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING, 0); err != nil {
		t.Fatal(err)
	}
	r, last := stepped(t, s), packet(4, modeClient)
	for want := range 5 {
		c.send(interleaved(last, 1, uint64(2+want)))
		r.take(t, 1)
		r.round()
		last = c.receive()
	}
	if got := s.Counters(); r.left.next != 0 || got[Answered] != 2 || got[Interleaved] != 3 {
		t.Errorf("asked for %d stamps, counters %v", r.left.next, got)
	}
}

// What stands in for the next one is undercut now and then, follows when things
// change, and is moved little by one that is far out.
func TestUsual(t *testing.T) {
	var u usual
	for range 20 {
		for i := range 300 {
			u.learn(time.Duration(1000 + i%3*500))
		}
		if u < 900 || u > 1600 {
			t.Fatalf("of 1000, 1500 and 2000 ns: %d", u)
		}
		was := u
		if u.learn(time.Second); u > was+was/8+10 {
			t.Fatalf("%d after a second", u)
		}
	}
	for range 300 {
		u.learn(time.Second)
	}
	if u != 20_000 {
		t.Errorf("%d, want the most", u)
	}
	for range 300 {
		u.learn(-time.Second)
	}
	if u != 0 {
		t.Errorf("%d after negative ones", u)
	}
}

// A stamp that nobody expects any more does not keep the socket awake.
func TestDrained(t *testing.T) {
	s := &Server{State: always(good), Interleave: 64}
	c := dial(t, open(t, s, "127.0.0.1:0"))
	r := stepped(t, s)
	awake := func() bool {
		poll := []unix.PollFd{{Fd: int32(r.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(poll, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n > 0
	}
	for range 3 {
		c.send(packet(4, modeClient))
		r.take(t, 1)
		r.left.begin(time.Now())
		reply := r.buf[0][:48]
		r.left.transmit(0)
		r.put(0, reply, r.left.depart(r.client(0).Addr(), reply, nil, true), Answered)
		if !r.flush() {
			t.Fatal("not sent")
		}
		c.receive()
	}
	r.left.due = 0
	if !awake() {
		t.Fatal("no stamp to drain")
	}
	if r.drain(); awake() || r.left.due != 0 {
		t.Errorf("still awake, %d due", r.left.due)
	}
}

// Among the replies of one batch each has a stamp of its own, in order; under
// overload, where they leave together, as well.
func TestOverload(t *testing.T) {
	s := &Server{State: always(good)}
	c := dial(t, open(t, s, "127.0.0.1:0"))
	r := stepped(t, s)
	last := StampOf(time.Now())
	for range overloaded + 2 {
		for range batch {
			c.send(packet(4, modeClient))
		}
		r.take(t, batch)
		r.round()
		for range batch {
			got := stampIn(c.receive(), 40)
			if got.Sub(last) < -20*time.Microsecond {
				t.Errorf("left at %x, after one that left at %x", got, last)
			}
			last = got
		}
		if behind := StampOf(time.Now()).Sub(last); behind < -20*time.Microsecond*batch {
			t.Errorf("in the future: %v", behind)
		}
	}
	if r.full < overloaded || s.Counters()[Answered] != batch*(overloaded+2) {
		t.Errorf("%d full, counters %v", r.full, s.Counters())
	}
}
