//go:build !linux

package resolver

import (
	"net"
	"net/netip"
	"syscall"
)

// Elsewhere one socket an address does; on a wildcard address the system
// chooses where replies leave from, so that hosts with several addresses
// should list them.
const sharedPorts = false

func prepare(syscall.RawConn, netip.Addr, bool) error { return nil }

func openToOthers(*net.UDPConn) error { return nil }

func overrun(syscall.Conn) uint64 { return 0 }

func replyFrom([]byte) []byte { return nil }
