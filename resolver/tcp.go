package resolver

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	frameLen  = 2       // the length before each message (RFC 1035 section 4.2.2)
	firstRead = 2 << 10 // octets a connection reads into; grown for a longer query and given back
	flushAt   = 8 << 10 // octets of replies that are sent without waiting for more of the pipeline
)

// tcpLoop accepts connections on one listener and answers them, each in a
// goroutine of its own.
type tcpLoop struct {
	server   *Server
	listener *net.TCPListener
	lane     int
	tally    tally
	buffers  sync.Pool // of *[]byte for replies, held only while answering
}

// run returns when the listener is closed; its connections are in running.
func (l *tcpLoop) run(running *sync.WaitGroup) {
	for {
		conn, err := l.listener.AcceptTCP()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil { // out of file descriptors, or the client is gone already
			l.server.unread.Add(1)
			time.Sleep(time.Millisecond)
			continue
		}
		client := conn.RemoteAddr().(*net.TCPAddr).AddrPort().Addr().Unmap()
		if !l.server.conns.admit(conn, client) {
			conn.Close()
			continue
		}
		running.Go(func() {
			defer l.server.conns.leave(conn, client)
			l.stream(conn, client)
		})
	}
}

// stream answers a connection's queries in the order they come (RFC 7766
// section 6.2.1), until it breaks the rules, is idle or goes away. A query has
// the idle time to come whole, so that octets sent one by one hold nothing up.
func (l *tcpLoop) stream(conn net.Conn, client netip.Addr) {
	in := make([]byte, 0, firstRead)
	for {
		conn.SetReadDeadline(time.Now().Add(l.server.cfg.TCP.Idle))
		for !whole(in) {
			if len(in) == cap(in) {
				in = append(make([]byte, 0, 2*cap(in)), in...)
			}
			n, err := conn.Read(in[len(in):cap(in)])
			if in = in[:len(in)+n]; n == 0 && err != nil {
				return
			}
		}
		rest, ok := l.flush(conn, in, client)
		if !ok {
			return
		}
		if cap(in) > firstRead && len(rest) < firstRead {
			in = make([]byte, 0, firstRead)
		}
		in = append(in[:0], rest...)
	}
}

// flush answers some of the whole queries in in, with one write, and returns
// what is left. False means that the connection shall be closed.
func (l *tcpLoop) flush(conn net.Conn, in []byte, client netip.Addr) (rest []byte, ok bool) {
	buf, _ := l.buffers.Get().(*[]byte)
	if buf == nil {
		b := make([]byte, 0, 2*flushAt)
		buf = &b
	}
	defer l.buffers.Put(buf)
	out, rest, ok := l.pipeline((*buf)[:0], in, client)
	if len(out) > 0 {
		conn.SetWriteDeadline(time.Now().Add(l.server.cfg.TCP.Write))
		if _, err := conn.Write(out); err != nil {
			l.server.unsent.Add(1)
			ok = false
		}
	}
	return rest, ok
}

// pipeline appends the replies to the whole queries at the front of in, each
// with its length in front, until there are enough to send. It touches no
// socket. False means that the stream has ended: by a frame of length zero, or
// by something that gets no reply, such as a response.
func (l *tcpLoop) pipeline(out, in []byte, client netip.Addr) (replies, rest []byte, ok bool) {
	for len(out) < flushAt && whole(in) {
		end := frameLen + int(binary.BigEndian.Uint16(in))
		at := len(out) + frameLen
		out = l.server.serve(append(out, 0, 0), in[frameLen:end], client, true, l.lane, &l.tally)
		if len(out) == at {
			return out[:at-frameLen], nil, false
		}
		binary.BigEndian.PutUint16(out[at-frameLen:], uint16(len(out)-at))
		in = in[end:]
	}
	return out, in, true
}

// whole reports whether a whole message stands at the front of in.
func whole(in []byte) bool {
	return len(in) >= frameLen && len(in) >= frameLen+int(binary.BigEndian.Uint16(in))
}

// connections bounds how many TCP connections are open, in all and from one
// source.
type connections struct {
	limits           TCPLimits
	mu               sync.Mutex
	open             map[net.Conn]struct{}
	sources          map[netip.Addr]int
	accepted, turned uint64
	closed           bool
}

// source is what is counted as one client: an IPv4 address, an IPv6 /64.
func source(client netip.Addr) netip.Addr {
	if client.Is6() {
		p, _ := client.WithZone("").Prefix(64)
		return p.Addr()
	}
	return client
}

// admit reports whether the connection may stay.
func (c *connections) admit(conn net.Conn, client netip.Addr) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.open == nil {
		c.open, c.sources = map[net.Conn]struct{}{}, map[netip.Addr]int{}
	}
	if c.closed || len(c.open) >= c.limits.Connections || c.sources[source(client)] >= c.limits.PerSource {
		c.turned++
		return false
	}
	c.open[conn] = struct{}{}
	c.sources[source(client)]++
	c.accepted++
	return true
}

// leave closes an admitted connection.
func (c *connections) leave(conn net.Conn, client netip.Addr) {
	conn.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, conn)
	if c.sources[source(client)]--; c.sources[source(client)] == 0 {
		delete(c.sources, source(client))
	}
}

// close closes all connections and admits no more.
func (c *connections) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for conn := range c.open {
		conn.Close()
	}
}

func (c *connections) counted() (accepted, turned uint64, open int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted, c.turned, len(c.open)
}
