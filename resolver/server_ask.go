package resolver

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"
)

// Ask puts a question to the server over UDP as any client would: the SOA of
// its zone, at the first address that it listens on. It tells what is wrong
// with the answer, or that none came within two seconds or before ctx was done.
// Where Limits keep this host out, being refused is right, and of a server that
// has to be silent nothing can be told.
func (s *Server) Ask(ctx context.Context) error {
	live := s.live.Load()
	if live == nil || len(s.addrs) == 0 {
		return errors.New("dns is not listening yet")
	}
	to, client := s.addrs[0], dns.Client{Net: network("udp", s.addrs[0])}
	conn, err := client.DialContext(ctx, to.String()) // a wildcard address stands for this host
	if err != nil {
		return fmt.Errorf("dns at %v: %w", to, err)
	}
	defer conn.Close()
	rcode, answers := dns.RcodeSuccess, 1
	switch s.limits.judge(conn.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap(), true, time.Time{}) {
	case Denied:
		return nil
	case Refused:
		rcode, answers = dns.RcodeRefused, 0
	}
	m := new(dns.Msg).SetQuestion(live.snapshot.apexes[0].soa.owner, dns.TypeSOA)
	reply, _, err := client.ExchangeWithConnContext(ctx, m, conn)
	switch {
	case err != nil:
		return fmt.Errorf("dns at %v does not answer: %w", to, err)
	case reply.Rcode != rcode || len(reply.Answer) < answers:
		return fmt.Errorf("dns at %v does not answer for its zone", to)
	}
	return nil
}
