package main

import (
	"net"
	"syscall"
)

// peerUID is the user on the other end of a unix socket, as the kernel knows
// it; −1: unknown.
func peerUID(c net.Conn) int {
	uid := -1
	if u, ok := c.(*net.UnixConn); ok {
		if raw, err := u.SyscallConn(); err == nil {
			_ = raw.Control(func(fd uintptr) { // a socket just closed: unknown
				if cred, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
					uid = int(cred.Uid)
				}
			})
		}
	}
	return uid
}
