//go:build !linux || !(amd64 || arm64 || riscv64)

package responder

import (
	"errors"
	"syscall"
)

func prepare(syscall.RawConn, bool, bool, bool) error { return nil }

func share(*socket) error { return errors.ErrUnsupported }

func (sk *socket) close() { sk.conn.Close() }

func (s *Server) serve(sk *socket) error { return s.serveAnywhere(sk) }

func (s *Server) precede() {}
