package responder

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// Replies of chronyd 4.3 to the tracking command.
const (
	chronydLocal  = "060200000021000500000000000000000102030400000000000000007f7f0101000000000000000000000000000000000000000000050000000000006b026b14315d8a09000000000000000000000000000000000000000000000000000000000000000000000000"
	chronydUnsync = "0602000000210005000000000000000001020304000000000000000000000000000000000000000000000000000000000000000000000003000000000000000000000000000000000000000000000000000000000000000000000000048000000480000000000000"
	chronydServer = "060200000021000500000000000000000102030400000000000000007f0000017f0000010000000000000000000000000001000000060000000000006b026b3c034299e8dd65a1c7d1304781d4a34278f718318cef7d45f4fa8ffd8ee086f4b8dc87183cfc82db78"
)

func decode(t testing.TB, s string) []byte {
	t.Helper()
	p, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// fakeChronyd answers the tracking command on a loopback socket with what
// change makes of a recorded reply; nil answers nothing.
func fakeChronyd(t *testing.T, recorded string, change func(reply []byte) []byte) netip.AddrPort {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { conn.Close(); <-done })
	go func() {
		defer close(done)
		buf := make([]byte, 2048)
		for {
			n, client, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			reply := decode(t, recorded)
			if n != len(reply) || buf[0] != 6 || buf[1] != 1 || binary.BigEndian.Uint16(buf[4:]) != 33 {
				t.Errorf("request % x", buf[:n])
			}
			// A stray reply to somebody else's question comes first.
			binary.BigEndian.PutUint32(reply[16:], binary.BigEndian.Uint32(buf[8:])+1)
			conn.WriteToUDPAddrPort(reply, client)
			copy(reply[16:], buf[8:12])
			if reply = change(reply); reply != nil {
				conn.WriteToUDPAddrPort(reply, client)
			}
		}
	}()
	return conn.LocalAddr().(*net.UDPAddr).AddrPort()
}

func TestChronydTracking(t *testing.T) {
	same := func(p []byte) []byte { return p }
	read := func(recorded string, change func([]byte) []byte) (State, error) {
		return Chronyd(fakeChronyd(t, recorded, change)).Read(t.Context())
	}

	s, err := read(chronydLocal, same)
	if err != nil || s.Stratum != 5 || s.RefID != 0x7f7f0101 || s.Leap != 0 || s.RootDelay != 0 || s.RootDispersion != 0 ||
		!s.RefTime.Equal(time.Unix(0x6b026b14, 0x315d8a09)) {
		t.Errorf("local stratum 5: %+v %v", s, err)
	}

	// As decoded by hand: root delay 4.022 µs, dispersion 1.007 µs, and a
	// correction of −1.150 µs that is added to it.
	s, err = read(chronydServer, same)
	if err != nil || s.Stratum != 6 || s.RefID != 0x7f000001 || s.Leap != 0 || s.RootDelay != 4022 || s.RootDispersion != 1006+1150 || s.Since.IsZero() {
		t.Errorf("synchronised: %+v %v", s, err)
	}

	s, err = read(chronydUnsync, same)
	if err != nil || s.Synchronised() {
		t.Errorf("unsynchronised: %+v %v", s, err)
	}

	s, err = read(chronydServer, func(p []byte) []byte { p[55] = 2; return p })
	if err != nil || s.Leap != 2 || s.Stratum != 6 {
		t.Errorf("leap second to delete: %+v %v", s, err)
	}

	for seconds, want := range map[string]bool{
		"f6a3ad19": true, "f6a400fc": false, // 9.99 ms, 10.01 ms
		"f75c52e7": true, "f75bff04": false, // −9.99 ms, −10.01 ms
	} {
		s, err = read(chronydServer, func(p []byte) []byte { copy(p[68:], decode(t, seconds)); return p })
		if err != nil || s.Synchronised() != want {
			t.Errorf("correction %s (%v): %+v %v", seconds, chronyFloat(decode(t, seconds)), s, err)
		}
	}
}

func TestChronydRefuses(t *testing.T) {
	for want, change := range map[string]func([]byte) []byte{
		"version 5":       func(p []byte) []byte { p[0] = 5; return p },
		"status 10":       func(p []byte) []byte { p[9] = 10; return p },
		"unknown format":  func(p []byte) []byte { p[7] = 1; return p },
		"unknown format ": func(p []byte) []byte { return p[:103] },
	} {
		s, err := Chronyd(fakeChronyd(t, chronydServer, change)).Read(t.Context())
		if err == nil || !strings.Contains(err.Error(), strings.TrimSpace(want)) {
			t.Errorf("%s: %+v %v", want, s, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	silent := fakeChronyd(t, chronydServer, func([]byte) []byte { cancel(); return nil })
	if s, err := Chronyd(silent).Read(ctx); err == nil {
		t.Errorf("silent: %+v", s)
	}
	if s, err := Chronyd(netip.MustParseAddrPort("192.0.2.1:323")).Read(t.Context()); err == nil || !strings.Contains(err.Error(), "not an address of this host") {
		t.Errorf("another host's: %+v %v", s, err)
	}
}

func TestChronyFloat(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"00000000": 0, "04800000": time.Second, "01000000": -500 * time.Millisecond,
		"7effffff": 1 << 62, "7f000000": -1 << 62, "80ffffff": 0,
	} {
		if got := chronyFloat(decode(t, text)); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func FuzzTracking(f *testing.F) {
	for _, s := range []string{chronydLocal, chronydUnsync, chronydServer} {
		f.Add(decode(f, s))
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) < 20 {
			return
		}
		s, err := tracking(p, instant)
		if err == nil && s.Synchronised() && (s.Stratum > 15 || s.RootDispersion < 0 && chronyFloat(p[96:]) >= 0) {
			t.Fatalf("%+v", s)
		}
		replyTo(nil, packet(4, 3), received, transmit, home, &s)
	})
}
