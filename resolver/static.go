package resolver

import (
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
	"github.com/timepool/timepool/zones"
)

// What the SOA says (RFC 1035 section 3.3.13, RFC 1912 section 2.2), in
// seconds. The minimum is the zone's negative TTL.
const (
	staticTTL  = 3600 // of SOA, NS and the name servers' addresses; every set has one
	soaRefresh = 4 * 3600
	soaRetry   = 3600
	soaExpire  = 14 * 24 * 3600
)

// addStatic sets the apexes (zone.name, then zone.also in their order), and
// adds to names what stands there beside the pool: SOA and NS with glue at each
// apex, the addresses of name servers below one, and the empty non-terminals
// between (RFC 4592 section 2.2.2). Names that are there already keep their
// decks.
func (s *Snapshot) addStatic(r *zones.Registry) error {
	if s.names == nil {
		s.names = map[string]*name{}
	}
	s.apexes = nil
	for _, zone := range append([]string{r.Zone.Name}, r.Zone.Also...) {
		wire, err := wireName(zone)
		if err != nil {
			return fmt.Errorf("zone %s: %w", zone, err)
		}
		s.apexes = append(s.apexes, apex{wire: wire})
	}
	for _, ns := range r.Zone.Nameservers {
		if err := s.addHost(ns); err != nil {
			return fmt.Errorf("nameserver %s: %w", ns.Name, err)
		}
	}
	for i, zone := range append([]string{r.Zone.Name}, r.Zone.Also...) {
		if err := s.addApex(i, dns.Fqdn(zone), &r.Zone); err != nil {
			return fmt.Errorf("zone %s: %w", zone, err)
		}
	}
	return nil
}

// addApex adds SOA and NS, the same in every served zone but for the owner.
func (s *Snapshot) addApex(i int, zone string, z *zones.Zone) error {
	soa := &dns.SOA{
		Hdr:    header(zone, dns.TypeSOA),
		Ns:     dns.Fqdn(z.Nameservers[0].Name),
		Mbox:   mailbox(z.Contact, z.Name),
		Serial: s.Serial, Refresh: soaRefresh, Retry: soaRetry, Expire: soaExpire,
		Minttl: uint32(z.NegativeTTL / time.Second),
	}
	var ns, glue []dns.RR
	for _, server := range z.Nameservers {
		ns = append(ns, &dns.NS{Hdr: header(zone, dns.TypeNS), Ns: dns.Fqdn(server.Name)})
		if wire, err := wireName(server.Name); err == nil && s.apexOf(wire) >= 0 {
			glue = append(glue, addresses(server)...)
		}
	}
	n := s.at(s.apexes[i].wire, i)
	for _, set := range [][]dns.RR{{soa}, append(ns, glue...)} {
		packed, err := packSet(zone, set)
		if err != nil {
			return err
		}
		n.static = append(n.static, packed)
	}
	soa.Hdr.Ttl = min(soa.Hdr.Ttl, soa.Minttl)
	negative, err := packSet(zone, []dns.RR{soa})
	if err != nil {
		return err
	}
	s.apexes[i].negativeSOA = negative.wire
	s.apexes[i].pointers = soaPointers(negative.wire)
	return nil
}

// addHost adds the addresses of a name server below one of the apexes.
func (s *Snapshot) addHost(server zones.Nameserver) error {
	wire, err := wireName(server.Name)
	if err != nil {
		return err
	}
	apex := s.apexOf(wire)
	if apex < 0 {
		return nil
	}
	n := s.at(wire, apex)
	for rest := addresses(server); len(rest) > 0; {
		set := sameSet(rest)
		packed, err := packSet(dns.Fqdn(server.Name), rest[:set])
		if err != nil {
			return err
		}
		n.static = append(n.static, packed)
		rest = rest[set:]
	}
	return nil
}

