package resolver

import (
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// rrset is one static RRset.
type rrset struct {
	rrtype uint16
	count  uint16
	owner  string // as text, lower case, with the final dot
	rrs    []dns.RR

	// wire is the set packed as it stands right after the question of its owner,
	// which is all that ever comes before it there: so its names are compressed
	// against that very message, and it is copied as it is.
	wire  []byte
	extra []rrset // for the additional section, packed as they stand in this order behind wire
	must  int     // so many of extra belong to a referral (RFC 9471)
}

// sets parses lines of a zone file, type and data; those of one type stand
// together.
func sets(owner string, ttl uint32, lines []string) (all []rrset, err error) {
	owner = dns.Fqdn(strings.ToLower(owner))
	for _, line := range lines {
		rr, err := dns.NewRR(fmt.Sprintf("%s %d IN %s", owner, ttl, line))
		if err != nil {
			return nil, err
		}
		rrtype := rr.Header().Rrtype
		if len(all) == 0 || all[len(all)-1].rrtype != rrtype {
			all = append(all, rrset{rrtype: rrtype, owner: owner})
		}
		set := &all[len(all)-1]
		set.rrs, set.count = append(set.rrs, rr), set.count+1
	}
	return all, nil
}

// seal packs the set and its extra behind the question of its owner.
func (s *rrset) seal() error {
	msg, err := wireName(s.owner)
	if err != nil {
		return err
	}
	p := newPacker([]byte(strings.Repeat("\x00", headerLen)+msg+"\x00\x00\x00\x00"), 0)
	pack := func(s *rrset) {
		at := len(p.buf)
		if err == nil {
			err = p.set(s.owner, s)
		}
		s.wire = p.buf[at:len(p.buf):len(p.buf)]
	}
	pack(s)
	for i := range s.extra {
		pack(&s.extra[i])
	}
	return err
}

// target returns the name whose addresses are of use beside a record, "" for none.
func target(rr dns.RR) string {
	switch rr := rr.(type) {
	case *dns.NS:
		return rr.Ns
	case *dns.MX:
		return rr.Mx
	case *dns.SRV:
		return rr.Target
	}
	return ""
}

// packer appends records to a message, with names compressed against those
// before them (RFC 1035 section 4.1.4).
type packer struct {
	buf   []byte
	base  int            // index in buf where the message begins
	names map[string]int // where they stand in the message; lower case
}

// newPacker takes a message that has a question and perhaps more, of which
// nothing is made use of.
func newPacker(buf []byte, base int) packer {
	p := packer{buf: buf, base: base, names: map[string]int{}}
	at, owner := headerLen, strings.ToLower(textOf(buf[base+headerLen:]))
	for _, label := range dns.Split(owner) {
		p.names[owner[label:]] = at
		at += 1 + int(buf[base+at])
	}
	return p
}

// set appends an RRset under that owner, which a wildcard's is not its own. A
// set that was sealed makes no error.
func (p *packer) set(owner string, s *rrset) error {
	for _, rr := range s.rrs {
		rr = dns.Copy(rr) // the packing writes to it
		rr.Header().Name = owner
		at := len(p.buf)
		p.buf = slices.Grow(p.buf, dns.Len(rr)+maxName)
		end, err := dns.PackRR(rr, p.buf[p.base:cap(p.buf)], at-p.base, p.names, true)
		if err != nil {
			return err
		}
		p.buf = p.buf[:p.base+end]
	}
	return nil
}

// wireName returns a name in wire format, lower case.
func wireName(s string) (string, error) {
	var buf [maxName]byte
	n, err := dns.PackDomainName(dns.Fqdn(strings.ToLower(s)), buf[:], 0, nil, false)
	return string(buf[:n]), err
}

// textOf returns a name in wire format as text, with the final dot; what is
// behind it does not matter.
func textOf(wire []byte) string {
	text, _, err := dns.UnpackDomainName(wire, 0)
	if err != nil {
		return "."
	}
	return text
}

// dotted is textOf without the final dot.
func dotted(wire string) string { return strings.TrimSuffix(textOf([]byte(wire)), ".") }
