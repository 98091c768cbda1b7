package resolver

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestBurst: many packets at once from two clients, with some among them that
// get no reply: each client gets the replies to its own, whatever batch they
// came in.
func TestBurst(t *testing.T) {
	bothLoops(t, func(t *testing.T, single bool) {
		s := serving(t, newSample(t), Config{Loops: 1, single: single}, "127.0.0.1:0", "[::]:0")
		wildcard := netip.AddrPortFrom(netip.IPv6Loopback(), s.Addrs()[1].Port())
		to6, err := net.Dial("udp", wildcard.String())
		if err != nil {
			t.Fatal(err)
		}
		defer to6.Close()
		to6.SetDeadline(time.Now().Add(20 * time.Second))
		clients := []net.Conn{dial(t, "udp", s), dial(t, "udp", s), to6}
		names := []string{"quad.pool.example.", "gone.pool.example.", "dead.pool.example."}
		const each = 100
		for i := range each {
			for c, conn := range clients {
				query, _ := question(names[c], dns.TypeA).Pack()
				binary.BigEndian.PutUint16(query, uint16(i))
				conn.Write(query)
				if i%3 == c {
					conn.Write(query[:headerLen-1])
					conn.Write(append(query, make([]byte, maxQuery)...))
				}
			}
		}
		buf := make([]byte, 1500)
		for c, conn := range clients {
			seen := map[uint16]bool{}
			for range each {
				n, err := conn.Read(buf)
				if err != nil {
					t.Fatal(err)
				}
				var m dns.Msg
				if err := m.Unpack(buf[:n]); err != nil || m.Question[0].Name != names[c] || seen[m.Id] || m.Id >= each {
					t.Fatalf("%v: %v", err, &m)
				}
				seen[m.Id] = true
			}
		}
		got := s.Counters()
		if want := [Verdicts]uint64{Answered: each, NXDomain: each, ServFail: each, Dropped: 2 * each}; got.UDP != want || got.Unsent+got.Unread != 0 {
			t.Errorf("%+v", got)
		}
	})
}
