package resolver

import (
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/miekg/dns"
)

// rrset is one static RRset.
type rrset struct {
	rrtype uint16
	count  uint16
	owner  []byte // wire format
	plain  []byte // the records one after the other without their owner, names uncompressed: what packer takes

	// wire is the set packed as it stands right after the question of its owner,
	// which is all that ever comes before it there: so its names are compressed
	// against that very message, and it is copied as it is.
	wire  []byte
	extra []rrset // for the additional section, packed as they stand in this order behind wire
	must  int     // so many of extra belong to a referral (RFC 9471)
}

// newSet packs lines of a zone file, type and data, that are of one type.
func newSet(owner string, ttl uint32, lines []string) (rrset, error) {
	s := rrset{owner: []byte(owner), count: uint16(len(lines))}
	for _, line := range lines {
		rr, err := dns.NewRR(fmt.Sprintf(". %d IN %s", ttl, line))
		if err != nil {
			return s, err
		}
		buf := make([]byte, dns.Len(rr)+maxName)
		end, err := dns.PackRR(rr, buf, 0, nil, false)
		if err != nil {
			return s, err
		}
		s.rrtype, s.plain = rr.Header().Rrtype, append(s.plain, buf[1:end]...)
	}
	return s, nil
}

// sets packs lines of a zone file; those of one type stand together.
func sets(owner string, ttl uint32, lines []string) (all []rrset, err error) {
	kind := func(line string) string { return line[:strings.IndexByte(line, ' ')] }
	for len(lines) > 0 {
		n := 1
		for n < len(lines) && kind(lines[n]) == kind(lines[0]) {
			n++
		}
		s, err := newSet(owner, ttl, lines[:n])
		if err != nil {
			return nil, err
		}
		all, lines = append(all, s), lines[n:]
	}
	return all, nil
}

// seal packs the set and its extra behind the question of its owner.
func (s *rrset) seal() {
	msg := append(append(make([]byte, headerLen), s.owner...), 0, 0, 0, 0)
	p := newPacker(msg, 0)
	at := len(msg)
	p.set(s.owner, s)
	s.wire = p.buf[at:len(p.buf):len(p.buf)]
	for i := range s.extra {
		at := len(p.buf)
		p.set(s.extra[i].owner, &s.extra[i])
		s.extra[i].wire = p.buf[at:len(p.buf):len(p.buf)]
	}
}

// target returns the name that a set's record points to, rr being what stands
// in plain from there on, and what is behind the record.
func (s *rrset) target(rr []byte) (name, rest []byte) {
	end := 10 + int(binary.BigEndian.Uint16(rr[8:]))
	switch s.rrtype {
	case dns.TypeNS, dns.TypeCNAME, dns.TypePTR:
		return rr[10:end], rr[end:]
	case dns.TypeMX:
		return rr[12:end], rr[end:]
	case dns.TypeSRV:
		return rr[16:end], rr[end:]
	}
	return nil, rr[end:]
}

// packer appends records to a message, with names compressed against those
// before them (RFC 1035 section 4.1.4).
type packer struct {
	buf   []byte
	base  int        // index in buf where the message begins
	known [64]uint16 // where names stand in the message, the last 64 of them
	n     int
}

// newPacker takes a message that has a question and perhaps more, of which
// nothing is made use of.
func newPacker(buf []byte, base int) packer {
	p := packer{buf: buf, base: base}
	p.know(base + headerLen)
	return p
}

// know takes note of the name at that index of buf, up to where it goes on
// elsewhere.
func (p *packer) know(at int) {
	for ; p.buf[at] != 0 && p.buf[at] < 0xC0 && at-p.base < 0x4000; at += 1 + int(p.buf[at]) {
		p.known[p.n%len(p.known)] = uint16(at - p.base)
		p.n++
	}
}

// set appends an RRset under that owner, which a wildcard's is not its own.
func (p *packer) set(owner []byte, s *rrset) {
	for rest := s.plain; len(rest) > 0; {
		end := 10 + int(binary.BigEndian.Uint16(rest[8:]))
		p.name(owner)
		p.buf = append(p.buf, rest[:10]...)
		at := len(p.buf)
		p.data(s.rrtype, rest[10:end])
		binary.BigEndian.PutUint16(p.buf[at-2:], uint16(len(p.buf)-at))
		rest = rest[end:]
	}
}

// data appends a record's data: only types of RFC 1035 may have their names
// compressed (RFC 3597 section 4).
func (p *packer) data(rrtype uint16, data []byte) {
	fixed, names := 0, 0
	switch rrtype {
	case dns.TypeNS, dns.TypeCNAME, dns.TypePTR:
		names = 1
	case dns.TypeMX:
		fixed, names = 2, 1
	case dns.TypeSOA:
		names = 2
	case dns.TypeSRV: // others may point into it (RFC 2782)
		defer p.know(len(p.buf) + 6)
	}
	p.buf, data = append(p.buf, data[:fixed]...), data[fixed:]
	for range names {
		end := skipName(data, 0)
		p.name(data[:end])
		data = data[end:]
	}
	p.buf = append(p.buf, data...)
}

// name appends a name in wire format, lower case.
func (p *packer) name(wire []byte) {
	at, pointer := len(p.buf), uint16(0)
	for wire[0] != 0 && pointer == 0 {
		if pointer = p.find(wire); pointer == 0 {
			end := 1 + int(wire[0])
			p.buf, wire = append(p.buf, wire[:end]...), wire[end:]
		}
	}
	if pointer == 0 {
		p.buf = append(p.buf, 0)
	} else {
		p.buf = binary.BigEndian.AppendUint16(p.buf, 0xC000|pointer)
	}
	p.know(at)
}

// find returns where the name stands, 0 for nowhere.
func (p *packer) find(wire []byte) uint16 {
	for _, at := range p.known[:min(p.n, len(p.known))] {
		if p.isAt(int(at), wire) {
			return at
		}
	}
	return 0
}

func (p *packer) isAt(at int, wire []byte) bool {
	msg := p.buf[p.base:]
	for {
		for msg[at] >= 0xC0 {
			at = int(binary.BigEndian.Uint16(msg[at:]) & 0x3FFF)
		}
		end := 1 + int(msg[at])
		for i, c := range msg[at : at+end] {
			if 'A' <= c && c <= 'Z' { // no length is
				c += 'a' - 'A'
			}
			if c != wire[i] {
				return false
			}
		}
		if end == 1 {
			return true
		}
		at, wire = at+end, wire[end:]
	}
}
