package monitor

import (
	"os"
	"syscall"
)

// bindToDevice makes a socket send and receive through one interface only
// (SO_BINDTODEVICE). It needs no right where the socket is not bound yet.
func bindToDevice(c syscall.RawConn, name string) error {
	var err error
	if e := c.Control(func(fd uintptr) { err = syscall.BindToDevice(int(fd), name) }); e != nil {
		return e
	}
	return os.NewSyscallError("interface "+name, err)
}
