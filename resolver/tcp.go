package resolver

import (
	"bufio"
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
	firstRead = 2 << 10  // octets a connection reads into
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
		if l.server.limits.judge(client.WithZone(""), true, time.Time{}) == Denied { // before it takes anybody's place
			l.tally.count(Denied)
			conn.Close()
			continue
		}
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
	limits, in := &l.server.cfg.TCP, queries{Scanner: bufio.NewScanner(conn)}
	how := Transport{TCP: true, TLS: l.tls != nil, Idle: limits.Idle, copying: new(copying)}
	in.Buffer(make([]byte, 0, firstRead), frameLen+maxTCP)
	begun := false
	in.Split(func(held []byte, _ bool) (int, []byte, error) {
		if whole(held) {
			end := frameLen + int(binary.BigEndian.Uint16(held))
			begun, in.more = false, whole(held[end:])
			return end, held[frameLen:end], nil
		}
		if !begun {
			begun = true
			conn.SetReadDeadline(time.Now().Add(min(how.Idle, limits.Transfer)))
		}
		return 0, nil, nil
	})
	for ok := true; ok; {
		conn.SetReadDeadline(time.Now().Add(how.Idle))
		if !in.Scan() {
			return
		}
		how.Now = time.Now()
		how.Idle = place.active(how.Now) // what the replies tell holds after them
		ok = l.pipeline(conn, &in, client, how)
		if ok && how.copying.from != nil {
			ok = l.copyZone(conn, client, how.copying)
		}
	}
}

// queries are those of a stream, each with its length in front. The memory
// for a long one grows with what has come of it.
type queries struct {
	*bufio.Scanner
	more bool // the next one is there, whole
}

// pipeline answers a query and those behind it with one write, until there is
// enough to send or a zone is to be copied. False means that the stream has ended:
// by a frame of length zero, by something that gets no reply, such as a response,
// or because the replies were not taken.
func (l *tcpLoop) pipeline(conn net.Conn, in *queries, client netip.Addr, how Transport) (ok bool) {
	buf, _ := l.buffers.Get().(*[]byte)
	if buf == nil {
		b := make([]byte, 0, 2*flushAt)
		buf = &b
	}
	defer l.buffers.Put(buf)
	out, replies := (*buf)[:0], 0
	for next := true; next; next = in.more && len(out) < flushAt && in.Scan() {
		at := len(out) + frameLen
		out = l.server.serve(append(out, 0, 0), in.Bytes(), client, how, l.lane, &l.tally)
		if ok = len(out) > at; !ok || how.copying.from != nil {
			out = out[:at-frameLen]
			break
		}
		binary.BigEndian.PutUint16(out[at-frameLen:], uint16(len(out)-at))
		replies++
	}
	if replies > 0 {
		conn.SetWriteDeadline(time.Now().Add(l.server.cfg.TCP.Transfer))
		if _, err := conn.Write(out); err != nil {
			l.server.unsent.Add(1)
			ok = false
		}
		l.took.observe(time.Since(how.Now), replies)
	}
	return ok
}

// whole reports whether a whole message stands at the front of in.
func whole(in []byte) bool {
	return len(in) >= frameLen && len(in) >= frameLen+int(binary.BigEndian.Uint16(in))
}
