//go:build linux && (amd64 || arm64 || riscv64)

package responder

import (
	"net/netip"
	"syscall"
	"unsafe"

	"github.com/timepool/timepool/zones/precedence"
	"golang.org/x/sys/unix"
)

const (
	batch     = 32 // requests taken with one recvmmsg, replies sent with one sendmmsg
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
	used    int  // heads that the last call filled
	full    int  // calls that filled all, lately
	briefly bool // waits are, see precedence.Brief

	out     [batch]unix.Mmsghdr // replies that wait to be sent
	outIov  [batch]unix.Iovec
	verdict [batch]Verdict
	ready   int // how many
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
	for i := range r.out {
		r.out[i].Hdr.Iov = &r.outIov[i]
		r.out[i].Hdr.SetIovlen(1)
	}
	return r
}

// receive waits for a packet and takes up to batch of them.
func (r *ring) receive(fd uintptr) (int, syscall.Errno) {
	for i := range r.used { // only these were changed by the kernel
		h := &r.head[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(controlsz * 8)
	}
	call := unix.Syscall6
	if r.briefly {
		call = unix.RawSyscall6
	}
	n, _, errno := call(unix.SYS_RECVMMSG, fd, uintptr(unsafe.Pointer(&r.head)), batch, unix.MSG_WAITFORONE, 0, 0)
	if errno == unix.EAGAIN {
		precedence.Await(fd)
	}
	r.used = 0
	if errno == 0 {
		r.used = int(n)
	}
	if r.full = min(r.full+1, 2*overloaded); r.used < batch {
		r.full = max(0, r.full-overloaded/4)
	}
	return r.used, errno
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

// put lets reply wait to be sent to where packet i came from.
func (r *ring) put(i int, reply, info []byte, v Verdict) {
	r.outIov[r.ready].Base = &reply[0]
	r.outIov[r.ready].SetLen(len(reply))
	h := &r.out[r.ready].Hdr
	h.Name, h.Namelen = r.head[i].Hdr.Name, r.head[i].Hdr.Namelen
	h.Control = unsafe.SliceData(info)
	h.SetControllen(len(info))
	r.verdict[r.ready] = v
	r.ready++
}

// send sends the replies from the one numbered at on and gives how many went
// out; 0 where that one cannot be sent. A full socket buffer loses a reply, as
// the network would.
func (r *ring) send(fd uintptr, at int) int {
	h := &r.out[at].Hdr
	if r.ready == 1 && h.Controllen == 0 { // the cheaper call
		_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, fd, uintptr(unsafe.Pointer(h.Iov.Base)), uintptr(h.Iov.Len),
			unix.MSG_DONTWAIT, uintptr(unsafe.Pointer(h.Name)), uintptr(h.Namelen))
		return 1 - int(min(1, errno))
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, fd, uintptr(unsafe.Pointer(&r.out[at])), uintptr(r.ready-at), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
