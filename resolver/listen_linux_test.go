package resolver

import (
	"net"
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
