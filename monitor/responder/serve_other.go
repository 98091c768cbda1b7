//go:build !linux || !(amd64 || arm64 || riscv64)

package responder

import "syscall"

func prepare(syscall.RawConn, bool, bool) error { return nil }

func (s *Server) serve(sk *socket) error { return s.serveAnywhere(sk) }
