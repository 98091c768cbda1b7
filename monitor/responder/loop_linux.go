//go:build linux && (amd64 || arm64 || riscv64)

package responder

import (
	"net/netip"
	"syscall"
	"unsafe"

	"github.com/timepool/timepool/zones/precedence"
	"golang.org/x/sys/unix"
)

const batch = 32 // requests taken with one recvmmsg, replies sent with one sendmmsg

// controls is room for control messages in words, for the kernel writes aligned
// structs; stamps, a packet info and an error take 112 octets at most.
type controls [16]uint64

// loop is the memory of one socket's loop. The headers point into it, so it
// stays where it is and is never copied.
type loop struct {
	*Server
	*socket
	fd      uintptr
	briefly bool // waits are, see precedence.Brief
	stamps  bool // the kernel stamps what is sent, where it is asked to

	head    [batch]unix.Mmsghdr
	iov     [batch]unix.Iovec
	name    [batch]unix.RawSockaddrInet6 // or RawSockaddrInet4
	control [batch]controls
	buf     [batch][maxRequest]byte
	used    int // heads that the last call filled
	full    int // calls that filled all, lately

	out     [batch]unix.Mmsghdr // replies that wait to be sent
	outIov  [batch]unix.Iovec
	verdict [batch]Verdict
	ready   int // how many
	left    departures
}

func newLoop(s *Server, sk *socket, fd uintptr) *loop {
	l := &loop{Server: s, socket: sk, fd: fd, briefly: precedence.Brief(fd, len(s.sockets)), used: batch}
	granted, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPING)
	l.stamps = err == nil && granted&unix.SOF_TIMESTAMPING_SOFTWARE != 0
	for i := range l.head {
		l.iov[i].Base = &l.buf[i][0]
		l.iov[i].SetLen(maxRequest)
		h := &l.head[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&l.name[i]))
		h.Iov = &l.iov[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&l.control[i]))
		l.out[i].Hdr.Iov = &l.outIov[i]
		l.out[i].Hdr.SetIovlen(1)
	}
	return l
}

// receive waits for a packet and takes up to batch of them.
func (l *loop) receive() syscall.Errno {
	for i := range l.used { // only these were changed by the kernel
		h := &l.head[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(int(unsafe.Sizeof(l.control[i])))
	}
	call := unix.Syscall6
	if l.briefly {
		call = unix.RawSyscall6
	}
	n, _, errno := call(unix.SYS_RECVMMSG, l.fd, uintptr(unsafe.Pointer(&l.head)), batch, unix.MSG_WAITFORONE, 0, 0)
	if errno == unix.EAGAIN {
		precedence.Await(l.fd)
	}
	l.used = 0
	if errno == 0 {
		l.used = int(n)
	}
	if l.full = min(l.full+1, 2*overloaded); l.used < batch {
		l.full = max(0, l.full-overloaded/4)
	}
	return errno
}

// client is the source of packet i, without zone: replies go to the raw name.
func (l *loop) client(i int) netip.AddrPort {
	name := &l.name[i]
	port := *(*[2]byte)(unsafe.Pointer(&name.Port))
	addr := netip.AddrFrom16(name.Addr)
	if name.Family == unix.AF_INET {
		addr = netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(name)).Addr)
	}
	return netip.AddrPortFrom(addr, uint16(port[0])<<8|uint16(port[1]))
}

// messages reads what the kernel wrote into c beside a packet: its stamp, 0
// without one; the number of the reply, where it is one that left; and the
// message that says which address was asked, turned into one that makes a reply
// leave from there, nil on a socket with an address.
func messages(c *controls, h *unix.Msghdr) (stamp Stamp, number uint32, info []byte) {
	const head = unix.SizeofCmsghdr
	b := unsafe.Slice((*byte)(unsafe.Pointer(c)), unsafe.Sizeof(*c))[:h.Controllen]
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
			stamp = stampOf(t.Sec, t.Nsec)
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
		case (c.Level == unix.IPPROTO_IP && c.Type == unix.IP_RECVERR || c.Level == unix.IPPROTO_IPV6 && c.Type == unix.IPV6_RECVERR) && len(data) >= 16:
			number = (*unix.SockExtendedErr)(unsafe.Pointer(&data[0])).Data
		}
		b = b[min(len(b), unix.CmsgSpace(n-head)):]
	}
	return stamp, number, info
}

// put lets reply wait to be sent to where packet i came from.
func (l *loop) put(i int, reply, info []byte, v Verdict) {
	l.outIov[l.ready].Base = &reply[0]
	l.outIov[l.ready].SetLen(len(reply))
	h := &l.out[l.ready].Hdr
	h.Name, h.Namelen = l.head[i].Hdr.Name, l.head[i].Hdr.Namelen
	h.Control = unsafe.SliceData(info)
	h.SetControllen(len(info))
	l.verdict[l.ready] = v
	l.ready++
}

// flush sends the replies that wait; false where one could not be sent.
func (l *loop) flush() (all bool) {
	all = true
	for at := 0; at < l.ready; {
		n := l.send(at)
		if n == 0 {
			l.verdict[at], n, all = Unsent, 1, false
		}
		for _, v := range l.verdict[at : at+n] {
			l.counters[v].Add(1)
		}
		at += n
	}
	l.ready = 0
	return all
}

// send sends the replies from the one numbered at on and gives how many went
// out; 0 where that one cannot be sent. A full socket buffer loses a reply, as
// the network would.
func (l *loop) send(at int) int {
	h := &l.out[at].Hdr
	if l.ready == 1 && h.Controllen == 0 { // the cheaper call
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, l.fd, uintptr(unsafe.Pointer(h.Iov.Base)), uintptr(h.Iov.Len),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(h.Name)), uintptr(h.Namelen))
		return 1 - int(min(1, errno))
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, l.fd, uintptr(unsafe.Pointer(&l.out[at])), uintptr(l.ready-at), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
