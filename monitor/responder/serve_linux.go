//go:build linux && (amd64 || arm64 || riscv64)

package responder

import (
	"net"
	"os"
	"runtime"
	"syscall"
	"time"

	"github.com/timepool/timepool/zones/precedence"
	"golang.org/x/sys/unix"
)

// receiveBuffer is what may wait while the processor is elsewhere, in octets of
// the kernel's memory: some 2,700 requests, 10 ms at full speed. Their receive
// stamps are right all the same.
const receiveBuffer = 1 << 20

// prepare asks the kernel for receive stamps and, on a wildcard socket, for
// the address that was asked, before the first packet can arrive.
func prepare(c syscall.RawConn, ip6, wildcard, sibling bool) error {
	var err error
	control := func(fd uintptr) {
		if unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil { // a privilege
			_ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer)
		}
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

// share lets siblings bind the address of sk, which was bound alone. They
// need the same user and the option as well, which another server's first
// socket does not set. The kernel deals clients to siblings by a hash.
func share(sk *socket) error {
	return control(sk.conn, func(fd int) error { return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
}

// control calls f with the descriptor of c.
func control(c syscall.Conn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	if failed := raw.Control(func(fd uintptr) { err = f(int(fd)) }); failed != nil {
		return failed
	}
	return err
}

// detach takes the socket from the runtime's poller: with a poller on it the
// kernel wakes one for every reply that has left, and a thread that waits in
// recvmmsg itself is sooner at work.
func (sk *socket) detach() (*os.File, error) {
	var fd int
	err := control(sk.conn, func(old int) (err error) {
		if fd, err = unix.FcntlInt(uintptr(old), unix.F_DUPFD_CLOEXEC, 0); err == nil {
			err = unix.SetNonblock(fd, false)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "udp")
	sk.file.Store(file)
	return file, sk.conn.Close()
}

// close lets serve end, which waits in the kernel until the socket is shut down.
func (sk *socket) close() {
	sk.closed.Store(true)
	if file := sk.file.Load(); file != nil {
		_ = control(file, func(fd int) error { return unix.Shutdown(fd, unix.SHUT_RDWR) })
	}
	sk.conn.Close()
}

// serve takes packets in batches straight from the socket; net.UDPConn would
// cost a third more.
func (s *Server) serve(sk *socket) error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	s.threads <- precedence.Hurry()
	file, err := sk.detach()
	if err != nil {
		return err
	}
	defer file.Close()
	fd, r := file.Fd(), newRing()
	r.briefly = precedence.Brief(fd, len(s.sockets))
	for {
		// Before as well: close may have come while detach was under way.
		if sk.closed.Load() {
			return net.ErrClosed
		}
		n, errno := r.receive(fd)
		if sk.closed.Load() {
			return net.ErrClosed
		}
		switch errno {
		case 0:
			r.left.collect(fd, s.memory) // those that came late
			s.round(fd, sk, r, n)
		case unix.EINTR:
		case unix.EAGAIN: // for a while nothing was sent
			r.left.drain(fd, s.memory)
		default:
			return errno
		}
	}
}

// precede lets the loops go before all other threads of the process.
func (s *Server) precede() {
	threads := make(map[int]bool)
	for range s.sockets {
		threads[<-s.threads] = true
	}
	precedence.First(threads)
}

// overloaded is how many full batches mean that requests come faster than they
// can be answered one by one: more than a socket holds after a stall.
const overloaded = 64

// round answers the n packets of a batch. Each reply is sent by itself, so that
// its transmit stamp is fresh, unless so many wait that one foretold from what a
// reply took lately is worth the saving.
func (s *Server) round(fd uintptr, sk *socket, r *ring, n int) {
	now := time.Now()
	size := 1
	if r.full >= overloaded {
		size = batch
	}
	r.left.begin(now)
	for i := range n {
		s.turn(fd, sk, r, i, now)
		if r.ready >= size {
			s.flush(fd, sk, r)
		}
	}
	s.flush(fd, sk, r)
	r.left.end(n)
}

// turn answers packet i of a batch that was received before now.
func (s *Server) turn(fd uintptr, sk *socket, r *ring, i int, now time.Time) {
	h := &r.head[i]
	if h.Hdr.Flags&unix.MSG_TRUNC != 0 {
		sk.counters[BadLength].Add(1)
		return
	}
	received, info := r.read(i)
	if received == 0 {
		received = StampOf(now)
	}
	request, client := r.buf[i][:h.Len], r.client(i)
	state, v := s.judge(request, client, now)
	if !v.Replied() {
		sk.counters[v].Add(1)
		return
	}
	departed, keep := s.recall(request, client.Addr(), state, &v)
	sample := departed != 0 || r.left.wants(now)
	if sample {
		s.flush(fd, sk, r)
	}
	// The reply goes where the request was: the line is in the cache.
	transmit := r.left.transmit(r.ready)
	reply := fill(request[:0], request, received, transmit, departed, state)
	if keep { // until the kernel has a better stamp than this one
		s.memory.keep(client.Addr(), stampIn(reply, 32), transmit, departed != 0)
	}
	if sample {
		info = r.left.depart(client.Addr(), reply, info, departed != 0)
	}
	r.put(i, reply, info, v)
	if sample {
		if s.flush(fd, sk, r) {
			r.left.collect(fd, s.memory)
		} else {
			r.left.restart(fd)
		}
	}
}

// flush sends the replies that wait; false where one could not be sent.
func (s *Server) flush(fd uintptr, sk *socket, r *ring) (all bool) {
	all = true
	for at := 0; at < r.ready; {
		n := r.send(fd, at)
		for range n {
			sk.counters[r.verdict[at]].Add(1)
			at++
		}
		if n == 0 {
			sk.counters[Unsent].Add(1)
			at++
			all = false
		}
	}
	r.ready = 0
	return all
}
