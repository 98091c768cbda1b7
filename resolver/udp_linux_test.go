//go:build amd64 || arm64 || riscv64

package resolver

import (
	"net"
	"net/netip"
	"runtime"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestUnsent: a reply that the system refuses is counted, and those after it
// are sent.
func TestUnsent(t *testing.T) {
	s := NewServer(Config{})
	s.Publish(newSample(t).Snapshot)
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	client, err := net.Dial("udp4", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(20 * time.Second))
	l, err := s.newLoop(conn, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer l.file.Close()
	fd, b := l.file.Fd(), newBatch(l.room(batchLen))
	const sent = 5
	for i := range sent {
		query := shapes(t)["plain"]
		query[1] = byte(i)
		client.Write(query)
	}
	for got := 0; got < sent; { // loopback may give them in more than one batch
		if errno := b.receive(fd); errno != 0 {
			t.Fatal(errno)
		}
		got += b.n
		b.answer(l)
		if got == b.n {
			b.names[0].Family = unix.AF_UNIX
		}
		b.out.flush(fd, &s.unsent)
	}
	buf := make([]byte, 1500)
	for i := 1; i < sent; i++ {
		if _, err := client.Read(buf); err != nil || buf[1] != byte(i) {
			t.Fatal(i, err, buf[1])
		}
	}
	if c := s.Counters(); c.Unsent != 1 {
		t.Errorf("%+v", c)
	}
}

// TestBatchAllocatesNothing: nor does what is around the answers.
func TestBatchAllocatesNothing(t *testing.T) {
	s := serving(t, newSample(t), Config{Loops: 1}, "0.0.0.0:0")
	client, err := net.Dial("udp4", netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), s.Addrs()[0].Port()).String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(20 * time.Second))
	query, buf := shapes(t)["ECS"], make([]byte, 1500)
	n := testing.AllocsPerRun(100, func() {
		client.Write(query)
		if _, err := client.Read(buf); err != nil {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestOverrun: what a full socket loses is counted.
func TestOverrun(t *testing.T) {
	bothLoops(t, func(t *testing.T, single bool) {
		s := NewServer(Config{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Loops: 1, single: single})
		if err := s.Open(); err != nil { // and nobody reads
			t.Fatal(err)
		}
		defer s.Close()
		raw, err := s.udp[0].socket().SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
		if err != nil {
			t.Fatal(err)
		}
		conn := dial(t, "udp", s)
		for range 100 {
			conn.Write(make([]byte, 1000))
		}
		if n := s.Counters().Overrun; n < 80 || n > 99 {
			t.Errorf("%d of 100", n)
		}
	})
}

// TestBriefWait: a loop that keeps its processor while it waits gives it to the
// garbage collector, and up when nothing comes.
func TestBriefWait(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	s := serving(t, newSample(t), Config{Loops: 1}, "127.0.0.1:0")
	client, err := net.Dial("udp4", s.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	client.SetDeadline(time.Now().Add(20 * time.Second))
	query, buf := shapes(t)["plain"], make([]byte, 1500)
	for i := range 200 {
		client.Write(query)
		if _, err := client.Read(buf); err != nil {
			t.Fatal(err)
		}
		if i%4 == 0 {
			runtime.GC()
		}
		if i%50 == 0 {
			time.Sleep(20 * time.Millisecond)
		}
	}
}
