package monitor

import (
	"encoding/binary"
	"net"
	"net/netip"
	"testing"
	"time"
)

// serveNTP answers requests on a loopback port until the test ends. reply may
// return nil to stay silent.
func serveNTP(t testing.TB, address string, reply func(request []byte) []byte) netip.AddrPort {
	t.Helper()
	c, err := net.ListenPacket("udp", address)
	if err != nil {
		t.Skipf("no socket on %s: %v", address, err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(b)
			if err != nil {
				return
			}
			if out := reply(b[:n]); out != nil {
				c.WriteTo(out, from)
			}
		}
	}()
	t.Cleanup(func() { c.Close(); <-done })
	return c.LocalAddr().(*net.UDPAddr).AddrPort()
}

// packet is an NTP answer under construction.
type packet []byte

// answer is what a good stratum 2 server says: root delay 10 ms, root
// dispersion 5 ms, set 16 s ago.
func answer(request []byte) packet {
	p := make(packet, 48)
	p[0], p[1], p[2], p[3] = 4<<3|4, 2, 6, 0xe9
	binary.BigEndian.PutUint32(p[4:], 655)
	binary.BigEndian.PutUint32(p[8:], 328)
	copy(p[12:], []byte{10, 16, 0, 1})
	copy(p[24:32], request[40:48])
	return p.at(time.Now())
}

func (p packet) at(now time.Time) packet {
	putTime(p[16:], now.Add(-16*time.Second))
	putTime(p[32:], now)
	putTime(p[40:], now)
	return p
}

func (p packet) leap(n byte) packet    { p[0] = p[0]&0x3f | n<<6; return p }
func (p packet) stratum(n byte) packet { p[1] = n; return p }

// kiss makes p what chronyd sends to one it limits: no times at all.
func (p packet) kiss(code string) packet {
	clear(p[12:24])
	clear(p[32:])
	copy(p[12:], code)
	return p.leap(3).stratum(0)
}

// putTime writes an NTP timestamp (RFC 5905 §6).
func putTime(b []byte, t time.Time) {
	binary.BigEndian.PutUint32(b, uint32(t.Unix()+2208988800))
	binary.BigEndian.PutUint32(b[4:], uint32(uint64(t.Nanosecond())<<32/1e9))
}
