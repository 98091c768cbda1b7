//go:build linux && (amd64 || arm64 || riscv64)

package responder

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// prepare asks the kernel for receive stamps and, on a wildcard socket, for
// the address that was asked, before the first packet can arrive.
func prepare(c syscall.RawConn, ip6, wildcard, sibling bool) error {
	var err error
	control := func(fd uintptr) {
		// A kernel without stamps (gVisor) is no reason not to serve.
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stamping) != nil {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		}
		if sibling {
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
		switch {
		case !wildcard:
		case ip6:
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		default:
			err = unix.SetsockoptInt(int(fd), unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		}
	}
	if failed := c.Control(control); failed != nil {
		return failed
	}
	return err
}

// share lets siblings bind the address of conn, which was bound alone. They
// need the same user and the option as well, which another server's first
// socket does not set. The kernel deals clients to siblings by a hash.
func share(conn *net.UDPConn) error {
	c, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	if failed := c.Control(func(fd uintptr) {
		err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); failed != nil {
		return failed
	}
	return err
}

const (
	batch     = 32 // requests taken with one recvmmsg
	controlsz = 16 // words; stamps, a packet info and an error take 112 octets at most
)

// ring is the memory of one socket's loop. The headers point into it, so it
// stays where it is and is never copied.
type ring struct {
	head    [batch]unix.Mmsghdr
	iov     [batch]unix.Iovec
	name    [batch]unix.RawSockaddrInet6 // or RawSockaddrInet4
	control [batch][controlsz]uint64     // words, for the kernel writes aligned structs
	buf     [batch][maxRequest]byte
	used    int // heads that the last call filled
	out     unix.Msghdr
	outIov  unix.Iovec
	left    departures
}

func newRing() *ring {
	r := &ring{used: batch}
	for i := range r.head {
		r.iov[i].Base = &r.buf[i][0]
		r.iov[i].SetLen(maxRequest)
		h := &r.head[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&r.name[i]))
		h.Iov = &r.iov[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&r.control[i]))
	}
	r.out.Iov = &r.outIov
	r.out.SetIovlen(1)
	return r
}

// serve takes packets in batches straight from the socket and sends each
// reply by itself, so that its transmit stamp is fresh. net.UDPConn would cost
// a third more; the raw calls cannot block, so the scheduler need not know.
func (s *Server) serve(sk *socket) error {
	raw, err := sk.conn.SyscallConn()
	if err != nil {
		return err
	}
	r := newRing()
	var failed error
	pump := func(fd uintptr) bool {
		r.left.collect(fd, s.memory) // those that came late
		n, errno := r.receive(fd)
		switch errno {
		case 0:
			now := time.Now()
			for i := range n {
				sk.counters[s.turn(fd, r, i, now)].Add(1)
			}
		case unix.EAGAIN:
			return false
		case unix.EINTR:
		default:
			failed = errno
		}
		return true
	}
	for failures := 0; failed == nil; {
		err := raw.Read(pump)
		if err == nil {
			failures = 0
			continue
		}
		// A departure stamp that comes while the send buffer is full looks to
		// the runtime like a broken socket; one that is broken goes on failing.
		if failures++; errors.Is(err, net.ErrClosed) || failures > 1000 {
			return err
		}
		time.Sleep(time.Millisecond)
		_ = raw.Control(func(fd uintptr) { pump(fd) })
	}
	return failed
}

// receive takes up to batch packets that are there already.
func (r *ring) receive(fd uintptr) (int, syscall.Errno) {
	for i := range r.used { // only these were changed by the kernel
		h := &r.head[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlsz * 8)
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.head)), batch, unix.MSG_DONTWAIT, 0, 0)
	r.used = 0
	if errno == 0 {
		r.used = int(n)
	}
	return r.used, errno
}

