package resolver

import (
	"errors"
	"net"
	"net/netip"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// sharedPorts: several sockets take turns on one port, by client.
const sharedPorts = true

// prepare sets what has to be set before the bind: replies are never sent with
// DF nor learn a path MTU from a forger (RFC 9715; where a sandbox refuses
// that, replies of 1232 octets do without), and a wildcard socket tells for each
// packet which address was asked.
func prepare(raw syscall.RawConn, addr netip.Addr, shared bool) error {
	var errs error
	set := func(fd, level, option, value int) {
		errs = errors.Join(errs, unix.SetsockoptInt(fd, level, option, value))
	}
	err := raw.Control(func(f uintptr) {
		fd := int(f)
		if addr.Is4() {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_OMIT)
		} else {
			_ = unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_OMIT)
		}
		if addr.IsUnspecified() && addr.Is4() {
			set(fd, unix.IPPROTO_IP, unix.IP_PKTINFO, 1)
		} else if addr.IsUnspecified() {
			set(fd, unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO, 1)
		}
		if shared {
			set(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		}
	})
	return errors.Join(err, errs)
}

// openToOthers lets further sockets of this process bind the port of a bound one.
func openToOthers(conn *net.UDPConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	err = raw.Control(func(fd uintptr) {
		set = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	})
	return errors.Join(err, set)
}

// overrun returns how many packets a UDP socket was too full for; 0 when it is
// closed or a sandbox keeps it to itself. Asked when somebody wants to know, it
// costs the packets nothing, as a control message with each would.
func overrun(conn syscall.Conn) uint64 {
	raw, err := conn.SyscallConn()
	if err != nil {
		return 0
	}
	var memory [9]uint32 // as linux/sock_diag.h has it, with SK_MEMINFO_DROPS last
	size := uint32(unsafe.Sizeof(memory))
	raw.Control(func(fd uintptr) {
		unix.Syscall6(unix.SYS_GETSOCKOPT, fd, unix.SOL_SOCKET, unix.SO_MEMINFO,
			uintptr(unsafe.Pointer(&memory)), uintptr(unsafe.Pointer(&size)), 0)
	})
	return uint64(memory[8])
}

// replyFrom turns the control message that a packet came with into the one
// that makes the reply leave from the address that was asked. The interface is
// left to the routes, but for link-local addresses, which mean nothing without.
func replyFrom(control []byte) []byte {
	if len(control) == 0 {
		return nil
	}
	header, info, _, err := unix.ParseOneSocketControlMessage(control)
	switch {
	case err != nil:
		return nil
	case header.Level == unix.IPPROTO_IP && header.Type == unix.IP_PKTINFO && len(info) >= unix.SizeofInet4Pktinfo:
		clear(info[:4])
	case header.Level == unix.IPPROTO_IPV6 && header.Type == unix.IPV6_PKTINFO && len(info) >= unix.SizeofInet6Pktinfo:
		if !netip.AddrFrom16([16]byte(info)).IsLinkLocalUnicast() {
			clear(info[16:20])
		}
	default:
		return nil
	}
	return control
}
