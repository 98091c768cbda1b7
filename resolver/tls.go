package resolver

import (
	"crypto/tls"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// padTo is what replies over TLS are padded to a multiple of, where the query
// has the padding option (RFC 8467 section 4.1): neither tells what was asked.
const padTo = 468

// openTLS binds the addresses for DNS over TLS (RFC 7858).
func (s *Server) openTLS() error {
	for _, addr := range s.cfg.TLSListen {
		listener, err := net.ListenTCP(network("tcp", addr), net.TCPAddrFromAddrPort(addr))
		if err != nil {
			return explain(addr, "tcp", err)
		}
		s.tcp = append(s.tcp, &tcpLoop{server: s, listener: listener, lane: s.cfg.Loops, tls: s.cfg.TLS})
	}
	return nil
}

// TLSAddrs returns the addresses of Config.TLSListen as they were bound.
func (s *Server) TLSAddrs() (addrs []netip.AddrPort) {
	for _, l := range s.tcp {
		if l.tls != nil {
			addrs = append(addrs, l.listener.Addr().(*net.TCPAddr).AddrPort())
		}
	}
	return addrs
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

// pad appends the padding option, the last one, so that the reply's length is a
// multiple of padTo.
func (r *reply) pad() {
	with := len(r.buf) - r.base + 4
	n := min((padTo-with%padTo)%padTo, maxTCP-with)
	if n < 0 {
		return
	}
	r.buf = appendOption(r.buf, dns.EDNS0PADDING, n)
	for range n {
		r.buf = append(r.buf, 0)
	}
}
