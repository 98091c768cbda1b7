package resolver

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"sync"
	"time"
)

const (
	frameLen  = 2        // the length before each message (RFC 1035 section 4.2.2)
	firstRead = 2 << 10  // octets a connection reads into; grown for a longer query and given back
	flushAt   = 8 << 10  // octets of replies that are sent without waiting for more of the pipeline
	kernelBuf = 64 << 10 // octets a socket's buffers ask for: left alone they grow to megabytes where a client does not read
)

// tcpLoop accepts connections on one listener and answers them, each in a
// goroutine of its own.
type tcpLoop struct {
	server   *Server
	listener *net.TCPListener
	lane     int
	tls      *tls.Config // nil: plain TCP
	tally    tally
	took     latency
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
		place := l.server.conns.admit(conn, client)
		if place == nil {
			conn.Close()
			return
		}
		conn.SetReadBuffer(kernelBuf)
		conn.SetWriteBuffer(kernelBuf)
		running.Go(func() {
			defer place.leave()
			if l.tls != nil {
				l.secured(conn, place, client)
			} else {
				l.stream(conn, place, client)
			}
		})
	}
}

// openTLS binds the addresses for DNS over TLS (RFC 7858).
func (s *Server) openTLS() error {
	for _, addr := range s.cfg.TLSListen {
		listener, err := listenTCP(addr)
		if err != nil {
			return explain(addr, "tcp", err)
		}
		s.tcp = append(s.tcp, &tcpLoop{server: s, listener: listener, lane: s.cfg.Loops, tls: s.cfg.TLS})
	}
	return nil
}

// secured is stream behind TLS. The handshake has the time of a query.
func (l *tcpLoop) secured(conn net.Conn, place *place, client netip.Addr) {
	secure := tls.Server(conn, l.tls)
	conn.SetDeadline(time.Now().Add(l.server.cfg.TCP.Transfer))
	if secure.Handshake() != nil {
		l.server.unread.Add(1)
		return
	}
	l.stream(secure, place, client)
	secure.Close() // says so to the client
}

// stream answers a connection's queries in the order they come (RFC 7766
// section 6.2.1), until it breaks the rules, is idle, half-way through a query
// for too long, or goes away.
func (l *tcpLoop) stream(conn net.Conn, place *place, client netip.Addr) {
	in, zone := make([]byte, 0, firstRead), new(copying)
	for idle := l.server.cfg.TCP.Idle; ; {
		if len(in) == 0 {
			conn.SetReadDeadline(time.Now().Add(idle))
		}
		for begun := false; !whole(in); {
			if len(in) > 0 && !begun {
				begun = true
				conn.SetReadDeadline(time.Now().Add(min(idle, l.server.cfg.TCP.Transfer)))
			}
			if len(in) == cap(in) {
				in = append(make([]byte, 0, 2*cap(in)), in...)
			}
			n, err := conn.Read(in[len(in):cap(in)])
			if in = in[:len(in)+n]; n == 0 && err != nil {
				return
			}
		}
		idle = place.active(time.Now()) // what the replies tell holds after them
		rest, ok := l.flush(conn, in, client, idle, zone)
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
func (l *tcpLoop) flush(conn net.Conn, in []byte, client netip.Addr, idle time.Duration, zone *copying) (rest []byte, ok bool) {
	buf, _ := l.buffers.Get().(*[]byte)
	if buf == nil {
		b := make([]byte, 0, 2*flushAt)
		buf = &b
	}
	defer l.buffers.Put(buf)
	began := time.Now()
	out, rest, ok := l.pipeline((*buf)[:0], in, client, idle, zone)
	if len(out) > 0 {
		conn.SetWriteDeadline(time.Now().Add(l.server.cfg.TCP.Transfer))
		if _, err := conn.Write(out); err != nil {
			l.server.unsent.Add(1)
			ok = false
		}
		l.took.observe(time.Since(began), messages(out))
	}
	if ok && zone.from != nil {
		ok = l.copyZone(conn, client, zone)
	}
	return rest, ok
}

// pipeline appends the replies to the whole queries at the front of in, each
// with its length in front, until there are enough to send or zone is to be
// copied. It touches no socket. False means that the stream has ended: by a frame
// of length zero, or by something that gets no reply, such as a response.
func (l *tcpLoop) pipeline(out, in []byte, client netip.Addr, idle time.Duration, zone *copying) (replies, rest []byte, ok bool) {
	how := Transport{TCP: true, TLS: l.tls != nil, Idle: idle, Now: time.Now(), copying: zone}
	for len(out) < flushAt && whole(in) && zone.from == nil {
		zone.msg, in = in[frameLen:][:binary.BigEndian.Uint16(in)], in[frameLen+int(binary.BigEndian.Uint16(in)):]
		at := len(out) + frameLen
		out = l.server.serve(append(out, 0, 0), zone.msg, client, how, l.lane, &l.tally)
		switch {
		case zone.from != nil:
			return out[:at-frameLen], in, true
		case len(out) == at:
			return out[:at-frameLen], nil, false
		}
		binary.BigEndian.PutUint16(out[at-frameLen:], uint16(len(out)-at))
	}
	return out, in, true
}

// messages counts the messages in out, each with its length in front.
func messages(out []byte) (n int) {
	for ; len(out) > frameLen; n++ {
		out = out[frameLen+int(binary.BigEndian.Uint16(out)):]
	}
	return n
}

// whole reports whether a whole message stands at the front of in.
func whole(in []byte) bool {
	return len(in) >= frameLen && len(in) >= frameLen+int(binary.BigEndian.Uint16(in))
}
