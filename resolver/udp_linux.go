//go:build amd64 || arm64 || riscv64

package resolver

import (
	"net/netip"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batched: this system takes and sends many packets with one call.
const batched = true

const batchLen = 32 // packets taken with one recvmmsg

// batch is the memory of one socket's loop. The headers point into it, so it
// stays where it is and is never copied.
type batch struct {
	in, out       [batchLen]unix.Mmsghdr
	inIov, outIov [batchLen]unix.Iovec
	names         [batchLen]unix.RawSockaddrInet6 // or RawSockaddrInet4
	controls      [batchLen][8]uint64             // words, for the kernel writes aligned structs
	packets       [batchLen][maxQuery]byte
	replies       []byte // one after the other
	sent, due     int    // of out

	raw           syscall.RawConn
	receive, send func(fd uintptr) bool // one call each, for raw; made once, for it would allocate
	n             int                   // what the last call did
	errno         syscall.Errno
}

func newBatch(raw syscall.RawConn, room int) *batch {
	b := &batch{raw: raw, replies: make([]byte, 0, room)}
	for i := range b.in {
		b.inIov[i].Base = &b.packets[i][0]
		b.inIov[i].SetLen(maxQuery)
		h := &b.in[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.inIov[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&b.controls[i]))
		b.out[i].Hdr.Iov = &b.outIov[i]
		b.out[i].Hdr.SetIovlen(1)
	}
	b.receive = func(fd uintptr) bool {
		for i := range b.in {
			h := &b.in[i].Hdr
			h.Namelen = unix.SizeofSockaddrInet6
			h.SetControllen(len(b.controls[i]) * 8)
		}
		return b.call(unix.SYS_RECVMMSG, fd, b.in[:])
	}
	b.send = func(fd uintptr) bool { return b.call(unix.SYS_SENDMMSG, fd, b.out[b.sent:b.due]) }
	return b
}

// call makes a call that never blocks, so that the scheduler need not know;
// false when it would have.
func (b *batch) call(number, fd uintptr, list []unix.Mmsghdr) bool {
	n, _, errno := unix.RawSyscall6(number, fd, uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)), unix.MSG_DONTWAIT, 0, 0)
	b.n, b.errno = int(n), errno
	return errno != unix.EAGAIN
}

// many takes all packets that wait, up to batchLen, and sends their replies,
// with one call each. Between two batches the scheduler waits for the socket.
func (l *udpLoop) many() {
	raw, err := l.conn.SyscallConn()
	if err != nil {
		return
	}
	b := newBatch(raw, l.room(batchLen))
	for failures := 0; raw.Read(b.receive) == nil; { // until it is closed
		switch b.errno {
		case 0:
			failures, l.now = 0, time.Now()
			received := b.n
			b.answer(l)
			b.flush(l)
			l.took.observe(time.Since(l.now), received)
		case unix.EINTR:
		default:
			failures = l.failed(failures)
		}
	}
}

// flush sends what is due, and waits where the socket's buffer is full.
func (b *batch) flush(l *udpLoop) {
	for b.sent < b.due && b.raw.Write(b.send) == nil {
		switch b.errno {
		case 0:
			b.sent += b.n
		case unix.EINTR:
		default: // the first is at fault; those after it may do
			l.server.unsent.Add(1)
			b.sent++
		}
	}
}

// answer makes the replies to the packets received due.
func (b *batch) answer(l *udpLoop) {
	out := b.replies
	b.sent, b.due = 0, 0
	for i := range b.n {
		in, at := &b.in[i], len(out)
		out = l.answer(out, b.packets[i][:in.Len], b.client(i))
		if len(out) == at {
			continue
		}
		b.outIov[b.due].Base = &out[at]
		b.outIov[b.due].SetLen(len(out) - at)
		h := &b.out[b.due].Hdr
		h.Name, h.Namelen = in.Hdr.Name, in.Hdr.Namelen
		h.Control, h.Controllen = nil, 0
		if in.Hdr.Controllen > 0 {
			control := unsafe.Slice(in.Hdr.Control, in.Hdr.Controllen)
			if from := replyFrom(control); from != nil {
				h.Control, h.Controllen = &from[0], in.Hdr.Controllen
			}
		}
		b.due++
	}
}

// client is the source of packet i, without zone: replies go to the raw name.
func (b *batch) client(i int) netip.Addr {
	if name := &b.names[i]; name.Family != unix.AF_INET {
		return netip.AddrFrom16(name.Addr)
	}
	return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&b.names[i])).Addr)
}
