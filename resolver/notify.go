package resolver

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"net/netip"
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
		for _, changed := range s.changed {
			select {
			case changed <- struct{}{}:
			default: // not taken up yet
			}
		}
	}
}

// notify tells one secondary of each change until ctx is done (RFC 1996). A
// change that comes while one is being told begins anew.
func (s *Server) notify(ctx context.Context, to Secondary, changed <-chan struct{}) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-changed:
		}
		live := s.live.Load().snapshot
		for i := range live.apexes {
			if err := to.notify(ctx, live, &live.apexes[i], changed); err != nil && ctx.Err() == nil {
				s.cfg.Log.Warn("secondary not notified", "secondary", to.Addr, "serial", live.Serial, "error", err)
			}
		}
	}
}

// notify tells the secondary of one zone, again and again until it replies.
func (to *Secondary) notify(ctx context.Context, live *Snapshot, a *apex, changed <-chan struct{}) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", to.Addr.String())
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	id, wait := uint16(rand.Uint32()), notifyWait
	for range notifyTries {
		query := appendNotify(nil, id, live, a)
		g := &signer{key: to.Key}
		if _, err = conn.Write(g.sign(query, 0, time.Now())); err == nil {
			err = awaitNotify(ctx, conn, id, time.Now().Add(wait))
		}
		if err == nil || ctx.Err() != nil || len(changed) > 0 {
			return nil
		}
		if refused := (*refusal)(nil); errors.As(err, &refused) {
			return err
		}
		wait *= 2
	}
	return err
}

// appendNotify appends the message with the new SOA (RFC 1996 section 3.7).
func appendNotify(dst []byte, id uint16, live *Snapshot, a *apex) []byte {
	dst = append(dst, byte(id>>8), byte(id), dns.OpcodeNotify<<3|flagAA, 0, 0, 1, 0, 1, 0, 0, 0, 0)
	dst = append(append(dst, a.wire...), 0, byte(dns.TypeSOA), 0, byte(dns.ClassINET))
	return append(dst, live.names[a.wire].set(dns.TypeSOA).wire...)
}

// refusal is an rcode that more tries do not mend.
type refusal struct{ rcode int }

func (r *refusal) Error() string { return "refused with " + dns.RcodeToString[r.rcode] }

// awaitNotify waits for the reply with that id. Its signature is not looked at:
// a forged one could at worst keep a secondary waiting for its next refresh.
func awaitNotify(ctx context.Context, conn net.Conn, id uint16, until time.Time) error {
	conn.SetReadDeadline(until)
	buf := make([]byte, maxTCP)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			// A port that is closed says so at once: the pause is for it, too.
			if timeout := (net.Error)(nil); !errors.As(err, &timeout) || !timeout.Timeout() {
				pause, stop := context.WithDeadline(ctx, until)
				defer stop()
				<-pause.Done()
			}
			return err
		}
		if n >= headerLen && buf[2]&(flagQR|0x78) == flagQR|dns.OpcodeNotify<<3 && uint16(buf[0])<<8|uint16(buf[1]) == id {
			if rcode := int(buf[3] & 0xF); rcode != dns.RcodeSuccess {
				return &refusal{rcode}
			}
			return nil
		}
	}
}
