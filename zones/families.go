package zones

import (
	"encoding/binary"
	"net/netip"
)

// families has a value for every address of both families.
type families struct {
	v4 *slash16s
	v6 *ranges
}

// painting is families while they are painted, network by network: by ascending
// address, and no network on another.
type painting struct {
	v4, v6 brush
	made   families
}

// brush paints one family. A run is done when another value begins past it, and
// goes straight to where it is looked up.
type brush struct {
	k, low        uint64 // the address past which after begins; the last of all stands before the first
	before, after uint16
	done          func(k, low uint64, v uint16) // takes the end and the value of the next run
}

func newPainting() *painting {
	f := families{new(slash16s), new(ranges)}
	return &painting{
		v4:   brush{allOnes, allOnes, 0, 0, func(k, _ uint64, v uint16) { f.v4.push(uint32(k>>32), v) }},
		v6:   brush{allOnes, allOnes, 0, 0, f.v6.push},
		made: f,
	}
}

// past gives everything past k, low the value v; what was said of the same
// address before counts no more.
func (b *brush) past(k, low uint64, v uint16) {
	if k != b.k || low != b.low {
		b.flush()
		b.k, b.low, b.before = k, low, b.after
	}
	b.after = v
}

func (b *brush) flush() {
	if b.before != b.after && (b.k != allOnes || b.low != allOnes) {
		b.done(b.k, b.low, b.before)
	}
}

// from gives everything from the first address of a network on the value v.
func (p *painting) from(network netip.Prefix, v uint16) {
	k, low := key(network.Addr())
	if low == 0 {
		k--
	}
	p.of(network).past(k, low-1, v)
}

// past gives everything past the last address of a network the value v.
func (p *painting) past(network netip.Prefix, v uint16) {
	k, low := key(network.Addr())
	k, low = k|allOnes>>network.Bits(), low|allOnes>>max(0, network.Bits()-64)
	if k != allOnes || low != allOnes {
		p.of(network).past(k, low, v)
	}
}

func (p *painting) of(network netip.Prefix) *brush {
	if network.Addr().Is4() {
		return &p.v4
	}
	return &p.v6
}

// seal ends the painting. What nobody painted has the value 0.
func (p *painting) seal() families {
	for _, b := range []*brush{&p.v4, &p.v6} {
		b.flush()
		b.done(allOnes, allOnes, b.after)
	}
	return p.made
}

// busy is the head of addresses that have to be looked up.
const busy = 255

// heads notes of one family, for each 16 bits, whether every address that begins
// with them has the value 0, and then their scope, else busy. Where most addresses
// have the value 0, most lookups end here.
func (f families) heads(ipv4 bool) *[1 << 16]uint8 {
	heads := new([1 << 16]uint8)
	for i := range heads {
		v, scope := uint16(0), 0
		if ipv4 {
			v, scope = f.v4.find(uint32(i) << 16)
		} else {
			v, scope = f.v6.find(uint64(i)<<48, 0)
		}
		if heads[i] = busy; v == 0 && scope <= 16 {
			heads[i] = uint8(scope)
		}
	}
	return heads
}

// key4 returns an IPv4 address as a number.
func key4(a netip.Addr) uint32 {
	b := a.As4()
	return binary.BigEndian.Uint32(b[:])
}

// key returns the first 64 bits of an address and the last; an IPv4 address is
// the first 32.
func key(a netip.Addr) (k, low uint64) {
	if a.Is4() {
		return uint64(key4(a)) << 32, 0
	}
	b := a.As16()
	return binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
}
