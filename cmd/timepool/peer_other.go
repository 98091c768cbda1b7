//go:build !linux

package main

import "net"

// peerUID is −1, unknown: only Linux tells it here.
func peerUID(net.Conn) int { return -1 }
