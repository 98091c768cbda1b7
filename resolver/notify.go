package resolver

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// Secondary is a server that is told when the zone changed.
type Secondary struct {
	Addr netip.AddrPort
	Key  *Key // nil: unsigned
}

const (
	notifyTries = 6               // RFC 1996 section 3.6 has 5 retries
	notifyWait  = 2 * time.Second // for the first reply, and twice as long each time; the RFC's 60 s are for slow links
)

// announce has everybody on the list told of that serial if it is new: notify
// takes it up.
func (s *Server) announce(serial uint32) {
	if s.told.Swap(uint64(serial)+1) != uint64(serial)+1 {
		select {
		case s.changed <- struct{}{}:
		default: // not taken up yet
		}
	}
}

// notify tells the secondaries of each change until ctx is done (RFC 1996). A
// change that comes while one is being told begins anew.
func (s *Server) notify(ctx context.Context) {
	var telling sync.WaitGroup
	defer telling.Wait()
	stop := func() {}
	for {
		select {
		case <-ctx.Done():
			stop()
			return
		case <-s.changed:
		}
		stop()
		telling.Wait()
		live := s.live.Load().snapshot
		var now context.Context
		now, stop = context.WithCancel(ctx)
		for _, to := range live.made.Transfers.Notify {
			telling.Go(func() {
				for _, a := range live.apexes {
					if err := to.notify(now, live.names[a.wire].set(dns.TypeSOA)); err != nil && now.Err() == nil {
						s.cfg.Log.Warn("secondary not notified", "secondary", to.Addr, "serial", live.Serial, "error", err)
					}
				}
			})
		}
	}
}

// notify tells the secondary of one zone's new SOA (RFC 1996 section 3.7), again
// and again until it replies.
func (to *Secondary) notify(ctx context.Context, soa *rrset) error {
	raw, err := (&net.Dialer{}).DialContext(ctx, "udp", to.Addr.String())
	if err != nil {
		return err
	}
	defer raw.Close()
	defer context.AfterFunc(ctx, func() { raw.Close() })()
	client := dns.Client{Timeout: notifyWait}
	m := new(dns.Msg).SetNotify(soa.owner)
	m.Answer = soa.rrs
	for range notifyTries {
		if to.Key != nil {
			client.TsigProvider = to.Key
			m.SetTsig(to.Key.name, to.Key.algorithm, fudge, time.Now().Unix())
		}
		next := time.After(client.Timeout)
		var reply *dns.Msg
		if reply, _, err = client.ExchangeWithConn(m, &dns.Conn{Conn: raw}); err == nil {
			if reply.Rcode != dns.RcodeSuccess { // which more tries do not mend
				return fmt.Errorf("refused with %s", dns.RcodeToString[reply.Rcode])
			}
			return nil
		}
		select { // a port that is closed says so at once: the pause is for it, too
		case <-ctx.Done():
			return ctx.Err()
		case <-next:
		}
		client.Timeout *= 2
	}
	return err
}
