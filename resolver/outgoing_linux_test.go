//go:build amd64 || arm64 || riscv64

package resolver

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sending is a socket to send from and clients to receive.
type sending struct {
	fd      uintptr
	clients []*net.UDPConn
	names   []unix.RawSockaddrInet6
	nameLen uint32
	from    [][]byte // control messages that say from where, the first nil
	sources []string
}

func newSending(t *testing.T, ipv6 bool) *sending {
	network, any, loopback, other := "udp4", "0.0.0.0:0", "127.0.0.1", "127.0.0.2"
	if ipv6 {
		network, any, loopback, other = "udp6", "[::]:0", "::1", "::1"
	}
	server, err := net.ListenPacket(network, any)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Close() })
	file, err := server.(*net.UDPConn).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	s := &sending{fd: file.Fd(), nameLen: unix.SizeofSockaddrInet4, sources: []string{loopback, other}}
	s.from = [][]byte{nil, unix.PktInfo4(&unix.Inet4Pktinfo{Spec_dst: [4]byte{127, 0, 0, 2}})}
	if ipv6 {
		s.nameLen = unix.SizeofSockaddrInet6
		s.from[1] = unix.PktInfo6(&unix.Inet6Pktinfo{Addr: netip.MustParseAddr(other).As16()})
	}
	for range 3 {
		c, err := net.ListenPacket(network, netip.AddrPortFrom(netip.MustParseAddr(loopback), 0).String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		at := c.LocalAddr().(*net.UDPAddr).AddrPort()
		var name unix.RawSockaddrInet6
		if ipv6 {
			name = unix.RawSockaddrInet6{Family: unix.AF_INET6, Addr: at.Addr().As16()}
			binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&name.Port))[:], at.Port())
		} else {
			v4 := (*unix.RawSockaddrInet4)(unsafe.Pointer(&name))
			*v4 = unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: at.Addr().Unmap().As4()}
			binary.BigEndian.PutUint16((*[2]byte)(unsafe.Pointer(&v4.Port))[:], at.Port())
		}
		s.clients, s.names = append(s.clients, c.(*net.UDPConn)), append(s.names, name)
	}
	return s
}

// TestOutgoing: whatever is one message, each client gets its own replies, whole,
// from the right address, and in order where they are equally long.
func TestOutgoing(t *testing.T) {
	for _, ipv6 := range []bool{false, true} {
		for _, segmented := range []bool{true, false} {
			t.Run(fmt.Sprintf("ipv6=%v segmented=%v", ipv6, segmented), func(t *testing.T) {
				s, o := newSending(t, ipv6), &outgoing{}
				if o.probe(s.fd); !o.segmented {
					t.Fatal("this kernel does not cut messages")
				}
				rnd := rand.New(rand.NewPCG(1, 2))
				for round := range 100 {
					o.segmented = segmented
					s.round(t, o, rnd, round%2 == 1)
				}
			})
		}
	}
}

// round sends up to a batch of replies and receives them. Together, large ones
// are longer than a message can be.
func (s *sending) round(t *testing.T, o *outgoing, rnd *rand.Rand, large bool) {
	type key struct{ client, from, length int }
	want := map[key][][]byte{}
	n := 1 + rnd.IntN(batchLen)
	o.reset()
	for range n {
		k := key{rnd.IntN(len(s.clients)), rnd.IntN(len(s.from)), 12 + rnd.IntN(3)}
		if large {
			k = key{0, 0, 3000 + rnd.IntN(2)}
		}
		reply := make([]byte, k.length)
		for i := range reply {
			reply[i] = byte(rnd.Uint32())
		}
		want[k] = append(want[k], reply)
		o.add(reply, &s.names[k.client], s.nameLen, s.from[k.from])
	}
	var unsent atomic.Uint64
	o.flush(s.fd, &unsent)
	if unsent.Load() != 0 {
		t.Fatalf("%d unsent", unsent.Load())
	}
	buf := make([]byte, 4096)
	left := map[int]int{}
	for k := range want {
		left[k.client] += len(want[k])
	}
	for client, n := range left {
		for range n {
			s.clients[client].SetReadDeadline(time.Now().Add(20 * time.Second))
			got, source, err := s.clients[client].ReadFromUDPAddrPort(buf)
			if err != nil {
				t.Fatal(err)
			}
			from := 0
			if source.Addr().Unmap().String() != s.sources[0] {
				from = 1
			}
			found := false
			for f := range s.from { // ::1 has no second address
				k := key{client, f, got}
				if (f == from || s.sources[0] == s.sources[1]) && len(want[k]) > 0 && bytes.Equal(want[k][0], buf[:got]) {
					want[k], found = want[k][1:], true
					break
				}
			}
			if !found {
				t.Fatalf("client %d got %d octets from %v that are not due", client, got, source)
			}
		}
	}
}

// TestOutgoingTogether: what is equally long is one message, with a shorter one last.
func TestOutgoingTogether(t *testing.T) {
	s, o := newSending(t, false), &outgoing{}
	for _, c := range []struct {
		lengths  []int
		messages int
	}{
		{[]int{9, 9, 9}, 1},
		{[]int{9, 5}, 1},
		{[]int{5, 9, 9}, 1},
		{[]int{9, 5, 9}, 1},
		{[]int{5, 5, 9}, 2},
		{[]int{9, 5, 4}, 2},
		{[]int{4, 5, 9}, 2},
	} {
		o.probe(s.fd)
		o.reset()
		for _, length := range c.lengths {
			for client := range s.names {
				o.add(make([]byte, length), &s.names[client], s.nameLen, nil)
			}
		}
		if o.n != c.messages*len(s.names) {
			t.Errorf("%v: %d messages to %d clients", c.lengths, o.n, len(s.names))
		}
	}
}

// TestOutgoingRefused: what the kernel refuses is counted by replies, also of a
// message of several, and the others arrive.
func TestOutgoingRefused(t *testing.T) {
	s, o := newSending(t, false), &outgoing{}
	o.probe(s.fd)
	bad := unix.RawSockaddrInet6{Family: unix.AF_UNIX}
	for i := range 6 {
		to := &s.names[0]
		if i%2 == 0 {
			to = &bad
		}
		o.add([]byte{byte(i)}, to, s.nameLen, nil)
	}
	var unsent atomic.Uint64
	o.flush(s.fd, &unsent)
	if o.n != 2 || unsent.Load() != 3 {
		t.Errorf("%d messages, %d unsent", o.n, unsent.Load())
	}
	buf := make([]byte, 16)
	for _, want := range []byte{1, 3, 5} {
		s.clients[0].SetReadDeadline(time.Now().Add(20 * time.Second))
		if n, err := s.clients[0].Read(buf); err != nil || n != 1 || buf[0] != want {
			t.Errorf("%d octets, %d, %v", n, buf[0], err)
		}
	}
}
