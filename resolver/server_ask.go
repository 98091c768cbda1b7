package resolver

import (
	"context"
	"errors"
	"fmt"

	"github.com/miekg/dns"
)

// Ask puts a question to the server over UDP as any client would: the SOA of
// its zone, at the first address that it listens on. It tells what is wrong
// with the answer, or that none came within two seconds or before ctx was done.
func (s *Server) Ask(ctx context.Context) error {
	live := s.live.Load()
	if live == nil || len(s.addrs) == 0 {
		return errors.New("dns is not listening yet")
	}
	to, client := s.addrs[0], dns.Client{Net: network("udp", s.addrs[0])}
	m := new(dns.Msg).SetQuestion(live.snapshot.apexes[0].soa.owner, dns.TypeSOA)
	reply, _, err := client.ExchangeContext(ctx, m, to.String()) // a wildcard address stands for this host
	switch {
	case err != nil:
		return fmt.Errorf("dns at %v does not answer: %w", to, err)
	case reply.Rcode != dns.RcodeSuccess || len(reply.Answer) == 0:
		return fmt.Errorf("dns at %v does not answer for its zone", to)
	}
	return nil
}
