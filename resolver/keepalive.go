package resolver

import (
	"encoding/binary"
	"math"
	"time"

	"github.com/miekg/dns"
)

const keepaliveLen = 6

// appendKeepalive appends the edns-tcp-keepalive option (RFC 7828): how long
// the connection may be idle from now on, in tenths of a second.
func appendKeepalive(dst []byte, idle time.Duration) []byte {
	tenths := min(idle/(100*time.Millisecond), math.MaxUint16)
	return binary.BigEndian.AppendUint16(appendOption(dst, dns.EDNS0TCPKEEPALIVE, 2), uint16(tenths))
}
