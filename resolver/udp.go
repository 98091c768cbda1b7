package resolver

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"
)

// maxQuery bounds a query over UDP: one of so many octets or more is dropped.
// Options and all, honest ones stay far below. It is no power of two, so that
// packets side by side do not compete for the same lines of the cache.
const maxQuery = 4<<10 + 64

// udpLoop answers what comes in on one socket.
type udpLoop struct {
	server *Server
	conn   *net.UDPConn // for packets one by one, or
	file   *os.File     // for many at a time
	closed atomic.Bool
	thread chan int // gets the loop's own, once it has one
	lane   int
	tally  tally
	took   latency
	now    time.Time // read once for all packets taken at a time
}

// newLoop takes the socket over.
func (s *Server) newLoop(conn *net.UDPConn, lane int) (l *udpLoop, err error) {
	l = &udpLoop{server: s, conn: conn, lane: lane, thread: make(chan int, 1)}
	if batched && !s.cfg.single {
		l.conn = nil
		l.file, err = detach(conn)
	}
	return l, err
}

// run returns when the loop is stopped.
func (l *udpLoop) run() {
	if l.file != nil {
		l.many()
	} else {
		l.single()
	}
}

// stop ends run.
func (l *udpLoop) stop() {
	l.closed.Store(true)
	if l.file != nil {
		wake(l.file)
	} else {
		l.conn.Close()
	}
}

// socket is for what can be asked of either.
func (l *udpLoop) socket() syscall.Conn {
	if l.file != nil {
		return l.file
	}
	return l.conn
}

// single takes a packet at a time, which every system can.
func (l *udpLoop) single() {
	in, out := make([]byte, maxQuery), make([]byte, 0, l.room(1))
	control := make([]byte, 64)
	for failures := 0; ; {
		n, c, _, client, err := l.conn.ReadMsgUDPAddrPort(in, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of memory, or another system's way of telling about ICMP
			failures = l.failed(failures)
			continue
		}
		failures, l.now = 0, time.Now()
		reply := l.answer(out, in[:n], client.Addr())
		if len(reply) == 0 {
			continue
		}
		if _, _, err := l.conn.WriteMsgUDPAddrPort(reply, replyFrom(control[:c]), client); err != nil {
			l.server.unsent.Add(1)
		}
		l.took.observe(time.Since(l.now), 1)
	}
}

// answer appends the reply to a packet as it came.
func (l *udpLoop) answer(dst, packet []byte, client netip.Addr) []byte {
	if len(packet) == maxQuery { // and more of it is lost
		l.tally.count(Dropped)
		return dst
	}
	return l.server.serve(dst, packet, client, Transport{Now: l.now}, l.lane, &l.tally)
}

// room is what replies may take before they move to memory of their own: an
// RRset is appended before it is found too long.
func (l *udpLoop) room(replies int) int { return replies*maxUDP + maxTCP/32 }

// failed counts a receive that failed, and waits when they do not end.
func (l *udpLoop) failed(before int) int {
	l.server.unread.Add(1)
	if before >= 10 {
		time.Sleep(10 * time.Millisecond)
	}
	return before + 1
}
