package resolver

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"

	"github.com/miekg/dns"
)

// Ask puts a question to the server over UDP as any client would: the SOA of
// its zone, at the first address that it listens on. It tells what is wrong
// with the answer, or that none came before ctx was done.
func (s *Server) Ask(ctx context.Context) error {
	live := s.live.Load()
	if live == nil || len(s.addrs) == 0 {
		return fmt.Errorf("dns is not listening yet")
	}
	to := s.addrs[0]
	if to.Addr().IsUnspecified() {
		loopback := netip.IPv6Loopback()
		if to.Addr().Is4() {
			loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})
		}
		to = netip.AddrPortFrom(loopback, to.Port())
	}
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "udp", to.String())
	if err != nil {
		return fmt.Errorf("dns: %w", err)
	}
	defer conn.Close()
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	ask := []byte{'t', 'p', 0, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	ask = append(append(ask, live.snapshot.apexes[0].wire...), 0, byte(dns.TypeSOA), 0, byte(dns.ClassINET))
	if _, err := conn.Write(ask); err != nil {
		return fmt.Errorf("dns: %w", err)
	}
	answer := make([]byte, maxQuery)
	n, err := conn.Read(answer)
	switch {
	case err != nil:
		return fmt.Errorf("dns at %v does not answer: %w", to, err)
	case n < headerLen || string(answer[:2]) != string(ask[:2]) || answer[3]&15 != dns.RcodeSuccess || binary.BigEndian.Uint16(answer[6:]) == 0:
		return fmt.Errorf("dns at %v does not answer for its zone", to)
	}
	return nil
}
