package resolver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"
)

// receiveBuffer is what each UDP socket asks for, so that a burst waits rather
// than being lost; the system may give less (net.core.rmem_max).
const receiveBuffer = 4 << 20

// listen binds addr for UDP, sockets times where ports can be shared, and for
// TCP. With port 0 the system picks one that both can have.
func listen(addr netip.AddrPort, sockets int) ([]*net.UDPConn, *net.TCPListener, error) {
	for try := 0; ; try++ {
		udp, err := listenUDP(addr, sockets)
		if err != nil {
			return nil, nil, explain(addr, "udp", err)
		}
		bound := netip.AddrPortFrom(addr.Addr(), udp[0].LocalAddr().(*net.UDPAddr).AddrPort().Port())
		tcp, err := listenTCP(bound)
		if err == nil {
			return udp, tcp, nil
		}
		for _, conn := range udp {
			conn.Close()
		}
		if addr.Port() != 0 || try == 10 {
			return nil, nil, explain(addr, "tcp", err)
		}
	}
}

func listenTCP(addr netip.AddrPort) (*net.TCPListener, error) {
	return net.ListenTCP(network("tcp", addr), net.TCPAddrFromAddrPort(addr))
}

// listenUDP binds the first socket alone, because a port that two processes
// share without knowing would take half of each other's queries, and only then
// opens it to the others of this process.
func listenUDP(addr netip.AddrPort, sockets int) (conns []*net.UDPConn, err error) {
	for i := range sockets {
		config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
			return prepare(raw, addr.Addr(), i > 0)
		}}
		var conn net.PacketConn
		if conn, err = config.ListenPacket(context.Background(), network("udp", addr), addr.String()); err != nil {
			break
		}
		udp := conn.(*net.UDPConn)
		conns = append(conns, udp)
		udp.SetReadBuffer(receiveBuffer)
		if i == 0 && sockets > 1 {
			addr = netip.AddrPortFrom(addr.Addr(), udp.LocalAddr().(*net.UDPAddr).AddrPort().Port())
			if err = openToOthers(udp); err != nil {
				break
			}
		}
	}
	if err != nil {
		for _, conn := range conns {
			conn.Close()
		}
		return nil, err
	}
	return conns, nil
}

// network keeps the families apart, so that [::] does not take 0.0.0.0 too.
func network(proto string, addr netip.AddrPort) string {
	if addr.Addr().Is4() {
		return proto + "4"
	}
	return proto + "6"
}

// mends is what helps against the usual faults.
var mends = map[syscall.Errno]string{
	syscall.EADDRINUSE:    "another server holds it (see ss -lntup)",
	syscall.EACCES:        "ports below 1024 need CAP_NET_BIND_SERVICE (AmbientCapabilities= in systemd); or listen on a high port",
	syscall.EADDRNOTAVAIL: "no interface has this address (see ip address)",
	syscall.EAFNOSUPPORT:  "this host has no such protocol; take the address out of dns.listen",
	syscall.EMFILE:        "raise the limit of open files (LimitNOFILE= in systemd)",
}

// explain says in one line what could not be bound, why, and what mends it.
func explain(addr netip.AddrPort, proto string, err error) error {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("dns %s: %w", addr, err)
	}
	return fmt.Errorf("dns %s/%s: %w: %s", addr, proto, errno, cmp.Or(mends[errno], "is it a local address?"))
}