// turn answers packet i of a batch that was received before now.
func (s *Server) turn(fd uintptr, r *ring, i int, now time.Time) Verdict {
	h := &r.head[i]
	if h.Hdr.Flags&unix.MSG_TRUNC != 0 {
		return BadLength
	}
	received, info := r.read(i)
	if received == 0 {
		received = StampOf(now)
	}
	// The reply goes where the request was: the line is in the cache.
	request := r.buf[i][:h.Len]
	client := r.client(i)
	reply, v := s.answer(request[:0], request, received, client, now)
	if v == Interleaved {
		info = r.left.depart(client.Addr(), reply, info)
	}
	sent := reply == nil || r.send(fd, i, reply, info)
	switch {
	case v != Interleaved:
	case sent:
		r.left.collect(fd, s.memory)
	default:
		r.left.restart(fd)
	}
	if !sent {
		return Unsent
	}
	return v
}

// client is the source of packet i, without zone: replies go to the raw name.
func (r *ring) client(i int) netip.AddrPort {
	name := &r.name[i]
	port := *(*[2]byte)(unsafe.Pointer(&name.Port))
	addr := netip.AddrFrom16(name.Addr)
	if name.Family == unix.AF_INET {
		addr = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr)
	}
	return netip.AddrPortFrom(addr, uint16(port[0])<<8|uint16(port[1]))
}

// read gives the kernel's receive stamp of packet i, 0 without one, and the
// control message that says which address was asked, turned into one that
// makes the reply leave from there; nil on a socket with an address.
func (r *ring) read(i int) (received Stamp, info []byte) {
	const head = unix.SizeofCmsghdr
	b := unsafe.Slice((*byte)(unsafe.Pointer(&r.control[i])), controlsz*8)[:r.head[i].Hdr.Controllen]
	for len(b) >= head {
		c := (*unix.Cmsghdr)(unsafe.Pointer(&b[0]))
		n := int(c.Len)
		if n < head || n > len(b) {
			break
		}
		data := b[head:n]
		switch {
		case c.Level == unix.SOL_SOCKET && (c.Type == unix.SCM_TIMESTAMPING || c.Type == unix.SCM_TIMESTAMPNS) && len(data) >= 16:
			t := (*unix.Timespec)(unsafe.Pointer(&data[0]))
			received = stampOf(t.Sec, t.Nsec)
		case c.Level == unix.IPPROTO_IP && c.Type == unix.IP_PKTINFO && len(data) >= unix.SizeofInet4Pktinfo:
			// Only the address: the way back is for the routes to say.
			(*unix.Inet4Pktinfo)(unsafe.Pointer(&data[0])).Ifindex = 0
			info = b[:n]
		case c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_PKTINFO && len(data) >= unix.SizeofInet6Pktinfo:
			p := (*unix.Inet6Pktinfo)(unsafe.Pointer(&data[0]))
			if p.Addr[0] != 0xfe || p.Addr[1]&0xc0 != 0x80 { // link-local addresses need theirs
				p.Ifindex = 0
			}
			info = b[:n]
		}
		b = b[min(len(b), unix.CmsgSpace(n-head)):]
	}
	return received, info
}

// send sends reply to where packet i came from. A full socket buffer loses the
// reply, as the network would.
func (r *ring) send(fd uintptr, i int, reply []byte, info []byte) bool {
	h := &r.head[i].Hdr
	var errno syscall.Errno
	if info == nil {
		_, _, errno = unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(&reply[0])), uintptr(len(reply)),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(h.Name)), uintptr(h.Namelen))
		return errno == 0
	}
	r.outIov.Base = &reply[0]
	r.outIov.SetLen(len(reply))
	r.out.Name, r.out.Namelen = h.Name, h.Namelen
	r.out.Control = &info[0]
	r.out.SetControllen(len(info))
	_, _, errno = unix.RawSyscall6(unix.SYS_SENDMSG, fd, uintptr(unsafe.Pointer(&r.out)), unix.MSG_DONTWAIT, 0, 0, 0)
	return errno == 0
}
