package resolver

import (
	"errors"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
)

func TestPortInUse(t *testing.T) {
	s := serving(t, newSample(t), Config{Loops: 2}, "127.0.0.1:0")
	addr := s.Addrs()[0]
	err := NewServer(Config{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0"), addr}}).Open()
	want := "dns " + addr.String() + "/udp: address already in use: another server holds it (see ss -lntup)"
	if err == nil || err.Error() != want || !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if err := CheckListen(s.Addrs(), nil); err == nil {
		t.Error("CheckListen did not see it")
	}
}

// TestTCPPortInUse: UDP alone could be had, and is given back.
func TestTCPPortInUse(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr).AddrPort()
	want := "dns " + addr.String() + "/tcp: address already in use: another server holds it (see ss -lntup)"
	if err := CheckListen([]netip.AddrPort{addr}, nil); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	l.Close()
	if err := CheckListen([]netip.AddrPort{addr}, nil); err != nil {
		t.Error(err)
	}
}

func TestForeignAddress(t *testing.T) {
	err := CheckListen([]netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:0")}, nil)
	if err == nil || !strings.HasPrefix(err.Error(), "dns 192.0.2.1:0/udp: ") || !strings.Contains(err.Error(), "no interface has this address") {
		t.Error(err)
	}
}

func TestExplain(t *testing.T) {
	addr := netip.MustParseAddrPort("127.0.0.1:53")
	for errno, want := range map[syscall.Errno]string{
		syscall.EACCES:       "CAP_NET_BIND_SERVICE",
		syscall.EAFNOSUPPORT: "take the address out of dns.listen",
		syscall.EMFILE:       "LimitNOFILE",
	} {
		if err := explain(addr, "udp", &net.OpError{Err: errno}); !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
			t.Error(err)
		}
	}
	if err := explain(addr, "udp", errors.New("odd")); err.Error() != "dns 127.0.0.1:53: odd" {
		t.Error(err)
	}
}
