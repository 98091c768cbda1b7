//go:build !linux || !(amd64 || arm64 || riscv64)

package responder

import (
	"errors"
	"net"
	"syscall"
)

func prepare(syscall.RawConn, bool, bool, bool) error { return nil }

func share(*net.UDPConn) error { return errors.ErrUnsupported }

func (s *Server) serve(sk *socket) error { return s.serveAnywhere(sk) }
