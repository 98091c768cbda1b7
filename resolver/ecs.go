package resolver

import (
	"encoding/binary"
	"net/netip"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// subnet is a query's EDNS client subnet (RFC 7871).
type subnet struct {
	present bool
	source  uint8      // prefix length, 0: the client wants to stay unknown
	addr    netip.Addr // the prefix's address, zero-filled
	sent    []byte     // the option as sent, for the echo
}

// parse reads the option's data. False means FORMERR: an option cut short, a
// family other than IPv4 and IPv6, a prefix longer than an address, a scope in
// a query, octets too few or too many for the prefix, bits set beyond it
// (section 6, 7.1.2), or a second option.
func (s *subnet) parse(option []byte) bool {
	if s.present || len(option) < 4 {
		return false
	}
	family, source, scope, addr := binary.BigEndian.Uint16(option), option[2], option[3], option[4:]
	if source > 128 || family == 1 && source > 32 || scope != 0 || len(addr) != (int(source)+7)/8 {
		return false
	}
	if spare := source % 8; spare != 0 && addr[len(addr)-1]<<spare != 0 {
		return false
	}
	var full [16]byte
	copy(full[:], addr)
	switch family {
	case 1:
		s.addr = netip.AddrFrom4([4]byte(full[:4]))
	case 2:
		s.addr = netip.AddrFrom16(full)
	default:
		return false
	}
	s.present, s.source, s.sent = true, source, option
	return true
}

// append echoes the option with the scope: family, source and address as sent
// (section 7.2.1).
func (s *subnet) append(dst []byte, scope uint8) []byte {
	dst = append(appendOption(dst, dns.EDNS0SUBNET, len(s.sent)), s.sent...)
	dst[len(dst)-len(s.sent)+3] = scope
	return dst
}

// believes reports whether a client subnet from this source counts. From any
// other source it is an option that we do not know, and so is not echoed.
func (s *Snapshot) believes(client netip.Addr) bool {
	if !s.ecs.On || len(s.ecs.Trusted) == 0 {
		return s.ecs.On
	}
	for _, p := range s.ecs.Trusted {
		if p.Contains(client) {
			return true
		}
	}
	return false
}

// locate returns the place to answer for and the scope to tell. A believed
// subnet decides; with a source of 0 it is the sender itself that is placed, as
// if it had sent no option, and the scope is 0. The scope may be longer than
// the source: the client asked too coarsely for one answer to be right.
func (s *Snapshot) locate(client netip.Addr, subnet *subnet) (zones.PlaceID, uint8) {
	if subnet == nil || subnet.source == 0 {
		place, _ := s.atlas.Find(client)
		return place, 0
	}
	place, prefix := s.atlas.Find(subnet.addr)
	return place, uint8(max(prefix.Bits(), 0))
}
