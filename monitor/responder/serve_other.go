//go:build !linux || !(amd64 || arm64 || riscv64)

package responder

import (
	"net"
	"syscall"
)

func prepare(syscall.RawConn, bool, bool, bool) error { return nil }

func detach(conn *net.UDPConn) (*net.UDPConn, error) { return conn, nil }

func (sk *socket) close() { sk.conn.Close() }

func (s *Server) serve(sk *socket) error { return s.serveAnywhere(sk.conn.(*net.UDPConn), sk) }
