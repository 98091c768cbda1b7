//go:build !linux

package monitor

import (
	"errors"
	"syscall"
)

func bindToDevice(syscall.RawConn, string) error {
	return errors.New("an interface can be chosen on Linux only: give a source address")
}
