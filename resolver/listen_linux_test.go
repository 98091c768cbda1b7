package resolver

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// sendBuffer is the most that the kernel keeps of what a client does not read.
func sendBuffer(t *testing.T, conn *net.TCPConn) (octets int) {
	raw, err := conn.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) { octets, err = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_SNDBUF) })
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// TestOpenOutOfFiles: where the files run out half-way, Open says so and leaves
// nothing open.
func TestOpenOutOfFiles(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") // so that what the runtime opens for it is open
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	for spare := range 4 { // UDP, TCP, and the second number of the UDP socket
		var free []*os.File
		for range spare + 1 {
			file, err := os.Open(os.DevNull)
			if err != nil {
				t.Fatal(err)
			}
			free = append(free, file)
		}
		few := limit
		few.Cur = uint64(free[spare].Fd())
		for _, file := range free {
			file.Close()
		}
		s := NewServer(Config{Listen: []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}, Loops: 1})
		if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &few); err != nil {
			t.Fatal(err)
		}
		err := s.Open()
		unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
		if spare < 3 && !errors.Is(err, syscall.EMFILE) || spare == 3 && err != nil {
			t.Errorf("%d files: %v", spare, err)
		}
		s.Close()
	}
}
