//go:build !linux || !(amd64 || arm64 || riscv64)

package resolver

import (
	"net"
	"os"
)

const batched = false

func detach(*net.UDPConn) (*os.File, error) { return nil, nil }

func wake(*os.File) {}

func (l *udpLoop) many() { l.single() }
