//go:build amd64 || arm64 || riscv64

package resolver

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"

	"github.com/timepool/timepool/zones/precedence"
	"golang.org/x/sys/unix"
)

// batched: this system takes and sends many packets with one call.
const batched = true

const batchLen = 32 // packets taken with one recvmmsg

// seldom is how long a wait for a packet was when one after it is unlikely to be
// there already: asking for more than one would only cost the kernel a second look.
const seldom = 10 * time.Microsecond

// batch is the memory of one socket's loop. The headers point into it, so it
// stays where it is and is never copied.
type batch struct {
	in       [batchLen]unix.Mmsghdr
	inIov    [batchLen]unix.Iovec
	names    [batchLen]unix.RawSockaddrInet6 // or RawSockaddrInet4
	controls [batchLen][8]uint64             // words, for the kernel writes aligned structs
	packets  [batchLen][maxQuery]byte
	n        int    // received
	most     int    // to receive next
	briefly  bool   // waits are, see precedence.Brief
	replies  []byte // one after the other
	out      outgoing
}

func newBatch(room int) *batch {
	b := &batch{n: batchLen, most: batchLen, replies: make([]byte, 0, room)}
	for i := range b.in {
		b.inIov[i].Base = &b.packets[i][0]
		b.inIov[i].SetLen(maxQuery)
		h := &b.in[i].Hdr
		h.Name = (*byte)(unsafe.Pointer(&b.names[i]))
		h.Iov = &b.inIov[i]
		h.SetIovlen(1)
		h.Control = (*byte)(unsafe.Pointer(&b.controls[i]))
	}
	return b
}

// detach takes a socket from the runtime's poller, which would be woken by
// every packet beside the thread that waits for it.
func detach(conn *net.UDPConn) (*os.File, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	var file *os.File
	failed := raw.Control(func(old uintptr) {
		var fd int
		if fd, err = unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			err = unix.SetNonblock(fd, false)
			file = os.NewFile(uintptr(fd), "udp")
		}
	})
	return file, errors.Join(failed, err, conn.Close())
}

// many takes all packets that wait, up to batchLen, and sends their replies,
// with one call each. Between two batches its thread waits in the kernel: a
// packet wakes it without the detour by poller and scheduler, and also while
// goroutines that build keep all of the scheduler's processors.
func (l *udpLoop) many() {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	l.thread <- precedence.Hurry()
	fd, b := l.file.Fd(), newBatch(l.room(batchLen))
	b.out.probe(fd)
	b.briefly = precedence.Brief(fd, len(l.server.udp))
	var rest time.Time
	for failures := 0; ; {
		errno := b.receive(fd)
		if l.closed.Load() {
			return
		}
		switch errno {
		case 0:
			failures, l.now = 0, time.Now()
			received := b.n
			b.answer(l)
			b.out.flush(fd, &l.server.unsent)
			if b.most = batchLen; received == 1 && l.now.Sub(rest) > seldom {
				b.most = 1
			}
			rest = time.Now()
			l.took.observe(rest.Sub(l.now), received)
		case unix.EINTR, unix.EAGAIN:
		default:
			failures = l.failed(failures)
		}
	}
}

// receive waits for packets and takes what there is.
func (b *batch) receive(fd uintptr) syscall.Errno {
	for i := range max(0, b.n) { // only these were changed by the kernel
		h := &b.in[i].Hdr
		h.Namelen = unix.SizeofSockaddrInet6
		h.SetControllen(len(b.controls[i]) * 8)
	}
	list, flags := uintptr(unsafe.Pointer(&b.in[0])), uintptr(unix.MSG_DONTWAIT)
	if b.briefly {
		flags = unix.MSG_WAITFORONE
	}
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, fd, list, uintptr(b.most), flags, 0, 0)
	switch {
	case errno != unix.EAGAIN:
	case b.briefly:
		precedence.Await(fd)
	default:
		n, _, errno = unix.Syscall6(unix.SYS_RECVMMSG, fd, list, uintptr(b.most), unix.MSG_WAITFORONE, 0, 0)
	}
	b.n = int(n)
	return errno
}

// wake ends a wait in the kernel for the socket's packets.
func wake(file *os.File) {
	_ = unix.Shutdown(int(file.Fd()), unix.SHUT_RDWR) // which says that it is not connected, and wakes all the same
}

// answer makes the replies to the packets received due.
func (b *batch) answer(l *udpLoop) {
	out := b.replies
	b.out.reset()
	for i := range b.n {
		in, at := &b.in[i], len(out)
		out = l.answer(out, b.packets[i][:in.Len], b.client(i))
		if len(out) == at {
			continue
		}
		var from []byte
		if in.Hdr.Controllen > 0 {
			from = replyFrom(unsafe.Slice(in.Hdr.Control, in.Hdr.Controllen))
		}
		b.out.add(out[at:], &b.names[i], in.Hdr.Namelen, from)
	}
}

// client is the source of packet i, without zone: replies go to the raw name.
func (b *batch) client(i int) netip.Addr {
	if name := &b.names[i]; name.Family != unix.AF_INET {
		return netip.AddrFrom16(name.Addr)
	}
	return netip.AddrFrom4((*unix.RawSockaddrInet4)(unsafe.Pointer(&b.names[i])).Addr)
}
