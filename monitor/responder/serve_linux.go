//go:build linux && (amd64 || arm64 || riscv64)

package responder

import (
	"errors"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// receiveBuffer is what may wait while the processor is elsewhere, in octets of
// the kernel's memory: some 2,700 requests, 10 ms at full speed. Their receive
// stamps are right all the same.
const receiveBuffer = 1 << 20

// prepare asks the kernel for receive stamps and, on a wildcard socket, for
// the address that was asked, before the first packet can arrive.
func prepare(c syscall.RawConn, ip6, wildcard, sibling bool) (err error) {
	failed := c.Control(func(fd uintptr) {
		set := func(level, option, value int) error { return unix.SetsockoptInt(int(fd), level, option, value) }
		if set(unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil { // a privilege
			_ = set(unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
		// A kernel without stamps (gVisor) is no reason not to serve.
		if set(unix.SOL_SOCKET, unix.SO_TIMESTAMPING, stamping) != nil {
			_ = set(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1)
		}
		if sibling {
			_ = set(unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
		switch {
		case !wildcard:
		case ip6:
			err = set(unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		default:
			err = set(unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		}
	})
	return errors.Join(failed, err)
}

// detach takes a socket from the runtime's poller: with a poller on it the
// kernel wakes one for every reply that has left, and a thread that waits in
// recvmmsg itself is sooner at work.
//
// It also lets siblings bind the address, which was bound alone. They need the
// same user and the option as well, which another server's first socket does
// not set. The kernel deals clients to siblings by a hash.
func detach(conn *net.UDPConn) (file *os.File, err error) {
	failed := control(conn, func(old uintptr) error {
		fd, err := unix.FcntlInt(old, unix.F_DUPFD_CLOEXEC, 0)
		if err != nil {
			return err
		}
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		err = unix.SetNonblock(fd, false) // before NewFile, which would poll it else
		file = os.NewFile(uintptr(fd), "udp")
		return err
	})
	return file, errors.Join(failed, conn.Close())
}

// control calls f with the descriptor of c, which stays open meanwhile.
func control(c syscall.Conn, f func(fd uintptr) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if failed := raw.Control(func(fd uintptr) { err = f(fd) }); failed != nil {
		return failed
	}
	return err
}

// close lets serve end, which waits in the kernel until the socket is shut down.
func (sk *socket) close() {
	sk.closed.Store(true)
	_ = control(sk.conn, func(fd uintptr) error { return unix.Shutdown(int(fd), unix.SHUT_RDWR) })
	sk.conn.Close()
}

// serve takes packets in batches straight from the socket; net.UDPConn would
// cost a third more.
func (s *Server) serve(sk *socket) error {
	return control(sk.conn, func(fd uintptr) error {
		for l := newLoop(s, sk, fd); ; {
			errno := l.receive()
			if sk.closed.Load() {
				return net.ErrClosed
			}
			switch errno {
			case 0:
				l.collect() // those that came late
				l.round()
			case unix.EINTR:
			case unix.EAGAIN: // for a while nothing was sent
				l.drain()
			default:
				return errno
			}
		}
	})
}

// overloaded is how many full batches mean that requests come faster than they
// can be answered one by one: more than a socket holds after a stall.
const overloaded = 64

// round answers the packets received. Each reply is sent by itself, so that its
// transmit stamp is fresh, unless so many wait that one foretold from what a
// reply took lately is worth the saving.
func (l *loop) round() {
	now := time.Now()
	size := 1
	if l.full >= overloaded {
		size = batch
	}
	l.left.begin(now)
	for i := range l.used {
		l.turn(i, now)
		if l.ready >= size {
			l.flush()
		}
	}
	l.flush()
	l.left.end(l.used)
}

// turn answers packet i of a batch that was received before now.
func (l *loop) turn(i int, now time.Time) {
	h := &l.head[i]
	if h.Hdr.Flags&unix.MSG_TRUNC != 0 {
		l.counters[BadLength].Add(1)
		return
	}
	request, client := l.buf[i][:h.Len], l.client(i)
	j := l.judge(request, client, now)
	if !j.Replied() {
		l.counters[j.Verdict].Add(1)
		return
	}
	received, _, info := messages(&l.control[i], &h.Hdr)
	if received == 0 {
		received = StampOf(now)
	}
	sample := l.stamps && (j.departed != 0 || l.left.wants(now)) // a kernel that does not would refuse to send
	if sample {
		l.flush()
	}
	// The reply goes where the request was: the line is in the cache.
	reply := l.reply(request[:0], request, client.Addr(), received, l.left.transmit(l.ready), &j)
	if sample {
		info = l.left.depart(client.Addr(), reply, info, j.departed != 0)
	}
	l.put(i, reply, info, j.Verdict)
	switch {
	case !sample:
	case l.flush():
		l.collect()
	default:
		l.restart()
	}
}
