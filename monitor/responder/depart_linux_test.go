//go:build linux && (amd64 || arm64 || riscv64)

package responder

import (
	"net/netip"
	"testing"
	"time"
)

// The kernel says when a reply in interleaved mode left, and that is what the
// memory then holds; it goes on after a reply that could not be sent.
func TestDepartures(t *testing.T) {
	s := &Server{State: always(good), Interleave: 64}
	c := dial(t, open(t, s, "127.0.0.1:0"))
	raw, err := s.sockets[0].conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	r := newRing()
	turn := func(request []byte) (v Verdict) { // not Run: step by step
		c.send(request)
		raw.Control(func(fd uintptr) {
			if n, errno := r.receive(fd); n != 1 {
				t.Fatalf("%d packets: %v", n, errno)
			}
			v = s.turn(fd, r, 0, time.Now())
		})
		return v
	}
	if v := turn(packet(4, modeClient)); v != Answered || r.left.next != 0 {
		t.Fatalf("%v, %d stamps asked for", v, r.left.next)
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
			raw.Control(r.left.restart)
		} else if w := r.left.waiting[(r.left.next-1)%64]; r.left.due != 0 || w.client != netip.MustParseAddr("127.0.0.1") || w.received != 0 {
			t.Fatalf("reply %d: no stamp of the kernel: %d due, %+v", n, r.left.due, w)
		}
		if left := s.memory.recall(netip.MustParseAddr("127.0.0.1"), interleaved(last, 1, 2)); left.Sub(before) < 0 || after.Sub(left) < 0 {
			t.Fatalf("reply %d left %v after its request and %v before now", n, left.Sub(before), after.Sub(left))
		}
	}
}
