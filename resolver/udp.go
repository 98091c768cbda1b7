package resolver

import (
	"errors"
	"net"
	"time"
)

// udpLoop answers what comes in on one socket, a packet at a time.
type udpLoop struct {
	server *Server
	conn   *net.UDPConn
	lane   int
	tally  tally
}

// run returns when the socket is closed.
func (l *udpLoop) run() {
	in, out := make([]byte, maxTCP), make([]byte, 0, l.server.cfg.UDPSize+maxTCP/32)
	control := make([]byte, 64)
	for failures := 0; ; {
		n, c, _, client, err := l.conn.ReadMsgUDPAddrPort(in, control)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of memory, or another system's way of telling about ICMP
			l.server.unread.Add(1)
			if failures++; failures > 10 {
				time.Sleep(10 * time.Millisecond)
			}
			continue
		}
		failures = 0
		reply := l.server.serve(out[:0], in[:n], client.Addr(), false, l.lane, &l.tally)
		if len(reply) == 0 {
			continue
		}
		if _, _, err := l.conn.WriteMsgUDPAddrPort(reply, replyFrom(control[:c]), client); err != nil {
			l.server.unsent.Add(1)
		}
	}
}