// at returns what stands at the owner name, made when nothing does, with the
// empty non-terminals above it.
func (s *Snapshot) at(wire string, apex int) *name {
	n := s.names[wire]
	if n == nil {
		n = &name{apex: apex}
		s.names[wire] = n
		if up := wire[1+wire[0]:]; len(wire) > len(s.apexes[apex].wire) {
			s.at(up, apex)
		}
	}
	return n
}

// apexOf returns the index of the nearest apex at or above the name, −1 if
// there is none.
func (s *Snapshot) apexOf(wire string) int {
	for up := wire; ; up = up[1+up[0]:] {
		for i := range s.apexes {
			if s.apexes[i].wire == up {
				return i
			}
		}
		if up[0] == 0 {
			return -1
		}
	}
}

func header(owner string, rrtype uint16) dns.RR_Header {
	return dns.RR_Header{Name: owner, Rrtype: rrtype, Class: dns.ClassINET, Ttl: staticTTL}
}

// addresses returns a name server's A records, then its AAAA records.
func addresses(server zones.Nameserver) (rrs []dns.RR) {
	owner := dns.Fqdn(server.Name)
	for _, a := range server.Addresses {
		if a.Is4() {
			rrs = append(rrs, &dns.A{Hdr: header(owner, dns.TypeA), A: a.AsSlice()})
		}
	}
	for _, a := range server.Addresses {
		if !a.Is4() {
			rrs = append(rrs, &dns.AAAA{Hdr: header(owner, dns.TypeAAAA), AAAA: a.AsSlice()})
		}
	}
	return rrs
}

// sameSet returns how many records from the first on are of one RRset.
func sameSet(rrs []dns.RR) int {
	n := 1
	for n < len(rrs) && rrs[n].Header().Name == rrs[0].Header().Name && rrs[n].Header().Rrtype == rrs[0].Header().Rrtype {
		n++
	}
	return n
}

// packSet packs an RRset, and those behind it as extra, after the question for
// their owner.
func packSet(owner string, rrs []dns.RR) (rrset, error) {
	size := headerLen + 2*maxName
	for _, rr := range rrs {
		size += dns.Len(rr)
	}
	msg, names := make([]byte, size), map[string]int{}
	off, err := dns.PackDomainName(owner, msg, headerLen, names, true)
	if err != nil {
		return rrset{}, err
	}
	off += 4
	var sets []rrset
	for len(rrs) > 0 {
		start, n := off, sameSet(rrs)
		for _, rr := range rrs[:n] {
			if off, err = dns.PackRR(rr, msg, off, names, true); err != nil {
				return rrset{}, err
			}
		}
		sets = append(sets, rrset{rrtype: rrs[0].Header().Rrtype, count: uint16(n), wire: msg[start:off:off]})
		rrs = rrs[n:]
	}
	sets[0].extra = sets[1:]
	return sets[0], nil
}

// soaPointers returns where the three names of a packed SOA end in a
// compression pointer.
func soaPointers(rr []byte) (at []int) {
	off := 0
	for _, fixed := range []int{10, 0, 0} { // octets behind the owner, MNAME, RNAME
		for rr[off] != 0 && rr[off] < 0xC0 {
			off += 1 + int(rr[off])
		}
		if rr[off] != 0 {
			at = append(at, off)
			off++
		}
		off += 1 + fixed
	}
	return at
}

// wireName returns a name in wire format, lower case.
func wireName(s string) (string, error) {
	var buf [maxName]byte
	n, err := dns.PackDomainName(dns.Fqdn(strings.ToLower(s)), buf[:], 0, nil, false)
	return string(buf[:n]), err
}

// mailbox turns the contact's address into an SOA's RNAME, the dots before the
// @ escaped (RFC 1035 section 8); none means hostmaster of the zone.
func mailbox(contact, zone string) string {
	if contact == "" {
		contact = "hostmaster@" + zone
	}
	local, domain, ok := strings.Cut(contact, "@")
	if !ok {
		return dns.Fqdn(contact)
	}
	return strings.NewReplacer(".", `\.`, `\`, `\\`).Replace(local) + "." + dns.Fqdn(domain)
}
